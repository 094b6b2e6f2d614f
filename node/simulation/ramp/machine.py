"""What the kernel says of this machine's processors; Linux only, None elsewhere."""

import os
from pathlib import Path
from typing import Final

import msgspec

_PROC: Final = Path("/proc")
_STAT: Final = _PROC / "stat"
_IDLE_FIELDS: Final = (3, 4)
"""Idle, and waiting for a disk: in neither was anything computed."""


class CpuReading(msgspec.Struct, frozen=True):
    """Seconds that all processors together were busy since the machine started."""

    busy_s: float

    @classmethod
    def now(cls) -> "CpuReading | None":
        """Return the present reading, None where the kernel does not tell."""
        try:
            line = _STAT.read_text(encoding="ascii").partition("\n")[0]
        except OSError:
            return None
        # Times of guests, the ninth and tenth, stand among the user's already.
        ticks = [int(part) for part in line.split()[1:9]]
        idle = sum(ticks[field] for field in _IDLE_FIELDS)
        return cls((sum(ticks) - idle) / os.sysconf("SC_CLK_TCK"))


def family_s(pid: int) -> float:
    """Return the processor seconds of process ``pid`` and of all that it started and that live.

    What has ended, or cannot be read, counts as nothing.
    """
    stats = {int(folder.name): _stat(folder) for folder in _PROC.glob("[0-9]*")}
    spent, family = 0.0, [pid]
    for member in family:
        spent += stats.get(member, _GONE)[1]
        family += [child for child, (parent, _) in stats.items() if parent == member]
    return spent


_GONE: Final = (-1, 0.0)


def _stat(folder: Path) -> tuple[int, float]:
    """Return a process's parent and its processor seconds."""
    try:
        # The program's name stands in parentheses and may hold anything, blanks included.
        fields = (folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except (OSError, UnicodeDecodeError):
        return _GONE
    return int(fields[1]), (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cores() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
