"""The search finds knees of curves that are known, also where the curve falls past its knee."""

import math
from collections.abc import Callable, Sequence
from random import Random
from statistics import median

import msgspec
import pytest

from node.simulation.ramp.knee import (
    Knee,
    KneeSearch,
    SearchLimits,
    Staircase,
    is_carried,
    knee_at_speed,
)
from node.simulation.ramp.points import RampPoint

LIMITS = SearchLimits()


def point(rate: float, goodput: float, p99_ms: float | None = 5.0) -> RampPoint:
    delays = {"p50": 1.0, "p99": p99_ms, "p999": p99_ms}
    return RampPoint(rate, rate, goodput, delays, delays, {})


def timed(rate: float, goodput: float, yardstick_ms: float | None) -> RampPoint:
    return msgspec.structs.replace(point(rate, goodput), yardstick_ms=yardstick_ms)


def find(
    goodput: Callable[[float], float],
    p99_ms: Callable[[float], float] = lambda _rate: 5.0,
    limits: SearchLimits = LIMITS,
) -> tuple[Knee, int]:
    search, asked = KneeSearch(limits), 0
    while (rate := search.next_rate()) is not None:
        asked += 1
        search.note(point(rate, goodput(rate), p99_ms(rate)))
    return search.knee(), asked


@pytest.mark.parametrize("capacity", [300.0, 611.0, 4_000.0, 4_001.0, 8_900.0, 33_800.0])
def test_a_saturating_node_has_its_knee_where_goodput_stops_to_grow(capacity: float) -> None:
    knee, asked = find(lambda rate: min(rate, capacity))
    # A rate counts as carried up to 1/0.98 of the capacity.
    assert knee.low <= capacity / LIMITS.goodput_share + 1e-6
    assert knee.high >= capacity
    assert knee.per_s == pytest.approx(capacity, rel=0.05)
    assert asked <= 20


def test_a_retrograde_node_is_not_taken_for_a_slower_one() -> None:
    def falling(rate: float) -> float:
        return rate if rate <= 5_000 else max(1_000.0, 5_000 - 1.5 * (rate - 5_000))

    knee, _ = find(falling)
    assert knee.per_s == pytest.approx(5_000, rel=0.05)


def test_the_bracket_ends_within_the_resolution() -> None:
    knee, _ = find(lambda rate: min(rate, 7_777.0))
    assert knee.high / knee.low <= LIMITS.resolution
    assert knee.per_s == pytest.approx(math.sqrt(knee.low * knee.high))


def test_delay_alone_can_set_the_knee() -> None:
    knee, _ = find(lambda rate: rate, lambda rate: 10.0 if rate < 3_000 else 400.0)
    assert knee.per_s == pytest.approx(3_000, rel=0.05)


def test_nothing_answered_is_not_carried() -> None:
    assert not is_carried(point(100.0, 0.0, None), limits=LIMITS)


def test_one_hiccup_is_asked_again_and_forgotten() -> None:
    hiccups = {2_000.0: 1}

    def goodput(rate: float) -> float:
        if hiccups.pop(rate, 0):
            return rate / 2
        return min(rate, 6_000.0)

    knee, _ = find(goodput)
    assert knee.per_s == pytest.approx(6_000, rel=0.05)


@pytest.mark.parametrize(
    ("windows", "carried"), [((0, 1, 0), False), ((0, 1, 1), True), ((1, 0, 0), False)]
)
def test_at_the_knee_two_windows_of_three_decide(windows: Sequence[int], carried: bool) -> None:
    """A second chance for those alone that failed would find the fast moments of a machine."""
    search = KneeSearch(LIMITS)
    search.note(point(250.0, 250.0))
    for _ in range(2):
        search.note(point(500.0, 0.0))
    asked = search.next_rate()
    assert asked is not None
    for good in windows:
        assert search.next_rate() == asked
        search.note(point(asked, asked * good))
    assert search.next_rate() != asked
    assert (search.knee().low == asked) is carried


@pytest.mark.parametrize("seed", range(3))
def test_the_knee_of_a_machine_whose_speed_moves_is_that_of_its_middle_speed(seed: int) -> None:
    random = Random(seed)
    found = [find(lambda rate: min(rate, 6_000.0 * random.gauss(1, 0.1)))[0] for _ in range(200)]
    middle = median(knee.per_s for knee in found)
    assert middle == pytest.approx(6_000 / LIMITS.goodput_share, rel=0.02), f"seed {seed}"


@pytest.mark.parametrize("seed", range(20))
def test_noise_of_some_percent_moves_the_knee_by_some_percent(seed: int) -> None:
    random = Random(seed)
    knee, _ = find(lambda rate: min(rate, 6_000.0 * random.gauss(1, 0.02)))
    assert knee.per_s == pytest.approx(6_000, rel=0.1), f"seed {seed}"


def test_a_node_beyond_the_highest_rate_is_said_to_be_so() -> None:
    knee, _ = find(lambda rate: rate, limits=SearchLimits(highest_per_s=3_000.0))
    assert knee.open_ended
    assert knee.per_s == knee.low == 3_000.0


def test_a_node_that_carries_nothing_has_no_knee() -> None:
    with pytest.raises(ValueError, match="lowest rate"):
        find(lambda _rate: 0.0)


def test_the_search_is_bounded() -> None:
    random = Random(7)
    limits = SearchLimits(points_max=9)
    _, asked = find(
        lambda rate: rate if rate < 1_000 or random.random() < 0.5 else 0.0, limits=limits
    )
    assert asked <= 9


def test_a_machine_whose_speed_moves_has_one_knee_at_one_speed() -> None:
    off, searched = [], []
    for seed in range(20):
        random, search, points = Random(seed), KneeSearch(LIMITS), list[RampPoint]()
        while (rate := search.next_rate()) is not None:
            # Half a millisecond is the speed at which 4,000 are carried.
            yardstick_ms = random.choice((0.4, 0.5, 0.62))
            points.append(timed(rate, min(rate, 4_000 * 0.5 / yardstick_ms), yardstick_ms))
            search.note(points[-1])
        found = knee_at_speed(points, 0.5, LIMITS)
        assert found is not None
        off.append(abs(math.log(found / 4_000)))
        searched.append(abs(math.log(search.knee().per_s / 4_000)))
        assert knee_at_speed(points, 0.4, LIMITS) == pytest.approx(1.25 * found)
    assert max(off) < 0.15
    # The search takes what a fast moment carried for the knee.
    assert sum(off) < 0.5 * sum(searched)


def test_a_window_that_contradicts_the_others_moves_nothing() -> None:
    carried = [timed(rate, rate, 1.0) for rate in (500.0, 900.0, 1_000.0)]
    failed = [timed(rate, 0.9 * rate, 1.0) for rate in (1_100.0, 1_300.0)]
    alone = knee_at_speed([*carried, *failed], 1.0, LIMITS)
    assert alone == pytest.approx(math.sqrt(1_000 * 1_100))
    hiccup = timed(600.0, 100.0, 1.0)
    assert knee_at_speed([*carried, *failed, hiccup], 1.0, LIMITS) == alone
    # As many for it as against it: the middle of both places.
    torn = knee_at_speed([*carried, *failed, timed(1_200.0, 1_200.0, 1.0)], 1.0, LIMITS)
    assert torn == pytest.approx(math.sqrt(1_000 * 1_300))


def test_what_was_always_carried_or_never_or_untimed_tells_no_knee() -> None:
    assert knee_at_speed([timed(1.0, 1.0, 1.0)], 1.0, LIMITS) is None
    assert knee_at_speed([timed(1.0, 0.5, 1.0)], 1.0, LIMITS) is None
    # A single window, carried past the one that was not, says as much for either.
    assert knee_at_speed([timed(1.0, 0.5, 1.0), timed(2.0, 2.0, 1.0)], 1.0, LIMITS) is None
    assert knee_at_speed([timed(1.0, 1.0, None), timed(2.0, 1.0, None)], 1.0, LIMITS) is None
    assert knee_at_speed([], 1.0, LIMITS) is None


def walked(goodput: Callable[[float], float], first: float, steps: int = 28) -> Knee:
    stairs = Staircase(first, LIMITS)
    for _ in range(steps):
        stairs.note(point(stairs.rate, goodput(stairs.rate)))
    return stairs.knee()


@pytest.mark.parametrize("first", [1_500.0, 4_000.0, 9_000.0])
def test_stairs_lead_to_the_knee_from_wherever_they_begin(first: float) -> None:
    knee = walked(lambda rate: min(rate, 4_000.0), first)
    assert knee.per_s == pytest.approx(4_000 / LIMITS.goodput_share, rel=0.03)
    assert knee.low < knee.per_s < knee.high < 1.1 * knee.low


@pytest.mark.parametrize("seed", range(20))
def test_stairs_on_a_machine_whose_speed_moves_gather_around_its_middle(seed: int) -> None:
    random = Random(seed)
    knee = walked(lambda rate: min(rate, 4_000.0 * random.choice((0.9, 1.1))), 3_000.0)
    assert knee.per_s == pytest.approx(4_000 / LIMITS.goodput_share, rel=0.1), f"seed {seed}"


def test_stairs_follow_a_machine_that_becomes_slower() -> None:
    speeds = iter([1.0] * 14 + [0.7] * 14)
    knee = walked(lambda rate: min(rate, 4_000.0 * next(speeds)), 4_000.0)
    middle = 4_000 * math.sqrt(0.7) / LIMITS.goodput_share
    assert knee.per_s == pytest.approx(middle, rel=0.08)


@pytest.mark.parametrize("first_speed", [1.9, 0.6])
def test_stairs_do_not_count_the_way_back_from_where_a_moment_led_them(first_speed: float) -> None:
    speeds = iter([first_speed] * 4 + [1.0] * 24)
    knee = walked(lambda rate: min(rate, 4_000.0 * next(speeds)), 4_000.0)
    middle = 4_000 * first_speed ** (4 / 28) / LIMITS.goodput_share
    assert knee.per_s == pytest.approx(middle, rel=0.05)


@pytest.mark.parametrize("speed", [1e-9, 1e9])
def test_stairs_on_which_one_answer_comes_for_ever_go_on_in_long_steps(speed: float) -> None:
    speeds = iter([1.0, 2.0, 1.0] + [speed] * 60)
    stairs = Staircase(4_000.0, LIMITS)
    for _ in range(60):
        stairs.note(point(stairs.rate, min(stairs.rate, 4_100.0 * next(speeds))))
    assert 0 < stairs.rate <= LIMITS.highest_per_s
    assert stairs.knee().low < stairs.knee().high


def test_stairs_end_at_the_highest_rate_that_is_allowed() -> None:
    stairs = Staircase(30_000.0, LIMITS)
    for _ in range(10):
        stairs.note(point(stairs.rate, stairs.rate))
    assert stairs.rate == LIMITS.highest_per_s
    assert Staircase(1e9, LIMITS).rate == LIMITS.highest_per_s


@pytest.mark.parametrize("carried", [0.0, 1.0])
def test_stairs_that_never_turn_round_know_no_knee(carried: float) -> None:
    with pytest.raises(ValueError, match="every rate"):
        walked(lambda rate: carried * rate, 1_000.0)
