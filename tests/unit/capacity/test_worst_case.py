"""The worst of each kind follows from the bounds in the rules, and no tape exceeds it."""

import msgspec
import pytest

from node.capacity.kinds import Kind
from node.capacity.worst_case import CLEARINGS, worst_case
from node.transition.auction import ROUNDS
from node.types.rules import Limits
from tests.examples import RULES

LIMITS = Limits(
    items_per_action=10,
    fills_per_order=6,
    steps_per_action=40,
    open_orders_per_account=20,
    deleverage_steps=3,
    orders_per_auction=5,
)
SMALL = msgspec.structs.replace(RULES, limits=LIMITS)
PRICES = len(RULES.reporters) * len(RULES.markets)


def test_an_auction_is_cleared_as_often_as_the_bound_says() -> None:
    assert CLEARINGS == ROUNDS


@pytest.mark.parametrize(
    ("kind", "units"),
    [
        # One order, 6 steps rehearsed and taken, and each fill may empty an account of 20 orders.
        (Kind.PLACE, 1 + 2 * 6 + 6 * 20),
        # 40 steps in all; only the last order may overdraw them.
        (Kind.BULK, 10 + 40 + 6 * 20),
        (Kind.CANCEL, 10 + 10),
        (Kind.CANCEL_ALL, 20),
        (Kind.LIQUIDATE, 20 + 6 + 9 * 20 + 3),
        (Kind.ORACLE_ROUND, 1 + PRICES),
        (Kind.FUNDING, 1 + len(RULES.markets)),
        (Kind.DEPOSIT, 1),
        (Kind.MARGIN, 1),
        (Kind.WITHDRAW, 1),
        (Kind.AGENT, 1),
        (Kind.SWITCH, 1),
        (Kind.EXPIRE, 20),
        (Kind.TRIGGER, 1 + 2 * 6 + 6 * 20),
        # 2 x 5 arrivals, 3 x 5 dead, 9 x 5 who cannot bear it; each of all these has a partner.
        (Kind.UNCROSS, 2 * 5 + 3 * 5 * 9 + 2 * 5 * 20 + (3 + 9) * 5 + (2 + 3 + 9) * 5),
    ],
)
def test_the_bounds_add_up(kind: Kind, units: int) -> None:
    assert worst_case(kind, SMALL).units == units


def test_fewer_steps_make_every_kind_of_order_cheaper() -> None:
    narrow = msgspec.structs.replace(
        SMALL, limits=msgspec.structs.replace(LIMITS, steps_per_action=2)
    )
    assert worst_case(Kind.PLACE, narrow).units < worst_case(Kind.PLACE, SMALL).units
    assert worst_case(Kind.BULK, narrow).units < worst_case(Kind.BULK, SMALL).units
    assert worst_case(Kind.LIQUIDATE, narrow) == worst_case(Kind.LIQUIDATE, SMALL)
