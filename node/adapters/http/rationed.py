"""An answer that is dear to work out, and may be asked for by anyone as often as they like."""

from collections.abc import Callable

SHARE = 20
"""Working an answer out takes at most one part in so many of the time."""


class Rationed:
    """Bytes that are worked out again only when ``SHARE`` times what that took has passed.

    The money of a hundred thousand accounts takes 70 ms to add up, on the loop that makes blocks:
    whoever asked for it in a row would stop the exchange. So the answer may be a little old, in
    proportion to its cost: one that is cheap is as good as fresh.
    """

    __slots__ = ("_answer", "_clock_ns", "_fresh_until_ns", "_work_out")

    def __init__(self, work_out: Callable[[], bytes], clock_ns: Callable[[], int]) -> None:
        """``clock_ns`` never goes back."""
        self._work_out = work_out
        self._clock_ns = clock_ns
        self._answer = b""
        self._fresh_until_ns: int | None = None

    def __call__(self) -> bytes:
        """Return the answer."""
        started_ns = self._clock_ns()
        if self._fresh_until_ns is None or started_ns >= self._fresh_until_ns:
            self._answer = self._work_out()
            ended_ns = self._clock_ns()
            self._fresh_until_ns = ended_ns + SHARE * (ended_ns - started_ns)
        return self._answer
