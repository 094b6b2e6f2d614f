"""The reader in front of an endpoint whose newest block goes while it is read, or that hiccups."""

from math import inf

import pytest
from eth_abi.abi import encode

from node.adapters.artifacts import load_artifact
from node.adapters.chain_reader import LOG_BLOCKS_MIN, OPENED, RollupReader
from node.codec.l1_calls import (
    BATCH_COUNT,
    BATCH_POSTED,
    DEPOSIT_COUNT,
    DEPOSITED,
    FINALITY_BLOCKS,
    GENESIS_ROOT,
    INBOX,
    INBOX_TOKEN,
    LATEST_ROOT,
    RULES_HASH,
    SEQUENCER,
    post_batch,
)
from node.ports.chain import At, L1Block, L1Log, L1Transaction, Tag
from node.ports.chain_reader import PostedBatch, RollupTip
from node.ports.log_span import ANSWERS_BEFORE_MORE
from node.types.blocks import Batch, BatchHeader
from node.types.errors import ChainDisagrees, ChainUnavailable
from node.types.hashing import keccak256
from node.types.ids import Address, Sequence

ROLLUP = Address(b"\1" * 20)
DEPOSITS_TO = Address(b"\2" * 20)
SEQUENCED_BY = Address(b"\3" * 20)
PAID_IN = Address(b"\4" * 20)
FINALITY = 64
HEAD = 1_000
RULES = b"rules"
BATCH = Batch(
    BatchHeader(0, bytes(32), bytes(32), Sequence(1), Sequence(1), 0, ()), b"", "age", 1, bytes(32)
)
POSTED = L1Log(
    ROLLUP,
    (BATCH_POSTED, bytes(32)),
    encode(["bytes32", "uint64", "uint64", "uint64", "bytes32"], [bytes(32), 1, 1, 0, bytes(32)]),
    HEAD,
    bytes(32),
    b"\5" * 32,
)
OPENING = L1Log(
    ROLLUP, (OPENED,), encode(["bytes", "bytes32"], [RULES, bytes(32)]), 1, bytes(32), bytes(32)
)
DEPOSIT = L1Log(
    DEPOSITS_TO, (DEPOSITED, bytes(32), bytes(32)), encode(["uint64"], [7]), 1, bytes(32), bytes(32)
)
CODES = {
    ROLLUP: load_artifact("Rollup").runtime(
        {
            "sequencer": SEQUENCED_BY,
            "finalityBlocks": bytes([FINALITY]),
            "rulesHash": keccak256(RULES),
            "genesisRoot": bytes(32),
            "inbox": DEPOSITS_TO,
        }
    ),
    DEPOSITS_TO: load_artifact("Inbox").runtime({"rollup": ROLLUP, "token": PAID_IN}),
}
LOGS = {BATCH_POSTED: POSTED, OPENED: OPENING, DEPOSITED: DEPOSIT}


class FakeHistory:
    """Counts and shows a deposit and a batch.

    ``reorg_at_logs``: the newest block is another one from the first logs on.
    ``blind_answers``: so many times it leaves out what stands in the newest block.
    """

    def __init__(self, *, reorg_at_logs: bool = False, blind_answers: float = 0) -> None:
        self._reorg_at_logs = reorg_at_logs
        self._blind_answers = blind_answers
        self._fork = 0
        self.refusals = 0
        self.blocks_max = 1_000
        self.deposit_count = 1
        self.genesis_root = bytes(32)
        self.codes = dict(CODES)
        self.asked: list[int] = []

    async def chain_id(self) -> int:
        return 1

    async def block(self, at: At) -> L1Block | None:
        number = at if isinstance(at, int) else HEAD
        return L1Block(number, keccak256(b"%d %d" % (number, self._fork)), 0, 0)

    async def call(self, _to: Address, data: bytes, _at: At = Tag.LATEST) -> bytes:
        answers = {
            RULES_HASH.encode(): keccak256(RULES),
            INBOX.encode(): bytes(12) + DEPOSITS_TO,
            DEPOSIT_COUNT.encode(): encode(["uint64"], [self.deposit_count]),
            BATCH_COUNT.encode(): encode(["uint64"], [1]),
            LATEST_ROOT.encode(): b"\7" * 32,
            GENESIS_ROOT.encode(): self.genesis_root,
            SEQUENCER.encode(): bytes(12) + SEQUENCED_BY,
            FINALITY_BLOCKS.encode(): encode(["uint64"], [FINALITY]),
            INBOX_TOKEN.encode(): bytes(12) + PAID_IN,
        }
        return answers[data]

    async def code(self, address: Address, at: At = Tag.LATEST) -> bytes:
        assert isinstance(at, bytes), "of the block as of which everything is read"
        return self.codes.get(address, b"")

    async def logs(
        self, _address: Address, topics: tuple[bytes, ...], first: int, last: int
    ) -> tuple[L1Log, ...]:
        self.asked.append(last - first + 1)
        if self.refusals or last - first >= self.blocks_max:
            self.refusals = max(0, self.refusals - 1)
            raise ChainUnavailable(detail="connection refused")
        self._fork = int(self._reorg_at_logs)
        return () if last < HEAD or self._is_blind() else (LOGS[topics[0]],)

    async def transaction(self, _transaction: bytes) -> L1Transaction | None:
        return None if self._is_blind() else L1Transaction(ROLLUP, post_batch(BATCH))

    def _is_blind(self) -> bool:
        self._blind_answers -= 1
        return self._blind_answers >= 0


async def read_all(reader: RollupReader) -> list[PostedBatch]:
    return [batch async for batch in reader.batches()]


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
    blind = reader_of(FakeHistory(blind_answers=inf))
    with pytest.raises(ChainDisagrees):
        await blind._posted(POSTED)
    with pytest.raises(ChainDisagrees):
        await blind.deposits()


@pytest.mark.parametrize("blind_answers", [0, 1, 2])
async def test_what_an_endpoint_behind_the_others_leaves_out_is_asked_for_again(
    blind_answers: int, slept_s: list[float]
) -> None:
    def reader() -> RollupReader:
        return reader_of(FakeHistory(blind_answers=blind_answers))

    assert (await reader().terms()).rules == RULES
    assert [deposit.amount for deposit in await reader().deposits()] == [7]
    assert [batch.header for batch in await read_all(reader())] == [BATCH.header]
    assert slept_s == 3 * [0.2, 1.0][:blind_answers]


async def test_a_transaction_that_an_endpoint_behind_the_others_lacks_is_asked_for_again() -> None:
    reader = reader_of(FakeHistory(blind_answers=2))
    assert (await reader._posted(POSTED)).header == BATCH.header


async def test_the_terms_tell_in_whose_hands_the_rollup_is() -> None:
    terms = await reader_of(FakeHistory()).terms()
    assert (terms.sequencer, terms.finality_blocks) == (SEQUENCED_BY, FINALITY)
    assert (terms.inbox, terms.token, terms.foreign) == (DEPOSITS_TO, PAID_IN, ())
    assert await reader_of(FakeHistory()).tip() == RollupTip(1, b"\7" * 32)


@pytest.mark.parametrize(("contract", "name"), [(ROLLUP, "Rollup"), (DEPOSITS_TO, "Inbox")])
@pytest.mark.parametrize("place", [0, 1_000, -1])
async def test_other_code_is_named(contract: Address, name: str, place: int) -> None:
    chain = FakeHistory()
    code = bytearray(chain.codes[contract])
    code[place] ^= 1
    for other in (bytes(code), chain.codes[contract] + b"\0", b""):
        chain.codes[contract] = other
        assert (await reader_of(chain).terms()).foreign == (f"{name} at 0x{contract.hex()}",)


async def test_an_immutable_that_is_another_at_one_of_its_places_is_other_code() -> None:
    """A rollup that tells one sequencer and obeys another."""
    for place in load_artifact("Rollup").immutables["sequencer"]:
        chain = FakeHistory()
        code = bytearray(chain.codes[ROLLUP])
        code[place + 31] ^= 1
        chain.codes[ROLLUP] = bytes(code)
        assert (await reader_of(chain).terms()).foreign


async def test_a_genesis_root_told_in_two_ways_is_a_contradiction() -> None:
    chain = FakeHistory()
    chain.genesis_root = b"\1" * 32
    with pytest.raises(ChainDisagrees):
        await reader_of(chain).terms()


@pytest.mark.parametrize("count", [0, 2, 2**64 - 1])
async def test_a_count_of_deposits_that_the_logs_belie_is_a_contradiction(count: int) -> None:
    chain = FakeHistory()
    chain.deposit_count = count
    with pytest.raises(ChainDisagrees):
        await reader_of(chain).deposits()


async def test_a_reorg_of_the_newest_block_is_held_against_nobody() -> None:
    with pytest.raises(ChainUnavailable):
        await read_all(reader_of(FakeHistory(reorg_at_logs=True)))
    with pytest.raises(ChainUnavailable):
        await reader_of(FakeHistory(reorg_at_logs=True, blind_answers=inf)).deposits()
    blind = FakeHistory(blind_answers=inf)
    reader = reader_of(blind)
    await reader.tip()
    blind._fork = 1
    with pytest.raises(ChainUnavailable):
        await reader._posted(POSTED)


async def test_after_a_hiccup_as_many_blocks_are_asked_for_as_before() -> None:
    chain = FakeHistory()
    chain.refusals = 1
    await reader_of(chain, log_blocks_max=40).deposits()
    assert chain.asked == [40, *[20] * ANSWERS_BEFORE_MORE, *[40] * 17, 1]


async def test_an_endpoint_that_limits_answers_is_seldom_asked_for_more() -> None:
    chain = FakeHistory()
    chain.blocks_max = 20
    await reader_of(chain, log_blocks_max=40).deposits()
    assert len([blocks for blocks in chain.asked if blocks > 20]) == 4


async def test_an_endpoint_that_is_away_is_asked_again_after_pauses(slept_s: list[float]) -> None:
    chain = FakeHistory()
    chain.refusals = 3
    await reader_of(chain, log_blocks_max=LOG_BLOCKS_MIN).deposits()
    assert chain.asked[:4] == [LOG_BLOCKS_MIN] * 4
    assert slept_s == [0.0, 0.2, 1.0]
    chain.refusals = 100
    with pytest.raises(ChainUnavailable):
        await reader_of(chain, log_blocks_max=8 * LOG_BLOCKS_MIN).deposits()
    assert slept_s[3:] == [0.0, 0.2, 1.0]
