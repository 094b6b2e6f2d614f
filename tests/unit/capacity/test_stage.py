"""The law of conservation holds for a stage that counts rightly and fails for one that does not."""

import pytest

from node.capacity.stage import Stage


def stage_of(hands: list[str]) -> Stage:
    return Stage("match", capacity=8, held=hands.__len__)


def test_a_stage_conserves_while_it_holds_and_after() -> None:
    hands: list[str] = []
    stage = stage_of(hands)
    hands += ["a", "b", "c"]
    stage.enter(3)
    assert stage.conserved()
    hands.remove("a")
    stage.leave()
    hands.remove("b")
    stage.refuse("expired")
    assert stage.conserved()
    assert (stage.arrived, stage.done, stage.refused, stage.held()) == (3, 1, {"expired": 1}, 1)


def test_a_lost_item_and_an_invented_one_break_the_law() -> None:
    hands = ["a"]
    stage = stage_of(hands)
    stage.enter()
    hands.clear()
    assert (stage.conserved(), stage.imbalance()) == (False, 1)
    stage.leave(2)
    assert (stage.conserved(), stage.imbalance()) == (False, -1)


def test_refusals_are_counted_by_cause() -> None:
    stage = stage_of([])
    stage.turn_away("full", 2)
    stage.enter()
    stage.refuse("expired")
    stage.turn_away("full")
    assert stage.refused == {"full": 3, "expired": 1}
    assert stage.conserved()


def test_the_peak_is_the_most_that_was_inside_at_once() -> None:
    stage = stage_of([])
    stage.enter(3)
    stage.leave(2)
    stage.refuse("late")
    stage.enter(2)
    assert stage.peak_depth == 3


def test_what_is_turned_away_at_the_door_makes_no_peak() -> None:
    stage = stage_of([])
    stage.turn_away("full", 50)
    assert stage.peak_depth == 0


def test_depth_is_what_waits_and_held_is_all() -> None:
    stage = Stage("s", capacity=None, held=lambda: 5, waiting_items=lambda: 3)
    assert (stage.depth, stage.held()) == (3, 5)
    assert stage_of(["a", "b"]).depth == 2


def test_work_is_timed_per_item_and_busy_time_is_exact() -> None:
    stage = stage_of([])
    stage.busy(1_000, 1_100, 10)
    stage.busy(2_000, 2_007, 0)
    stage.waited(40)
    assert stage.busy_ns == 107
    assert (stage.service.count, stage.service.quantile(500_000)) == (10, 10)
    assert (stage.waiting.count, stage.waiting.quantile(500_000)) == (1, 40)


def test_a_clock_that_runs_backwards_is_refused() -> None:
    stage = stage_of([])
    with pytest.raises(ValueError):
        stage.busy(10, 9, 1)
    with pytest.raises(ValueError):
        stage.waited(-1)
    assert stage.busy_ns == stage.service.count == stage.waiting.count == 0


def test_a_snapshot_is_a_copy() -> None:
    hands = ["a"]
    stage = stage_of(hands)
    stage.enter()
    stage.turn_away("full")
    before = stage.snapshot()
    stage.turn_away("full")
    hands.clear()
    stage.leave()
    assert (before.arrived, before.done, before.refused, before.held) == (2, 0, {"full": 1}, 1)
    assert (before.name, before.capacity, before.peak_depth, before.servers) == ("match", 8, 1, 1)
