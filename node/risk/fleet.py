"""The shards of the risk processor as one: events are split by market, proposals joined again.

Proposals come in the order of the markets, as from one processor that watches them all; only the
limit of proposals a turn holds for each shard by itself. When the process of a shard dies, its
markets are watched anew from the state as it is, as after a restart of the node.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Final, TypeVar, cast

from node.capacity.histogram import Distribution
from node.ports.clock import Clock
from node.risk.config import RiskConfig
from node.risk.market import RISK_EVENTS, RiskEvent
from node.risk.monitor import Monitor
from node.risk.report import HeldFigures, MarketFigures, RiskReport, risk_report
from node.risk.shard import Parcel, Shard, ShardEvent, ShardFigures, ShardLost, Turn
from node.types.commands import Liquidate
from node.types.errors import IntegrityError
from node.types.events import BlockOpened, Event
from node.types.ids import MarketId

FIGURES_NS = 500_000_000
"""How old the figures that a fleet shows may be: asking a process costs a message."""

DEATHS_MAX: Final = 3
"""A shard that dies so often while one question waits, or while it is seeded, dies of that."""

T = TypeVar("T")


class RiskFleet:
    """Every market on one of ``shards``; one task alone calls it.

    ``busy_ns`` is the time that each shard has taken for its turns, ``events`` what each market has
    brought, in so many ``blocks``; ``expected`` is how many liquidations the time to the next marks
    may bring (markets move together when it matters, so theirs are added up), ``lost`` how many
    shards have died. Every call raises ``IntegrityError`` (``place``) for a shard that dies each
    time that it is started.
    """

    def __init__(
        self,
        shards: Sequence[Shard],
        placement: Mapping[MarketId, int],
        reseed: Callable[[Iterable[MarketId]], list[Parcel]],
        config: RiskConfig,
        clock: Clock,
    ) -> None:
        """``reseed`` makes parcels of markets from the state as it is; ``start`` sends them out."""
        self.placement = dict(placement)
        self.busy_ns = [0] * len(shards)
        self.events = dict.fromkeys(placement, 0)
        self.blocks = 0
        self._shards = shards
        self._reseed = reseed
        self._config = config
        self._clock = clock
        self._figures: list[ShardFigures] = []
        self._figures_at_ns = 0
        self.expected = 0
        self.lost = 0

    async def start(self) -> None:
        """Give every shard its markets; what is crossed already is proposed in the first turn."""
        for place in range(len(self._shards)):
            await self._insist(place, partial(self._seed, place))
        await self._refresh()

    async def on_events(self, events: Iterable[Event], now_ns: int) -> list[Liquidate]:
        """Take in the events of whole durable blocks; see ``RiskProcessor.on_events``."""
        shares = self._split(events)
        if len(shares) == 1:
            turns = [await self._turn(0, shares[0], now_ns)]
        else:
            works = (self._turn(at, share, now_ns) for at, share in enumerate(shares))
            turns = await asyncio.gather(*works)
        self.expected = sum(turn.expected for turn in turns)
        proposals = [command for turn in turns for command in turn.proposals]
        proposals.sort(key=lambda command: command.market)
        if self._clock.now_ns() - self._figures_at_ns > FIGURES_NS:
            await self._refresh()
        return proposals

    async def refused(self, command: Liquidate) -> None:
        """Take back a proposal that could not be queued."""
        try:
            await self._shards[self.placement[command.market]].refused(command)
        except ShardLost:
            await self._recover(self.placement[command.market])

    async def move(self, market: MarketId, target: int) -> None:
        """Place a market on another shard, between two turns."""
        source = self.placement[market]
        try:
            parcel = await self._shards[source].release(market)
        except ShardLost:
            await self._recover(source)
            return
        self.placement[market] = target
        try:
            await self._shards[target].adopt(parcel)
        except ShardLost:
            await self._recover(target)

    def loads(self) -> dict[MarketId, MarketFigures]:
        """Return what placing each market depends on; half a second old at most."""
        return {market: one for figures in self._figures for market, one in figures.markets.items()}

    def report(self) -> RiskReport:
        """Return the figures since the start, half a second old at most."""
        counted = self._counted()
        return risk_report(counted, self._held(), self._config.confidence)

    def detection(self) -> Distribution:
        """Return the delays from a position's crossing to its proposal, in nanoseconds."""
        return self._counted().detection.snapshot()

    @property
    def pids(self) -> dict[str, int]:
        """Return the processes of the shards that have one of their own, by the shard's place."""
        found = {f"risk_{place}": shard.pid for place, shard in enumerate(self._shards)}
        return {name: pid for name, pid in found.items() if pid is not None}

    async def close(self) -> None:
        """Let go of what the shards run in."""
        for shard in self._shards:
            await shard.close()

    def _split(self, events: Iterable[Event]) -> list[list[ShardEvent]]:
        shares: list[list[ShardEvent]] = [[] for _ in self._shards]
        for event in events:
            if type(event) in RISK_EVENTS:
                told = cast("RiskEvent", event)
                self.events[told.market] += 1
                shares[self.placement[told.market]].append(told)
            elif isinstance(event, BlockOpened):
                self.blocks += 1
                for share in shares:
                    share.append(event)
        return shares

    async def _turn(self, place: int, share: list[ShardEvent], now_ns: int) -> Turn:
        started_ns = self._clock.now_ns()
        try:
            # The state is at these events or past them: telling them again ends where it is.
            return await self._insist(place, partial(self._shards[place].turn, share, now_ns))
        finally:
            self.busy_ns[place] += self._clock.now_ns() - started_ns

    async def _insist(self, place: int, ask: Callable[[], Awaitable[T]]) -> T:
        """Return what the shard at ``place`` answers, asked again where it died."""
        for _ in range(DEATHS_MAX):
            try:
                return await ask()
            except ShardLost:
                await self._recover(place)
        raise _lost_for_good(place)

    async def _recover(self, place: int) -> None:
        """Seed a shard that has died, again where it dies meanwhile."""
        for _ in range(DEATHS_MAX):
            self.lost += 1
            with suppress(ShardLost):
                await self._seed(place)
                return
        raise _lost_for_good(place)

    async def _seed(self, place: int) -> None:
        markets = [market for market, at in self.placement.items() if at == place]
        for parcel in self._reseed(markets):
            await self._shards[place].adopt(parcel)

    async def _refresh(self) -> None:
        self._figures_at_ns = self._clock.now_ns()
        for place, shard in enumerate(self._shards):
            figures = await self._insist(place, shard.figures)
            self._figures[place : place + 1] = [figures]

    def _counted(self) -> Monitor:
        counted = Monitor()
        for figures in self._figures:
            counted.merge(figures.counted)
        return counted

    def _held(self) -> HeldFigures:
        held = [figures.held for figures in self._figures]
        return HeldFigures(
            positions=sum(one.positions for one in held),
            open_cases=sum(one.open_cases for one in held),
            tier_members=tuple(map(sum, zip(*(one.tier_members for one in held), strict=True))),
            audit_samples=sum(one.audit_samples for one in held),
            audit_misses=sum(one.audit_misses for one in held),
            volatility_per_root_second={
                symbol: value
                for one in held
                for symbol, value in one.volatility_per_root_second.items()
            },
        )


def _lost_for_good(place: int) -> IntegrityError:
    return IntegrityError(what="risk shard", place=place, deaths=DEATHS_MAX)
