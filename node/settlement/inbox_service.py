"""The loop that watches the L1 inbox: deposits out to the sequencer, in order, each once."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import structlog

from node.capacity.stage import Stage
from node.codec.l1_calls import DEPOSIT_COUNT, DEPOSITED, deposit_of
from node.ports.chain import Chain, L1Block, L1Log, Tag
from node.ports.clock import Clock
from node.ports.log_span import LogSpan
from node.settlement.config import SettlementConfig
from node.settlement.inbox import ANCHORS, InboxScan
from node.settlement.outage import Outage
from node.types.commands import Deposit
from node.types.durable import Outcome
from node.types.errors import ChainDisagrees, ChainUnavailable, Overloaded, ShuttingDown
from node.types.events import Rejected
from node.types.ids import Address
from node.types.units import MS_PER_S, Millis

SUBMIT_RETRY_S: Final = 0.05
"""How long to leave a full lane alone."""

STATES_KEPT: Final = 64
"""So many blocks below the head every endpoint still has the state; most keep 128.

But an anvil that was loaded from a file has none older than that, so it is waited for until the
span's end has come past its newest block of then.
"""


_log = structlog.get_logger(__name__)

Submit = Callable[[Deposit], Awaitable[Outcome]]
"""Queues a command at once (or raises ``Overloaded``); what it returns is the outcome to come."""


class InboxService:
    """Feeds deposits to the sequencer; one task runs ``run``."""

    def __init__(
        self,
        chain: Chain,
        inbox: Address,
        scan: InboxScan,
        submit: Submit,
        clock: Clock,
        config: SettlementConfig,
    ) -> None:
        self._chain = chain
        self._inbox = inbox
        self._scan = scan
        self._submit = submit
        self._clock = clock
        self._config = config
        self._outage = Outage(config.poll_ms, config.backoff_max_ms)
        self._span = LogSpan(config.inbox_blocks_per_query)
        self._in_hand = 0
        self._spans_back = 1
        self.stage = Stage("inbox", capacity=None, held=lambda: self._in_hand)

    @property
    def cursor(self) -> int:
        """Return the number of deposits that were handed on, or were in the log at the start."""
        return self._scan.cursor

    @property
    def read_up_to(self) -> L1Block | None:
        """Return the last block whose deposits were read, None before the first."""
        return self._scan.anchor

    async def run(self) -> None:
        """Watch until cancelled, or until nothing is taken any more, because the node stops.

        A deposit that has no outcome then is read again at the next start. Raises
        ``ChainDisagrees`` where deposits changed.
        """
        with suppress(ShuttingDown):
            while True:
                pause_ms = await self.turn()
                await asyncio.sleep(pause_ms / MS_PER_S)

    async def turn(self) -> int:
        """Scan what is deep enough, hand on what is new; return the milliseconds until the next."""
        started_ns = self._clock.now_ns()
        try:
            behind = await self._scan_once()
        except ChainUnavailable as error:
            return self._outage.fail(self._now(), error)
        finally:
            self.stage.busy(started_ns, self._clock.now_ns(), 0)
        self._outage.end(self._now())
        return 0 if behind else self._config.poll_ms

    async def _scan_once(self) -> bool:
        """Scan one span of blocks; return whether more of them wait."""
        head = await self._chain.block(Tag.LATEST)
        if head is None:
            raise ChainUnavailable(detail="the endpoint has no latest block")
        await self._find_footing()
        deep_enough = head.number - self._config.inbox_confirmations
        first = self._scan.next_block
        last = min(deep_enough, first + self._span.blocks - 1)
        if last < first:
            return False
        end = await self._block(last)
        logs = await self._logs(first, last)
        # Had the blocks changed while the logs were read, nobody would ever notice. Nor had the one
        # that all of them follow: what is read from here on stands on ``end``.
        if (await self._block(last)).hash != end.hash or not await self._is_on_footing():
            raise ChainUnavailable(detail="a reorg while deposits were read")
        deposits = [deposit_of(log.topics, log.data) for log in logs]
        standing = self._scan.standing
        if deposits and deposits[0].index > standing and self._scan.anchor is not None:
            raise self._gap(f"deposits begin with {deposits[0].index} after {standing}")
        if head.number - last <= STATES_KEPT:
            await self._require_all(end, deposits)
        fresh = self._scan.scanned(end, deposits)
        await self._hand_on(fresh)
        return last < deep_enough

    async def _logs(self, first: int, last: int) -> tuple[L1Log, ...]:
        try:
            logs = await self._chain.logs(self._inbox, (DEPOSITED,), first, last)
        except ChainUnavailable:
            # Endpoints limit how much they answer at once; a shorter question may pass.
            self._span.refused()
            raise
        self._span.answered()
        return logs

    async def _require_all(self, end: L1Block, deposits: list[Deposit]) -> None:
        """Make sure that the logs up to ``end`` lack none of its deposits.

        Behind one address there are often several endpoints, and one that has not seen a block yet
        has no logs of it. By the state of that very block it cannot answer. Raises
        ``ChainUnavailable``: what is not there yet will be.
        """
        answer = await self._chain.call(self._inbox, DEPOSIT_COUNT.encode(), end.hash)
        # A scan may begin before the contract, which then answers nothing.
        count = int(DEPOSIT_COUNT.answer(answer)[0]) if answer else 0
        found = max(self._scan.standing, deposits[-1].index + 1 if deposits else 0)
        if found < count:
            missing = f"{found} of {count} deposits up to block {end.number}"
            # Where this span shows some, the rest is at its end and only late.
            raise ChainUnavailable(detail=missing) if deposits else self._gap(missing)
        self._spans_back = 1

    def _gap(self, detail: str) -> ChainUnavailable:
        """Go back to read again what an earlier span lacked, further each time; return the error.

        That span may be older than the states by which to tell, so one step may not lead to it, and
        doubling does. With none left to go back to, an endpoint without logs is waited for.
        """
        cursor, steps = self._scan.cursor, 0
        while steps < self._spans_back and self._scan.anchor is not None:
            self._scan.step_back()
            steps += 1
        self._spans_back = min(2 * self._spans_back, ANCHORS)
        _log.warning("inbox_gap", detail=detail, cursor=cursor, next_block=self._scan.next_block)
        return ChainUnavailable(detail=detail)

    async def _find_footing(self) -> None:
        """Go back to the last scanned block that still stands."""
        while (anchor := self._scan.anchor) is not None and not await self._is_on_footing():
            _log.warning("inbox_reorg", block=anchor.number, cursor=self._scan.cursor)
            self._scan.step_back()

    async def _is_on_footing(self) -> bool:
        """Return whether the last scanned block still stands, or there was none."""
        anchor = self._scan.anchor
        found = None if anchor is None else await self._chain.block(anchor.number)
        return anchor is None or (found is not None and found.hash == anchor.hash)

    async def _block(self, number: int) -> L1Block:
        block = await self._chain.block(number)
        if block is None:
            raise ChainUnavailable(detail=f"no block {number}")
        return block

    async def _hand_on(self, deposits: tuple[Deposit, ...]) -> None:
        """Submit in order, each once there is room for it, and wait for what became of them."""
        self._in_hand = len(deposits)
        self.stage.enter(len(deposits))
        outcomes = [await self._submitted(deposit) for deposit in deposits]
        for deposit, coming in zip(deposits, outcomes, strict=True):
            outcome = await coming
            if isinstance(outcome, Rejected):
                raise ChainDisagrees(
                    what="deposit rejected", deposit=deposit.index, error=outcome.error
                )
            self._in_hand -= 1
            self.stage.leave()
        if deposits:
            _log.info("deposits_taken", first=deposits[0].index, count=len(deposits))

    async def _submitted(self, deposit: Deposit) -> Awaitable[Outcome]:
        while True:
            try:
                return self._submit(deposit)
            except Overloaded:
                await asyncio.sleep(SUBMIT_RETRY_S)

    def _now(self) -> Millis:
        return self._clock.now_ms()
