"""When L1 does not answer: how long to wait, and what to say once at either end."""

import structlog

from node.types.errors import ChainUnavailable
from node.types.units import Millis

_log = structlog.get_logger(__name__)


class Outage:
    """Exponential back-off up to ``longest_ms``; ``began`` is None while L1 answers."""

    def __init__(self, first_ms: int, longest_ms: int) -> None:
        self._first_ms = first_ms
        self._longest_ms = max(first_ms, longest_ms)
        self._pause_ms = first_ms
        self.began: Millis | None = None

    def fail(self, now: Millis, error: ChainUnavailable) -> int:
        """Note that a question stayed without an answer; return how long to wait now."""
        if self.began is None:
            self.began = now
            self._pause_ms = self._first_ms
            _log.warning("l1_unavailable", detail=error.detail)
        else:
            self._pause_ms = min(2 * self._pause_ms, self._longest_ms)
        return self._pause_ms

    def end(self, now: Millis) -> None:
        """Note that everything was answered."""
        if self.began is not None:
            _log.info("l1_available", after_ms=now - self.began)
            self.began = None
