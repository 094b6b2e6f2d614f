"""What the generator sends succeeds or fails by nothing that the run decides."""

from collections import Counter
from random import Random

import pytest

from node.client.wallet import Wallet
from node.codec.eip712 import Signing
from node.simulation.keys import dev_keys
from node.simulation.ramp.messages import Mix
from node.simulation.ramp.mixes import BULK, DEPTH_TICKS, REACH_TICKS, STOCK_TICKS, Flow
from node.types.commands import OrderType, PlaceOrders, Side
from node.types.ids import NO_CLIENT_ID
from node.types.lanes import Lane, lane_of
from node.types.units import Millis, Money, Ticks
from tests.examples import DOMAIN, RULES

MIDDLE = Ticks(600_000)
EXPIRES = Millis(2_000_000_000_000)
FEE = Money(1_000_000)


def flow_of(mix: Mix, seed: int = 4, nonces_used: int = 0) -> Flow:
    signing = Signing(DOMAIN, RULES)
    wallets = [Wallet(key.secret, signing) for key in dev_keys("ramp", 3)]
    return Flow(mix, wallets, MIDDLE, FEE, Random(seed), nonces_used)


def drawn(mix: Mix, count: int) -> tuple[list[PlaceOrders], list[PlaceOrders]]:
    flow = flow_of(mix)
    return flow.stock(count, EXPIRES), list(flow.actions(count, EXPIRES))


@pytest.mark.parametrize("mix", list(Mix))
def test_quotes_keep_to_their_side_and_takers_leave_nothing(mix: Mix) -> None:
    stock, actions = drawn(mix, 40)
    for order in (order for action in (*stock, *actions) for order in action.orders):
        if order.type is OrderType.POST_ONLY:
            assert (order.price < MIDDLE) is (order.side is Side.BUY)
        else:
            assert order.type is OrderType.IOC
            assert abs(order.price - MIDDLE) == REACH_TICKS


def test_a_second_ramp_names_nothing_as_the_first_did() -> None:
    first = flow_of(Mix.CANCEL).stock(400, EXPIRES)
    second = flow_of(Mix.CANCEL, nonces_used=sum(1 for _ in first)).stock(400, EXPIRES)
    names = [
        {order.client_id for action in stock for order in action.orders} - {NO_CLIENT_ID}
        for stock in (first, second)
    ]
    assert len(names[0]) == len(names[1]) > 300
    assert names[0].isdisjoint(names[1])


def test_the_lanes_of_each_mix() -> None:
    singles = Counter(lane_of(action) for action in drawn(Mix.SINGLE, 300)[1])
    assert set(singles) == {Lane.RESTING, Lane.TAKING}
    assert 0.08 < singles[Lane.TAKING] / 300 < 0.22
    cancels = Counter(lane_of(action) for action in drawn(Mix.CANCEL, 300)[1])
    assert 0.4 < cancels[Lane.REDUCING] / 300 < 0.6
    assert all(len(action.orders) == BULK for action in drawn(Mix.BULK, 10)[1])


def test_every_cancel_names_an_order_of_its_own_account_that_nobody_takes() -> None:
    stock, actions = drawn(Mix.CANCEL, 200)
    laid = {
        (action.account, order.client_id): order
        for action in stock
        for order in action.orders
        if order.client_id != NO_CLIENT_ID
    }
    cancelled = [(action.account, c.client_id) for action in actions for c in action.cancels]
    assert len(set(cancelled)) == len(cancelled)
    for name in cancelled:
        # Beyond every quote's depth, whichever way: no taker's reach comes near.
        assert abs(laid[name].price - MIDDLE) >= STOCK_TICKS > DEPTH_TICKS > REACH_TICKS


def test_a_seed_draws_the_same_flow_and_pays_any_price() -> None:
    assert drawn(Mix.SINGLE, 20) == drawn(Mix.SINGLE, 20)
    assert all(action.max_fee == FEE for action in drawn(Mix.SINGLE, 20)[1])
