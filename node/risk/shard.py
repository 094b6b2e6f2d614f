"""Execution environments for the markets of the risk processor, behind one port.

A shard watches the markets that are placed on it. *Inline* it runs on the node's loop with the
sorted index, *vectorised* likewise with an index that numpy scans, and *process* in a process of
its own, so that the loop only hands events over. A market moves between two of them between two
blocks, whole: what is known of it goes along, and what is proposed does not change.
"""

import pickle
from collections.abc import Iterable
from typing import Final, Protocol, TypeVar

import msgspec

from node.ports.remote import Remote
from node.risk.book import RiskBook
from node.risk.config import RiskConfig, ShardKind
from node.risk.market import MarketWatch, RiskEvent
from node.risk.monitor import Monitor
from node.risk.processor import RiskProcessor
from node.risk.report import HeldFigures, MarketFigures
from node.risk.scan_index import ScanIndex
from node.risk.tails import tail_of
from node.risk.trigger import TriggerIndex
from node.types.commands import Liquidate
from node.types.errors import IntegrityError
from node.types.events import BlockOpened
from node.types.ids import MarketId
from node.types.rules import Rules

T = TypeVar("T")

ShardEvent = BlockOpened | RiskEvent
"""All that a shard is told of the log."""


class ShardLost(Exception):
    """The process of a shard died, and what it knew with it."""


class Parcel(msgspec.Struct, frozen=True, gc=False):
    """All that is known of one market, on its way between two shards."""

    market: MarketId
    watch: bytes


class Turn(msgspec.Struct, frozen=True):
    """What a turn led to: proposals, and the liquidations that the next moment may bring."""

    proposals: list[Liquidate]
    expected: int


class ShardFigures(msgspec.Struct, frozen=True):
    """What a shard's markets counted since they were first watched, and what they hold now."""

    counted: Monitor
    held: HeldFigures
    markets: dict[MarketId, MarketFigures]


class ShardSession:
    """A processor with none of the markets at first; what a shard's process runs."""

    def __init__(self, rules: Rules, config: RiskConfig, kind: ShardKind) -> None:
        """Raises ``ConfigInvalid``."""
        index = ScanIndex if kind is ShardKind.VECTORISED else TriggerIndex
        self._processor = RiskProcessor(RiskBook(rules), config, markets=(), index=index)

    def turn(self, events: Iterable[ShardEvent], now_ns: int) -> Turn:
        """See ``RiskProcessor.on_events``."""
        proposals = self._processor.on_events(events, now_ns)
        return Turn(proposals, self._processor.expected)

    def refused(self, command: Liquidate) -> None:
        """See ``RiskProcessor.refused``."""
        self._processor.refused(command)

    def release(self, market: MarketId) -> Parcel:
        """Give up a market, which must be here."""
        return wrap(self._processor.release(market))

    def adopt(self, parcel: Parcel) -> None:
        """Go on with a market."""
        # Made by this very program, in this process or in its own child: no stranger's bytes.
        self._processor.adopt(pickle.loads(parcel.watch))  # noqa: S301

    def figures(self) -> ShardFigures:
        """Return what was counted, and what is held."""
        counted, held = self._processor.figures()
        return ShardFigures(counted, held, self._processor.loads())


class Shard(Protocol):
    """Watches the markets placed on it; ``ShardSession`` says what the calls mean."""

    @property
    def pid(self) -> int | None:
        """Return the id of its process, None where it has none of its own."""
        ...

    async def turn(self, events: list[ShardEvent], now_ns: int) -> Turn:
        """Take in the events of whole blocks and return what to propose.

        Raises ``ShardLost`` when all that the shard knew is gone.
        """
        ...

    async def refused(self, command: Liquidate) -> None:
        """Take back a proposal that could not be queued."""
        ...

    async def release(self, market: MarketId) -> Parcel:
        """Give up a market."""
        ...

    async def adopt(self, parcel: Parcel) -> None:
        """Go on with a market that another shard released."""
        ...

    async def figures(self) -> ShardFigures:
        """Return what was counted, and what is held."""
        ...

    async def close(self) -> None:
        """Let go of what the shard runs in."""
        ...


class LocalShard:
    """A shard on the node's own loop; nothing of it ever waits."""

    pid: Final = None

    def __init__(self, session: ShardSession) -> None:
        self._session = session

    async def turn(self, events: list[ShardEvent], now_ns: int) -> Turn:
        """See ``Shard``."""
        return self._session.turn(events, now_ns)

    async def refused(self, command: Liquidate) -> None:
        """See ``Shard``."""
        self._session.refused(command)

    async def release(self, market: MarketId) -> Parcel:
        """See ``Shard``."""
        return self._session.release(market)

    async def adopt(self, parcel: Parcel) -> None:
        """See ``Shard``."""
        self._session.adopt(parcel)

    async def figures(self) -> ShardFigures:
        """See ``Shard``."""
        return self._session.figures()

    async def close(self) -> None:
        """See ``Shard``."""


class RemoteShard:
    """A shard in a process of its own, whose ``remote`` makes a ``ShardSession``."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote
        self._starts = 0

    @property
    def pid(self) -> int | None:
        """See ``Shard``."""
        return self._remote.pid

    async def turn(self, events: list[ShardEvent], now_ns: int) -> Turn:
        """See ``Shard``."""
        return await self._ask(Turn, "turn", events, now_ns)

    async def refused(self, command: Liquidate) -> None:
        """See ``Shard``."""
        await self._ask(type(None), "refused", command)

    async def release(self, market: MarketId) -> Parcel:
        """See ``Shard``."""
        return await self._ask(Parcel, "release", market)

    async def adopt(self, parcel: Parcel) -> None:
        """See ``Shard``."""
        await self._ask(type(None), "adopt", parcel)

    async def figures(self) -> ShardFigures:
        """See ``Shard``."""
        return await self._ask(ShardFigures, "figures")

    async def close(self) -> None:
        """See ``Shard``."""
        await self._remote.close()

    async def _ask(self, kind: type[T], method: str, *arguments: object) -> T:
        """Raises ``ShardLost`` where the answer comes from a shard that had to begin anew."""
        remote = self._remote
        try:
            answer = await remote.ask(kind, method, *arguments)
        except IntegrityError:
            # A new one cannot release what it never had; but one that merely failed must be heard.
            if remote.starts <= max(self._starts, 1):
                raise
            self._starts = remote.starts
            raise ShardLost from None
        lost = self._starts and remote.starts > self._starts
        self._starts = remote.starts
        if lost:
            raise ShardLost
        return answer


def wrap(watch: MarketWatch) -> Parcel:
    """Make a parcel of a market's watch."""
    return Parcel(watch.view.market, pickle.dumps(watch))


def parcels_of(book: RiskBook, config: RiskConfig, markets: Iterable[MarketId]) -> list[Parcel]:
    """Return those markets of ``book`` as their watches begin."""
    tail = tail_of(config)
    return [wrap(MarketWatch(book.view(market), config, tail)) for market in markets]
