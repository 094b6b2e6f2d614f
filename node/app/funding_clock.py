"""The funding clock: asks for a funding step when one is due; the transition decides."""

import asyncio
from typing import Final

from node.codec.commands import command_id
from node.codec.eip712 import Signing
from node.ports.clock import Clock
from node.ports.intake import Intake
from node.types.commands import SettleFunding
from node.types.durable import Outcome
from node.types.errors import PlimsollError, Unavailable
from node.types.events import Rejected
from node.types.rules import Rules

_RETRY_S: Final = 1.0


class FundingClock:
    """Offers ``SettleFunding`` at the start, and shortly after each multiple of the interval.

    The interval is the shortest of all markets, counted by the wall clock as in the transition. At
    the start a step may be due that the node slept through; one that is not due is refused and
    leaves nothing in the log. A step that cannot be queued is offered again after a second.
    """

    def __init__(self, rules: Rules, signing: Signing, intake: Intake, clock: Clock) -> None:
        self._interval_ms = min(market.funding_interval_ms for market in rules.markets)
        self._name = command_id(SettleFunding(), signing)
        self._intake = intake
        self._clock = clock
        self.settled = 0

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            again_in_s = self._offer()
            await asyncio.sleep(again_in_s)

    def _offer(self) -> float:
        """Ask for a step; return after how many seconds to ask again."""
        try:
            self._intake.offer(SettleFunding(), self._name, self._told)
        except Unavailable:
            return _RETRY_S
        past_ms = self._clock.now_ms() % self._interval_ms
        return (self._interval_ms - past_ms + 5) / 1000

    def _told(self, outcome: Outcome | PlimsollError) -> None:
        if not isinstance(outcome, Rejected | PlimsollError):
            self.settled += 1
