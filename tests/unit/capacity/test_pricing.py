"""The price that the load asks for: rising with backlogs, falling with them, never winding up."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.capacity.pricing import (
    MEMORY_S,
    WINDOWS,
    FeeController,
    Resource,
    exp_rounded_down,
    exponent_of,
)
from node.types.fees import FREE, FeeRules
from node.types.units import Millis, Money

RULES = FeeRules()
LOOP, GAS = Resource.LOOP, Resource.L1_GAS
CAPACITY = 1_000


def controller() -> FeeController:
    return FeeController(RULES, {LOOP: CAPACITY, GAS: 500}, Millis(0))


def run(made: FeeController, load: float, seconds: int, start: int = 0) -> int:
    """Use ``load`` of the loop's capacity for so long; return the second after the last."""
    for second in range(start + 1, start + seconds + 1):
        made.use(LOOP, int(load * CAPACITY))
        made.advance(Millis(second * 1_000))
    return start + seconds


@given(st.integers(1, 10**6), st.integers(0, 14_000_000))
def test_the_integer_exponential_is_the_real_one(factor: int, exponent: int) -> None:
    real = factor * math.exp(exponent / 1e6)
    assert real * (1 - 1e-4) - 2 <= exp_rounded_down(factor, exponent) <= real + 1


@pytest.mark.parametrize("ratio", [1, 2, 10, 10_000])
def test_the_exponent_of_a_ratio_reaches_it(ratio: int) -> None:
    assert exponent_of(ratio) / 1e6 == pytest.approx(math.log(ratio), abs=1e-4)


def test_below_every_target_the_price_is_the_floor() -> None:
    made = controller()
    run(made, 0.64, 2_000)
    assert made.price == RULES.floor
    assert made.dearest is None


def test_above_all_targets_each_window_adds_its_share() -> None:
    made = controller()
    run(made, 1.2, 10)
    excess = [(1.2 - w.share / 1e6) / (w.share / 1e6) * 10 / w.seconds for w in WINDOWS]
    assert made.price == pytest.approx(RULES.floor * math.exp(sum(excess)), rel=0.02)
    assert made.dearest == "loop"


def test_only_the_long_windows_mind_a_long_moderate_load() -> None:
    made = controller()
    run(made, 0.7, 600)
    backlogs = made.backlogs()["loop"]
    assert [backlogs[str(w.seconds)] > 0 for w in WINDOWS] == [False, False, False, True]
    assert made.price > RULES.floor


def test_the_dearest_resource_sets_the_price_and_others_add_nothing() -> None:
    alone, both = controller(), controller()
    for second in range(1, 21):
        for made in (alone, both):
            made.use(LOOP, 1_300)
        both.use(GAS, 600)
        for made in (alone, both):
            made.advance(Millis(second * 1_000))
    assert both.price == alone.price
    assert both.dearest == "loop"


def test_a_rush_of_hours_is_forgotten_in_minutes() -> None:
    made = controller()
    end = run(made, 5.0, 7_200)
    assert made.price == RULES.ceiling
    calm = run(made, 0.0, MEMORY_S, end)
    assert calm == end + MEMORY_S
    assert made.price == RULES.floor


def test_from_a_collapse_the_price_climbs_as_fast_as_the_rules_allow() -> None:
    """After hours without any use a rush finds the backlogs at zero, never below."""
    made = controller()
    end = run(made, 0.0, 7_200)
    run(made, 2.0, 60, end)
    assert made.price == RULES.ceiling


def test_many_small_advances_are_one_large() -> None:
    once, often = controller(), controller()
    once.use(LOOP, 20_000)
    once.advance(Millis(10_000))
    for step in range(1, 1_001):
        often.use(LOOP, 20)
        often.advance(Millis(10 * step))
    assert often.backlogs() == once.backlogs()
    assert often.price == once.price


def test_the_forecast_cost_is_the_least_that_is_charged() -> None:
    made = controller()
    made.reserve(Money(5_000))
    assert (made.price, made.dearest) == (5_000, "l1_forecast")
    made.reserve(Money(10**12))
    assert made.price == RULES.ceiling
    made.reserve(Money(0))
    assert (made.price, made.dearest) == (RULES.floor, None)


def test_another_capacity_moves_the_targets_and_not_the_backlogs() -> None:
    made = controller()
    run(made, 1.3, 10)
    before, price = made.backlogs(), made.price
    made.set_capacity(LOOP, 2 * CAPACITY)
    assert made.backlogs() == before
    assert made.price < price


def test_what_waits_through_an_outage_is_still_there_at_its_end() -> None:
    made = controller()
    end = run(made, 1.3, 1_000)
    before = made.backlogs()["loop"]
    made.set_capacity(LOOP, CAPACITY, 0)
    end = run(made, 0.0, 3_600, end)
    assert made.price == RULES.ceiling
    made.set_capacity(LOOP, CAPACITY)
    # At a capacity of 0 the target is one unit a second.
    assert before["900"] - 3_600 <= made.backlogs()["loop"]["900"] <= before["900"]
    run(made, 0.0, 60, end)
    assert made.price > 2 * RULES.floor
    run(made, 0.0, MEMORY_S, end + 60)
    assert made.price == RULES.floor


def test_what_comes_in_during_an_outage_counts_at_its_end() -> None:
    made = controller()
    made.set_capacity(LOOP, CAPACITY, 0)
    end = run(made, 0.6, 3_600)
    made.set_capacity(LOOP, CAPACITY)
    run(made, 0.6, 300, end)
    assert made.price > 1.5 * RULES.floor


def test_a_free_exchange_asks_for_nothing_whatever_the_load() -> None:
    made = FeeController(FREE, {LOOP: CAPACITY}, Millis(0))
    run(made, 9.0, 100)
    assert made.price == 0


def test_a_clock_that_runs_back_drains_nothing() -> None:
    made = controller()
    run(made, 1.5, 10)
    before = made.backlogs()
    made.advance(Millis(1_000))
    assert made.backlogs() == before


def test_what_sets_the_price_is_the_higher_of_load_and_reserve() -> None:
    made = controller()
    run(made, 1.2, 10)
    by_load = made.price
    for reserve, dearest in ((by_load - 1, "loop"), (by_load + 1, "l1_forecast")):
        made.reserve(Money(reserve))
        assert (made.price, made.dearest) == (max(by_load, reserve), dearest)
