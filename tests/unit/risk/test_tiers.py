"""A schedule brings each position up when it is due or woken, once, and within its bound."""

import math
import random

import msgspec
import pytest

from node.risk.config import RiskConfig
from node.risk.tiers import MarketSchedule, Tier
from tests.unit.risk.risk_cases import address

CONFIG = RiskConfig(near_s=60, watch_s=600, wake_share=0.5)
MINUTE = 60_000


def collected(schedule: MarketSchedule, now: int, mark: int, limit: int = 100) -> list[int]:
    return [int.from_bytes(v.account, "big") for v in schedule.collect(now, mark, limit)]


@pytest.mark.parametrize(
    ("horizon", "tier"),
    [
        (0, Tier.CRITICAL),
        (1, Tier.NEAR),
        (MINUTE - 1, Tier.NEAR),
        (MINUTE, Tier.WATCH),
        (10 * MINUTE - 1, Tier.WATCH),
        (10 * MINUTE, Tier.FAR),
    ],
)
def test_a_tier_is_a_range_of_due_times(horizon: int, tier: Tier) -> None:
    schedule = MarketSchedule(CONFIG)
    assert schedule.tier_of(horizon) is tier
    schedule.place(address(1), 0, horizon, 1_000, 0.5)
    assert schedule.members[tier] == 1
    assert sum(schedule.members) == len(schedule) == 1


def test_a_position_comes_up_when_it_is_due_and_not_before() -> None:
    schedule = MarketSchedule(CONFIG)
    schedule.place(address(1), 100, MINUTE, 1_000, 0.5)
    assert collected(schedule, 100 + MINUTE - 1, 1_000) == []
    visit = schedule.collect(100 + MINUTE, 1_000, 10)
    assert [(v.account, v.tier, v.woken) for v in visit] == [(address(1), Tier.WATCH, False)]
    assert collected(schedule, 100 * MINUTE, 1_000) == []
    assert len(schedule) == 0


@pytest.mark.parametrize(("distance", "wake"), [(0.2, 905), (-0.2, 1_105)])
def test_the_mark_wakes_a_position_that_has_lost_half_its_distance(
    distance: float, wake: int
) -> None:
    # 1000·exp(∓0.1) is 904.8 and 1105.2: rounded toward the mark.
    away = 1 if distance > 0 else -1
    schedule = MarketSchedule(CONFIG)
    schedule.place(address(1), 0, 600 * MINUTE, 1_000, distance)
    assert collected(schedule, 1, wake + away) == []
    assert [v.woken for v in schedule.collect(1, wake, 10)] == [True]


def test_no_price_wakes_where_the_wake_up_is_off() -> None:
    schedule = MarketSchedule(msgspec.structs.replace(CONFIG, wake_share=0))
    schedule.place(address(1), 0, 600 * MINUTE, 1_000, 0.2)
    assert collected(schedule, 1, 1) == []


def test_a_position_without_a_trigger_is_woken_by_no_price() -> None:
    schedule = MarketSchedule(CONFIG)
    schedule.place(address(1), 0, 600 * MINUTE, 1_000, math.inf)
    assert collected(schedule, 1, 1) == []
    assert collected(schedule, 600 * MINUTE, 1_000) == [1]


def test_only_the_last_placement_counts() -> None:
    schedule = MarketSchedule(CONFIG)
    schedule.place(address(1), 0, 1, 1_000, 0.2)
    schedule.place(address(1), 0, 600 * MINUTE, 1_000, 2.0)
    assert collected(schedule, MINUTE, 900) == []
    assert schedule.members == [0, 0, 0, 1]


def test_a_removed_position_never_comes_up() -> None:
    schedule = MarketSchedule(CONFIG)
    schedule.place(address(1), 0, 1, 1_000, 0.2)
    schedule.remove(address(1))
    schedule.remove(address(1))
    assert collected(schedule, MINUTE, 1) == []
    assert sum(schedule.members) == 0


def test_a_round_is_bounded_and_what_it_leaves_stays_first_in_line() -> None:
    schedule = MarketSchedule(CONFIG)
    for number in range(1, 11):
        schedule.place(address(number), 0, 100 + number, 1_000, 5.0)
    schedule.place(address(11), 0, 600 * MINUTE, 1_000, 0.01)
    # The woken one goes first, then the most overdue.
    assert collected(schedule, 1_000, 990, limit=4) == [11, 1, 2, 3]
    schedule.place(address(1), 1_000, 0, 990, 0.0)
    assert collected(schedule, 2_000, 990, limit=4) == [4, 5, 6, 7]
    assert collected(schedule, 3_000, 990, limit=9) == [8, 9, 10, 1]


def test_heaps_stay_within_twice_their_positions() -> None:
    schedule = MarketSchedule(CONFIG)
    draw = random.Random(3)
    for turn in range(5_000):
        schedule.place(address(draw.randrange(20)), turn, 10**7, 1_000, draw.choice((0.3, -0.3)))
    assert len(schedule) == 20
    for heap in (schedule._due, *schedule._wake):
        assert len(heap) <= 2 * 20 + 64
    assert sorted(collected(schedule, 10**8, 1_000)) == list(range(20))
