"""HTTP and JSON-RPC: whatever is sent, the answer is well-formed and the server goes on."""

import asyncio
import json
from collections.abc import AsyncIterator
from io import BytesIO
from typing import Any

import aiohttp
import pytest

from node.adapters.devnet.rpc_errors import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
)
from node.adapters.devnet.server import BATCH_MAX, BODY_BYTES_MAX, serve_devnet
from node.adapters.devnet.settings import DevnetSettings

JSON = {"content-type": "application/json"}
CHAIN_ID = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}


class Client:
    """Sends whatever it is told to."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session = session
        self.url = url

    async def post(self, body: bytes, status: int = 200) -> Any:
        async with self.session.post(self.url, data=BytesIO(body), headers=JSON) as response:
            assert response.status == status
            assert response.content_type == "application/json"
            return await response.json()

    async def code(self, request: Any) -> Any:
        answer = await self.post(json.dumps(request).encode())
        assert answer["jsonrpc"] == "2.0"
        return answer["error"]["code"]

    async def result(self, method: str, *params: Any) -> Any:
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return (await self.post(json.dumps(request).encode()))["result"]


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    settings = DevnetSettings(block_time_s=0)
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(serve_devnet("127.0.0.1", 0, settings, url.set_result))
        async with aiohttp.ClientSession() as session:
            yield Client(session, await url)
        serving.cancel()


async def test_a_request_is_answered_under_its_id(client: Client) -> None:
    for identifier in (7, "seven", None):
        answer = await client.post(json.dumps({**CHAIN_ID, "id": identifier}).encode())
        assert answer == {"jsonrpc": "2.0", "id": identifier, "result": "0x7a69"}


@pytest.mark.parametrize("identifier", [b'"\\ud800"', b"[1]", b"{}", b"1e999"])
async def test_an_odd_id_still_gets_an_answer(client: Client, identifier: bytes) -> None:
    body = b'{"method": "eth_chainId", "id": %b}' % identifier
    answer = await client.post(body)
    assert "result" in answer or answer["error"]["code"] == PARSE_ERROR


async def test_a_batch_is_answered_in_its_order(client: Client) -> None:
    batch = [{**CHAIN_ID, "id": 1}, {"id": 2, "method": "eth_nothing"}, 5, {**CHAIN_ID, "id": 3}]
    answers = await client.post(json.dumps(batch).encode())
    assert [answer["id"] for answer in answers] == [1, 2, None, 3]
    assert answers[1]["error"]["code"] == METHOD_NOT_FOUND
    assert answers[2]["error"]["code"] == INVALID_REQUEST
    assert answers[3]["result"] == "0x7a69"


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'"\xff"', b'{"a":1}x'])
async def test_what_is_not_json_is_a_parse_error(client: Client, body: bytes) -> None:
    answer = await client.post(body)
    assert (answer["id"], answer["error"]["code"]) == (None, PARSE_ERROR)
    assert await client.result("eth_blockNumber") == "0x0"


@pytest.mark.parametrize(
    ("request_body", "code"),
    [
        (1, INVALID_REQUEST),
        ([], INVALID_REQUEST),
        ([CHAIN_ID] * (BATCH_MAX + 1), INVALID_REQUEST),
        ({}, INVALID_REQUEST),
        ({"method": 1}, INVALID_REQUEST),
        ({"method": "eth_chainId", "params": {}}, INVALID_REQUEST),
        ({"method": "eth_getBalance", "params": [None]}, INVALID_PARAMS),
        ({"method": "x" * 10_000}, METHOD_NOT_FOUND),
    ],
)
async def test_what_is_no_request_gets_its_code(
    client: Client, request_body: Any, code: int
) -> None:
    assert await client.code(request_body) == code


async def test_an_oversized_body_is_refused(client: Client) -> None:
    answer = await client.post(b" " * (BODY_BYTES_MAX + 1), status=413)
    assert answer["error"]["code"] == INVALID_REQUEST
    assert await client.result("eth_blockNumber") == "0x0"


async def test_a_browser_cannot_post_without_asking(client: Client) -> None:
    async with client.session.post(client.url, data="{}") as response:
        assert response.status == 415
        assert (await response.json())["error"]["code"] == INVALID_REQUEST


async def test_the_clock_starts_and_stops_when_told(client: Client) -> None:
    await client.result("evm_setIntervalMining", 0.02)
    await asyncio.sleep(0.5)
    assert int(await client.result("eth_blockNumber"), 16) >= 1
    await client.result("evm_setIntervalMining", 0)
    # A block that was already due may still come; after that, none does.
    await asyncio.sleep(0.1)
    height = await client.result("eth_blockNumber")
    await asyncio.sleep(0.1)
    assert await client.result("eth_blockNumber") == height
