"""Chunks: as many runs as fit the memory, and the same ones whatever computes them."""

import numpy as np
import pytest

from node.planner.chunks import RUN_STEPS_PER_CHUNK, Processes, over_chunks, runs_per_chunk
from node.planner.scenario import STEPS_MAX


@pytest.mark.parametrize(
    ("steps", "runs"), [(1, 250), (3_600, 250), (14_400, 250), (28_800, 125), (STEPS_MAX, 5)]
)
def test_longer_runs_make_smaller_chunks(steps: int, runs: int) -> None:
    assert runs_per_chunk(steps) == runs
    assert runs * steps <= RUN_STEPS_PER_CHUNK


def test_a_run_that_is_longer_than_a_chunk_is_one() -> None:
    assert runs_per_chunk(RUN_STEPS_PER_CHUNK + 1) == 1


def drawn(word: str, runs: int, seed: np.random.SeedSequence) -> tuple[str, int, float]:
    return word, runs, float(np.random.default_rng(seed).random())


def test_every_run_is_in_one_chunk_with_a_seed_of_its_own() -> None:
    told: list[tuple[int, int]] = []
    found = over_chunks(
        drawn, ("a",), 12, STEPS_MAX, 7, Processes(), lambda *counts: told.append(counts)
    )
    assert [(word, runs) for word, runs, _ in found] == [("a", 5), ("a", 5), ("a", 2)]
    assert len({number for *_, number in found}) == 3
    assert told == [(5, 12), (10, 12), (12, 12)]
    assert found == over_chunks(drawn, ("a",), 12, STEPS_MAX, 7, Processes())
