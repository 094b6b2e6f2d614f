"""The oracle's reporters: they sign the prices of a source at the present time and send them on."""

import asyncio
from collections.abc import Sequence

from node.client.errors import ConnectionLost
from node.client.session import Session
from node.codec.json_rounds import round_to_json
from node.codec.signatures import sign
from node.ports.clock import Clock
from node.simulation.keys import DevKey
from node.types.commands import OracleRound, PriceReport
from node.types.errors import PlimsollError
from node.types.units import Millis, Ticks

SHORTEST_PAUSE_MS = 20
"""Prices that follow each other faster are told as the last of them."""

LONGEST_PAUSE_MS = 1_000
"""A price that stands is told again, well before a mark of this age would be stale."""


class OracleFeed:
    """Tells the latest prices over a connection of its own."""

    def __init__(self, session: Session, reporters: Sequence[DevKey], clock: Clock) -> None:
        self.rounds = 0
        self.refused = 0
        self._session = session
        self._reporters = reporters
        self._clock = clock
        self._prices: tuple[Ticks, ...] = ()
        self._told: tuple[Ticks, ...] = ()
        self._time = Millis(0)

    def tell(self, prices: tuple[Ticks, ...]) -> None:
        """Make ``prices`` the latest, one for each market; tell them now unless it is too soon."""
        self._prices = prices
        if self._clock.now_ms() - self._time >= SHORTEST_PAUSE_MS:
            self._send()

    async def first(self, prices: tuple[Ticks, ...]) -> None:
        """Tell ``prices`` and wait until they are the marks. Raises what the node refuses."""
        self._prices = prices
        await self._session.request("oracle_round", self._next_round())

    async def run(self) -> None:
        """Tell what was put off, and what stands, until cancelled."""
        while True:
            await asyncio.sleep(SHORTEST_PAUSE_MS / 1_000)
            age_ms = self._clock.now_ms() - self._time
            put_off = self._prices != self._told and age_ms >= SHORTEST_PAUSE_MS
            if self._prices and (put_off or age_ms >= LONGEST_PAUSE_MS):
                self._send()

    def _send(self) -> None:
        try:
            answer = self._session.start("oracle_round", self._next_round())
        except ConnectionLost:
            self.refused += 1
        else:
            answer.add_done_callback(self._answered)

    def _answered(self, answer: "asyncio.Future[dict[str, object]]") -> None:
        if answer.cancelled() or isinstance(answer.exception(), PlimsollError):
            self.refused += 1

    def _next_round(self) -> dict[str, object]:
        # The clock may stand still or jump back; the time of a round may not.
        self._time = Millis(max(self._clock.now_ms(), self._time + 1))
        self._told = self._prices
        self.rounds += 1
        digest = self._session.signing.report_digest(self._time, self._prices)
        reports = tuple(
            PriceReport(key.address, self._prices, sign(key.secret, digest))
            for key in self._reporters
        )
        return round_to_json(OracleRound(self._time, reports), self._session.rules)
