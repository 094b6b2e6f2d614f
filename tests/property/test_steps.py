"""Whatever an action holds, its orders together take no more steps than they may."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from node.types.commands import NewOrder, OrderType
from node.types.events import CancelReason, Filled, OrderAccepted, OrderCancelled
from tests.examples import ALICE, BOB, RULES
from tests.unit.transition.exchange import BUY, COIN, SELL, Exchange, order

TAKING = st.builds(
    lambda size, kind: order(BUY, size * COIN, 110_00, kind),
    st.integers(1, 6),
    st.sampled_from([OrderType.GTC, OrderType.IOC, OrderType.FOK, OrderType.MARKET]),
)


@given(
    st.integers(1, 12),
    st.integers(1, 6),
    st.integers(0, 20),
    st.lists(TAKING, min_size=1, max_size=6),
)
def test_steps_bound_the_fills_of_an_action(
    steps: int, fills: int, makers: int, orders: list[NewOrder]
) -> None:
    limits = msgspec.structs.replace(RULES.limits, steps_per_action=steps, fills_per_order=fills)
    exchange = Exchange(msgspec.structs.replace(RULES, limits=limits))
    for person in (ALICE, BOB):
        exchange.fund(person, 100_000)
    if makers:
        exchange.place(ALICE, *[order(SELL, COIN, 100_00)] * makers)
    events = exchange.do(exchange.orders(BOB, *orders, order(BUY, COIN, 90_00)))
    filled = [event.taker_order for event in events if isinstance(event, Filled)]
    assert len(filled) <= min(steps, makers)
    assert all(filled.count(taken) <= fills for taken in filled)
    limited = [
        event.order_id
        for event in events
        if isinstance(event, OrderCancelled) and event.reason is CancelReason.FILL_LIMIT
    ]
    accepted = {event.order_id: event for event in events if isinstance(event, OrderAccepted)}
    for taken, one in accepted.items():
        if orders_of(orders, one.item) is OrderType.FOK:
            # What was tried out is then taken in full.
            assert filled.count(taken) * COIN == one.size
    spent_alone = [taken for taken in limited if filled.count(taken) == fills]
    # An order is cut short only at its own limit, or when the action has no steps left.
    kinds = {one.type for one in orders}
    if len(spent_alone) < len(limited) and OrderType.FOK not in kinds:
        assert len(filled) == steps


def orders_of(orders: list[NewOrder], item: int) -> OrderType | None:
    """Return the type of the order that stands at ``item``, None past the drawn ones."""
    return orders[item].type if item < len(orders) else None
