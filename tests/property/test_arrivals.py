"""What an auction counts of the orders that wait for it is what a scan of them finds."""

import pytest

from node.matching.book import Order
from node.transition.apply import apply
from node.transition.state import State
from node.types.commands import OpenBlock
from node.types.events import Rejected
from tests.property.random_log import ACCOUNTS, DOMAIN, MIXED, RandomLog
from tests.property.tempers import TEMPERS


@pytest.mark.parametrize("temper", sorted(TEMPERS))
def test_the_counts_of_arrivals_agree_with_a_scan(temper: str) -> None:
    """Looked at after every command, also in a twin that is rebuilt from leaves between blocks."""
    state = State.genesis(MIXED, DOMAIN)
    twin = State.genesis(MIXED, DOMAIN)
    draw = RandomLog(11, TEMPERS[temper], state).draw
    arrived: set[Order] = set()
    left = most = rebuilt = 0
    for _ in range(1_500):
        command = draw()
        before = dict(state.leaves()) if isinstance(command, OpenBlock) else {}
        happened = apply(state, command)
        if before and not isinstance(happened[0], Rejected):
            twin = State.from_leaves(MIXED, DOMAIN, before.items())
            rebuilt += 1
        assert apply(twin, command) == happened
        compare_with_scan(state)
        compare_with_scan(twin)
        waiting = {order for market in state.markets for order in market.arrivals}
        left += len(arrived - waiting)
        most = max(most, len(waiting))
        arrived = waiting
    assert rebuilt > 50
    assert left > 50
    assert most > 3


def compare_with_scan(state: State) -> None:
    for market in state.markets:
        for post_only in (False, True):
            alike = [one.account for one in market.arrivals if one.post_only is post_only]
            assert market.arrivals.count(post_only) == len(alike)
            for account in ACCOUNTS:
                assert market.arrivals.count(post_only, account) == alike.count(account)
