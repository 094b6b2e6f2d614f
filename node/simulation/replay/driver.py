"""Sends what is due, and hears what became of it."""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import partial

from node.client.errors import ConnectionLost
from node.ports.clock import Clock
from node.simulation.flow.generator import Intent, Quotes
from node.simulation.replay.oracle import OracleFeed
from node.simulation.replay.outcomes import Outcomes
from node.simulation.replay.pace import Pace
from node.simulation.replay.trader import Answer, Trader
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
            if pace.fastest:
                due_ns = await self._room(item, pace)
            self._send(item, pace, due_ns)
        await self._answers()

    async def _room(self, intent: Intent, pace: Pace) -> int:
        """Wait until ``intent`` may go as fast as the node takes it; return that moment.

        A cancel goes by a more urgent lane than the order that it names, so it would overtake it
        and find nothing: it waits for that order's answer. At the pace of a clock this is left
        to chance, as it is with real clients.
        """
        pending = self._traders[intent.account].named_on_the_way(intent)
        if pending:
            await asyncio.wait(pending)
        await pace.enter()
        return pace.now_ns()

    def _send(self, intent: Intent, pace: Pace, due_ns: int) -> None:
        answer: Answer | None
        trader = self._traders[intent.account]
        intent = trader.catching_up(intent)
        try:
            answer = trader.start(intent, self._clock.now_ms())
        except ConnectionLost:
            answer = None
        # Signing is the sender's work, so it counts among what makes it late.
        self.outcomes.sent(len(intent.orders), len(intent.cancels), due_ns, pace.now_ns())
        if answer is None:
            self.outcomes.lose()
            pace.leave()
        else:
            self._answered_all.clear()
            answer.add_done_callback(partial(self._answered, pace, due_ns, intent.items))

    def _answered(self, pace: Pace, due_ns: int, items: int, answer: Answer) -> None:
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
                async with asyncio.timeout(ANSWERS_WITHIN_S):
                    await self._answered_all.wait()
