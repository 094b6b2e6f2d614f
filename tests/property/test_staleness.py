"""Volatility and the buffer for stale data beside exact fractions, and who cannot bend them."""

from fractions import Fraction
from itertools import pairwise

import msgspec
from hypothesis import assume, given
from hypothesis import strategies as st

from node.margin.staleness import age_limit, data_age, thinnest_margin, unseen_move
from node.margin.volatility import VARIANCE_ONE, variance_after, variance_of
from node.types.rules import MarketRules, StalenessRules
from node.types.units import Millis, Ppm
from tests.examples import market_rules

ANY_STALENESS = st.builds(
    lambda edges, deviations, window: StalenessRules(
        deviations=Ppm(deviations),
        volatility_floor=Ppm(edges[0]),
        volatility_prior=Ppm(edges[1]),
        volatility_ceiling=Ppm(edges[2]),
        window_ms=Millis(window),
    ),
    st.lists(st.integers(0, 100_000), min_size=3, max_size=3).map(sorted),
    st.integers(0, 10_000_000),
    st.integers(1_000, 24 * 3_600_000),
)
marks = st.one_of(st.integers(1, 1_000), st.integers(1, 2**48 - 1))
spans = st.integers(1_000, 30 * 24 * 3_600_000)
deviations = st.integers(0, 10_000_000)
variances = st.integers(0, variance_of(100_000))
ages = st.integers(0, 30 * 24 * 3_600_000)


def market(staleness: StalenessRules) -> MarketRules:
    """Return a market like any other with these rules of staleness."""
    return msgspec.structs.replace(market_rules("BTC-PERP", 2), staleness=staleness)


@given(ANY_STALENESS, variances, marks, marks, spans)
def test_the_variance_is_the_exact_average_rounded_up_between_floor_and_ceiling(
    rules: StalenessRules, variance: int, anchor: int, mark: int, elapsed_ms: int
) -> None:
    found = variance_after(rules, variance, anchor, mark, elapsed_ms)
    low, high = variance_of(rules.volatility_floor), variance_of(rules.volatility_ceiling)
    assert low <= found <= high
    move = Fraction(10**6 * (mark - anchor), anchor)
    exact = (Fraction(variance, VARIANCE_ONE) * rules.window_ms + 1_000 * move**2) / (
        rules.window_ms + elapsed_ms
    )
    if low < found < high:
        assert 0 <= found - exact * VARIANCE_ONE < 1


@given(ANY_STALENESS, variances, marks, spans)
def test_a_mark_that_stands_still_never_raises_the_variance(
    rules: StalenessRules, variance: int, mark: int, elapsed_ms: int
) -> None:
    low, high = variance_of(rules.volatility_floor), variance_of(rules.volatility_ceiling)
    held = min(max(variance, low), high)
    assert variance_after(rules, held, mark, mark, elapsed_ms) <= held


@given(marks, marks, st.integers(1_000, 600_000))
def test_a_wild_round_is_forgotten_within_the_stated_number_of_windows(
    anchor: int, mark: int, step_ms: int
) -> None:
    rules = StalenessRules()
    variance = variance_after(rules, variance_of(rules.volatility_prior), anchor, mark, 1_000)
    # The backward Euler step falls a little more slowly than the exponential: hence half as much
    # again. 2 * log(3000 / 50) is 8.2.
    for _ in range(int(1.5 * 8.2 * rules.window_ms) // step_ms + 1):
        variance = variance_after(rules, variance, mark, mark, step_ms)
    assert variance == variance_of(rules.volatility_floor)


@given(deviations, variances, ages)
def test_the_unseen_move_is_the_root_rounded_up(
    deviations: int, variance: int, age_ms: int
) -> None:
    found = unseen_move(deviations, variance, age_ms)
    square = Fraction(deviations, 10**6) ** 2 * Fraction(variance, VARIANCE_ONE)
    square *= Fraction(age_ms, 1_000)
    assert found**2 >= square
    assert found == 0 or (found - 1) ** 2 < square


@given(deviations, variances, st.lists(ages, min_size=2, max_size=6))
def test_the_unseen_move_grows_with_age_and_with_volatility(
    deviations: int, variance: int, some_ages: list[int]
) -> None:
    moves = [unseen_move(deviations, variance, age) for age in sorted(some_ages)]
    assert all(younger <= older for younger, older in pairwise(moves))
    assert unseen_move(deviations, variance + 1, some_ages[0]) >= unseen_move(
        deviations, variance, some_ages[0]
    )


@given(ANY_STALENESS, variances)
def test_the_age_limit_is_where_the_buffer_reaches_the_thinnest_margin(
    rules: StalenessRules, variance: int
) -> None:
    whole = market(rules)
    limit = age_limit(whole, variance)
    if limit is None:
        assert unseen_move(rules.deviations, variance, 10**15) == 0
        return
    thinnest = thinnest_margin(whole)
    assert unseen_move(rules.deviations, variance, limit) <= thinnest
    assert unseen_move(rules.deviations, variance, limit + 1) > thinnest


@given(st.integers(0, 10**13), st.integers(0, 10**13), ages, ages)
def test_no_lag_below_the_ordinary_makes_data_younger(
    now: int, mark_time: int, lag: int, finality_ms: int
) -> None:
    age = data_age(now, mark_time, lag, finality_ms)
    assert age >= max(lag, finality_ms)
    assert age == data_age(now, mark_time, max(lag, finality_ms), finality_ms)
    assume(mark_time < now)
    assert age == now - mark_time + max(lag, finality_ms)
