"""The worst of each kind follows from the bounds in the rules, and no tape exceeds it."""

import msgspec
import pytest

from node.capacity.kinds import Kind
from node.capacity.telemetry import KindCounters
from node.capacity.worst_case import CLEARINGS, UNIT_NS, rule_to_lower, worst_case, worst_ns
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


def test_what_was_measured_counts_for_the_units_that_it_had() -> None:
    """Four commands of 80 us, of two orders and one fill each: 97 units more make 100."""
    counted = KindCounters("bulk", 4, 8, 4, 320_000, 0)
    assert worst_ns(100, counted) == 80_000 + 97 * UNIT_NS
    # They were larger than the bound of their kind tells: the mean is all there is to say.
    assert worst_ns(2, counted) == 80_000
    assert worst_ns(2, KindCounters("bulk", 3, 6, 0, 100_000, 0)) == 33_334
    assert worst_ns(100, KindCounters("bulk", 0, 0, 0, 0, 0)) == 100 * UNIT_NS


@pytest.mark.parametrize(
    ("kind", "limits", "key"),
    [
        (Kind.UNCROSS, {}, "limits.orders_per_auction"),
        (Kind.CANCEL_ALL, {}, "limits.open_orders_per_account"),
        (Kind.CANCEL, {}, "limits.items_per_action"),
        (Kind.PLACE, {}, "limits.fills_per_order"),
        (
            Kind.BULK,
            {"fills_per_order": 30, "open_orders_per_account": 1},
            "limits.steps_per_action",
        ),
        (Kind.LIQUIDATE, {"deleverage_steps": 1_000}, "limits.deleverage_steps"),
        (Kind.FUNDING, {}, "markets"),
    ],
)
def test_the_rule_to_lower_is_the_one_that_counts_most(
    kind: Kind, limits: dict[str, int], key: str
) -> None:
    rules = msgspec.structs.replace(SMALL, limits=msgspec.structs.replace(LIMITS, **limits))
    assert rule_to_lower(kind, rules) == key
