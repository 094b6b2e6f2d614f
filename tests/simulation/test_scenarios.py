"""The library of scenarios: each reads, runs, and answers within bounds that a person would expect.

Few runs in coarse steps: this checks what happens, not how likely it is.
"""

import functools
import tomllib

import msgspec
import pytest

from node.planner.answer import Answer, LaneAnswer
from node.planner.conclude import conclude
from node.planner.forecast import draw
from node.planner.scenario import LANES, RISK_ADDING, Scenario
from node.planner.scenario_reading import read_scenario
from tests.architecture.sources import TOP

FOLDER = TOP / "configs" / "scenarios"
NAMES = sorted(file.stem for file in FOLDER.glob("*.toml"))


def scenario_of(name: str) -> Scenario:
    tables = tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
    quick = {
        "runs": 6,
        "knee_runs": 1,
        "step_s": 12.0,
        "stretch_events": 400,
        "seed": 5,
    }
    return read_scenario({**tables, "extent": {**tables.get("extent", {}), **quick}})


@functools.cache
def answer_of(name: str) -> Answer:
    scenario = scenario_of(name)
    return conclude(scenario, draw(scenario))


def lane(answer: Answer, name: str) -> LaneAnswer:
    return answer.lanes[LANES.index(name)]


def refused(answer: Answer, name: str, cause: str) -> float:
    """Return the median number of refusals."""
    found = lane(answer, name).refused_by[cause].p50
    assert found is not None
    return found


def median(value: float | None) -> float:
    assert value is not None
    return value


def test_the_library_is_whole() -> None:
    wanted = {
        "calm",
        "rush",
        "crash-2025-10-10",
        "crash-2020-03-12",
        "liquidation-cascade",
        "l1-congestion",
        "l1-outage",
        "reorgs",
        "oracle-stall",
        "new-listing",
        "arbitrum-backlog-2023-12-15",
    }
    assert wanted <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_scenario_is_told_in_plain_words(name: str) -> None:
    text = (FOLDER / f"{name}.toml").read_text(encoding="utf-8")
    assert text.startswith("# ")
    assert scenario_of(name).name == name


@pytest.mark.parametrize("name", NAMES)
def test_what_every_scenario_must_keep_to(name: str) -> None:
    answer = answer_of(name)
    assert median(answer.knee.p50) == pytest.approx(answer.law.limit_per_s, rel=0.06)
    assert answer.chain.in_flight_peak <= answer.chain.in_flight_max
    # What reduces risk is refused by neither gate nor stale mark, whatever happens.
    for each in answer.lanes:
        if each.name not in RISK_ADDING:
            assert refused(answer, each.name, "gate") == refused(answer, each.name, "stale") == 0
            assert refused(answer, each.name, "lane") == 0
    encoded = msgspec.json.decode(msgspec.json.encode(answer))
    assert encoded["scenario"] == name


def test_calm_is_calm() -> None:
    answer = answer_of("calm")
    assert median(answer.chain.gate_closed_s.p95) == 0
    assert median(answer.liquidations.bad_debt.p95) == 0
    assert sum(median(each.refused.p95) for each in answer.lanes) == 0
    assert 64 * 12 < median(answer.chain.finality_p50_s.p50) < 66 * 12 + 24


def test_a_rush_outgrows_l1_and_drains_again() -> None:
    answer = answer_of("rush")
    assert median(answer.chain.gate_closed_s.p50) > 60
    assert median(answer.chain.unposted_end.p50) < 0.1 * median(answer.chain.unposted_peak.p50)
    # The gate is the bound: behind it only what reduces risk still comes, for so long as L1 is.
    assert median(answer.chain.unposted_peak.p50) < 1.3 * answer.chain.gate_closes_at


def test_an_outage_piles_up_evenly_until_the_gate_closes() -> None:
    scenario, answer = scenario_of("l1-outage"), answer_of("l1-outage")
    series = answer.series["unposted"]
    rate = scenario.flow.rate_per_s + 1 / scenario.oracle.interval_s
    gone = dict(zip(series.at_s, series.p50, strict=True))
    before = [at for at in gone if 620 < at < 600 + 0.9 * answer.chain.gate_closes_at / rate]
    grown = (gone[before[-1]] - gone[before[0]]) / (before[-1] - before[0])
    assert grown == pytest.approx(rate, rel=0.05)
    # From the gate on, a third of the flow is left: what reduces risk.
    after = [at for at in gone if 1_500 < at < 4_000]
    slower = (gone[after[-1]] - gone[after[0]]) / (after[-1] - after[0])
    assert slower == pytest.approx(0.35 * scenario.flow.rate_per_s + 4, rel=0.05)
    closed = answer.series["closed"]
    first = next(at for at, shut in zip(closed.at_s, closed.p50, strict=True) if shut)
    assert first == pytest.approx(600 + answer.chain.gate_closes_at / rate, abs=90)
    assert answer.phases[0].limit_per_s == 0
    assert median(answer.chain.finality_p99_s.p50) > 3_600


def test_congestion_slows_l1_to_a_tenth() -> None:
    answer = answer_of("l1-congestion")
    assert answer.phases[0].l1_per_s < 0.15 * answer.law.limits_per_s["l1"]
    assert refused(answer, "taking", "gate") > 0
    calm = answer_of("calm")
    assert median(answer.chain.finality_p99_s.p50) > 1.5 * median(calm.chain.finality_p99_s.p50)
    assert median(answer.chain.cost_eth.p50) > 2 * median(calm.chain.cost_eth.p50)


def test_nothing_opens_while_the_oracle_is_silent() -> None:
    scenario, answer = scenario_of("oracle-stall"), answer_of("oracle-stall")
    silent_s = sum(end - begin - scenario.oracle.stale_s for begin, end in scenario.oracle.stalls)
    share = silent_s / scenario.extent.horizon_s
    for name in sorted(RISK_ADDING):
        mine = lane(answer, name)
        assert refused(answer, name, "stale") == pytest.approx(
            share * median(mine.arrived.p50), rel=0.05
        )
    # What the fall sets off in the meantime is seen only afterwards.
    assert median(answer.liquidations.late_share.p50) > 0.5
    assert median(answer.liquidations.delay_p99_s.p50) > 120
    assert median(answer.liquidations.delay_p99_s.p95) < 820 + 60


def test_reorgs_cost_time_and_lose_nothing() -> None:
    answer, calm = answer_of("reorgs"), answer_of("calm")
    assert median(answer.chain.finality_p99_s.p50) > median(calm.chain.finality_p99_s.p50)
    assert median(answer.chain.unposted_peak.p50) > median(calm.chain.unposted_peak.p50)
    # What two blocks' time brings: some of it in flight.
    assert median(answer.chain.unposted_end.p50) < 2 * 12 * 304


def test_a_crash_liquidates_most_of_the_crowd() -> None:
    crash, earlier = answer_of("crash-2025-10-10"), answer_of("crash-2020-03-12")
    positions = scenario_of("crash-2025-10-10").positions
    assert median(crash.liquidations.count.p50) > 0.6 * positions.open
    assert 1_000 < median(earlier.liquidations.count.p50) < 0.8 * 10_000


def test_a_cascade_feeds_itself() -> None:
    """The same fall over a book a hundred times as deep liquidates far fewer."""
    scenario = scenario_of("liquidation-cascade")
    deep = msgspec.structs.replace(
        scenario, market=msgspec.structs.replace(scenario.market, depth=1e9)
    )
    calmer = conclude(deep, draw(deep))
    cascade = answer_of("liquidation-cascade")
    assert median(cascade.liquidations.count.p50) > 1.1 * median(calmer.liquidations.count.p50)
    low = min(cascade.series["price"].p50)
    assert low < min(calmer.series["price"].p50) - 0.02
    assert median(cascade.liquidations.bad_debt.p95) > 0


def test_a_listing_floods_the_risk_adding_lanes_alone() -> None:
    answer = answer_of("new-listing")
    assert refused(answer, "taking", "gate") > 0.3 * median(lane(answer, "taking").arrived.p50)


def test_the_arbitrum_backlog_stays_bounded_and_drains() -> None:
    answer = answer_of("arbitrum-backlog-2023-12-15")
    assert answer.chain.in_flight_peak == answer.chain.in_flight_max == 10
    assert 30_000 < median(answer.chain.unposted_peak.p50) < 90_000
    assert median(answer.chain.unposted_end.p95) < 5_000
