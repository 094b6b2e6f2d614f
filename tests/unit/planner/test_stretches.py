"""What a run begins with: how far off its measurements are, and what waits already."""

import msgspec
import numpy as np
import pytest

from node.planner.pipeline import Estimated, Gamma, Journal, Pipeline
from node.planner.stretches import Tally, scales_of, stretch_from
from node.planner.tides import Kept
from tests.unit.planner.node_examples import small_node

OFF = (0.8, 0.9, 1.0, 1.1, 1.2)


def estimated(node: Pipeline) -> Pipeline:
    """Return the node with both kinds timed in the same windows, which were off by as much."""
    kinds = [
        msgspec.structs.replace(
            kind, loop=Estimated(mean_s, 0.5, tuple(off * mean_s for off in OFF))
        )
        for kind in node.kinds
        for mean_s in (kind.loop.moments.mean_s,)
    ]
    return msgspec.structs.replace(node, kinds=tuple(kinds))


def test_a_run_takes_one_replicate_of_all_kinds() -> None:
    """Drawn for each kind on its own, errors would cancel and fall between these five."""
    scales = scales_of(estimated(small_node(100.0)), 400, np.random.default_rng(1))
    assert sorted(set(np.round(scales, 9).tolist())) == pytest.approx(OFF)
    assert scales.std() == pytest.approx(np.std(OFF), rel=0.1)


def test_what_another_hour_brings_differs_from_run_to_run() -> None:
    unsure = msgspec.structs.replace(small_node(100.0), unsure=0.12)
    scales = np.log(scales_of(unsure, 4_000, np.random.default_rng(1)))
    assert scales.std() == pytest.approx(0.12, rel=0.05)
    assert scales.mean() == pytest.approx(0, abs=0.01)


def test_what_is_known_is_off_by_nothing() -> None:
    random = np.random.default_rng(1)
    assert scales_of(small_node(100.0), 3, random).tolist() == [1.0, 1.0, 1.0]
    # Nothing was drawn for it either.
    assert random.random() == np.random.default_rng(1).random()


def test_what_is_refused_at_the_door_still_makes_others_come() -> None:
    """As it does in the hour; and nothing of it is served."""
    node = small_node(2_000.0, branching=0.7)
    empty = Kept(
        pool=np.zeros((1, 2)),
        lanes=np.zeros((1, 2)),
        journal=np.zeros(1),
        excitation=np.zeros((1, 1, 2)),
    )
    every, fewer = (
        stretch_from(node, empty, 0, 5.0, 1.0, np.array([1.0, takers]), np.random.default_rng(4))
        for takers in (1.0, 0.0)
    )
    cancels = every.arrivals_s[every.lanes == 0]
    assert 0 < cancels.size < every.lanes.size
    assert fewer.arrivals_s.tolist() == cancels.tolist()


def test_a_run_counts_for_as_many_items_as_it_stands_for() -> None:
    node, random = small_node(100.0), np.random.default_rng(2)
    empty = Kept(
        pool=np.zeros((1, 2)),
        lanes=np.zeros((1, 2)),
        journal=np.zeros(1),
        excitation=np.zeros((1, 1, 2)),
    )
    stretch = stretch_from(node, empty, 0, 5.0, 1.0, np.ones(2), random)
    once, thrice = Tally(1, 2), Tally(1, 2)
    once.take(0, stretch, 0.0, 1.0)
    thrice.take(0, stretch, 0.0, 3.0)
    assert once.wait_counts.sum() == stretch.lanes.size
    assert thrice.wait_counts.tolist() == (3 * once.wait_counts).tolist()
    assert thrice.wait_sums_s == pytest.approx(3 * once.wait_sums_s)
    assert thrice.wait_s.tolist() == once.wait_s.tolist()


def test_what_waits_for_the_disk_is_written_first() -> None:
    """A thousand records that take the disk a millisecond each are before all that comes."""
    node = small_node(50.0)
    slow = Journal(commit_s=0.001, record_s=0.0, records_max=1)
    node = msgspec.structs.replace(node, journal=slow)
    none = np.zeros((1, 2))
    empty, behind = (
        Kept(pool=none, lanes=none, journal=np.array([items]), excitation=np.zeros((1, 1, 2)))
        for items in (0.0, 1_000.0)
    )
    quick, held = (
        stretch_from(node, kept, 0, 5.0, 1.0, np.ones(2), np.random.default_rng(4))
        for kept in (empty, behind)
    )
    first = held.arrivals_s < 0.5
    assert (held.arrivals_s + held.delay_s)[first].min() > 1.0
    assert (quick.delay_s[first] < 0.1).all()
    assert held.wait_s.tolist() == quick.wait_s.tolist()


def test_what_waits_in_a_lane_was_verified_and_what_waits_for_a_worker_was_not() -> None:
    """Fifty cancels of 200 µs in their lane; workers take ten milliseconds for each signature."""
    node = small_node(1e-6)
    slow = tuple(msgspec.structs.replace(kind, verify=Gamma(0.01)) for kind in node.kinds)
    node = msgspec.structs.replace(node, kinds=slow)
    kept = Kept(
        pool=np.array([[2.0, 0.0]]),
        lanes=np.array([[50.0, 0.0]]),
        journal=np.zeros(1),
        excitation=np.zeros((1, 1, 2)),
    )
    found = stretch_from(node, kept, 0, 1.0, 1.0, np.ones(2), np.random.default_rng(1))
    assert found.wait_s[:50] == pytest.approx(np.arange(50) * 200e-6)
    # Those two have both workers to themselves, and the lane is empty when they come.
    assert found.wait_s[50:] == pytest.approx([0.0, 200e-6])
    assert found.delay_s[50:] == pytest.approx(0.01 + np.array([200e-6, 400e-6]) + 201e-6, rel=0.02)
