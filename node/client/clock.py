"""The node's clock, by which it judges every time that an action names.

What a client dates by a clock of its own that is a minute slow has expired before it arrives; by
one that is fast, a switch for 15 seconds goes off minutes too late. So the node is asked for its
time, over each connection anew and once in a while, and what passes since is measured here.

What is signed may be kept and used until it expires, and it is the node that would keep it. So a
node cannot name any time: it may be ahead of one's own clock by ``AHEAD_MS_MAX``, and no signature
lives longer than that and its lifetime. One that is behind only shortens what it is given.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from node.client.channels import Start, is_final
from node.client.errors import ClockApart
from node.types.errors import PlimsollError
from node.types.units import MS_PER_S, UINT64_MAX, Millis

AHEAD_MS_MAX: Final = 300_000
"""So far ahead of one's own clock the node's is believed."""

EVERY_S: Final = 60.0
"""While a connection lasts, the node is asked again after so long: clocks drift and are set."""

PROMPT_S: Final = 1.0
"""An answer that takes longer tells less than what was learned before."""

AGAIN_S: Final = 1.0
"""After an answer that took longer the node is asked once more, so soon."""

_HALVES: Final = 2


_STEADY: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""It counts on while the machine sleeps: a connection may outlive that."""


def _steady_s() -> float:
    return time.clock_gettime(_STEADY)


class NodeClock:
    """What time it is at the node, as far as it has told."""

    def __init__(self, elapsed_s: Callable[[], float] = _steady_s) -> None:
        """``elapsed_s`` never goes back and is never set, as wall clocks are."""
        self.followed = False
        self._elapsed_s = elapsed_s
        self._told_ms: float | None = None
        self._told_at = 0.0
        self._slow = asyncio.Event()

    def now_ms(self, own: Millis) -> Millis:
        """Return the node's time; ``own``, the clock of this side, where it has told none.

        Raises ``ClockApart`` where it is further ahead of ``own`` than it may be.
        """
        if self._told_ms is None:
            return own
        now = int(self._told_ms + (self._elapsed_s() - self._told_at) * MS_PER_S)
        if now - own > AHEAD_MS_MAX:
            raise ClockApart(ahead_ms=now - own, limit=AHEAD_MS_MAX)
        return Millis(now)

    async def ask(self, start: Start) -> None:
        """Ask by ``start``. Raises ``Unavailable`` or ``IntegrityError``: not now.

        Where a node keeps its time to itself nothing changes, as if it had not been asked.
        """
        asked = self._elapsed_s()
        try:
            told = (await start("ping", {})).get("time")
        except PlimsollError as refusal:
            if not is_final(refusal):
                raise
            return
        answered = self._elapsed_s()
        if type(told) is int and 0 <= told <= UINT64_MAX:
            self._told_ms = told + (answered - asked) * MS_PER_S / _HALVES
            self._told_at = answered
            if answered - asked > PROMPT_S:
                self._slow.set()

    async def keep(self, start: Start) -> None:
        """Ask again and again, for ever, once anyone follows the clock."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(EVERY_S):
                    await self._slow.wait()
                    self._slow.clear()
                    await asyncio.sleep(AGAIN_S)
            if self.followed:
                # Behind a long snapshot on a slow line: the next one will do.
                with suppress(PlimsollError, TimeoutError):
                    async with asyncio.timeout(PROMPT_S):
                        await self.ask(start)
