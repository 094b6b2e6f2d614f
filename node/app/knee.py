"""The knee that was predicted and the one that was measured, from a file beside the data.

``plimsoll ramp`` and ``plimsoll plan --verify`` write ``<data>/knee.json`` when they are told the
node's data folder: one ``node.capacity.loadline.Knee`` as JSON, such as

    {"predicted": {"p5": 2310.0, "p50": 2420.5, "p95": 2533.0},
     "measured_per_s": 2401.0, "at_ms": 1760000000000, "mix": "single"}

They know what no running node can: what it carries past its limit. The node only shows it.
"""

from pathlib import Path

import msgspec
import structlog

from node.adapters.durable_file import write_durably
from node.capacity.loadline import Knee

NAME = "knee.json"

_log = structlog.get_logger(__name__)


class KneeBoard:
    """Shows what the file says; looks whether it has changed each time that it is asked."""

    __slots__ = ("_file", "_knee", "_stamp")

    def __init__(self, data: Path) -> None:
        """Watch for the file in the folder ``data``; it need not be there."""
        self._file = data / NAME
        self._stamp: tuple[int, int] | None = None
        self._knee = Knee()

    def read(self) -> Knee:
        """Return the knee: an empty one without a file, the last good one while it is broken."""
        try:
            status = self._file.stat()
            stamp = (status.st_mtime_ns, status.st_size)
            if stamp != self._stamp:
                self._stamp = stamp
                self._knee = msgspec.json.decode(self._file.read_bytes(), type=Knee)
        except FileNotFoundError:
            self._stamp, self._knee = None, Knee()
        except (OSError, msgspec.DecodeError, msgspec.ValidationError) as error:
            _log.warning("knee_unreadable", file=str(self._file), detail=str(error))
        return self._knee


def write_knee(data: Path, knee: Knee) -> None:
    """Put ``knee`` where the node of the folder ``data`` finds it; nobody reads half of it."""
    write_durably(data / NAME, msgspec.json.encode(knee))
