"""Processor time of the node's processes, as the kernel accounts for it.

Linux tells it in ``/proc/<pid>/stat``, in ticks of a hundredth of a second (proc(5), fields 14 and
15). Where there is no such file (another system, a process that has just ended) nothing is added.
"""

import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

_NS_PER_TICK: Final = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
_USER_TICKS: Final = 11
"""The place of ``utime`` behind the name of the program, which may hold spaces; system is next."""

OWN: Final = "node"
"""The name of the process that asks: the loop and all of its threads."""


class ProcessTimes:
    """Adds up processor time under names that outlive the processes that bear them.

    A worker that dies is replaced by another with the same name: what the first one spent stays, so
    that the figure never falls.
    """

    def __init__(
        self,
        pids: Callable[[], Mapping[str, int]],
        spent_ns: Callable[[int], int | None] | None = None,
    ) -> None:
        """``pids`` are the processes beside this one, by name, as they are now."""
        self._pids = pids
        self._spent_ns = spent_ns or spent_ns_of
        self._before: dict[str, int] = {}
        self._last: dict[str, tuple[int, int]] = {}

    def read(self) -> dict[str, int]:
        """Return the nanoseconds that each has spent so far, user and system."""
        spent = {OWN: time.process_time_ns()}
        for name, pid in self._pids().items():
            known, counted = self._last.get(name, (pid, 0))
            now = self._spent_ns(pid)
            if known != pid:
                self._before[name] = self._before.get(name, 0) + counted
                counted = 0
            self._last[name] = (pid, counted if now is None else max(now, counted))
        for name, (_, counted) in self._last.items():
            spent[name] = self._before.get(name, 0) + counted
        return spent


def spent_ns_of(pid: int) -> int | None:
    """Return the processor time of process ``pid``, None where the kernel does not tell."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    fields = text.rpartition(")")[2].split()
    return (int(fields[_USER_TICKS]) + int(fields[_USER_TICKS + 1])) * _NS_PER_TICK


def cores() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0))


def named(prefix: str, pids: Iterable[int]) -> dict[str, int]:
    """Return ``pids`` under names of their own: the prefix and their place."""
    return {f"{prefix}_{place}": pid for place, pid in enumerate(pids)}
