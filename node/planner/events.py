"""One stretch of flow, event by event and exact: what each command waits at each stage.

Plain lists and deques, as each event depends on the one before: about 2 µs an event for the whole
pipeline. The hour around a stretch is ``node.planner.tides``, which is coarse and fast.
"""

import heapq
import math
from collections import deque
from collections.abc import Sequence

import msgspec
import numpy as np

from node.planner.arrays import Kinds, Vector
from node.planner.pipeline import Journal, Pipeline

REFUSED = math.nan
"""The start of what was never served."""


def pool_departures_s(
    arrivals_s: Sequence[float], services_s: Sequence[float], workers: int
) -> list[float]:
    """Return when each arrival leaves ``workers`` side by side behind one FCFS queue."""
    free_at = [-math.inf] * workers
    departures = []
    for arrival, service in zip(arrivals_s, services_s, strict=True):
        begin = max(arrival, free_at[0])
        heapq.heapreplace(free_at, begin + service)
        departures.append(begin + service)
    return departures


def starts_by_priority_s(
    entries_s: Sequence[float],
    lanes: Sequence[int],
    services_s: Sequence[float],
    limits: Sequence[int],
) -> list[float]:
    """Return when one server starts each entry, lanes in order, no service interrupted.

    Entries ascend. One that finds ``limits[lane]`` waiting in its lane is ``REFUSED``. What comes
    at the very instant of a choice takes part in it.
    """
    queues: list[deque[int]] = [deque() for _ in limits]
    starts = [REFUSED] * len(entries_s)
    count, coming, now = len(entries_s), 0, -math.inf
    while True:
        while coming < count and entries_s[coming] <= now:
            queue = queues[lanes[coming]]
            if len(queue) < limits[lanes[coming]]:
                queue.append(coming)
            coming += 1
        for queue in queues:
            if queue:
                chosen = queue.popleft()
                starts[chosen] = now
                now += services_s[chosen]
                break
        else:
            if coming == count:
                return starts
            now = entries_s[coming]


def commit_times_s(
    ready_s: Sequence[float], journal: Journal, free_at: float = -math.inf
) -> list[float]:
    """Return when each record is durable: whenever the disk is free it takes what has gathered.

    ``ready_s`` ascends. A commit of n records takes ``commit_s`` + n · ``record_s``. Until
    ``free_at`` the disk has other work.
    """
    durable: list[float] = []
    first, count = 0, len(ready_s)
    while first < count:
        begin = max(free_at, ready_s[first])
        last, end = first + 1, min(first + journal.records_max, count)
        # Groups are small below the limit, where a step is cheaper than a search.
        while last < end and ready_s[last] <= begin:
            last += 1
        free_at = begin + journal.commit_s + (last - first) * journal.record_s
        durable.extend([free_at] * (last - first))
        first = last
    return durable


class Stretch(msgspec.Struct, frozen=True):
    """What became of each arrival, in order of arrival; NaN where it was refused."""

    arrivals_s: Vector
    lanes: Kinds
    wait_s: Vector
    """From entering the lane until the loop begins on it."""
    delay_s: Vector
    """From arrival until durable."""


def run_stretch(
    pipeline: Pipeline,
    arrivals_s: Vector,
    kinds: Kinds,
    random: np.random.Generator,
    loop_scale: float = 1.0,
    verified: int = 0,
    disk_free_s: float = -math.inf,
) -> Stretch:
    """Send ascending arrivals through workers, lanes, loop and journal.

    ``loop_scale`` stretches the loop's service times: the run's share of measurement error. The
    first ``verified`` arrivals have the workers behind them and enter their lanes at once. The
    disk is busy with what was before until ``disk_free_s``.
    """
    verify, loop = np.empty(kinds.size), np.empty(kinds.size)
    for index, kind in enumerate(pipeline.kinds):
        mine = np.flatnonzero(kinds == index)
        verify[mine] = kind.verify.draw(mine.size, random)
        loop[mine] = kind.loop.draw(mine.size, random) * loop_scale
    verify[:verified] = 0.0
    lanes = np.array([kind.lane for kind in pipeline.kinds], dtype=np.int64)[kinds]
    entries = np.array(pool_departures_s(arrivals_s.tolist(), verify.tolist(), pipeline.workers))
    order = np.argsort(entries, kind="stable")
    starts = np.empty(kinds.size)
    starts[order] = starts_by_priority_s(
        entries[order].tolist(),
        lanes[order].tolist(),
        loop[order].tolist(),
        [lane.limit for lane in pipeline.lanes],
    )
    ready = starts + loop
    served = np.flatnonzero(~np.isnan(ready))
    served = served[np.argsort(ready[served], kind="stable")]
    durable = np.full(kinds.size, REFUSED)
    durable[served] = commit_times_s(ready[served].tolist(), pipeline.journal, disk_free_s)
    return Stretch(arrivals_s, lanes, starts - entries, durable - arrivals_s)
