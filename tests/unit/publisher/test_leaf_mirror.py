"""The mirror of leaves holds what the state holds, whatever came and went."""

import pytest

from node.publisher.leaf_mirror import LeafMirror
from node.transition.apply import apply
from node.transition.leaves import order_key
from node.transition.state import State
from node.types.commands import Side
from node.types.ids import MarketId
from node.types.units import UINT64_MAX
from tests.property.random_log import ACCOUNTS, AGENTS, DOMAIN, RULES, RandomLog
from tests.property.tempers import TEMPERS

MARKETS = (MarketId(1), MarketId(2))
ANY = UINT64_MAX.to_bytes(8, "big")


def told(mirror: LeafMirror) -> dict[bytes, bytes]:
    """Return all that ``mirror`` tells when it is asked for everything."""
    clock = mirror.clock()
    assert clock is not None
    leaves = dict([clock])
    for account in (*ACCOUNTS, *AGENTS):
        leaves.update(mirror.account(account))
        leaves.update(mirror.orders(account))
        leaves.update(mirror.waiting(account))
        for market in MARKETS:
            leaves.update(mirror.position(market, account))
    for market in MARKETS:
        leaves.update(mirror.market(market))
        for side in Side:
            found = list(mirror.within_reach(market, side, ANY))
            assert found == sorted(found)
            assert dict(found).items() <= leaves.items()
    return leaves


@pytest.mark.parametrize("temper", sorted(TEMPERS))
def test_the_mirror_is_the_state(temper: str) -> None:
    state = State.genesis(RULES, DOMAIN)
    log = RandomLog(9, TEMPERS[temper], state)
    mirror, later = LeafMirror(state.leaves()), None
    for step in range(900):
        apply(state, log.draw())
        changes = state.drain_changes()
        mirror.take(changes)
        if later is not None:
            later.take(changes)
        if step == 450:
            later = LeafMirror(state.leaves())
    kept = {key: value for key, value in state.leaves() if key[0] in {0, 1, 2, 3, 4, 7}}
    assert told(mirror) == kept
    assert later is not None
    assert told(later) == kept
    assert sum(len(market.book) for market in state.markets) > 5


def test_what_is_out_of_reach_is_not_told_but_for_the_best() -> None:
    leaves = [(order_key(1, 1, price, price), bytes([price]) * 20) for price in (10, 20, 30)]
    mirror = LeafMirror(leaves)
    reach = [order_key(1, 1, price, 0)[4:12] for price in (25, 5)]
    assert [key for key, _ in mirror.within_reach(MarketId(1), Side.SELL, reach[0])] == [
        leaves[0][0],
        leaves[1][0],
    ]
    assert [key for key, _ in mirror.within_reach(MarketId(1), Side.SELL, reach[1])] == [
        leaves[0][0]
    ]
    for least in (1, 2, 3):
        first = mirror.within_reach(MarketId(1), Side.SELL, reach[1], least)
        assert list(first) == leaves[:least]
    assert list(mirror.within_reach(MarketId(1), Side.BUY, ANY)) == []
    mirror.take({leaves[0][0]: None, leaves[2][0]: None, order_key(1, 1, 40, 40): None})
    assert list(mirror.within_reach(MarketId(1), Side.SELL, ANY)) == [leaves[1]]
