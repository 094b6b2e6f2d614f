"""What a trader placed is known until it is seen to be gone."""

import pytest

from node.client.placed import Placed
from node.types.commands import NewOrder, OrderType, PlaceOrders, Side
from node.types.ids import MarketId, OrderId
from node.types.units import Lots, Millis, Ticks
from tests.examples import ALICE

ORDER = NewOrder(MarketId(1), Side.BUY, OrderType.GTC, Ticks(1), Lots(1))
ACTION = PlaceOrders(ALICE.address, ALICE.address, 7, Millis(1), b"", (), (ORDER,))


def placed(status: str) -> Placed:
    orders = Placed()
    orders.begin(ACTION)
    assert not orders.settled
    orders.end(ACTION, {"sequence": 5, "results": [{"status": status, "order_id": 3}]})
    return orders


@pytest.mark.parametrize("status", ["resting", "waiting", "accepted"])
def test_what_may_be_filled_later_is_open(status: str) -> None:
    assert placed(status).orders == {OrderId(3): 5}


@pytest.mark.parametrize("status", ["filled", "cancelled"])
def test_what_is_over_at_once_is_settled(status: str) -> None:
    assert placed(status).settled


@pytest.mark.parametrize(("sequence", "gone"), [(4, False), (5, True)])
def test_a_view_tells_of_orders_up_to_its_own_command(sequence: int, *, gone: bool) -> None:
    orders = placed("resting")
    orders.look(sequence, ())
    assert orders.settled is gone
