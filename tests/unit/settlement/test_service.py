"""The settling loop in front of an endpoint that refuses, keeps silent, or answers oddly."""

import asyncio

import pytest
from eth_abi.abi import encode

from node.adapters.key_signer import KeySigner
from node.adapters.mailbox import Mailbox
from node.capacity.queue import BoundedQueue
from node.codec.l1_calls import (
    BATCH_COUNT,
    DEPOSIT_COUNT,
    LATEST_ROOT,
    RECORD,
    commitment,
    post_batch,
)
from node.codec.l1_gas import posting_gas
from node.ports.chain import At, FeeSample, L1Block, L1Log, L1Receipt, SendAnswer, Sending, Tag
from node.settlement.config import SettlementConfig
from node.settlement.contracts import Contracts
from node.settlement.costs import COST_TRIES
from node.settlement.sealed import Taken
from node.settlement.service import SettlementService
from node.types.blocks import Batch
from node.types.errors import ChainUnavailable
from node.types.hashing import keccak256
from node.types.hold_up import HoldUp
from node.types.ids import Address
from node.types.marks import Mark, Standing
from node.types.units import Millis
from tests.integration.l1_stage import GENESIS_ROOT
from tests.integration.settlement_stage import MemoryStore

CONFIG = SettlementConfig(stuck_after_ms=10_000, resend_after_ms=500, safe_depth=2, final_depth=4)
CONTRACTS = Contracts(1, Address(b"\1" * 20), Address(b"\2" * 20), Address(b"\3" * 20), 1)
GWEI = 10**9


class FakeL1:
    """Mines what it takes at once, or never (``mines``); the pool says ``answer`` to everything."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.head = 10
        self.posted: list[int] = []
        self.sent: list[bytes] = []
        self.answer = Sending.TAKEN
        self.mines = True
        self.away = False
        self.takes_in = True
        self.forgets = False
        self.has_receipts = True
        self.lags_once = 0
        self.deposits = 0

    async def block(self, at: At) -> L1Block | None:
        if self.away:
            raise ChainUnavailable(detail="away")
        number = at if isinstance(at, int) else self.head
        return L1Block(number, keccak256(b"%d" % number), 0, GWEI, 30_000_000)

    async def nonce(self, _account: Address, at: At = Tag.LATEST) -> int:
        waits = self.sent and not self.mines and self.answer is Sending.TAKEN
        return len(self.posted) + (1 if waits and at is Tag.PENDING else 0)

    async def fees(self, _blocks: int) -> FeeSample:
        return FeeSample(GWEI, (GWEI,))

    async def call(
        self, _to: Address, data: bytes, _at: At = Tag.LATEST, sender: Address | None = None
    ) -> bytes:
        count = len(self.posted)
        if data == BATCH_COUNT.encode():
            return encode(["uint64"], [count])
        if data == LATEST_ROOT.encode():
            count, self.lags_once = count - self.lags_once, 0
            return self._store.batches[count - 1].header.new_root if count else GENESIS_ROOT
        if data == DEPOSIT_COUNT.encode():
            return encode(["uint64"], [self.deposits])
        if sender is None:
            return self._record(int.from_bytes(data[-32:], "big"))
        return b""

    def _record(self, index: int) -> bytes:
        batch = self._store.batches[index]
        header = batch.header
        posted_at = self.posted[index]
        record = (header.new_root, commitment(batch), posted_at, header.last_sequence, 0)
        return encode([RECORD], [record])

    async def estimate_gas(self, _sender: Address, _to: Address, _data: bytes) -> int:
        return 100_000

    async def send(self, raw: bytes) -> SendAnswer:
        if not self.takes_in:
            raise ChainUnavailable(detail="no answer to what is sent")
        self.sent.append(raw)
        if self.answer is Sending.TAKEN and self.mines:
            self.head += 1
            self.posted.append(self.head)
        return SendAnswer(self.answer, "")

    async def receipt(self, transaction: bytes) -> L1Receipt | None:
        if not self.has_receipts:
            return None
        return L1Receipt(transaction, self.head, bytes(32), True, 100_000, GWEI)

    async def logs(
        self, address: Address, topics: tuple[bytes, ...], first: int, _last: int
    ) -> tuple[L1Log, ...]:
        if self.forgets:
            raise ChainUnavailable(detail="history has been pruned")
        return (L1Log(address, topics, b"", first, bytes(32), keccak256(b"%d" % first)),)


class Clock:
    """Stands until it is moved."""

    def __init__(self) -> None:
        self.ms = 0

    def now_ns(self) -> int:
        return self.ms * 1_000_000

    def now_ms(self) -> Millis:
        return Millis(self.ms)


class Quay:
    """A service with some batches, its L1 and its clock."""

    def __init__(self, batches: int = 1) -> None:
        self.store = MemoryStore()
        for _ in range(batches):
            self.store.seal()
        self.chain = FakeL1(self.store)
        self.clock = Clock()
        self.marks: list[Mark] = []
        outbox: Mailbox[Batch] = Mailbox(BoundedQueue("outbox", 64))
        self.service = SettlementService(
            self.chain,  # type: ignore[arg-type]
            CONTRACTS,
            KeySigner(b"\7" * 32),
            self.store,
            outbox,
            self.marks.append,
            self.clock,
            CONFIG,
        )
        self.service.recover()

    def standings(self) -> list[Standing]:
        return [mark.standing for mark in self.marks]

    async def turns(self, span_ms: int) -> None:
        """Turn as often as the service wants to within ``span_ms``."""
        end = self.clock.ms + span_ms
        while self.clock.ms < end:
            self.clock.ms += await self.service.turn()


async def test_what_a_batch_takes_of_l1_counts_once_whatever_becomes_of_it() -> None:
    quay = Quay(batches=3)
    gas = sum(posting_gas(post_batch(batch)) for batch in quay.store.batches)
    taken = Taken(3 * len(quay.store.batches[0].data), gas)
    assert quay.service.taken == taken
    await quay.turns(60_000)
    assert quay.standings()[-1] is Standing.POSTED
    assert quay.service.taken == taken


async def test_a_batch_waits_until_its_deposits_are_compared_with_those_of_l1() -> None:
    quay = Quay(batches=0)
    quay.store.seal(deposits=1)
    quay.service.recover()
    quay.chain.deposits = 1
    quay.service.compared = lambda: 0
    await quay.turns(10_000)
    assert (quay.chain.sent, quay.service.hold_up) == ([], HoldUp.REORG)
    quay.service.compared = lambda: 1
    await quay.turns(10_000)
    assert len(quay.chain.posted) == 1


async def test_an_account_that_cannot_pay_is_told_and_bids_no_more_for_it() -> None:
    quay = Quay()
    quay.chain.answer = Sending.UNFUNDED
    await quay.turns(60_000)
    assert len(quay.chain.sent) > 20
    assert len(set(quay.chain.sent)) == 1
    assert (quay.service.held_back, quay.service.hold_up) == ("funds", HoldUp.UNFUNDED)
    quay.chain.answer = Sending.TAKEN
    await quay.turns(5_000)
    assert len(set(quay.chain.sent)) == len(quay.chain.posted) == 1
    assert (quay.service.held_back, quay.service.hold_up) == ("", None)


async def test_one_failed_look_in_between_does_not_make_a_stuck_transaction_wait_anew() -> None:
    quay = Quay()
    quay.chain.mines = False
    for _ in range(6):
        await quay.turns(CONFIG.stuck_after_ms // 2)
        quay.chain.away = True
        await quay.turns(1)
        quay.chain.away = False
    assert len(set(quay.chain.sent)) == 3


async def test_an_outage_in_which_looks_succeed_is_left_out_of_the_wait_once() -> None:
    quay = Quay()
    quay.chain.takes_in = False
    for _ in range(6):
        pause_ms = await quay.service.turn()
        (slot,) = quay.service._tracker._slots.values()
        assert quay.service.chain_away
        assert slot.priced_at <= quay.clock.ms
        quay.clock.ms += pause_ms


async def test_an_endpoint_without_receipts_holds_nothing_up() -> None:
    quay = Quay()
    quay.chain.forgets = True
    await quay.turns(5_000)
    assert (quay.service.chain_away, quay.service.unaccounted) == (False, 1)
    assert quay.standings() == [Standing.PENDING, Standing.POSTED]
    quay.chain.forgets = False
    await quay.turns(1_000)
    assert (quay.service.unaccounted, quay.service.spending.gas_used) == (0, 100_000)


async def test_a_receipt_is_worth_waiting_for_only_while_l1_answers_for_receipts() -> None:
    quay = Quay()
    await quay.turns(1)
    quay.chain.has_receipts = False
    await quay.turns(1)
    assert quay.service.awaits_receipts
    quay.chain.forgets = True
    await quay.turns(1)
    assert (quay.service.unaccounted, quay.service.awaits_receipts) == (1, False)
    quay.chain.forgets = False
    await quay.turns(1)
    assert quay.service.awaits_receipts
    quay.chain.away = True
    await quay.turns(1)
    assert (quay.service.unaccounted, quay.service.awaits_receipts) == (1, False)
    quay.chain.away, quay.chain.has_receipts = False, True
    await quay.turns(1)
    assert (quay.service.unaccounted, quay.service.awaits_receipts) == (0, False)


@pytest.fixture
async def final_without_receipt() -> Quay:
    """A batch that is final just now, by an endpoint that has answered for no receipt so far."""
    quay = Quay()
    quay.chain.forgets = True
    await quay.turns(2_000)
    quay.chain.head += CONFIG.final_depth or 0
    await quay.turns(1)
    assert (quay.standings()[-1], quay.service.unaccounted) == (Standing.FINAL, 1)
    return quay


async def test_the_receipt_of_a_final_batch_is_asked_for_a_few_times_more_and_given_up(
    final_without_receipt: Quay,
) -> None:
    quay = final_without_receipt
    for _ in range(COST_TRIES - 2):
        await quay.service.turn()
    assert quay.service.unaccounted == 1
    await quay.service.turn()
    assert quay.service.unaccounted == 0
    quay.chain.forgets = False
    await quay.turns(5_000)
    assert quay.service.spending.gas_used == 0


async def test_a_question_that_fails_while_a_batch_becomes_final_loses_no_cost(
    final_without_receipt: Quay,
) -> None:
    quay = final_without_receipt
    found: list[int] = []
    quay.service.costs.included = lambda index, _receipt: found.append(index)
    quay.chain.forgets = False
    await quay.turns(1)
    assert (quay.service.unaccounted, found) == (0, [0])
    assert quay.service.spending.gas_used == 100_000


async def test_the_count_of_one_state_and_the_root_of_another_are_asked_for_again() -> None:
    quay = Quay()
    await quay.turns(1)
    quay.chain.lags_once = 1
    await quay.turns(1)
    assert quay.service.chain_away
    await quay.turns(1)
    assert not quay.service.chain_away
    assert quay.standings() == [Standing.PENDING, Standing.POSTED]


async def test_a_stop_just_after_a_question_failed_is_not_taken_for_an_outage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    quay = Quay()
    fees_asked, nonce_asked = asyncio.Event(), asyncio.Event()
    refusal: asyncio.Future[FeeSample] = asyncio.get_running_loop().create_future()
    never: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def fees(_blocks: int) -> FeeSample:
        fees_asked.set()
        return await refusal

    async def nonce(_account: Address, _at: At = Tag.LATEST) -> int:
        nonce_asked.set()
        return await never

    monkeypatch.setattr(quay.chain, "fees", fees)
    monkeypatch.setattr(quay.chain, "nonce", nonce)
    running = asyncio.create_task(quay.service.run())
    await fees_asked.wait()
    await nonce_asked.wait()
    refusal.set_exception(ChainUnavailable(detail="away"))
    # After this the question has failed, and whoever asked has not heard of it.
    await asyncio.sleep(0)
    running.cancel()
    await asyncio.wait([running], timeout=5)
    assert running.cancelled()
