"""The loop that settles: sealed batches in, marks out, L1 in between.

    outbox ─▶ tracker ◀─ look ─ L1
                 │ plan
                 ▼
              sign, send ─▶ L1

Each turn is one look and what follows from it. A turn that finds L1 away changes nothing and comes
again, ever more rarely; the exchange goes on meanwhile, until ``pressure`` makes the app close its
gate to new risk. What is remembered of a batch is small: its bytes are read from the disk when they
are sent, so a long outage fills the disk and not the memory.

Batches are counted in when they are taken from the outbox and out when they are final.
"""

import asyncio
import logging
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

import msgspec
import structlog

from node.capacity.stage import Stage
from node.codec.l1_calls import commitment, post_batch
from node.codec.l1_transactions import L1Transaction
from node.ports.batches import BatchStore
from node.ports.chain import Chain
from node.ports.clock import Clock
from node.ports.mailbox import Inlet
from node.ports.signer import Signer
from node.settlement.config import SettlementConfig
from node.settlement.contracts import Contracts
from node.settlement.costs import Costs, Spending
from node.settlement.look import Look
from node.settlement.outage import Outage
from node.settlement.pace import ChainPace
from node.settlement.reader import Reader
from node.settlement.sealed import Pressure, SealedBatch, Submission, Taken
from node.settlement.slot import ACCEPTED
from node.settlement.tracker import Tracker
from node.types.blocks import Batch
from node.types.errors import (
    CallReverted,
    ChainDisagrees,
    ChainUnavailable,
    IntegrityError,
    StateDiverged,
)
from node.types.hashing import keccak256
from node.types.hold_up import HoldUp
from node.types.marks import Mark, Standing
from node.types.units import MS_PER_S, NS_PER_MS, Millis

_SENT_AS: Final = ("batch_resent", "batch_sent", "batch_replaced")
"""By attempt; every one past the first replaces the one before."""

_STANDS_AS: Final = {
    # The batcher tells of what it seals; here a batch stands so again only where it fell back.
    Standing.SEALED: "batch_dropped",
    Standing.PENDING: "batch_pending",
    Standing.POSTED: "batch_posted",
    Standing.SAFE: "batch_safe",
    Standing.FINAL: "batch_final",
}

_log = structlog.get_logger(__name__)


class SettlementService:
    """Posts what is sealed and says how far it has come; one task runs ``run``."""

    def __init__(
        self,
        chain: Chain,
        contracts: Contracts,
        signer: Signer,
        store: BatchStore,
        outbox: Inlet[Batch],
        report: Callable[[Mark], None],
        clock: Clock,
        config: SettlementConfig,
    ) -> None:
        """Wire the loop; ``report`` hears of every change of a batch's standing, in order."""
        self._chain = chain
        self._contracts = contracts
        self._signer = signer
        self._store = store
        self._outbox = outbox
        self._report = report
        self._clock = clock
        self._config = config
        self._reader = Reader(chain, contracts, signer.address, config)
        self._tracker = Tracker(config)
        self._outage = Outage(config.poll_ms, config.backoff_max_ms)
        self._unseen_since: Millis | None = None
        self._epoch = (clock.now_ms(), clock.now_ns())
        self._taken_ns: dict[int, int] = {}
        self._sent = 0
        self._rehearsed = False
        self._held_back = ""
        self.pace = ChainPace()
        self.taken = Taken(0, 0)
        self.costs = Costs(chain, contracts.rollup)
        self.compared: Callable[[], int] = _every_deposit
        """Tells up to which deposit L1 is known to hold what the log took in."""
        self.stage = Stage(
            "settlement",
            capacity=config.held_max,
            held=lambda: len(self._tracker),
            waiting_items=lambda: sum(1 for _ in self._tracker.unposted()),
        )

    @property
    def pressure(self) -> Pressure:
        """Return what waits to be posted, for whoever opens and closes the gate."""
        return self._tracker.pressure(self._now())

    @property
    def spending(self) -> Spending:
        """Return what L1 took for every batch that this process knows or knew."""
        return self.costs.spending

    @property
    def unaccounted(self) -> int:
        """Return the batches on L1 whose receipt is not found yet; ``costs`` tells of them."""
        return self.costs.unaccounted

    @property
    def awaits_receipts(self) -> bool:
        """Return whether receipts are still to be found, and L1 answers when asked for them."""
        return self.unaccounted > 0 and not (self.chain_away or self.costs.unanswered)

    @property
    def in_flight(self) -> int:
        """Return the batches whose transaction is sent and in no block so far."""
        return self._tracker.in_flight

    @property
    def held_back(self) -> str:
        """Return why the last look sent no more: ``fees``, ``funds``, ``inbox``; else empty."""
        return self._tracker.held_back

    @property
    def hold_up(self) -> HoldUp | None:
        """Return why batches wait for L1, None where none does and L1 answers."""
        return self._tracker.hold_up(away=self.chain_away)

    @property
    def chain_away(self) -> bool:
        """Return whether L1 did not answer when it was last asked."""
        return self._outage.began is not None

    async def run(self) -> None:
        """Work until cancelled. Raises ``IntegrityError`` where L1 and this node cannot agree."""
        self.recover()
        while True:
            await self._rest(await self.turn())

    def recover(self) -> None:
        """Take on the batches on disk; each that is final already is found so at the first look."""
        # Before the first one, any may be the oldest that is kept.
        for batch in self._store.read(self._tracker.next_index or None):
            self._take_on(batch)

    async def turn(self) -> int:
        """Look at L1 once and act; return the milliseconds until the next turn."""
        self._empty_outbox()
        started_ns = self._clock.now_ns()
        self._sent = 0
        try:
            await self._settle()
        except ChainUnavailable as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                # A gather with a question that has just failed tells of that alone.
                raise asyncio.CancelledError from error
            if self._unseen_since is None:
                self._unseen_since = self._now()
            return self._outage.fail(self._now(), error)
        finally:
            self.stage.busy(started_ns, self._clock.now_ns(), self._sent)
        self._outage.end(self._now())
        return self._config.poll_ms

    async def _settle(self) -> None:
        look = await self._reader.look(self._tracker)
        # L1 counts deposits, and may after a deep reorg count others than those the log took in.
        look = msgspec.structs.replace(look, inbox_count=min(look.inbox_count, self.compared()))
        self.pace.note(look.head)
        if self._unseen_since is not None:
            # Not from the outage's beginning: a look may succeed in its midst, and the rest fail.
            self._tracker.resume(self._now() - self._unseen_since)
            self._unseen_since = None
        failed = await self._failed(self._tracker.doubtful(look))
        self._announce(self._tracker.reconcile(look, failed, self._now()))
        if any(failed.values()):
            self._rehearsed = False
        if not self._rehearsed:
            await self._rehearse(look)
        submissions, marks = self._tracker.plan(look, self._now())
        self._announce(marks)
        self._say_what_holds_back(look)
        for submission in submissions:
            await self._submit(submission)
        await self.costs.count()

    def _empty_outbox(self) -> None:
        room = self._config.held_max - self.stage.depth
        if room > 0:
            for batch in self._outbox.take(room, self._clock.now_ns()):
                # What was sealed while this process started may also have been read from disk.
                if batch.header.index >= self._tracker.next_index:
                    self._take_on(batch)

    def _take_on(self, batch: Batch) -> None:
        sealed = SealedBatch.of(batch)
        self._tracker.add(sealed, self._now())
        self.taken = self.taken.plus(sealed)
        self._taken_ns[batch.header.index] = self._clock.now_ns()
        self.stage.enter()

    async def _submit(self, submission: Submission) -> None:
        batch = self._read(submission.batch)
        transaction = L1Transaction(
            chain_id=self._contracts.chain_id,
            nonce=submission.nonce,
            fees=submission.fees,
            gas=submission.gas,
            to=self._contracts.rollup,
            data=post_batch(batch),
        )
        raw = transaction.signed(self._signer.sign(transaction.digest()))
        # Noted before it is sent: an answer that gets lost does not mean that it did not arrive.
        self._tracker.sent(submission.nonce, keccak256(raw))
        self._sent += 1
        answer = await self._chain.send(raw)
        self._tracker.answered(submission.nonce, answer.sending)
        _log.log(
            logging.INFO if answer.sending in ACCEPTED else logging.WARNING,
            _SENT_AS[min(submission.attempt, len(_SENT_AS) - 1)],
            batch=submission.index,
            nonce=submission.nonce,
            attempt=submission.attempt,
            max_fee=submission.fees.max_fee,
            tip=submission.fees.tip,
            gas=submission.gas,
            answer=answer.sending.name,
            detail=answer.detail,
        )

    def _read(self, sealed: SealedBatch) -> Batch:
        """Return the batch from the disk. Raises ``StateDiverged`` where it is not that one now."""
        index = sealed.index
        batch = next(self._store.read(index), None)
        if batch is None or batch.header.index != index:
            raise IntegrityError(what="batch store", expected=index)
        # What is signed cannot be taken back, and the exchange's state goes on from the one sealed.
        found = commitment(batch)
        if found != sealed.commitment:
            raise StateDiverged(
                where="batch store", index=index, expected=sealed.commitment, found=found
            )
        return batch

    async def _failed(self, transactions: Iterable[bytes]) -> dict[bytes, bool]:
        """Tell which of ``transactions`` are mined, and whether each failed at the same cost."""
        found = [await self._chain.receipt(transaction) for transaction in transactions]
        receipts = [receipt for receipt in found if receipt is not None]
        for receipt in receipts:
            if receipt.succeeded:
                continue
            self.costs.failed(receipt)
            _log.error(
                "batch_transaction_failed",
                transaction=receipt.transaction.hex(),
                block=receipt.block_number,
                gas_used=receipt.gas_used,
            )
        return {receipt.transaction: not receipt.succeeded for receipt in receipts}

    async def _rehearse(self, look: Look) -> None:
        """Ask L1 what it would say to the next batch, before the first one and after a failure.

        An endpoint that answers everything but this holds nothing up. Raises ``ChainDisagrees``
        where the contract refuses, in a state that this node agrees with, what it must take.
        """
        sealed = self._tracker.next_unposted()
        if sealed is None or sealed.index != look.batch_count:
            return
        if sealed.inbox_cursor > look.inbox_count:
            return
        index = sealed.index
        rollup, sender = self._contracts.rollup, self._signer.address
        calldata = post_batch(self._read(sealed))
        try:
            await self._chain.call(rollup, calldata, look.head.hash, sender)
            self._rehearsed = True
            needed = await self._chain.estimate_gas(sender, rollup, calldata)
        except CallReverted as error:
            if self._rehearsed:
                # The estimate is made on the newest block, which may hold the batch by now.
                return
            raise ChainDisagrees(
                what="batch refused", batch=index, error=error.error, arguments=error.arguments
            ) from error
        except ChainUnavailable as error:
            _log.warning("rehearsal_unanswered", batch=index, detail=error.detail)
            return
        self._tracker.learn_gas(index, needed)

    def _announce(self, marks: Iterable[Mark]) -> None:
        for mark in marks:
            index = mark.index
            if mark.standing is Standing.POSTED:
                self.costs.posted(index, mark.block)
                taken_ns = self._taken_ns.pop(index, None)
                if taken_ns is not None:
                    self.stage.waited(self._clock.now_ns() - taken_ns)
            elif mark.standing is Standing.SEALED:
                self.costs.dropped(index)
            elif mark.standing is Standing.FINAL:
                self.stage.leave()
                self.costs.final(index)
            _log.info(
                _STANDS_AS[mark.standing],
                batch=index,
                block=mark.block,
                cause=mark.cause,
            )
            self._report(mark)

    def _say_what_holds_back(self, look: Look) -> None:
        held_back = self._tracker.held_back
        if held_back != self._held_back:
            self._held_back = held_back
            _log.warning(
                "settlement_held_back" if held_back else "settlement_goes_on",
                cause=held_back,
                base_fee=look.fees.base_fee,
                deposits=look.inbox_count,
            )

    async def _rest(self, pause_ms: int) -> None:
        """Wait for the next turn; a new batch starts it early, where L1 is there to take it."""
        pause_s = pause_ms / MS_PER_S
        if self.chain_away or self.stage.depth >= self._config.held_max:
            await asyncio.sleep(pause_s)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await self._outbox.wait()

    def _now(self) -> Millis:
        """Return the wall-clock time of the start, plus what has passed since; it never jumps."""
        began_ms, began_ns = self._epoch
        return Millis(began_ms + (self._clock.now_ns() - began_ns) // NS_PER_MS)


def _every_deposit() -> int:
    """Nobody compares the deposits: all are as good as L1 says."""
    return sys.maxsize
