"""What the kernel says of this machine's processors; Linux only, None elsewhere."""

import os
from pathlib import Path
from typing import Final

import msgspec

_STAT: Final = Path("/proc/stat")
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


def cores() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
