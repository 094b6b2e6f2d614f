"""How far the price of work may move, and the faults of its rules."""

import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.types.fees import FREE, STEPS_MAX, FeeRules, faults_of_fees, fee_range
from node.types.units import Millis, Money, Ppm

RULES = FeeRules()


@pytest.mark.parametrize(
    ("fee", "steps", "expected"),
    [
        (800, 1, (711, 900)),  # 711.1 down, 900 up
        (801, 1, (712, 902)),  # 901.125, rounded up
        (800, 2, (632, 1_013)),
        (100, 1, (100, 113)),  # the floor holds
        (999_999, 5, (554_927, 1_000_000)),  # the ceiling holds
        (800, 0, (800, 800)),
        (100, 10**9, (100, 1_000_000)),
    ],
)
def test_a_price_moves_by_an_eighth_in_a_step(
    fee: int, steps: int, expected: tuple[int, int]
) -> None:
    assert fee_range(RULES, Money(fee), steps) == expected


def test_even_a_price_of_one_unit_can_move() -> None:
    rules = msgspec.structs.replace(RULES, floor=Money(1))
    assert fee_range(rules, Money(1), 1) == (1, 2)
    assert fee_range(rules, Money(2), 1) == (1, 3)


def test_a_free_exchange_stays_free() -> None:
    assert fee_range(FREE, Money(0), STEPS_MAX) == (0, 0)


def test_steps_are_cut_at_multiples_and_not_at_blocks() -> None:
    times = [1_000, 1_001, 1_500, 1_999, 2_000, 2_999, 3_000]
    steps = [RULES.steps(a, b) for a, b in itertools.pairwise(times)]
    assert steps == [0, 0, 0, 1, 0, 1]
    assert RULES.steps(1_000, 3_000) == sum(steps)


@given(st.integers(100, 1_000_000), st.integers(0, 40), st.integers(0, 40))
def test_two_moves_reach_no_further_than_their_sum(fee: int, first: int, second: int) -> None:
    low, high = fee_range(RULES, Money(fee), first + second)
    for middle in fee_range(RULES, Money(fee), first):
        nearer_low, nearer_high = fee_range(RULES, middle, second)
        assert low <= nearer_low <= nearer_high <= high


def test_every_fault_is_told_with_key_and_range() -> None:
    wrong = FeeRules(
        floor=Money(5), ceiling=Money(4), change=Ppm(0), step_ms=Millis(0), per_order=-1
    )
    assert sorted(fault.split(":")[0] for fault in faults_of_fees(wrong)) == [
        "ceiling",
        "change",
        "per_order",
        "step_ms",
    ]
    assert faults_of_fees(RULES) == faults_of_fees(FREE) == []
    assert len(faults_of_fees(FeeRules(floor=Money(0)))) == 1
