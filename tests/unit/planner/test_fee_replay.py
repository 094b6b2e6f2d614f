"""15 December 2023 again: what is in flight, held and charged is bounded; naive pricing beside."""

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from node.planner.fee_replay import Day, Replay, base_fees, replay
from node.types.fees import FeeRules

DAY = Day()
RULES = FeeRules()
FACTOR = 3.5
"""In each half hour nine tenths of what L1 takes is charged, and at most so many times as much."""
HALF_HOURS = [
    (begin, min(begin + 1_800, DAY.seconds - 1)) for begin in range(0, DAY.seconds, 1_800)
]


@pytest.fixture(scope="module")
def ours() -> Replay:
    return replay(DAY, RULES)


@pytest.fixture(scope="module")
def naive() -> Replay:
    return replay(DAY, RULES, naive=True)


def test_without_an_answer_the_backlog_is_that_of_the_day() -> None:
    unlimited = msgspec.structs.replace(DAY, gate_messages=10**9)
    left = float(replay(unlimited, RULES, naive=True).held.max())
    assert left == pytest.approx(34_515, rel=0.02)


@pytest.mark.parametrize("cap", [1, 4, 10])
def test_never_more_than_the_cap_is_in_flight(cap: int) -> None:
    day = msgspec.structs.replace(DAY, in_flight_max=cap, seconds=6_000)
    for bad in (True, False):
        assert float(replay(day, RULES, naive=bad).in_flight.max()) <= cap


def test_memory_is_bounded_even_while_l1_takes_nothing() -> None:
    """Past the gate only what reduces risk is held: its rate, times the time."""
    outage = msgspec.structs.replace(DAY, include_every=10**9, elasticity=0.0)
    held = replay(outage, RULES).held
    rush = DAY.rush_until_s - DAY.rush_from_s
    assert float(held.max()) <= DAY.gate_messages + DAY.rush + DAY.reducing * rush


def test_what_reduces_risk_always_passes(ours: Replay, naive: Replay) -> None:
    for played in (ours, naive):
        taken = float(played.accepted.sum()) + DAY.reducing * DAY.seconds
        posted_or_held = float(played.held[-1]) + played.posted * DAY.batch_messages
        assert posted_or_held == pytest.approx(taken)


def test_our_price_keeps_the_gate_open_where_naive_pricing_closes_it(
    ours: Replay, naive: Replay
) -> None:
    assert ours.refused == 0
    assert float(ours.held.max()) < DAY.gate_messages / 5
    assert naive.refused > 5_000
    assert float(naive.held.max()) >= DAY.gate_messages


def test_charged_over_paid_stays_within_the_factor(ours: Replay, naive: Replay) -> None:
    ratios = [ours.charge_ratio(*half_hour) for half_hour in HALF_HOURS]
    assert 0.9 <= min(ratios) <= max(ratios) <= FACTOR
    contrast = [naive.charge_ratio(*half_hour) for half_hour in HALF_HOURS]
    assert min(contrast) < 0.4


def price_over_cost(played: Replay) -> NDArray[np.float64]:
    """Return what each second's units were sold for over what they cost once they were posted."""
    taken = np.cumsum(played.accepted + DAY.reducing)
    posted_at = np.searchsorted(taken - played.held, taken)
    sold = np.flatnonzero((played.time_s >= 600) & (posted_at < len(taken)))
    return np.asarray(played.unit_price[sold] / played.unit_cost[posted_at[sold]])


def test_a_unit_is_seldom_sold_below_what_it_costs_once_posted(ours: Replay, naive: Replay) -> None:
    """Nobody foresees the base fee's first jump: those just before it paid the calm one."""
    ratios, contrast = price_over_cost(ours), price_over_cost(naive)
    assert np.mean(ratios < 1) < 0.013
    assert np.mean(contrast < 1) > 0.019
    assert np.quantile(ratios, 0.005) > 0.85
    assert np.quantile(contrast, 0.005) < 0.3


def test_a_unit_is_never_sold_far_below_its_present_cost(ours: Replay) -> None:
    """A forecast lies below it while the base fee falls: by no more than a fifth or so."""
    settled = ours.time_s >= 600
    assert np.all(ours.unit_price[settled] >= 0.79 * ours.unit_cost[settled])


def test_the_base_fee_moves_as_l1_lets_it() -> None:
    fees = base_fees(DAY)
    assert np.all(fees[1:] <= fees[:-1] * 9 // 8)
    assert np.all(fees[1:] >= fees[:-1] * 7 // 8)
    assert fees.max() == DAY.base_fee_rush_gwei * 10**9
