"""Sends what is due, and hears what became of it."""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from node.client.session import ConnectionLost
from node.ports.clock import Clock
from node.simulation.flow.generator import Intent, Quotes
from node.simulation.replay.oracle import OracleFeed
from node.simulation.replay.outcomes import Outcomes
from node.simulation.replay.pace import Pace
from node.simulation.replay.trader import Trader
from node.types.errors import PlimsollError

ANSWERS_WITHIN_S = 30.0
Scheduled = Intent | Quotes


class Driver:
    """Plays a source to the end; one ``Outcomes`` counts over several of them."""

    def __init__(
        self, traders: Sequence[Trader], oracle: OracleFeed, outcomes: Outcomes, clock: Clock
    ) -> None:
        """``traders[n]`` acts for account ``n`` of the source."""
        self.phase = ""
        self._answered_all = asyncio.Event()
        self.outcomes = outcomes
        self._traders = traders
        self._oracle = oracle
        self._clock = clock

    async def play(self, source: Iterable[Scheduled], pace: Pace) -> None:
        """Send all of ``source`` at ``pace`` and wait for the answers, for half a minute at most.

        Accounts keep to the order of the source; beyond that nothing waits for anything.
        """
        for item in source:
            due_ns = await pace.until(item.time_ns)
            self.phase = item.phase
            if isinstance(item, Quotes):
                self._oracle.tell(item.prices)
                continue
            await pace.enter()
            self._send(item, pace, due_ns)
        await self._answers()

    def _send(self, intent: Intent, pace: Pace, due_ns: int) -> None:
        trader = self._traders[intent.account]
        body = trader.body(intent, self._clock.now_ms())
        self._answered_all.clear()
        self.outcomes.sent(len(intent.orders), len(intent.cancels), due_ns, pace.now_ns())
        try:
            answer = trader.session.start("action", body)
        except ConnectionLost:
            self.outcomes.lose()
            pace.leave()
        else:
            answer.add_done_callback(partial(self._answered, pace, due_ns, intent.items))

    def _answered(
        self, pace: Pace, due_ns: int, items: int, answer: "asyncio.Future[dict[str, Any]]"
    ) -> None:
        pace.leave()
        error = None if answer.cancelled() else answer.exception()
        if answer.cancelled():
            self.outcomes.lose()
        elif error is None:
            self.outcomes.accept(answer.result(), due_ns, pace.now_ns())
        elif isinstance(error, PlimsollError):
            self.outcomes.refuse(error, items)
        else:
            raise error
        if not self.outcomes.in_flight:
            self._answered_all.set()

    async def _answers(self) -> None:
        """Wait until every action is answered, or time is up."""
        if self.outcomes.in_flight:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._answered_all.wait(), ANSWERS_WITHIN_S)
