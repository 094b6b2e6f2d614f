"""The verifier against both chains: an honest log, a dishonest sequencer, a lying endpoint."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from web3 import AsyncHTTPProvider, AsyncWeb3

from node.adapters.artifacts import load_artifact
from node.adapters.chain_reader import RollupReader
from node.adapters.deployment import Deployment, deploy
from node.adapters.l1_chain import L1Chain
from node.app.config import read_config
from node.codec.batch import encode_batch
from node.codec.l1_calls import post_batch
from node.codec.l1_gas import posting_gas_estimated
from node.transition.batch_replica import BatchReplica
from node.transition.replay import Replica
from node.types.blocks import Batch, BatchHeader, Domain
from node.types.errors import ChainDisagrees, ChainUnavailable, WrongContract
from node.types.ids import Address
from node.verifier.service import InPlace, verify
from node.verifier.verdict import Fault
from tests.examples import DOLLAR, DOMAIN, RULES
from tests.integration.daemon import plimsoll_here, write_config
from tests.integration.l1_stage import FINALITY_BLOCKS, Exchange, Stage
from tests.unit.transition.example_log import ExampleLog, example_log

pytestmark = pytest.mark.asyncio(loop_scope="session")

BLOCKS_PER_BATCH = 16
FAUCET_LIMIT = 1_000_000 * DOLLAR


class PostedLog:
    """The example log on a real rollup."""

    def __init__(self, stage: Stage, deployment: Deployment) -> None:
        self.stage = stage
        self.exchange = Exchange(stage, deployment)
        self.rollup = Address(bytes.fromhex(deployment.rollup[2:]))
        self.log = example_log(domain=Domain(DOMAIN.chain_id, self.rollup))
        self.gas: list[tuple[int, int]] = []

    @classmethod
    async def open(cls, stage: Stage) -> "PostedLog":
        """Deploy, and make the deposits of the log."""
        root = Replica.genesis(RULES, DOMAIN).root
        deployment = await deploy(
            stage.w3,
            stage.alice,
            sequencer=stage.sequencer.address,
            rules=RULES.encode(),
            genesis_root=root,
            finality_blocks=FINALITY_BLOCKS,
        )
        posted = cls(stage, deployment)
        await posted._deposit(posted.log)
        return posted

    async def _deposit(self, log: ExampleLog) -> None:
        alice, exchange = self.stage.alice, self.exchange
        total = sum(deposit.amount for deposit in log.deposits)
        for poured in range(0, total, FAUCET_LIMIT):
            amount = min(FAUCET_LIMIT, total - poured)
            await self.stage.send(alice, exchange.token.functions.faucet(alice.address, amount))
        await self.stage.send(
            alice, exchange.token.functions.approve(exchange.inbox.address, total)
        )
        accounts = [AsyncWeb3.to_checksum_address(one.account) for one in log.deposits]
        amounts = [one.amount for one in log.deposits]
        await self.stage.send(alice, exchange.inbox.functions.depositMany(accounts, amounts))

    def batches(self) -> list[Batch]:
        """Return the batches that an honest sequencer posts."""
        replica = BatchReplica(Replica.genesis(RULES, DOMAIN), 0, trees_kept=2)
        blocks = self.log.blocks
        return [
            replica.seal(blocks[start : start + BLOCKS_PER_BATCH], "age")
            for start in range(0, len(blocks), BLOCKS_PER_BATCH)
        ]

    async def post(self, header: BatchHeader, data: bytes) -> None:
        """Post with the sequencer's key."""
        fields = (
            header.index,
            header.previous_root,
            header.new_root,
            header.first_sequence,
            header.last_sequence,
            header.inbox_cursor,
            list(header.roots),
        )
        call = self.exchange.rollup.functions.postBatch(fields, data)
        receipt = await self.stage.send(self.stage.sequencer, call)
        self.gas.append((receipt["gasUsed"], posting_gas_estimated(len(data), len(header.roots))))

    def reader(self, chain: L1Chain, **settings: int) -> RollupReader:
        """Return a reader of this rollup."""
        return RollupReader(chain, self.rollup, pauses_s=(0,), **settings)


def url_of(stage: Stage) -> str:
    """Return where the stage's chain answers."""
    assert isinstance(stage.w3.provider, AsyncHTTPProvider)
    return str(stage.w3.provider.endpoint_uri)


@pytest_asyncio.fixture(loop_scope="session")
async def l1(stage: Stage) -> AsyncIterator[L1Chain]:
    chain = L1Chain(url_of(stage))
    yield chain
    await chain.close()


def no_progress(_done: int, _total: int) -> None:
    """Tell nobody."""


async def test_an_honest_chain_is_rebuilt_from_nothing(stage: Stage, l1: L1Chain) -> None:
    posted = await PostedLog.open(stage)
    batches = posted.batches()
    for batch in batches:
        await posted.post(batch.header, batch.data)
    verdict, state = await verify(posted.reader(l1, log_blocks_max=3), InPlace(), no_progress)
    assert verdict.ok, verdict
    assert verdict.batches == len(batches)
    assert state is not None
    assert dict(state.leaves()) == dict(posted.log.state.leaves())
    for used, estimated in posted.gas:
        assert used <= estimated <= used * 5 // 4 + 60_000


async def test_a_contract_with_a_back_door_is_named(
    stage: Stage, l1: L1Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The inbox, which the rollup deploys, takes one deposit a call more than ours does."""
    genuine = load_artifact("Rollup")
    limit, other = "60c8831115", "60c9831115"
    assert genuine.bytecode.count(limit) == 1
    changed = msgspec.structs.replace(genuine, bytecode=genuine.bytecode.replace(limit, other))
    with monkeypatch.context() as patched:
        patched.setattr(
            "node.adapters.deployment.load_artifact",
            lambda name: changed if name == "Rollup" else load_artifact(name),
        )
        posted = await PostedLog.open(stage)
    verdict, _ = await verify(posted.reader(l1), InPlace(), no_progress)
    assert verdict.difference is not None
    assert verdict.difference.fault is Fault.CONTRACT
    assert verdict.difference.found.startswith("Inbox at 0x")


async def test_a_history_needs_no_file_of_the_rules(stage: Stage, tmp_path: Path) -> None:
    posted = await PostedLog.open(stage)
    first = posted.batches()[0]
    await posted.post(first.header, first.data)
    config = write_config(tmp_path / "node.toml", {})
    assert read_config(config).rules != RULES
    summary = tmp_path / "summary.json"
    done = await asyncio.to_thread(
        plimsoll_here,
        *("history", "rebuild", "--config", config, "--data", tmp_path / "empty"),
        *("--rollup", "0x" + posted.rollup.hex(), "--rpc", url_of(stage), "--json", summary),
    )
    assert done.code == 0, done.errors
    assert msgspec.json.decode(summary.read_bytes())["sequence"] == first.header.last_sequence


async def test_a_dishonest_root_is_found(stage: Stage, l1: L1Chain) -> None:
    posted = await PostedLog.open(stage)
    first, second = posted.batches()[:2]
    await posted.post(first.header, first.data)
    await posted.post(msgspec.structs.replace(second.header, new_root=bytes(32)), second.data)
    verdict, _ = await verify(posted.reader(l1), InPlace(), no_progress)
    assert verdict.difference is not None
    assert (verdict.difference.fault, verdict.difference.batch) == (Fault.ROOT, 1)


async def test_a_changed_command_is_found(stage: Stage, l1: L1Chain) -> None:
    posted = await PostedLog.open(stage)
    first = posted.batches()[0]
    commands = list(posted.log.commands[: first.header.last_sequence])
    place = next(i for i, command in enumerate(commands) if type(command).__name__ == "PlaceOrders")
    commands[place] = msgspec.structs.replace(commands[place], nonce=200)
    await posted.post(first.header, encode_batch(commands))
    verdict, _ = await verify(posted.reader(l1), InPlace(), no_progress)
    assert verdict.difference is not None
    assert verdict.difference.fault is Fault.SIGNATURE
    assert verdict.difference.first_sequence == place + 1


async def test_a_batch_whose_calldata_ends_with_its_data_is_read(stage: Stage, l1: L1Chain) -> None:
    posted = await PostedLog.open(stage)
    batches = posted.batches()[:3]
    assert any(len(batch.data) % 32 for batch in batches)
    for batch in batches:
        calldata = post_batch(batch)
        unpadded = calldata[: len(calldata) - -len(batch.data) % 32]
        to = AsyncWeb3.to_checksum_address(posted.rollup)
        await stage.deliver(await stage.raw(stage.sequencer, to=to, data=unpadded, gas=10_000_000))
    verdict, _ = await verify(posted.reader(l1), InPlace(), no_progress)
    assert verdict.ok, verdict
    assert verdict.batches == len(batches)


async def test_a_place_without_a_rollup_is_told(l1: L1Chain, exchange: Exchange) -> None:
    with pytest.raises(WrongContract):
        await RollupReader(l1, Address(b"\x11" * 20)).terms()
    token = Address(bytes.fromhex(exchange.token.address[2:]))
    with pytest.raises(WrongContract):
        await RollupReader(l1, token).terms()


async def test_an_endpoint_that_is_away_is_told() -> None:
    chain = L1Chain("http://127.0.0.1:1")
    with pytest.raises(ChainUnavailable):
        await RollupReader(chain, Address(b"\x11" * 20), pauses_s=(0,)).terms()
    await chain.close()


class LyingChain(L1Chain):
    """Answers as the chain does, but for one method."""

    def __init__(self, url: str, method: str, lie: Callable[[Any], Any]) -> None:
        super().__init__(url)
        self._method = method
        self._lie = lie

    async def _request(self, method: str, *params: Any) -> Any:
        result = await super()._request(method, *params)
        return self._lie(result) if method == self._method else result


@asynccontextmanager
async def lying(stage: Stage, method: str, lie: Callable[[Any], Any]) -> AsyncIterator[L1Chain]:
    """Give an endpoint of the chain that lies in its answers to ``method``."""
    chain = LyingChain(url_of(stage), method, lie)
    try:
        yield chain
    finally:
        await chain.close()


async def honest_log(stage: Stage) -> PostedLog:
    posted = await PostedLog.open(stage)
    for batch in posted.batches()[:3]:
        await posted.post(batch.header, batch.data)
    return posted


def other_calldata(response: Any) -> Any:
    calldata = bytearray.fromhex(response["input"][2:])
    calldata[4 + 64 + 32 * 2 + 31] ^= 1
    return response | {"input": "0x" + calldata.hex()}


def other_data(response: Any) -> Any:
    # The last bytes of the calldata may be padding; these are inside of the data.
    calldata = bytearray.fromhex(response["input"][2:])
    calldata[-200] ^= 1
    return response | {"input": "0x" + calldata.hex()}


def no_transaction(response: Any) -> Any:
    return None


async def test_a_missing_transaction_is_told(stage: Stage) -> None:
    posted = await honest_log(stage)
    async with lying(stage, "eth_getTransactionByHash", no_transaction) as chain:
        verdict, _ = await verify(posted.reader(chain), InPlace(), no_progress)
    assert verdict.difference is not None
    assert (verdict.difference.fault, verdict.difference.batch) == (Fault.CONTRADICTION, 0)


async def test_a_header_other_than_the_event_is_told(stage: Stage) -> None:
    posted = await honest_log(stage)
    async with lying(stage, "eth_getTransactionByHash", other_calldata) as chain:
        verdict, _ = await verify(posted.reader(chain), InPlace(), no_progress)
    assert verdict.difference is not None
    assert (verdict.difference.fault, verdict.difference.batch) == (Fault.CONTRADICTION, 0)


async def test_other_data_than_the_contract_hashed_is_a_difference(stage: Stage) -> None:
    posted = await honest_log(stage)
    async with lying(stage, "eth_getTransactionByHash", other_data) as chain:
        verdict, _ = await verify(posted.reader(chain), InPlace(), no_progress)
    assert verdict.difference is not None
    assert (verdict.difference.fault, verdict.difference.batch) == (Fault.DATA, 0)


async def test_a_withheld_event_is_a_missing_batch(stage: Stage) -> None:
    posted = await honest_log(stage)
    topic = posted.exchange.rollup.events.BatchPosted().topic

    def withhold(response: Any) -> Any:
        return [
            log
            for log in response
            if not (log["topics"][0] == topic and int(log["topics"][1], 16) == 1)
        ]

    async with lying(stage, "eth_getLogs", withhold) as chain:
        verdict, _ = await verify(posted.reader(chain), InPlace(), no_progress)
    assert verdict.difference is not None
    assert (verdict.difference.fault, verdict.difference.batch) == (Fault.MISSING_BATCH, 1)


async def test_a_withheld_deposit_is_told(stage: Stage) -> None:
    posted = await honest_log(stage)
    topic = posted.exchange.inbox.events.Deposited().topic

    def withhold(response: Any) -> Any:
        return [log for log in response if log["topics"][0] != topic]

    async with lying(stage, "eth_getLogs", withhold) as chain:
        verdict, _ = await verify(posted.reader(chain), InPlace(), no_progress)
    assert verdict.difference is not None
    assert verdict.difference.fault is Fault.CONTRADICTION
    assert verdict.difference.expected.startswith("deposits")


async def test_an_endpoint_that_refuses_logs_is_asked_for_fewer_blocks(stage: Stage) -> None:
    posted = await honest_log(stage)
    spans: list[int] = []

    def shorten(response: Any) -> Any:
        spans.append(1)
        if len(spans) <= 2:
            raise ChainUnavailable(detail="too many blocks")
        return response

    async with lying(stage, "eth_getLogs", shorten) as chain:
        verdict, _ = await verify(posted.reader(chain), InPlace(), no_progress)
    assert verdict.batches == 3

    def refuse(response: Any) -> Any:
        raise ChainUnavailable(detail="too many blocks")

    async with lying(stage, "eth_getLogs", refuse) as chain:
        with pytest.raises(ChainUnavailable):
            await verify(posted.reader(chain), InPlace(), no_progress)


NONSENSE: tuple[Any, ...] = ("nonsense", {}, [], [{"x": 1}], None, 7, "0x", "0x" + "ff" * 40)


@pytest.mark.parametrize(
    "method",
    [
        "eth_getBlockByNumber",
        "eth_call",
        "eth_getLogs",
        "eth_getTransactionByHash",
        "eth_chainId",
    ],
)
async def test_nonsense_is_an_error_or_a_difference(stage: Stage, method: str) -> None:
    posted = await honest_log(stage)
    for nonsense in NONSENSE:
        async with lying(stage, method, partial(instead, nonsense)) as chain:
            try:
                verdict, _ = await verify(posted.reader(chain), InPlace(), no_progress)
            except (ChainDisagrees, ChainUnavailable, WrongContract):
                continue
            assert not verdict.ok, nonsense


def instead(answer: Any, _response: Any) -> Any:
    return answer


async def test_a_reorg_while_reading_is_told(stage: Stage) -> None:
    posted = await honest_log(stage)
    blocks = 0

    def other_head_later(response: Any) -> Any:
        nonlocal blocks
        blocks += 1
        return response if blocks == 1 else response | {"hash": "0x" + "11" * 32}

    async with lying(stage, "eth_getBlockByNumber", other_head_later) as chain:
        with pytest.raises(ChainUnavailable):
            await verify(posted.reader(chain), InPlace(), no_progress)
