"""The buffer in figures that can be checked by hand."""

import msgspec
import pytest

from node.margin.staleness import age_limit, data_age, thinnest_margin, unseen_move
from node.margin.volatility import VARIANCE_ONE, variance_after, variance_of
from node.types.errors import ConfigInvalid
from node.types.rules import StalenessRules, check_rules
from node.types.units import Millis, Ppm
from tests.examples import RULES, market_rules

MINUTE_MS = 60_000
THREE = 3_000_000


@pytest.mark.parametrize(
    ("volatility", "age_ms", "buffer"),
    [
        # 107 ppm per root of a second is 60 % a year; three of them over a second are 321.
        (107, 1_000, 321),
        (107, 4_000, 642),
        # Ethereum's finality, 64 slots of 12 s: 321 * sqrt(768) = 8895.8…
        (107, 768_000, 8_896),
        (107, 0, 0),
        (0, 768_000, 0),
    ],
)
def test_the_buffer_on_an_ordinary_day(volatility: int, age_ms: int, buffer: int) -> None:
    assert unseen_move(THREE, variance_of(volatility), age_ms) == buffer


def test_opening_ends_where_three_deviations_reach_the_thinnest_margin() -> None:
    rules = market_rules("BTC-PERP", 2)
    assert thinnest_margin(rules) == 50_000
    # (50_000 / (3 * 1_000))^2 = 277.7… seconds.
    stale = msgspec.structs.replace(rules, staleness=StalenessRules(deviations=Ppm(THREE)))
    assert age_limit(stale, variance_of(1_000)) == 277_777
    assert age_limit(stale, 0) is None


def test_the_age_is_the_marks_plus_what_settlement_takes() -> None:
    assert data_age(now=10_000, mark_time=9_000, lag=700, finality_ms=500) == 1_700
    assert data_age(now=10_000, mark_time=9_000, lag=700, finality_ms=900) == 1_900
    assert data_age(now=10_000, mark_time=11_000, lag=700, finality_ms=0) == 700


def test_one_return_enters_with_its_share_of_the_window() -> None:
    rules = StalenessRules(window_ms=Millis(59_000), volatility_ceiling=Ppm(100_000))
    # 1 % within a second: (0 + 10_000^2 * 1 s) / 60 s.
    found = variance_after(rules, 0, 10_000, 10_100, 1_000)
    assert found == -(-(10**8) * VARIANCE_ONE // 60)


def test_a_long_silence_leaves_only_its_own_return() -> None:
    rules = StalenessRules(window_ms=Millis(MINUTE_MS), volatility_ceiling=Ppm(100_000))
    day_ms = 24 * 3_600_000
    found = variance_after(rules, variance_of(1_000), 10_000, 12_000, day_ms)
    assert variance_of(677) < found < variance_of(683), "20 % over a day is 680 a root second"


def test_all_faults_of_staleness_are_told_at_once() -> None:
    staleness = StalenessRules(
        deviations=Ppm(-1),
        volatility_floor=Ppm(500),
        volatility_prior=Ppm(100),
        volatility_ceiling=Ppm(400),
        window_ms=Millis(0),
    )
    market = msgspec.structs.replace(market_rules("BTC-PERP", 2), staleness=staleness)
    rules = msgspec.structs.replace(RULES, markets=(market,), finality_ms=Millis(-1))
    with pytest.raises(ConfigInvalid) as refused:
        check_rules(rules)
    assert [fault.split(":")[0] for fault in refused.value.faults] == [
        "markets[0].staleness.deviations",
        "markets[0].staleness.volatility_ceiling",
        "markets[0].staleness.volatility_prior",
        "markets[0].staleness.window_ms",
        "finality_ms",
    ]
