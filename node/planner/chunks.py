"""Runs in chunks of fixed size, each with its own seed, on whatever crew there is.

A result depends on the seed alone: not on the number of processes, nor on the machines they are on.
"""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Any, Protocol, TypeVar

import numpy as np

Progress = Callable[[int, int], None]
"""Called with the runs that are done and the runs in all."""

RUNS_PER_CHUNK = 250

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


def over_chunks(
    work: Callable[..., _Result],
    common: Call,
    runs: int,
    seed: int,
    crew: Crew,
    progress: Progress | None = None,
) -> list[_Result]:
    """Return ``work(*common, size, seed)`` of every chunk, in the order of chunks."""
    sizes = [min(RUNS_PER_CHUNK, runs - first) for first in range(0, runs, RUNS_PER_CHUNK)]
    seeds = np.random.SeedSequence(seed).spawn(len(sizes))
    calls = [(*common, size, part) for size, part in zip(sizes, seeds, strict=True)]
    results: dict[int, _Result] = {}
    for index, result in crew.compute(work, calls):
        results[index] = result
        if progress is not None:
            progress(sum(sizes[place] for place in results), runs)
    return [results[index] for index in range(len(sizes))]
