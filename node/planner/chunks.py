"""Runs in chunks, each with its own seed, on whatever crew there is.

A chunk's size follows from the runs' steps. So a result depends on the scenario and its seed alone:
not on the number of processes, nor on the machines they are on.
"""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Any, Protocol, TypeVar

import numpy as np

Progress = Callable[[int, int], None]
"""Called with the runs that are done and the runs in all."""

RUNS_PER_CHUNK = 250
"""Of runs up to four hours in steps of a second; longer ones make smaller chunks."""
RUN_STEPS_PER_CHUNK = RUNS_PER_CHUNK * 14_400
"""Some 15 numbers are kept of each run and step while a chunk is computed: half a gigabyte."""

_Result = TypeVar("_Result")
Call = tuple[Any, ...]
"""The arguments of one call."""


class Crew(Protocol):
    """Whoever computes."""

    def compute(
        self, work: Callable[..., _Result], calls: Sequence[Call]
    ) -> Iterator[tuple[int, _Result]]:
        """Yield the index and the result of each call, in whatever order they finish."""
        ...


class Processes:
    """So many processes of this machine; one computes here and now."""

    def __init__(self, count: int = 1) -> None:
        """Raise ``ValueError`` for less than one."""
        if count < 1:
            raise ValueError(f"{count} processes compute nothing")
        self._count = count

    def compute(
        self, work: Callable[..., _Result], calls: Sequence[Call]
    ) -> Iterator[tuple[int, _Result]]:
        """Yield the index and the result of each call, in whatever order they finish."""
        if self._count == 1 or len(calls) == 1:
            for index, call in enumerate(calls):
                yield index, work(*call)
            return
        # A fresh interpreter each: forking a process that has threads may hang it.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(min(self._count, len(calls)), mp_context=context) as pool:
            places = {pool.submit(work, *call): index for index, call in enumerate(calls)}
            for done in as_completed(places):
                yield places[done], done.result()


def runs_per_chunk(steps: int) -> int:
    """Return how many runs of so many steps are computed together."""
    return max(min(RUNS_PER_CHUNK, RUN_STEPS_PER_CHUNK // steps), 1)


def over_chunks(
    work: Callable[..., _Result],
    common: Call,
    runs: int,
    steps: int,
    seed: int,
    crew: Crew,
    progress: Progress | None = None,
) -> list[_Result]:
    """Return ``work(*common, size, seed)`` of every chunk, in the order of chunks.

    ``steps`` are those of each run.
    """
    most = runs_per_chunk(steps)
    sizes = [min(most, runs - first) for first in range(0, runs, most)]
    seeds = np.random.SeedSequence(seed).spawn(len(sizes))
    calls = [(*common, size, part) for size, part in zip(sizes, seeds, strict=True)]
    results: dict[int, _Result] = {}
    for index, result in crew.compute(work, calls):
        results[index] = result
        if progress is not None:
            progress(sum(sizes[place] for place in results), runs)
    return [results[index] for index in range(len(sizes))]
