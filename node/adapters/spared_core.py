"""One core that the node's child processes leave alone, so that its event loop finds it free.

The loop is what a node runs short of first. Where cores are few it waits for one while the node's
own children work, most of which could wait longer. So they are kept off one core, and share the
others; the loop may still run on any. Nothing keeps other programs off that core.
"""

import asyncio
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import structlog

LOOK_EVERY_S: Final = 1.0
"""How soon a child that was started anew, or a change of the node's own cores, is noticed."""

_log = structlog.get_logger(__name__)


class SparedCore:
    """Keeps ``children``, the process ids as they are at each look, off the last of our cores.

    They may use all others of ours, whatever they were allowed before.
    """

    def __init__(self, children: Callable[[], Iterable[int]]) -> None:
        """Do nothing yet."""
        self._children = children
        self._told: tuple[int | None, int] | None = None

    async def run(self) -> None:
        """Look again and again until cancelled; only Linux tells cores and lets them be chosen."""
        if not hasattr(os, "sched_getaffinity"):
            _log.warning("no_core_spared", detail="this system pins no process")
            return
        while True:
            self.look()
            await asyncio.sleep(LOOK_EVERY_S)

    def look(self) -> None:
        """Take the core from every thread of every child, and log where that is news."""
        own = os.sched_getaffinity(0)
        core = max(own) if len(own) > 1 else None
        others = own - {core}
        refused = 0
        for child in self._children():
            try:
                for thread in Path(f"/proc/{child}/task").iterdir():
                    refused += not _allow(int(thread.name), others)
            except (FileNotFoundError, ProcessLookupError):
                continue  # It has ended.
            except OSError:
                # No more files may be open, say: whatever it is, the exchange goes on without.
                refused += 1
        if self._told != (core, refused):
            self._told = (core, refused)
            if core is None or refused:
                _log.warning("no_core_spared", detail=f"of {len(own)} cores; {refused} refused")
            else:
                _log.info("core_spared", core=core)


def _allow(thread: int, cores: set[int]) -> bool:
    """Let ``thread`` run on ``cores`` alone; return whether the system does."""
    try:
        if os.sched_getaffinity(thread) != cores:
            os.sched_setaffinity(thread, cores)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return True
