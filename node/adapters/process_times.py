"""Processor time of the node's processes, and a thread's wait for it, as the kernel accounts.

Linux tells it in ``/proc/<pid>/stat``, in ticks of a hundredth of a second (proc(5), fields 14 and
15), and how long a thread was ready and had no core in ``/proc/thread-self/schedstat`` (the
kernel's scheduler/sched-stats, second number). Where there is no such file (another system, a
process that has just ended) nothing is added.
"""

import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

_NS_PER_TICK: Final = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
_USER_TICKS: Final = 11
"""The place of ``utime`` behind the name of the program, which may hold spaces; system is next."""

_SCHEDULING: Final = Path("/proc/thread-self/schedstat")

OWN: Final = "node"
"""The name of the process that asks: the loop and all of its threads."""


class ProcessTimes:
    """Adds up processor time under names that outlive the processes that bear them.

    A worker that dies is replaced by another with the same name: what the first one spent stays, so
    that the figure never falls, and no time of a process counts twice when it changes its name.
    """

    def __init__(
        self,
        pids: Callable[[], Mapping[str, int]],
        spent_ns: Callable[[int], int | None] | None = None,
    ) -> None:
        """``pids`` are the processes beside this one, by name, as they are now."""
        self._pids = pids
        self._spent_ns = spent_ns or spent_ns_of
        self._counted: dict[int, int] = {}
        self._total: dict[str, int] = {}

    def read(self) -> dict[str, int]:
        """Return the nanoseconds that each has spent so far, user and system."""
        living = self._pids()
        for name, pid in living.items():
            before = self._counted.get(pid, 0)
            now = self._spent_ns(pid)
            # Less than before: the number was given to another process.
            gained = 0 if now is None else now - before if now >= before else now
            self._total[name] = self._total.get(name, 0) + gained
            self._counted[pid] = before if now is None else now
        self._counted = {pid: self._counted[pid] for pid in living.values()}
        return {OWN: time.process_time_ns(), **self._total}


def spent_ns_of(pid: int) -> int | None:
    """Return the processor time of process ``pid``, None where the kernel does not tell."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    fields = text.rpartition(")")[2].split()
    return (int(fields[_USER_TICKS]) + int(fields[_USER_TICKS + 1])) * _NS_PER_TICK


def waited_ns() -> int | None:
    """Return how long the calling thread was ready to run and had no core; None: nobody tells.

    Some 20 us: the file is made when it is read.
    """
    try:
        return int(_SCHEDULING.read_bytes().split()[1])
    except (OSError, IndexError, ValueError):
        return None


def cores() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def named(prefix: str, pids: Iterable[int]) -> dict[str, int]:
    """Return ``pids`` under names of their own: the prefix and their place."""
    return {f"{prefix}_{place}": pid for place, pid in enumerate(pids)}
