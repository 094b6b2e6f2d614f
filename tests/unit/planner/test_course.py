"""What happens to a scenario's hours: windows, phases, blocks after outages, and one draw of it."""

import math

import msgspec
import numpy as np
import pytest

from node.planner.course import BlockClock, Course, course_of, ordinary, values_at, within
from node.planner.model import mean_bytes, pipeline_of
from node.planner.scenario import (
    Batches,
    Chain,
    Extent,
    Flow,
    L1Phase,
    MarketPath,
    Oracle,
    Scenario,
)
from node.planner.slots import Slots
from node.planner.timeline import L1Fault, timeline

TEN_MINUTES = Scenario(name="one", about="ten minutes", extent=Extent(horizon_s=600.0))


def course_with(**sections: msgspec.Struct) -> Course:
    scenario = msgspec.structs.replace(TEN_MINUTES, **sections)
    return course_of(scenario, pipeline_of(scenario))


def test_a_path_is_even_between_its_points_and_level_outside() -> None:
    times = np.array([0.0, 10.0, 15.0, 20.0, 99.0])
    assert values_at(((10.0, 1.0), (20.0, 3.0)), times, 7.0).tolist() == [1, 1, 2, 3, 3]
    assert values_at((), times, 7.0).tolist() == [7] * 5


def test_a_window_has_its_beginning_and_not_its_end() -> None:
    assert within(((1.0, 2.0), (5.0, 6.0)), np.array([0.5, 1.0, 2.0, 5.5])).tolist() == [
        False,
        True,
        False,
        True,
    ]


def test_a_mark_is_stale_from_its_limit_to_the_end_of_a_stall() -> None:
    course = course_with(oracle=Oracle(interval_s=0.25, stale_s=5.0, stalls=((100.0, 120.5),)))
    # The last mark before it is 0.25 s older than the stall.
    assert course.stale.sum() == pytest.approx(15.75)
    assert course.stale[104] == pytest.approx(0.25)
    assert course.stale[105] == 1
    assert course.stale[120] == pytest.approx(0.5)
    assert not course.rounds[110]
    assert course.rounds[99]


def test_stalls_with_no_round_between_them_are_one() -> None:
    pieces = tuple((100.0 + 5 * number, 105.0 + 5 * number) for number in range(20))
    whole = course_with(oracle=Oracle(interval_s=0.25, stale_s=5.0, stalls=((100.0, 200.0),)))
    parts = course_with(oracle=Oracle(interval_s=0.25, stale_s=5.0, stalls=pieces))
    assert parts.stale.tolist() == whole.stale.tolist()
    assert parts.stale.sum() == pytest.approx(95.25)


def test_a_stall_that_takes_a_round_away_lasts_to_the_next_one() -> None:
    """Rounds at 60 and 180 s; that of 120 s falls into the stall."""
    course = course_with(oracle=Oracle(interval_s=60.0, stale_s=70.0, stalls=((110.0, 130.0),)))
    assert course.stale.sum() == pytest.approx(50.0)
    assert (course.stale[129], course.stale[130], course.stale[179]) == (0, 1, 1)


def test_a_round_is_lost_where_its_own_time_is_in_a_stall() -> None:
    """Those at 10 and 15 s; the ones at 5 and 20 s come in the steps that end there."""
    course = course_with(oracle=Oracle(interval_s=5.0, stalls=((10.0, 20.0),)))
    assert np.flatnonzero(course.rounds)[:4].tolist() == [4, 19, 24, 29]
    brief = course_with(oracle=Oracle(interval_s=5.0, stalls=((4.2, 5.0),)))
    assert np.flatnonzero(brief.rounds)[:2].tolist() == [4, 9]


def test_a_slow_oracle_is_stale_between_its_rounds() -> None:
    course = course_with(oracle=Oracle(interval_s=20.0, stale_s=5.0))
    assert course.stale == pytest.approx(np.full(600, 0.75))
    assert course.rounds.sum() == 30


def test_a_phase_changes_l1_for_as_long_as_it_lasts() -> None:
    phases = (
        L1Phase(100.0, 200.0, gas_price_factor=10.0, inclusion=0.1, block_share=0.5),
        L1Phase(200.0, 300.0, gas_price_factor=100.0),
        L1Phase(300.0, 400.0, outage=True),
    )
    sky = course_with(l1=Chain(phases=phases)).sky
    assert sky.inclusion[[50, 150, 250, 450]].tolist() == [0.95, 0.1, 0.0, 0.95]
    assert sky.room[50] == 2 * sky.room[150] + 1 == 7
    assert sky.running[[250, 350, 450]].tolist() == [True, False, True]
    assert sky.gas_price_gwei[150] == 50


def test_the_gate_closes_at_so_many_full_batches_or_bytes_however_slow_the_flow() -> None:
    course = course_with(flow=Flow(rate_per_s=10.0))
    each = mean_bytes(TEN_MINUTES)
    assert course.sky.batch_items == pytest.approx(100_000 / each)
    assert course.gate_items == pytest.approx(64 * 100_000 / each)
    narrow = course_with(batches=Batches(backlog_bytes_max=1_000_000))
    assert narrow.gate_items == pytest.approx(1_000_000 / each)


@pytest.mark.parametrize(
    ("at_s", "blocks", "expected_s"),
    [(0.0, 2, 24.0), (90.0, 1, 202.0), (150.0, 1, 212.0), (200.0, 0, 200.0), (590.0, 10, 710.0)],
)
def test_blocks_are_counted_past_an_outage(at_s: float, blocks: int, expected_s: float) -> None:
    """No block comes from 100 to 200 s; past the horizon they are regular again."""
    course = course_with(l1=Chain(phases=(L1Phase(100.0, 200.0, outage=True),)))
    clock = BlockClock(course.sky, 1.0, 12.0)
    assert clock.after(np.array([at_s]), blocks).tolist() == [pytest.approx(expected_s)]


def test_a_reorg_takes_back_what_the_last_blocks_had() -> None:
    pipeline = pipeline_of(TEN_MINUTES)
    chain = Chain(inclusion=1.0, reorgs_per_hour=300.0, reorg_blocks=2)
    course = course_with(l1=chain)
    assert course.sky.reorg_per_block == 1
    random = np.random.default_rng(1)
    slots = Slots(pipeline.settlement, course.sky, 1, random)
    slots.unposted += 1_000
    for step in range(60):
        slots.advance(step, step + 1.0, random)
        assert slots.outstanding[0] + slots.included[0] == pytest.approx(1_000)
    # Each block takes the one before back, so never more than one block's worth stays.
    assert slots.included[0] <= 1_000
    assert slots.in_flight_peak >= 1


def test_a_block_takes_all_that_wait_and_fit_or_none() -> None:
    """One account posts, in the order of its nonces; which blocks take them is by lot."""
    course = course_with(l1=Chain(block_s=1.0, in_flight_max=4, inclusion=0.4))
    chain = pipeline_of(msgspec.structs.replace(TEN_MINUTES, l1=Chain(in_flight_max=4))).settlement
    chain = msgspec.structs.replace(chain, block_s=1.0)
    random = np.random.default_rng(3)
    slots = Slots(chain, course.sky, 200, random)
    # The first block of a run only fills the slots.
    slots.unposted += 1e9
    slots.advance(0, 1.0, random)
    for step in range(1, 51):
        before = slots.included.copy()
        slots.advance(step, step + 1.0, random)
        taken = (slots.included - before) / chain.batch.items
        assert set(np.round(taken, 9)) == {0.0, 4.0}
    assert slots.included.mean() / chain.batch.items == pytest.approx(50 * 0.4 * 4, rel=0.02)


def test_each_batch_pays_for_itself_however_little_it_holds() -> None:
    chain = Chain(block_s=1.0, inclusion=1.0, gas_price_gwei=30.0)
    scenario = msgspec.structs.replace(TEN_MINUTES, l1=chain)
    settlement = pipeline_of(scenario).settlement
    slots = Slots(settlement, course_with(l1=chain).sky, 1, np.random.default_rng(1))
    for step in range(101):
        # The last block is there to take what the one before it sealed.
        slots.unposted += 10.0 if step < 100 else 0.0
        slots.advance(step, step + 1.0, np.random.default_rng(1))
    each_gas = mean_bytes(scenario) * chain.byte_gas
    assert slots.included[0] == pytest.approx(1_000)
    gas = 100 * chain.batch_gas + 1_000 * each_gas
    assert slots.paid_eth[0] == pytest.approx(gas * 30e-9)
    assert gas > 1.5 * settlement.batch.gas / settlement.batch.items * 1_000


def test_what_a_reorg_takes_back_has_cost_nothing() -> None:
    chain = Chain(inclusion=1.0, reorgs_per_hour=300.0, reorg_blocks=2, gas_price_gwei=20.0)
    course = course_with(l1=chain)
    assert course.sky.reorg_per_block == 1
    batch = pipeline_of(TEN_MINUTES).settlement.batch
    random = np.random.default_rng(1)
    slots = Slots(pipeline_of(TEN_MINUTES).settlement, course.sky, 1, random)
    slots.unposted += 1_000
    for step in range(60):
        slots.advance(step, step + 1.0, random)
        items = slots.included[0]
        gas = batch.fixed_gas + items * batch.item_gas if items else 0.0
        assert slots.paid_eth[0] == pytest.approx(gas * 20e-9, abs=1e-12)


def test_an_ordinary_course_is_uneventful() -> None:
    course = ordinary(pipeline_of(TEN_MINUTES), 5, 1.0)
    assert (course.rate == 1).all()
    assert course.sky.running.all()
    assert math.isinf(course.gate_items)


def test_a_timeline_tells_what_a_node_would_meet() -> None:
    scenario = msgspec.structs.replace(
        TEN_MINUTES,
        flow=Flow(rate_per_s=100.0, path=((0.0, 1.0), (600.0, 3.0))),
        oracle=Oracle(stalls=((300.0, 310.0),)),
        market=MarketPath(shape=((0.0, 1.0), (600.0, 0.5)), jumps_per_day=0.0),
        l1=Chain(phases=(L1Phase(10.0, 20.0, outage=True),), reorgs_per_hour=60.0),
    )
    found = timeline(scenario, seed=3)
    assert found.rate_per_s[0] == pytest.approx(100, rel=0.01)
    assert found.rate_per_s[-1] == pytest.approx(300, rel=0.01)
    assert (~found.oracle).sum() == 10
    assert found.price.size == found.rate_per_s.size + 1
    assert found.price[0] == 1
    assert found.price[-1] == pytest.approx(0.5, rel=0.1)
    assert L1Fault(10.0, 20.0, "outage", inclusion=0.95) in found.faults
    assert any(fault.kind == "reorg" for fault in found.faults)
    assert np.array_equal(found.price, timeline(scenario, seed=3).price)
    assert not np.array_equal(found.price, timeline(scenario, seed=4).price)
