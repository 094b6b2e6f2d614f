"""What an account has none of weighs nothing, and what it has is its own."""

import pytest

from node.transition.account import Account
from node.transition.apply import apply
from node.transition.nonces import NonceWindow
from node.transition.state import State
from node.types.ids import Address
from node.types.nothing import NOTHING
from node.types.units import Millis
from tests.property.random_log import DOMAIN, RULES, RandomLog
from tests.property.tempers import TEMPERS

ONE, OTHER, AGENT = (Address(bytes([number]) * 20) for number in (1, 2, 3))


def test_what_one_account_gets_no_other_has() -> None:
    one, other = Account(ONE), Account(OTHER)
    one.add_agent(AGENT, Millis(5), NonceWindow())
    assert list(one.agents) == [AGENT]
    assert other.agents is NOTHING
    assert not Account(OTHER).agents
    with pytest.raises(TypeError):
        other.agents[AGENT] = one.agents[AGENT]


def test_restored_orders_share_what_is_equal() -> None:
    drawn = State.genesis(RULES, DOMAIN)
    log = RandomLog(3, TEMPERS["calm"], drawn)
    for _ in range(1_500):
        apply(drawn, log.draw())
    state = State.from_leaves(RULES, DOMAIN, drawn.leaves())
    orders = [order for account in state.accounts.values() for order in account.orders.values()]
    assert orders
    for order in orders:
        assert order.level is not None
        assert order.price is order.level.price
        assert order.rank is order.order_id or order.rank != order.order_id
        assert order.remaining is order.size or order.remaining != order.size
        assert order.account is state.accounts[order.account].address
