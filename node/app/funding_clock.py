"""The funding clock: asks for a funding step when one is due; the transition decides."""

import asyncio

from node.codec.commands import command_id
from node.codec.eip712 import Signing
from node.ports.clock import Clock
from node.ports.intake import Intake
from node.types.commands import SettleFunding
from node.types.durable import Outcome
from node.types.errors import PlimsollError, Unavailable
from node.types.events import Rejected
from node.types.rules import Rules


class FundingClock:
    """Offers ``SettleFunding`` shortly after each multiple of the shortest interval.

    Intervals are multiples of the wall clock, as in the transition. A step that cannot be queued,
    or is refused because nothing was due yet, is offered again at the next multiple.
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
            past_ms = self._clock.now_ms() % self._interval_ms
            await asyncio.sleep((self._interval_ms - past_ms + 5) / 1000)
            try:
                self._intake.offer(SettleFunding(), self._name, self._told)
            except Unavailable:
                continue

    def _told(self, outcome: Outcome | PlimsollError) -> None:
        if not isinstance(outcome, Rejected | PlimsollError):
            self.settled += 1
