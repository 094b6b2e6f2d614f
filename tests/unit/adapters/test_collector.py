"""Pauses of the collector: what was looked at once is not looked at again."""

import gc
from collections.abc import Iterator
from typing import Any

import pytest

from node.adapters.collector import GENERATIONS, THRESHOLDS, Collector

MOST = 30_000
"""Above what one full collection may look at, below what the test makes."""


@pytest.fixture
def looked_at() -> Iterator[list[int]]:
    """Give how many objects each full collection finds, the frozen ones not among them."""
    found: list[int] = []

    def note(phase: str, info: dict[str, Any]) -> None:
        if phase == "start" and info["generation"] == GENERATIONS - 1:
            found.append(len(gc.get_objects()))

    gc.callbacks.append(note)
    yield found
    gc.callbacks.remove(note)


def test_a_process_that_grows_is_never_looked_at_as_a_whole(looked_at: list[int]) -> None:
    # As many are there before, so that the first must not wait for a quarter of them either.
    kept: list[list[int]] = [[] for _ in range(10 * MOST)]
    with Collector() as collector:
        looked_at.clear()
        kept += [[] for _ in range(10 * MOST)]
        assert len(looked_at) > 10
        assert max(looked_at) < MOST
        assert all(0 < longest <= total for longest, total in zip(
            collector.longest_ns, collector.total_ns, strict=True
        ))  # fmt: skip
    assert len(kept) == 20 * MOST


def test_young_objects_that_come_as_old_ones_go_are_found(looked_at: list[int]) -> None:
    kept: list[list[int]] = [[] for _ in range(10 * MOST)]
    with Collector() as collector:
        looked_at.clear()
        for place in range(len(kept)):
            kept[place] = []
            if not place % 1_000:
                collector.look()
        assert len(looked_at) > 10
        assert max(looked_at) < MOST
    assert len(kept) == 10 * MOST


def test_garbage_that_came_since_is_still_found() -> None:
    class Knot:
        ends = 0

        def __init__(self) -> None:
            self.knot = self

        def __del__(self) -> None:
            Knot.ends += 1

    with Collector():
        Knot()
        gc.collect()
        assert Knot.ends == 1


def test_whoever_leaves_it_leaves_the_collector_as_it_was() -> None:
    before, callbacks = gc.get_threshold(), len(gc.callbacks)
    with Collector():
        assert gc.get_threshold() == THRESHOLDS != before
    assert (gc.get_threshold(), len(gc.callbacks)) == (before, callbacks)
