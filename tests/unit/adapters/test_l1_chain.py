"""What endpoints answer, well and badly: the adapter turns it into values or one of two errors."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from aiohttp import web
from eth_abi.abi import encode

from node.adapters.l1_chain import L1Chain
from node.ports.chain import FeeSample, L1Block, L1Receipt, Sending, Tag
from node.types.errors import CallReverted, ChainUnavailable
from node.types.hashing import keccak256
from node.types.ids import Address

ADDRESS = Address(b"\x11" * 20)
HASH = b"\x22" * 32
BLOCK = {
    "number": "0x10",
    "hash": "0x" + HASH.hex(),
    "timestamp": "0x64",
    "baseFeePerGas": "0x7",
}

Answer = Callable[[dict[str, Any]], Any]


class Endpoint:
    """Answers every request as it is told to, and remembers the last one."""

    def __init__(self) -> None:
        self.body: Any = {"result": None}
        self.status = 200
        self.request: dict[str, Any] = {}

    async def serve(self, request: web.Request) -> web.Response:
        self.request = msgspec.json.decode(await request.read())
        body = self.body
        if isinstance(body, dict):
            body = msgspec.json.encode({"jsonrpc": "2.0", "id": self.request["id"], **body})
        return web.Response(body=body, status=self.status, content_type="application/json")

    def error(self, message: str, code: int = -32000, data: Any = None) -> None:
        self.body = {"error": {"code": code, "message": message, "data": data}}


@pytest.fixture
def endpoint() -> Endpoint:
    return Endpoint()


@pytest_asyncio.fixture
async def chain(endpoint: Endpoint) -> AsyncIterator[L1Chain]:
    app = web.Application()
    app.router.add_post("/", endpoint.serve)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    chain = L1Chain(f"http://127.0.0.1:{runner.addresses[0][1]}/", timeout_s=5)
    yield chain
    await chain.close()
    await runner.cleanup()


@pytest.mark.parametrize(
    ("at", "method", "selector"),
    [
        (Tag.FINALIZED, "eth_getBlockByNumber", "finalized"),
        (16, "eth_getBlockByNumber", "0x10"),
        (HASH, "eth_getBlockByHash", "0x" + HASH.hex()),
    ],
)
async def test_blocks_are_asked_for_by_standing_number_or_hash(
    endpoint: Endpoint, chain: L1Chain, at: Any, method: str, selector: str
) -> None:
    endpoint.body = {"result": BLOCK}
    assert await chain.block(at) == L1Block(16, HASH, 100, 7)
    assert (endpoint.request["method"], endpoint.request["params"]) == (method, [selector, False])


async def test_a_call_is_bound_to_a_block_hash(endpoint: Endpoint, chain: L1Chain) -> None:
    endpoint.body = {"result": "0x0a0b"}
    assert await chain.call(ADDRESS, b"\1", HASH, sender=ADDRESS) == b"\x0a\x0b"
    to = "0x" + ADDRESS.hex()
    assert endpoint.request["params"] == [
        {"to": to, "data": "0x01", "from": to},
        {"blockHash": "0x" + HASH.hex()},
    ]


async def test_there_may_be_no_block_and_no_receipt(endpoint: Endpoint, chain: L1Chain) -> None:
    assert await chain.block(7) is None
    assert await chain.receipt(HASH) is None
    endpoint.error("safe block not found")
    assert await chain.block(Tag.SAFE) is None
    with pytest.raises(ChainUnavailable):
        await chain.block(7)


async def test_a_receipt_knows_what_was_paid(endpoint: Endpoint, chain: L1Chain) -> None:
    endpoint.body = {
        "result": {
            "transactionHash": "0x" + HASH.hex(),
            "blockNumber": "0x5",
            "blockHash": "0x" + HASH.hex(),
            "status": "0x0",
            "gasUsed": "0x64",
            "effectiveGasPrice": "0x3",
        }
    }
    assert await chain.receipt(HASH) == L1Receipt(
        HASH, 5, HASH, succeeded=False, gas_used=100, fee=300
    )


async def test_empty_blocks_say_nothing_of_tips(endpoint: Endpoint, chain: L1Chain) -> None:
    endpoint.body = {
        "result": {
            "oldestBlock": "0x1",
            "baseFeePerGas": ["0x9", "0x8", "0x7"],
            "gasUsedRatio": [0.5, 0.0],
            "reward": [["0x3"], ["0x0"]],
        }
    }
    assert await chain.fees(2) == FeeSample(base_fee=7, tips=(3,))


@pytest.mark.parametrize(
    ("message", "sending"),
    [
        ("already known", Sending.KNOWN),
        ("AlreadyKnown", Sending.KNOWN),
        ("nonce too low: next nonce 4, tx nonce 3", Sending.SPENT),
        ("replacement transaction underpriced", Sending.UNDERPRICED),
        ("transaction underpriced: tip needed 1, tip permitted 0", Sending.UNDERPRICED),
        ("max fee per gas less than block base fee", Sending.UNDERPRICED),
        ("could not replace existing tx", Sending.UNDERPRICED),
        ("insufficient funds for gas * price + value", Sending.UNFUNDED),
        ("oversized data", Sending.REFUSED),
    ],
)
async def test_a_pool_says_why_it_refuses(
    endpoint: Endpoint, chain: L1Chain, message: str, sending: Sending
) -> None:
    endpoint.error(message)
    answer = await chain.send(b"raw")
    assert (answer.sending, answer.detail) == (sending, message)
    endpoint.body = {"result": "0x" + HASH.hex()}
    assert (await chain.send(b"raw")).sending is Sending.TAKEN


@pytest.mark.parametrize("wrapped", [False, True])
async def test_a_revert_is_named(endpoint: Endpoint, chain: L1Chain, wrapped: bool) -> None:
    selector = keccak256(b"WrongIndex(uint64,uint64)")[:4]
    data = "0x" + (selector + encode(("uint64", "uint64"), (3, 4))).hex()
    endpoint.error("execution reverted", code=3, data={"data": data} if wrapped else data)
    with pytest.raises(CallReverted) as caught:
        await chain.call(ADDRESS, b"")
    assert (caught.value.error, caught.value.arguments) == ("WrongIndex", (3, 4))


@pytest.mark.parametrize("data", [None, "not hexadecimal", 7])
async def test_a_revert_may_come_without_a_reason(
    endpoint: Endpoint, chain: L1Chain, data: Any
) -> None:
    endpoint.error("execution reverted", code=3, data=data)
    with pytest.raises(CallReverted) as caught:
        await chain.estimate_gas(ADDRESS, ADDRESS, b"")
    assert (caught.value.error, caught.value.data) == ("", b"")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b"down for maintenance"),
        (429, b"{}"),
        (200, b"<html>"),
        (200, b"[]"),
        (200, b"null"),
        (200, {"neither": 1}),
        (200, {"error": "text"}),
        (200, {"error": {"code": -32000, "message": "header not found"}}),
        (200, {"result": 12}),
        (200, {"result": "0xzz"}),
        (200, {"result": {}}),
    ],
)
async def test_an_answer_that_is_none_means_later(
    endpoint: Endpoint, chain: L1Chain, status: int, body: Any
) -> None:
    endpoint.status, endpoint.body = status, body
    questions = (
        lambda: chain.block(Tag.LATEST),
        lambda: chain.nonce(ADDRESS),
        lambda: chain.call(ADDRESS, b"", HASH),
        lambda: chain.fees(3),
        lambda: chain.logs(ADDRESS, (HASH,), 1, 2),
    )
    for ask in questions:
        with pytest.raises(ChainUnavailable):
            await ask()


async def test_who_is_cancelled_in_mid_request_holds_up_nobody_after(
    chain: L1Chain, endpoint: Endpoint
) -> None:
    endpoint.body = {"result": "0x1"}
    for turns in range(20):
        asked = [asyncio.ensure_future(chain.chain_id()) for _ in range(3)]
        for _ in range(turns):
            await asyncio.sleep(0)
        for one in asked:
            one.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
    async with asyncio.timeout(10):
        assert await chain.chain_id() == 1
