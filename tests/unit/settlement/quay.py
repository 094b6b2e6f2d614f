"""A settlement service with a disk, a clock, and an L1 that does as it is told."""

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
from node.ports.chain import At, FeeSample, L1Block, L1Log, L1Receipt, SendAnswer, Sending, Tag
from node.settlement.config import SettlementConfig
from node.settlement.contracts import Contracts
from node.settlement.service import SettlementService
from node.types.blocks import Batch
from node.types.errors import CallReverted, ChainUnavailable
from node.types.hashing import keccak256
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
        self.loses_answers = False
        self.reverts = False
        self.refuses = False
        self.estimate: int | None = 100_000
        self.looks = 0
        self.fork = 0
        self.gone = False
        self.states_asked: set[bytes | int | Tag] = set()
        self.spent = 0
        """Nonces that went on something else than a batch."""
        self.failed: set[bytes] = set()

    async def block(self, at: At) -> L1Block | None:
        self.looks += at is Tag.LATEST
        if self.away:
            raise ChainUnavailable(detail="away")
        number = at if isinstance(at, int) else self.head
        return L1Block(number, keccak256(b"%d %d" % (number, self.fork)), 0, GWEI, 30_000_000)

    async def nonce(self, _account: Address, at: At = Tag.LATEST) -> int:
        self.states_asked.add(at)
        waits = self.sent and not self.mines and self.answer is Sending.TAKEN
        return len(self.posted) + self.spent + (1 if waits and at is Tag.PENDING else 0)

    async def fees(self, _blocks: int) -> FeeSample:
        return FeeSample(GWEI, (GWEI,))

    async def call(
        self, _to: Address, data: bytes, at: At = Tag.LATEST, sender: Address | None = None
    ) -> bytes:
        self.states_asked.add(at)
        count = len(self.posted)
        if data == BATCH_COUNT.encode():
            return encode(["uint64"], [count])
        if data == LATEST_ROOT.encode():
            count, self.lags_once = count - self.lags_once, 0
            return self._store.batches[count - 1].header.new_root if count else GENESIS_ROOT
        if data == DEPOSIT_COUNT.encode():
            return encode(["uint64"], [self.deposits])
        if sender is None:
            if self.gone:
                raise CallReverted(error="Panic", arguments=())
            return self._record(int.from_bytes(data[-32:], "big"))
        if self.refuses or data != post_batch(self._store.batches[len(self.posted)]):
            raise CallReverted(error="WrongIndex", arguments=())
        return b""

    def _record(self, index: int) -> bytes:
        batch = self._store.batches[index]
        header = batch.header
        posted_at = self.posted[index]
        record = (header.new_root, commitment(batch), posted_at, header.last_sequence, 0)
        return encode([RECORD], [record])

    async def estimate_gas(self, _sender: Address, _to: Address, _data: bytes) -> int:
        if self.estimate is None:
            raise CallReverted(error="WrongIndex", arguments=())
        return self.estimate

    async def send(self, raw: bytes) -> SendAnswer:
        if not self.takes_in:
            raise ChainUnavailable(detail="no answer to what is sent")
        self.sent.append(raw)
        if self.answer is Sending.TAKEN and self.mines:
            self.head += 1
            if self.reverts:
                self.spent += 1
                self.failed.add(keccak256(raw))
            else:
                self.posted.append(self.head)
        if self.loses_answers:
            raise ChainUnavailable(detail="taken, and the answer got lost")
        return SendAnswer(self.answer, "")

    async def receipt(self, transaction: bytes) -> L1Receipt | None:
        if not self.has_receipts:
            return None
        succeeded = transaction not in self.failed
        return L1Receipt(transaction, self.head, bytes(32), succeeded, 100_000, GWEI)

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

    def __init__(self, batches: int = 1, config: SettlementConfig = CONFIG) -> None:
        self.store = MemoryStore()
        for _ in range(batches):
            self.store.seal()
        self.chain = FakeL1(self.store)
        self.clock = Clock()
        self.marks: list[Mark] = []
        self.outbox: Mailbox[Batch] = Mailbox(BoundedQueue("outbox", 64))
        self.service = SettlementService(
            self.chain,  # type: ignore[arg-type]
            CONTRACTS,
            KeySigner(b"\7" * 32),
            self.store,
            self.outbox,
            self.marks.append,
            self.clock,
            config,
        )
        self.service.recover()

    def standings(self) -> list[Standing]:
        return [mark.standing for mark in self.marks]

    async def turns(self, span_ms: int) -> None:
        """Turn as often as the service wants to within ``span_ms``."""
        end = self.clock.ms + span_ms
        while self.clock.ms < end:
            self.clock.ms += await self.service.turn()
