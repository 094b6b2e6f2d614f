"""Whether the machine's clock can be believed: asked at a start, and looked at ever after.

What the log takes in too early nobody can take back, while one that lags can catch up. So a doubt
is settled for the earlier time: until L1, the one other clock there is, has come as far.
"""

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import structlog

from node.ports.chain import L1Block, Tag
from node.types.errors import ChainUnavailable, SetupError
from node.types.units import MS_PER_S, Millis

if TYPE_CHECKING:
    from node.adapters.l1_chain import L1Chain
    from node.app.foundation import Foundation

BEHIND_L1_MS: Final = 120_000
"""So far may L1's head be ahead at a start: its blocks are dated by their makers' clocks."""

BORNE_OUT_MS: Final = 60_000
BORNE_OUT_MS_MIN: Final = 15_000
"""A jump is right where it lands within half of itself of L1's head, from 15 s (blocks are told of
some seconds late, and oracles' rounds are refused meanwhile) to a minute."""

LOG_AHEAD_MS: Final = 10_000

_LOOK_EVERY_S: Final = 1.0

_log = structlog.get_logger(__name__)


async def require_time(chain: "L1Chain", now_ms: Millis, log_ms: Millis, age_s_max: int) -> None:
    """Raise ``SetupError`` where the clock is behind L1, or far ahead of both L1 and the log.

    A node that was stopped for a moment may start while L1 stands still: its log bears it out.
    """
    head = await chain.block(Tag.LATEST)
    if head is None:
        return
    head_ms = head.time_s * MS_PER_S
    if head_ms - now_ms > BEHIND_L1_MS:
        raise SetupError(
            what="clock", behind_l1_s=(head_ms - now_ms) // MS_PER_S, detail="set it right"
        )
    ahead_ms = now_ms - max(head_ms, log_ms)
    if ahead_ms > age_s_max * MS_PER_S:
        raise SetupError(
            what="clock",
            ahead_of_l1_s=ahead_ms // MS_PER_S,
            limit=age_s_max,
            detail="set it right; where it is L1 that stands still, raise l1.head_age_s_max",
        )


class ClockWatch:
    """Tells of a clock that has jumped, and lets it be followed where L1 bears the jump out."""

    def __init__(self, base: "Foundation") -> None:
        """Watch the clock of ``base``; one that nobody can set needs no watching."""
        self._clock = base.platform.set_clock
        self._state = base.state
        self._chain = base.chain
        self._told = (False, False)

    @property
    def jumped(self) -> bool:
        """Return whether the machine's clock has jumped, and is not followed."""
        return self._clock is not None and self._clock.jump_ms != 0

    @property
    def log_ahead(self) -> bool:
        """Return whether the last block is dated far ahead: until then time stands still."""
        return self._ahead_ms > LOG_AHEAD_MS

    @property
    def _ahead_ms(self) -> int:
        return 0 if self._clock is None else self._state.time - self._clock.now_ms()

    async def run(self) -> None:
        """Look again and again until cancelled."""
        while self._clock is not None:
            await self.look()
            await asyncio.sleep(_LOOK_EVERY_S)

    async def look(self) -> None:
        """Tell what has changed; ask L1 about a jump."""
        clock = self._clock
        if clock is None:
            return
        if clock.jump_ms:
            # Whether L1 answers or not, it is asked again.
            with suppress(ChainUnavailable):
                self._compare(await self._chain.block(Tag.LATEST))
        told, self._told = self._told, (self.jumped, self.log_ahead)
        if self._told == told:
            return
        if any(self._told):
            ahead_ms = max(0, self._ahead_ms)
            _log.warning("clock_doubted", jump_ms=clock.jump_ms, log_ahead_ms=ahead_ms)
        else:
            _log.info("clock_believed")

    def _compare(self, head: L1Block | None) -> None:
        clock = self._clock
        if head is None or clock is None or not (jump_ms := clock.jump_ms):
            return
        off_ms = abs(clock.now_ms() + jump_ms - head.time_s * MS_PER_S)
        if off_ms <= min(BORNE_OUT_MS, max(BORNE_OUT_MS_MIN, abs(jump_ms) // 2)):
            clock.follow()
            _log.warning("clock_followed", jump_ms=jump_ms, l1_block=head.number)
