"""Delays count from when an action was due, whatever the node or the generator did meanwhile."""

from itertools import pairwise
from random import Random
from statistics import fmean, pstdev

import pytest

from node.simulation.ramp import tally as tally_module
from node.simulation.ramp.points import delays_of, point_of
from node.simulation.ramp.schedule import poisson_times
from node.simulation.ramp.tally import Tally

OK = b'"result":{"results":[]}}'
FULL = b'"error":{"code":2001,"name":"Overloaded","values":{"queue":"lane_taking","limit":9}}}'
CROSSED = b'"error":{"code":1206,"name":"PostOnlyWouldCross","values":{"price":1,"best":2}}}'


class Hands:
    """A clock that stands where it is put."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.at = 0.0
        monkeypatch.setattr(tally_module, "perf_counter", lambda: self.at)


@pytest.fixture
def hands(monkeypatch: pytest.MonkeyPatch) -> Hands:
    return Hands(monkeypatch)


def test_a_stalled_node_is_charged_for_all_that_was_due_meanwhile(hands: Hands) -> None:
    # One action each millisecond; the node stalls from 0.2 s to 0.7 s and then answers all.
    due = [place / 1_000 for place in range(1_000)]
    tally = Tally(due, ["taking"] * len(due))
    for action, at in enumerate(due):
        hands.at = max(at + 0.001, 0.7) if at >= 0.2 else at + 0.001
        tally.note(action, OK)
    lane = tally.sample(0.0, 1.0, 0.0).lanes["taking"]
    # Half of the actions were due in the stall; a closed loop would have shown one slow answer.
    assert delays_of(lane.delays_us)["p50"] == pytest.approx(1.0, abs=0.01)
    assert sum(delay > 1_500 for delay in lane.delays_us) == pytest.approx(500, abs=2)
    assert delays_of(lane.delays_us)["p99"] == pytest.approx(490, abs=2)


def test_the_window_counts_what_was_due_in_it_and_the_goodput_what_came_in_it(
    hands: Hands,
) -> None:
    tally = Tally([0.1, 0.6, 0.7, 0.9], ["resting"] * 4)
    for action, at in ((0, 0.65), (1, 0.8), (2, 1.4)):
        hands.at = at
        tally.note(action, OK)
    sample = tally.sample(0.5, 1.0, 0.0)
    lane = sample.lanes["resting"]
    assert (lane.due, lane.done, lane.lost) == (3, 2, 1)
    assert sample.answered_in_window == 2
    assert point_of(sample, 4.0).goodput_per_s == pytest.approx(4.0)


def test_refusals_are_told_by_lane_and_cause_and_conserve(hands: Hands) -> None:
    tally = Tally([0.1] * 5, ["taking", "taking", "resting", "reducing", "resting"])
    hands.at = 0.2
    for action, text in enumerate((FULL, OK, CROSSED, OK)):
        tally.note(action, text)
    point = point_of(tally.sample(0.0, 1.0, 0.0), 5.0)
    assert point.lanes["taking"].causes == {"Overloaded lane_taking": 1}
    assert point.lanes["resting"].causes == {"PostOnlyWouldCross": 1}
    assert (point.lanes["taking"].refused, point.lanes["resting"].rejected) == (1, 1)
    assert point.refused == 2
    for lane in point.lanes.values():
        assert lane.due == lane.done + lane.rejected + lane.refused + lane.lost


def test_a_second_answer_and_an_unknown_one_change_nothing(hands: Hands) -> None:
    tally = Tally([0.1], ["taking"])
    hands.at = 0.2
    tally.note(0, OK)
    hands.at = 0.9
    tally.note(0, FULL)
    tally.note(17, OK)
    lane = tally.sample(0.0, 1.0, 0.0).lanes["taking"]
    assert (lane.done, lane.refused, lane.delays_us) == (1, 0, [100_000])


def test_an_empty_window_has_no_delays() -> None:
    assert point_of(Tally([], []).sample(0.0, 1.0, 0.0), 1.0).delay_ms["p50"] is None


def test_times_are_poisson_and_drawn_beforehand() -> None:
    times = poisson_times(2_000.0, 10.0, Random(5))
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert times == sorted(times)
    assert times[-1] < 10.0
    assert len(times) == pytest.approx(20_000, rel=0.03)
    # Of an exponential law, the standard deviation is the mean.
    assert pstdev(gaps) == pytest.approx(fmean(gaps), rel=0.05)
    assert poisson_times(2_000.0, 10.0, Random(5)) == times


@pytest.mark.parametrize(("rate", "seconds"), [(0.0, 1.0), (-1.0, 1.0), (1.0, 0.0)])
def test_no_time_is_drawn_from_nothing(rate: float, seconds: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        poisson_times(rate, seconds, Random(1))
