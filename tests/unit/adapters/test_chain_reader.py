"""The reader in front of an endpoint whose newest block goes while it is read, or that hiccups."""

import pytest
from eth_abi.abi import encode

from node.adapters.chain_reader import LOG_BLOCKS_MIN, RollupReader
from node.codec.l1_calls import BATCH_COUNT, BATCH_POSTED, DEPOSIT_COUNT, INBOX
from node.ports.chain import At, L1Block, L1Log, L1Transaction, Tag
from node.types.errors import ChainDisagrees, ChainUnavailable
from node.types.hashing import keccak256
from node.types.ids import Address

ROLLUP = Address(b"\1" * 20)
DEPOSITS_TO = Address(b"\2" * 20)
HEAD = 100
POSTED = L1Log(
    ROLLUP,
    (BATCH_POSTED, bytes(32)),
    encode(["bytes32", "uint64", "uint64", "uint64", "bytes32"], [bytes(32), 1, 1, 0, bytes(32)]),
    HEAD,
    bytes(32),
    b"\5" * 32,
)


class FakeHistory:
    """Counts a deposit and a batch, and shows of both no more than the batch's event.

    ``reorg_at_logs``: the newest block is another one from the first logs on.
    """

    def __init__(self, *, reorg_at_logs: bool = False) -> None:
        self._reorg_at_logs = reorg_at_logs
        self._fork = 0
        self.refusals = 0
        self.asked: list[int] = []

    async def block(self, at: At) -> L1Block | None:
        number = at if isinstance(at, int) else HEAD
        return L1Block(number, keccak256(b"%d %d" % (number, self._fork)), 0, 0)

    async def call(self, _to: Address, data: bytes, _at: At = Tag.LATEST) -> bytes:
        answers = {
            INBOX.encode(): bytes(12) + DEPOSITS_TO,
            DEPOSIT_COUNT.encode(): encode(["uint64"], [1]),
            BATCH_COUNT.encode(): encode(["uint64"], [1]),
        }
        return answers[data]

    async def logs(
        self, _address: Address, topics: tuple[bytes, ...], first: int, last: int
    ) -> tuple[L1Log, ...]:
        self.asked.append(last - first + 1)
        if self.refusals:
            self.refusals -= 1
            raise ChainUnavailable(detail="connection refused")
        self._fork = int(self._reorg_at_logs)
        return (POSTED,) if topics == (BATCH_POSTED,) and last == HEAD else ()

    async def transaction(self, _transaction: bytes) -> L1Transaction | None:
        return None


async def read_all(reader: RollupReader) -> None:
    async for _ in reader.batches():
        pass


def reader_of(chain: FakeHistory, log_blocks_max: int = 1_000) -> RollupReader:
    return RollupReader(
        chain,  # type: ignore[arg-type]
        ROLLUP,
        log_blocks_max=log_blocks_max,
        pauses_s=(0.2, 1.0),
    )


@pytest.fixture(autouse=True)
def slept_s(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Collect the pauses instead of taking them."""
    slept: list[float] = []

    async def sleep(pause_s: float) -> None:
        slept.append(pause_s)

    monkeypatch.setattr("node.adapters.chain_reader.asyncio.sleep", sleep)
    return slept


async def test_an_event_without_its_transaction_is_a_contradiction() -> None:
    with pytest.raises(ChainDisagrees):
        await read_all(reader_of(FakeHistory()))
    with pytest.raises(ChainDisagrees):
        await reader_of(FakeHistory()).deposits()


async def test_a_reorg_of_the_newest_block_is_held_against_nobody() -> None:
    with pytest.raises(ChainUnavailable):
        await read_all(reader_of(FakeHistory(reorg_at_logs=True)))
    with pytest.raises(ChainUnavailable):
        await reader_of(FakeHistory(reorg_at_logs=True)).deposits()


async def test_after_a_hiccup_as_many_blocks_are_asked_for_as_before() -> None:
    chain = FakeHistory()
    chain.refusals = 1
    with pytest.raises(ChainDisagrees):
        await reader_of(chain, log_blocks_max=40).deposits()
    assert chain.asked == [40, 20, 40, 40, 1]


async def test_an_endpoint_that_is_away_is_asked_again_after_pauses(slept_s: list[float]) -> None:
    chain = FakeHistory()
    chain.refusals = 3
    with pytest.raises(ChainDisagrees):
        await reader_of(chain, log_blocks_max=LOG_BLOCKS_MIN).deposits()
    assert chain.asked[:4] == [LOG_BLOCKS_MIN] * 4
    assert slept_s == [0.0, 0.2, 1.0]
    chain.refusals = 100
    with pytest.raises(ChainUnavailable):
        await reader_of(chain, log_blocks_max=8 * LOG_BLOCKS_MIN).deposits()
    assert slept_s[3:] == [0.0, 0.2, 1.0]
