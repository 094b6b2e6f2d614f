"""A fleet whose shards die: seeded anew and asked again, but not for ever."""

import pytest

from node.adapters.system_clock import SystemClock
from node.risk.book import RiskBook
from node.risk.config import RiskConfig, ShardKind
from node.risk.fleet import DEATHS_MAX, RiskFleet
from node.risk.shard import (
    LocalShard,
    Parcel,
    ShardEvent,
    ShardFigures,
    ShardLost,
    ShardSession,
    Turn,
    parcels_of,
)
from node.types.errors import IntegrityError
from node.types.ids import MarketId
from tests.examples import RULES

CONFIG = RiskConfig()
MARKETS = (MarketId(1), MarketId(2))


class Mortal(LocalShard):
    """A shard that dies at those calls, in their order, and forgets all that it watched."""

    def __init__(self) -> None:
        super().__init__(ShardSession(RULES, CONFIG, ShardKind.INLINE))
        self.dies_at: list[str] = []

    def _live(self, call: str) -> None:
        if self.dies_at and self.dies_at[0] == call:
            del self.dies_at[0]
            self._session = ShardSession(RULES, CONFIG, ShardKind.INLINE)
            raise ShardLost

    async def turn(self, events: list[ShardEvent], now_ns: int) -> Turn:
        self._live("turn")
        return await super().turn(events, now_ns)

    async def adopt(self, parcel: Parcel) -> None:
        self._live("adopt")
        await super().adopt(parcel)

    async def figures(self) -> ShardFigures:
        self._live("figures")
        return await super().figures()


async def started(shard: Mortal, place: int = 0) -> RiskFleet:
    """Return a fleet that watches all markets on ``shard``."""
    others = [LocalShard(ShardSession(RULES, CONFIG, ShardKind.INLINE)) for _ in range(place)]
    fleet = RiskFleet(
        [*others, shard],
        dict.fromkeys(MARKETS, place),
        lambda markets: parcels_of(RiskBook(RULES), CONFIG, markets),
        CONFIG,
        SystemClock(),
    )
    await fleet.start()
    return fleet


@pytest.mark.parametrize(
    "deaths",
    [
        ("turn",),
        ("turn", "turn"),
        ("turn", "adopt"),
        ("turn", "adopt", "adopt"),
        ("figures", "figures"),
        ("figures", "adopt"),
        ("turn", "adopt", "figures", "adopt"),
    ],
    ids="-".join,
)
async def test_a_shard_may_die_more_than_once_at_a_question(deaths: tuple[str, ...]) -> None:
    shard = Mortal()
    fleet = await started(shard)
    shard.dies_at = [*deaths]
    assert await fleet.on_events([], 0) == []
    await fleet._refresh()
    assert not shard.dies_at
    assert fleet.lost == len(deaths)
    assert {*fleet.loads()} == {*(await shard.figures()).markets} == {*MARKETS}


async def test_a_shard_may_die_while_it_is_seeded_for_the_first_time() -> None:
    shard = Mortal()
    shard.dies_at = ["adopt", "adopt"]
    fleet = await started(shard)
    assert {*fleet.loads()} == {*MARKETS}


@pytest.mark.parametrize("again", ["turn", "adopt"])
async def test_one_that_dies_whenever_it_is_asked_is_named(again: str) -> None:
    shard = Mortal()
    fleet = await started(shard, place=2)
    shard.dies_at = ["turn", *[again] * DEATHS_MAX]
    with pytest.raises(IntegrityError) as told:
        await fleet.on_events([], 0)
    assert told.value.place == 2
    assert fleet.lost == DEATHS_MAX
