"""What settlement leans on, held against both chains: replacing, dropping, waiting, tags."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from web3.exceptions import TransactionNotFound

from node.adapters.devnet.settings import GWEI
from tests.integration.l1_stage import Exchange, Stage

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def manual(stage: Stage) -> AsyncIterator[Stage]:
    """The same chain, mining on request only while the test runs."""
    await stage.rpc("evm_setAutomine", False)
    yield stage
    await stage.rpc("evm_setAutomine", True)


async def test_a_waiting_transaction_is_seen_with_its_data(manual: Stage) -> None:
    w3, bob = manual.w3, manual.bob.address
    mined = await w3.eth.get_transaction_count(bob)
    raw = await manual.raw(manual.bob, data=b"hello", gas=50_000)
    sent = await w3.eth.send_raw_transaction(raw)
    waiting = await w3.eth.get_transaction(sent)
    assert (bytes(waiting["input"]), waiting.get("blockNumber")) == (b"hello", None)
    with pytest.raises(TransactionNotFound):
        await w3.eth.get_transaction_receipt(sent)
    assert await w3.eth.get_transaction_count(bob) == mined
    assert await w3.eth.get_transaction_count(bob, "pending") == mined + 1
    await manual.rpc("evm_mine")
    assert (await w3.eth.get_transaction_receipt(sent))["status"] == 1
    assert await w3.eth.get_transaction_count(bob) == mined + 1


async def test_a_higher_fee_replaces_and_an_equal_one_does_not(manual: Stage) -> None:
    w3, nonce = manual.w3, await manual.w3.eth.get_transaction_count(manual.bob.address)
    first = await manual.raw(manual.bob, nonce=nonce)
    dropped = await w3.eth.send_raw_transaction(first)
    level = await manual.raw(manual.bob, nonce=nonce, value=1)
    error = await manual.rpc_error("eth_sendRawTransaction", "0x" + level.hex())
    assert "underpriced" in error["message"]
    raised = await manual.raw(
        manual.bob, nonce=nonce, value=2, maxFeePerGas=23 * GWEI, maxPriorityFeePerGas=2 * GWEI
    )
    taken = await w3.eth.send_raw_transaction(raised)
    await manual.rpc("evm_mine")
    assert (await w3.eth.get_transaction(taken))["value"] == 2
    with pytest.raises(TransactionNotFound):
        await w3.eth.get_transaction(dropped)
    stale = await manual.rpc_error("eth_sendRawTransaction", "0x" + first.hex())
    assert "nonce too low" in stale["message"]


async def test_a_reorg_drops_a_transaction_that_can_be_sent_again(exchange: Exchange) -> None:
    stage, rollup = exchange.stage, exchange.rollup.functions
    batch = rollup.postBatch(exchange.header(), b"commands")
    raw = await stage.sign(stage.sequencer, batch)
    receipt = await stage.deliver(raw)
    await stage.rpc("evm_mine")
    head = await stage.w3.eth.get_block("latest")
    await stage.rpc("anvil_reorg", 2, [])
    replaced = await stage.w3.eth.get_block("latest")
    assert replaced["number"] == head["number"]
    assert replaced["hash"] != head["hash"]
    assert await rollup.batchCount().call() == 0
    with pytest.raises(TransactionNotFound):
        await stage.w3.eth.get_transaction_receipt(receipt["transactionHash"])
    again = await stage.deliver(raw)
    assert again["transactionHash"] == receipt["transactionHash"]
    assert again["blockHash"] != receipt["blockHash"]
    assert await rollup.batchCount().call() == 1


async def test_safe_and_finalized_follow_the_head(stage: Stage) -> None:
    for _ in range(5):
        await stage.rpc("evm_mine")
    numbers = [
        (await stage.w3.eth.get_block(tag))["number"]
        for tag in ("earliest", "finalized", "safe", "latest")
    ]
    assert numbers == sorted(set(numbers)), "four different blocks, in this order"


async def test_blocks_come_on_time_when_asked_to(manual: Stage) -> None:
    await manual.rpc("evm_setIntervalMining", 1)
    before = await manual.w3.eth.block_number
    await asyncio.sleep(1.5)
    assert 1 <= await manual.w3.eth.block_number - before <= 2
    await manual.rpc("evm_setIntervalMining", 0)
    stopped = await manual.w3.eth.block_number
    await asyncio.sleep(1.1)
    assert await manual.w3.eth.block_number == stopped
