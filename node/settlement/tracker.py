"""Which batches stand where, and what to do about it. Pure: L1 comes in as a ``Look``.

Decisions are level-triggered. Each look is compared with what ought to be, and the difference is
worked on; no event is waited for, so none can be missed, and a restart is a look like any other.
What ought to be is one sentence:

    the k-th batch that the rollup does not have is sent with the account's next nonce + k

It makes double posting impossible twice over: of all transactions with one nonce one is mined, and
the contract takes each index once. Whatever sits in a pool (our own transaction from before a
restart, a batch that a failure has moved on) is either what belongs there or is replaced.

A slot is a nonce with what was sent under it. Slots are kept until their batch is final: when a
reorg gives the nonce back, the same bytes are sent again. Signatures are deterministic, so a slot
keeps no bytes.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import count, islice

from node.codec.l1_gas import GAS_MAX
from node.codec.l1_transactions import Fees
from node.ports.chain import FeeSample, L1Block, Sending
from node.settlement.config import SettlementConfig
from node.settlement.fees import bump_fees, choose_fees, gas_limit
from node.settlement.hold_up import hold_up_of
from node.settlement.lifecycle import Step, advance
from node.settlement.look import Look
from node.settlement.sealed import Pressure, SealedBatch, Submission
from node.settlement.slot import Slot
from node.types.errors import ChainDisagrees, IntegrityError
from node.types.hold_up import HoldUp
from node.types.marks import Mark, Standing
from node.types.units import Millis, part_rounded_up

RECORDS_PER_LOOK = 64
"""Records of batches that one look asks for at most; a long absence is caught up in several."""
RECEIPT_BLOCKS = 5
"""Blocks that show a nonce spent and no receipt for it, and still wait for one; not looks, of which
there may be a dozen in each."""


class _Entry:
    """A batch that is not final. ``checked``: its record was read on the chain as it is now.

    ``returned``: an L1 block held it once, and a reorg took it back.
    """

    __slots__ = ("block", "checked", "failures", "gas", "returned", "sealed", "since", "standing")

    def __init__(self, sealed: SealedBatch, since: Millis) -> None:
        self.sealed = sealed
        self.since = since
        self.standing = Standing.SEALED
        self.block = -1
        self.checked = False
        self.returned = False
        self.failures = 0
        self.gas = sealed.gas


class Tracker:
    """Every batch that is not final, and every nonce that may still matter to one."""

    def __init__(self, config: SettlementConfig) -> None:
        self._config = config
        self._entries: dict[int, _Entry] = {}
        self._slots: dict[int, Slot] = {}
        self._first: int | None = None
        self._root_before = b""
        self._next = 0
        self._turn = (-1, Millis(0))
        self.anchor: L1Block | None = None
        self.held_back = ""
        self._gas_extra = 0

    @property
    def next_index(self) -> int:
        """Return the index of the next batch to take on, 0 before the first."""
        return self._next

    def __len__(self) -> int:
        """Return the number of batches that are not final."""
        return len(self._entries)

    def add(self, sealed: SealedBatch, now: Millis) -> None:
        """Take on the next batch. Raises ``IntegrityError`` where it does not follow the last."""
        if self._first is None:
            self._first = self._next = sealed.index
            self._root_before = sealed.previous_root
        root = self._root_after(self._next)
        if sealed.index != self._next or sealed.previous_root != root:
            raise IntegrityError(
                what="batch order", expected=self._next, given=sealed.index, root=root
            )
        self._entries[sealed.index] = _Entry(sealed, now)
        self._next += 1

    def unposted(self) -> Iterator[int]:
        """Yield the indices of batches that no L1 block holds, in order."""
        return (index for index, entry in self._entries.items() if entry.standing < Standing.POSTED)

    def next_unposted(self) -> SealedBatch | None:
        """Return the first batch that no L1 block holds, None where all are in one."""
        index = next(self.unposted(), None)
        return None if index is None else self._entries[index].sealed

    def pressure(self, now: Millis) -> Pressure:
        """Return what waits to be posted."""
        waiting = [self._entries[index] for index in self.unposted()]
        return Pressure(
            batches=len(waiting),
            data_bytes=sum(entry.sealed.data_bytes for entry in waiting),
            age_ms=max((now - entry.since for entry in waiting), default=0),
            gas=sum(entry.gas for entry in waiting),
        )

    @property
    def in_flight(self) -> int:
        """Return the batches whose transaction is sent and in no block so far."""
        return sum(entry.standing is Standing.PENDING for entry in self._entries.values())

    def hold_up(self, *, away: bool) -> HoldUp | None:
        """Return what the unposted batches wait for; ``away``: L1 does not answer."""
        waiting = [self._entries[index] for index in self.unposted()]
        return hold_up_of(
            away=away,
            held_back=self.held_back,
            unposted=len(waiting),
            returned=sum(entry.returned for entry in waiting),
            pending=sum(entry.standing is Standing.PENDING for entry in waiting),
            in_flight_max=self._config.in_flight_max,
        )

    def unchecked(self, batch_count: int, *, kept: bool) -> tuple[int, ...]:
        """Return the batches whose records the next look must hold, the oldest of them."""
        asked = (
            index
            for index, entry in self._entries.items()
            if index < batch_count and not (kept and entry.checked)
        )
        return tuple(islice(asked, RECORDS_PER_LOOK))

    def doubtful(self, look: Look) -> tuple[bytes, ...]:
        """Return the transactions whose nonces are spent though their batches are not posted."""
        return tuple(
            sent for nonce in self._lost_nonces(look) for sent in self._slots[nonce].hashes
        )

    def resume(self, away_ms: int) -> None:
        """Leave out of every wait the time in which L1 was away: no transaction was slow then."""
        nonce, since = self._turn
        self._turn = (nonce, Millis(since + away_ms))
        for slot in self._slots.values():
            slot.priced_at = Millis(slot.priced_at + away_ms)

    def reconcile(self, look: Look, failed: Mapping[bytes, bool], now: Millis) -> tuple[Mark, ...]:
        """Bring every batch to where ``look`` shows it; return what changed, in order.

        ``failed`` tells of those of ``doubtful`` that are mined whether they reverted. Raises
        ``ChainDisagrees`` when the rollup holds what cannot be ours, lacks what was final, or lets
        the same batch fail again and again.
        """
        self._require_ours(look)
        if not look.kept:
            for entry in self._entries.values():
                entry.checked = False
        marks: list[Mark] = []
        for index, entry in self._entries.items():
            if index < look.batch_count:
                marks += self._stand(entry, look, now)
            elif entry.standing >= Standing.POSTED:
                marks.append(self._drop(entry, "reorg", now))
        grown = self.anchor is None or look.head.number > self.anchor.number
        for nonce in self._lost_nonces(look):
            slot = self._slots[nonce]
            known = failed.keys() & slot.hashes
            slot.blocks += grown
            if known or not slot.hashes or slot.blocks > RECEIPT_BLOCKS:
                marks += self._lose(self._slots.pop(nonce), any(map(failed.get, known)), now)
        self._forget_final(look)
        if self._turn[0] != look.nonce:
            self._turn = (look.nonce, now)
        self.anchor = look.head
        return tuple(marks)

    def plan(self, look: Look, now: Millis) -> tuple[tuple[Submission, ...], tuple[Mark, ...]]:
        """Return what to send now, in order, and what that changes; call after ``reconcile``.

        What is returned counts as sent: a transaction that got lost on the way is missed by a later
        look and sent again. ``held_back`` then says why no more is sent, if so.
        """
        submissions: list[Submission] = []
        marks: list[Mark] = []
        self.held_back = ""
        window = islice(self._missing(look), self._config.in_flight_max)
        for nonce, entry in zip(count(look.nonce), window, strict=False):
            # A batch may not take in deposits that L1 (after a deep reorg) does not have.
            if entry.sealed.inbox_cursor > look.inbox_count:
                self.held_back = "inbox"
                break
            if self._may_fail_too_often(entry, look):
                break
            before = self._holder(nonce)
            submission = self._submission(nonce, entry, look, now)
            if submission is not None:
                submissions.append(submission)
            if self._holder(nonce) is not entry:
                self.held_back = "fees"
                break
            if before is not None and before is not entry and before.standing is Standing.PENDING:
                marks.append(self._drop(before, "displaced", now))
            if entry.standing is Standing.SEALED:
                marks.append(self._step(entry, Step.SEND, now))
            if self._slots[nonce].unfunded:
                # Those behind it would be refused as well; it alone asks whether there is money.
                self.held_back = "funds"
                break
        return tuple(submissions), tuple(marks)

    def learn_gas(self, index: int, needed: int) -> None:
        """Take L1's word that batch ``index`` needs so much gas; the formula may fall short of it.

        A chain with gas prices of its own differs by about the same for every batch.
        """
        self._gas_extra = max(self._gas_extra, needed - self._entries[index].sealed.gas)

    def sent(self, nonce: int, transaction: bytes) -> None:
        """Note the hash of what is sent with ``nonce``; its answer may get lost."""
        self._slots[nonce].sent(transaction)

    def answered(self, nonce: int, sending: Sending) -> None:
        """Note what the pool said to it."""
        self._slots[nonce].answered(sending)

    def _root_after(self, index: int) -> bytes:
        """Return the root before batch ``index``."""
        last = self._entries.get(index - 1)
        return self._root_before if last is None else last.sealed.new_root

    def _require_ours(self, look: Look) -> None:
        """Only this node's key posts: any batch or root that it does not know is a broken one."""
        if self._first is None:
            return
        if not self._first <= look.batch_count <= self._next:
            raise ChainDisagrees(
                what="batch count", lowest=self._first, highest=self._next, found=look.batch_count
            )
        root = self._root_after(look.batch_count)
        if look.latest_root != root:
            raise ChainDisagrees(
                what="root", batch=look.batch_count - 1, expected=root, found=look.latest_root
            )

    def _stand(self, entry: _Entry, look: Look, now: Millis) -> Iterator[Mark]:
        """Bring a batch that the rollup has to its standing."""
        record = look.records.get(entry.sealed.index)
        if record is not None:
            if record.commitment != entry.sealed.commitment:
                raise ChainDisagrees(
                    what="batch",
                    batch=entry.sealed.index,
                    expected=entry.sealed.commitment,
                    found=record.commitment,
                )
            if entry.standing >= Standing.POSTED and entry.block != record.posted_at_block:
                yield self._drop(entry, "reorg", now)
            entry.checked = True
            entry.block = record.posted_at_block
            if entry.standing < Standing.POSTED:
                yield self._step(entry, Step.INCLUDE, now)
        if entry.checked and entry.standing is Standing.POSTED and entry.block <= look.safe_number:
            yield self._step(entry, Step.SECURE, now)
        if entry.checked and entry.standing is Standing.SAFE and entry.block <= look.final_number:
            yield self._step(entry, Step.FINALIZE, now)

    def _lost_nonces(self, look: Look) -> list[int]:
        return [
            nonce
            for nonce, slot in self._slots.items()
            if nonce < look.nonce and slot.index >= look.batch_count
        ]

    def _may_fail_too_often(self, entry: _Entry, look: Look) -> bool:
        """Return whether another failure could be one too many, were those in doubt failures too.

        It waits for a few blocks then, so that what a batch may cost holds where receipts are late.
        """
        index = entry.sealed.index
        doubted = sum(self._slots[nonce].index == index for nonce in self._lost_nonces(look))
        return entry.failures + doubted > self._config.failures_max

    def _lose(self, slot: Slot, reverted: bool, now: Millis) -> Iterable[Mark]:
        """The slot's nonce was spent on something else than its batch, or in vain."""
        entry = self._entries[slot.index]
        if reverted:
            entry.failures += 1
            # Gas is the one thing that a correct batch can lack, so the next attempt has more.
            entry.gas = min(part_rounded_up(entry.gas, 3, 2), GAS_MAX)
            if entry.failures > self._config.failures_max:
                raise ChainDisagrees(what="batch fails", batch=slot.index, failures=entry.failures)
        if entry.standing is Standing.PENDING:
            yield self._drop(entry, "reverted" if reverted else "displaced", now)

    def _forget_final(self, look: Look) -> None:
        for index, entry in list(self._entries.items()):
            if entry.standing is Standing.FINAL:
                self._root_before = self._entries.pop(index).sealed.new_root
                self._first = index + 1
        past = [
            nonce
            for nonce, slot in self._slots.items()
            if nonce < look.nonce and slot.index not in self._entries
        ]
        for nonce in past:
            del self._slots[nonce]

    def _holder(self, nonce: int) -> _Entry | None:
        """Return the batch that the slot of ``nonce`` is for."""
        slot = self._slots.get(nonce)
        return None if slot is None else self._entries.get(slot.index)

    def _missing(self, look: Look) -> Iterator[_Entry]:
        """Yield the batches that the rollup does not have, in order."""
        return (entry for index, entry in self._entries.items() if index >= look.batch_count)

    def _submission(self, nonce: int, entry: _Entry, look: Look, now: Millis) -> Submission | None:
        """Return what to send with ``nonce``; None where it waits well, or fees forbid it."""
        slot = self._slots.get(nonce)
        if slot is None:
            return self._open_slot(nonce, entry, look, now)
        moved = slot.index != entry.sealed.index
        if moved or self._is_stuck(nonce, slot, look.fees, now):
            fees = self._raised(nonce, slot, look)
            if fees is not None:
                if moved:
                    slot.move(entry.sealed.index)
                return self._attempt(nonce, slot, entry, fees, now)
        absent = nonce >= look.pending_nonce and not moved
        if absent and now - slot.sent_at >= self._config.resend_after_ms:
            again = None if slot.refused else slot.fees
            fees = again or choose_fees(look.fees, self._config.fees)
            if fees is not None:
                slot.fees, slot.sent_at = fees, now
                slot.gas = slot.gas or self._gas_of(entry)
                return Submission(entry.sealed, nonce, fees, slot.gas, attempt=0)
        return None

    def _open_slot(self, nonce: int, entry: _Entry, look: Look, now: Millis) -> Submission | None:
        if nonce < look.pending_nonce:
            # A process before this one sent it, and most likely just this batch.
            self._slots[nonce] = Slot(entry.sealed.index, now)
            return None
        fees = choose_fees(look.fees, self._config.fees)
        if fees is None:
            return None
        slot = self._slots[nonce] = Slot(entry.sealed.index, now)
        return self._attempt(nonce, slot, entry, fees, now)

    def _is_stuck(self, nonce: int, slot: Slot, sample: FeeSample, now: Millis) -> bool:
        """A transaction is late when its turn came long ago, or when it cannot pay today's fee."""
        turn_nonce, turn_since = self._turn
        if nonce == turn_nonce:
            return now - max(slot.priced_at, turn_since) >= self._config.stuck_after_ms
        too_cheap = slot.fees is not None and slot.fees.max_fee < sample.base_fee
        return too_cheap and now - slot.priced_at >= self._config.stuck_after_ms

    def _raised(self, nonce: int, slot: Slot, look: Look) -> Fees | None:
        rival = slot.to_outbid(seen=nonce < look.pending_nonce)
        if rival is None:
            return choose_fees(look.fees, self._config.fees)
        return bump_fees(rival, look.fees, self._config.fees)

    def _attempt(
        self, nonce: int, slot: Slot, entry: _Entry, fees: Fees, now: Millis
    ) -> Submission:
        slot.fees, slot.gas = fees, self._gas_of(entry)
        slot.attempts += 1
        slot.priced_at = slot.sent_at = now
        return Submission(entry.sealed, nonce, fees, slot.gas, slot.attempts)

    def _gas_of(self, entry: _Entry) -> int:
        return gas_limit(entry.gas + self._gas_extra)

    def _step(self, entry: _Entry, step: Step, now: Millis, cause: str = "") -> Mark:
        entry.standing = advance(entry.sealed.index, entry.standing, step)
        return Mark(
            index=entry.sealed.index,
            standing=entry.standing,
            last_sequence=entry.sealed.last_sequence,
            block=entry.block,
            time=now,
            cause=cause,
        )

    def _drop(self, entry: _Entry, cause: str, now: Millis) -> Mark:
        entry.block = -1
        entry.checked = False
        entry.returned = entry.returned or cause == "reorg"
        return self._step(entry, Step.DROP, now, cause)
