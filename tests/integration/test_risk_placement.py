"""Wherever markets are watched and whenever they move: the same proposals, the same root."""

import asyncio
import os
import random
import signal
from functools import partial

from hypothesis import given, settings
from hypothesis import strategies as st

from node.adapters.remote_object import RemoteObject
from node.adapters.system_clock import SystemClock
from node.risk.book import RiskBook
from node.risk.config import RiskConfig, ShardKind
from node.risk.fleet import RiskFleet
from node.risk.processor import RiskProcessor
from node.risk.report import RiskReport
from node.risk.seed import events_of
from node.risk.shard import LocalShard, RemoteShard, Shard, ShardSession, parcels_of
from node.transition.tree.tree import StateTree
from node.types.commands import Liquidate
from node.types.ids import MarketId
from tests.integration.risk_exchange import Exchange

MARKETS = 4
CONFIG = RiskConfig(audit_per_round=5)


def root_of(exchange: Exchange) -> bytes:
    return StateTree.build(dict(exchange.state.leaves())).root


def run_alone(seed: int, blocks: int) -> tuple[bytes, list[list[Liquidate]], RiskReport]:
    """Return root, proposals and figures with one processor for all markets."""
    exchange = Exchange(seed, MARKETS)
    processor = RiskProcessor(RiskBook(exchange.rules), CONFIG)
    told: list[list[Liquidate]] = [[]]
    for _ in range(blocks):
        told.append(processor.on_events(*exchange.execute(exchange.commands(told[-1]))))
    return root_of(exchange), told, processor.report()


def fleet_of(exchange: Exchange, shards: list[Shard], placement: list[int]) -> RiskFleet:
    book = partial(RiskBook.from_positions, exchange.rules)
    return RiskFleet(
        shards,
        {MarketId(place + 1): shard for place, shard in enumerate(placement)},
        lambda markets: parcels_of(book(events_of(exchange.state)), CONFIG, markets),
        CONFIG,
        SystemClock(),
    )


async def run_placed(
    seed: int, blocks: int, placement: list[int], moves: dict[int, tuple[int, int]]
) -> tuple[bytes, list[list[Liquidate]], RiskReport]:
    """Return the same with shards of both local kinds; ``moves``: block to market and shard."""
    exchange = Exchange(seed, MARKETS)
    kinds = (ShardKind.INLINE, ShardKind.VECTORISED, ShardKind.INLINE)
    shards: list[Shard] = [LocalShard(ShardSession(exchange.rules, CONFIG, kind)) for kind in kinds]
    fleet = fleet_of(exchange, shards, placement)
    await fleet.start()
    told: list[list[Liquidate]] = [[]]
    for block in range(blocks):
        if block in moves:
            market, target = moves[block]
            await fleet.move(MarketId(market), target)
        told.append(await fleet.on_events(*exchange.execute(exchange.commands(told[-1]))))
    await fleet._refresh()
    return root_of(exchange), told, fleet.report()


SHARD = st.integers(0, 2)
MOVES = st.dictionaries(st.integers(0, 79), st.tuples(st.integers(1, MARKETS), SHARD), max_size=20)


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    placement=st.lists(SHARD, min_size=MARKETS, max_size=MARKETS),
    moves=MOVES,
)
def test_no_placement_changes_proposals_figures_or_root(
    seed: int, placement: list[int], moves: dict[int, tuple[int, int]]
) -> None:
    alone = run_alone(seed, 80)
    placed = asyncio.run(run_placed(seed, 80, placement, moves))
    assert placed == alone


async def test_a_shard_in_a_process_proposes_the_same_and_is_seeded_again_when_it_dies() -> None:
    seed, blocks = 7, 150
    root, alone, _ = run_alone(seed, blocks)
    assert sum(map(len, alone)) > 20
    exchange = Exchange(seed, MARKETS)
    make = partial(ShardSession, exchange.rules, CONFIG, ShardKind.PROCESS)
    remote = RemoteObject(make, "risk_shard")
    local = LocalShard(ShardSession(exchange.rules, CONFIG, ShardKind.INLINE))
    fleet = fleet_of(exchange, [RemoteShard(remote), local], [0, 1, 0, 1])
    dice = random.Random(seed)
    try:
        await fleet.start()
        told: list[list[Liquidate]] = [[]]
        for block in range(blocks):
            if block % 10 == 9:
                await fleet.move(MarketId(dice.randint(1, MARKETS)), dice.randint(0, 1))
            told.append(await fleet.on_events(*exchange.execute(exchange.commands(told[-1]))))
        assert (told, root_of(exchange)) == (alone, root)
        # All markets there, and then it dies: what is crossed is found again, from the state.
        for market in range(1, MARKETS + 1):
            await fleet.move(MarketId(market), 0)
        assert remote.pid is not None
        assert fleet.pids == {"risk_0": remote.pid}
        os.kill(remote.pid, signal.SIGKILL)
        proposals = await fleet.on_events(*exchange.execute(exchange.commands(told[-1])))
        assert fleet.lost == 1
        assert {(command.market, command.account) for command in proposals} == exchange.failing()
    finally:
        await fleet.close()
