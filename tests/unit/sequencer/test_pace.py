"""Blocks are held to their time by what work took, and small ones do not make it look dear."""

from node.sequencer.pace import PRIOR_NS, WORK_MIN, Pace


def test_before_anything_was_measured_work_is_taken_to_be_dear() -> None:
    assert Pace(3.0, 512).budget() == 3_000_000 // PRIOR_NS
    assert Pace(3.0, 50).budget() == 50


def test_the_budget_follows_what_work_takes() -> None:
    pace = Pace(3.0, 10_000)
    for _ in range(60):
        pace.note(100 * 10_000, 100)
    assert 295 <= pace.budget() <= 300
    for _ in range(60):
        pace.note(100 * 60_000, 100)
    assert 50 <= pace.budget() <= 51


def test_a_block_is_never_smaller_than_what_makes_it_worth_while() -> None:
    pace = Pace(0.1, 512)
    pace.note(10**9, 1)
    assert pace.budget() == WORK_MIN


def test_a_block_counts_by_its_work() -> None:
    pace = Pace(3.0, 512)
    for _ in range(100):
        pace.note(150_000, 1)  # An idle exchange: what a block costs by itself, for one order.
    for _ in range(4):
        pace.note(100 * 20_000, 100)
    assert pace.ns_per_work < 25_000
