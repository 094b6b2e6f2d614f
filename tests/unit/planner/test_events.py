"""The stations of a stretch by hand; their laws are tested in tests/simulation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.planner.events import commit_times_s, pool_departures_s, starts_by_priority_s
from node.planner.pipeline import Journal

TIMES = st.lists(st.tuples(st.floats(0, 2), st.floats(0, 3), st.integers(0, 2)), max_size=60)


def test_the_urgent_go_first_and_nothing_is_interrupted() -> None:
    starts = starts_by_priority_s(
        [0.0, 1.0, 2.0, 3.0], lanes=[1, 1, 0, 0], services_s=[4, 1, 1, 1], limits=[9, 9]
    )
    assert starts == [0.0, 6.0, 4.0, 5.0]


def test_a_full_lane_refuses_and_no_other_lane_notices() -> None:
    starts = starts_by_priority_s(
        [0.0, 1.0, 2.0, 3.0], lanes=[1, 1, 1, 0], services_s=[5, 1, 1, 1], limits=[1, 1]
    )
    assert starts[:2] == [0.0, 6.0]
    assert math.isnan(starts[2])
    assert starts[3] == 5.0


def test_a_pool_serves_as_many_as_it_has_workers() -> None:
    assert pool_departures_s([0.0, 0.0, 0.0, 9.0], [2, 3, 1, 1], 2) == [2.0, 3.0, 3.0, 10.0]


def test_a_commit_takes_what_has_gathered() -> None:
    journal = Journal(commit_s=1.0, record_s=0.5, records_max=3)
    ready = [0.0, 0.1, 0.2, 0.3, 0.4, 9.0]
    # One alone at 0, then three at 1.5, then the one left over, then the latecomer.
    assert commit_times_s(ready, journal) == [1.5, 4.0, 4.0, 4.0, 5.5, 10.5]


@given(TIMES)
def test_pool_and_priority_wait_as_lindley_says_on_one_lane(
    drawn: list[tuple[float, float, int]],
) -> None:
    """W_{k+1} = max(0, W_k + S_k − A_{k+1}), the walk less its running minimum (Lindley 1952)."""
    gaps, services = [gap for gap, _, _ in drawn], [service for _, service, _ in drawn]
    arrivals = np.cumsum(gaps).tolist()
    starts = starts_by_priority_s(arrivals, [0] * len(arrivals), services, [1_000])
    departures = pool_departures_s(arrivals, services, 1)
    walk = np.cumsum([0.0, *np.subtract(services[:-1], gaps[1:])])[: len(gaps)]
    waits = walk - np.minimum.accumulate(walk)
    assert np.subtract(starts, arrivals) == pytest.approx(waits, abs=1e-9)
    assert np.add(starts, services) == pytest.approx(departures, abs=1e-9)


@given(TIMES, st.integers(1, 5))
def test_one_server_never_serves_two_and_never_idles_before_work(
    drawn: list[tuple[float, float, int]], limit: int
) -> None:
    arrivals = np.cumsum([gap for gap, _, _ in drawn])
    services = np.array([service for _, service, _ in drawn])
    lanes = [lane for _, _, lane in drawn]
    starts = np.array(
        starts_by_priority_s(arrivals.tolist(), lanes, services.tolist(), [limit] * 3)
    )
    ends = starts + services
    served = np.flatnonzero(~np.isnan(starts))
    # What takes no time may share its start with one that does, and was served before it.
    served = served[np.lexsort((ends[served], starts[served]))]
    before = np.concatenate([[-1.0], ends[served][:-1]])
    assert (starts[served] >= before).all()
    assert np.array_equal(starts[served], np.maximum(before, arrivals[served]))
    for lane in range(3):
        mine = [starts[i] for i in sorted(served.tolist()) if lanes[i] == lane]
        assert mine == sorted(mine)
    for index in np.flatnonzero(np.isnan(starts)):
        mine = [i for i in range(index) if lanes[i] == lanes[index] and i in set(served.tolist())]
        waiting = sum(starts[i] >= arrivals[index] for i in mine)
        assert waiting >= limit
