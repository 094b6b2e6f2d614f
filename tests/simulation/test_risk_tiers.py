"""How late the tiers would have been, measured against the exact index, and what they cost.

Time-driven tiers are run on paths with fat tails and jumps, with the wake-up by price turned off,
so that the tail tables alone are judged. What is asserted follows from the budget: a position may
spend ``late_share`` per ``budget_horizon_s``, so one that lives L seconds until its liquidation is
late with a probability of at most late_share · L / budget_horizon_s, if the tail table holds.
"""

import msgspec
import pytest

from node.risk.config import RiskConfig
from node.risk.tails import conformal_tail
from tests.simulation.price_paths import MINUTE_MS, garch_path, recorded_minutes
from tests.simulation.risk_tape import TapeResult, run_tape

TIME_ALONE = RiskConfig(
    late_share=0.02,
    budget_horizon_s=2 * 86_400,
    shortest_horizon_s=60,
    near_s=300,
    wake_share=0.0,
    checks_per_round=1_000_000,
    proposals_per_turn=100_000,
)
CALIBRATION_DAYS = 120
"""A share of 2 % over 2 days asks for 100."""
MARCH_12_2020_S = 1_583_971_200


def allowed_share(result: TapeResult, config: RiskConfig) -> float:
    return config.late_share * max(1.0, result.mean_life_s / config.budget_horizon_s)


def calibrated(config: RiskConfig, path: list[int]) -> RiskConfig:
    table = conformal_tail(config, path, MINUTE_MS)
    pairs = tuple(zip(table.horizons_ms, table.distances, strict=True))
    return msgspec.structs.replace(config, tail=pairs)


@pytest.fixture(scope="module")
def test_path() -> list[int]:
    return garch_path(seed=2, steps=2_160)


@pytest.fixture(scope="module")
def gaussian(test_path: list[int]) -> TapeResult:
    return run_tape(test_path, MINUTE_MS, TIME_ALONE, accounts=1_000, seed=3)


@pytest.fixture(scope="module")
def conformal(test_path: list[int]) -> TapeResult:
    config = calibrated(TIME_ALONE, garch_path(seed=1, steps=CALIBRATION_DAYS * 1_440))
    return run_tape(test_path, MINUTE_MS, config, accounts=1_000, seed=3)


def assert_the_index_found_all(result: TapeResult) -> None:
    assert result.scans > 50
    assert result.missed == 0
    assert result.report.audit_samples > 1_000
    assert result.report.audit_misses == 0
    assert result.report.liquidated == result.report.proposals == result.report.crossings
    assert result.report.repeats == 0


@pytest.mark.lengthy
def test_the_exact_index_finds_every_position(gaussian: TapeResult, conformal: TapeResult) -> None:
    assert_the_index_found_all(gaussian)
    assert_the_index_found_all(conformal)
    # The same path, the same index: whatever the tiers do, the same liquidations.
    assert gaussian.report.liquidated == conformal.report.liquidated > 500


@pytest.mark.lengthy
def test_a_conformal_tail_keeps_its_budget_under_jumps(conformal: TapeResult) -> None:
    print(conformal.summary("conformal, time alone"))
    assert conformal.report.late_share_upper <= allowed_share(conformal, TIME_ALONE)


@pytest.mark.lengthy
def test_a_gaussian_tail_breaks_its_budget_under_jumps(
    gaussian: TapeResult, conformal: TapeResult
) -> None:
    print(gaussian.summary("gaussian, time alone"))
    assert gaussian.report.late_share > 5 * allowed_share(gaussian, TIME_ALONE)
    # What the conformal tail keeps, it pays for in checks.
    assert gaussian.report.tier_checks < conformal.report.tier_checks / 5


@pytest.mark.lengthy
def test_a_wake_up_by_price_is_what_makes_cheap_tiers_safe(
    test_path: list[int], gaussian: TapeResult, conformal: TapeResult
) -> None:
    config = msgspec.structs.replace(TIME_ALONE, wake_share=0.5)
    woken = run_tape(test_path, MINUTE_MS, config, accounts=1_000, seed=3)
    print(woken.summary("gaussian, with wake-up"))
    # Funding stands still here, and no trigger lies beyond its position's wake price.
    assert woken.report.late == 0
    assert woken.report.found_by_wake > 0
    assert woken.report.tier_checks < 2 * gaussian.report.tier_checks
    assert woken.report.tier_checks < conformal.report.tier_checks


@pytest.mark.lengthy
def test_the_tail_of_a_calm_year_on_two_days_of_crash() -> None:
    """Calibrated on 2018, tested on 12 and 13 March 2020, minute by minute."""
    calm, crash = recorded_minutes(2018), recorded_minutes(2020)
    if isinstance(calm, str) or isinstance(crash, str):
        pytest.skip(str(calm if isinstance(calm, str) else crash))
    start = crash[0].index(MARCH_12_2020_S)
    path = crash[1][start : start + 2 * 1_440]
    config = msgspec.structs.replace(TIME_ALONE, late_share=0.01, budget_horizon_s=86_400)
    gaussian = run_tape(path, MINUTE_MS, config, accounts=250, seed=3)
    conformal = run_tape(path, MINUTE_MS, calibrated(config, calm[1]), accounts=250, seed=3)
    for name, result in (("gaussian", gaussian), ("conformal", conformal)):
        print(result.summary(f"{name}, 12-13 March 2020"))
        assert_the_index_found_all(result)
    # 250 positions are too few for a bound as low as the budget, yet enough to tell the two apart.
    assert conformal.report.late_share <= allowed_share(conformal, config)
    assert gaussian.report.late_share > 5 * allowed_share(gaussian, config)
