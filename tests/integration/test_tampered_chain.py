"""``plimsoll verify`` on a chain that was tampered with: exit code 1, and the name of the place.

Between the command and the chain stands a proxy that speaks JSON-RPC and changes single answers.
The sequencer that lies itself needs no proxy: its key posts what it likes.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import pytest_asyncio
from aiohttp import web

from node.adapters.devnet.process import DevnetProcess
from node.codec.batch import decode_batch, encode_batch
from node.codec.l1_calls import BATCH_POSTED, POST_BATCH, post_batch, posted_batch
from node.types.blocks import Batch, BatchHeader
from node.types.commands import PlaceOrders
from node.types.hashing import keccak256
from tests.integration.conftest import ON_REQUEST
from tests.integration.daemon import plimsoll
from tests.integration.l1_stage import Stage
from tests.integration.test_chain_reader import PostedLog, url_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

Lie = Callable[[str, Any], Any]
"""Changes the result of a method; returns it as it is where it has nothing to hide."""

BATCHES = 3


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def own_stage() -> AsyncIterator[Stage]:
    async with DevnetProcess(ON_REQUEST) as chain:
        stage = Stage(chain.url)
        await stage.rpc("evm_setAutomine", True)
        yield stage
        await stage.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def honest(own_stage: Stage) -> PostedLog:
    posted = await PostedLog.open(own_stage)
    for batch in posted.batches()[:BATCHES]:
        await posted.post(batch.header, batch.data)
    return posted


@asynccontextmanager
async def proxy(url: str, lie: Lie) -> AsyncIterator[str]:
    """Give the address of an endpoint that answers as the one at ``url`` does, but for ``lie``."""
    async with aiohttp.ClientSession() as http:

        async def answer(request: web.Request) -> web.Response:
            asked = await request.json()
            async with http.post(url, json=asked) as response:
                told = await response.json()
            if "result" in told:
                told["result"] = lie(asked["method"], told["result"])
            return web.json_response(told)

        application = web.Application()
        application.router.add_post("/", answer)
        runner = web.AppRunner(application, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()


async def verdict_on(rpc: str, posted: PostedLog, folder: Path) -> dict[str, Any]:
    """Run the command; return what it wrote. It must have exited with 1 and named the place."""
    file = folder / "report.json"
    child = await plimsoll(
        *("verify", "--rpc", rpc, "--rollup", "0x" + posted.rollup.hex()),
        *("--workers", 1, "--json", file),
    )
    assert child.code == 1, child.errors
    report: dict[str, Any] = msgspec.json.decode(file.read_bytes())
    difference = report["difference"]
    assert not report["ok"]
    batch = difference["batch"]
    place = f"in batch {batch}" if batch >= 0 else "before the first batch"
    assert f"{difference['fault']} {place}" in child.output
    return report


def calldata_of(result: dict[str, Any]) -> tuple[BatchHeader, bytes] | None:
    """Return header and data of the batch that a transaction posts."""
    calldata = bytes.fromhex(result["input"][2:])
    return posted_batch(calldata) if calldata.startswith(POST_BATCH.selector) else None


def first_signed(posted: PostedLog, batch: int) -> int:
    """Return the sequence of the first order action in a batch."""
    header = posted.batches()[batch].header
    return next(
        sequence
        for sequence in range(header.first_sequence, header.last_sequence + 1)
        if isinstance(posted.log.commands[sequence - 1], PlaceOrders)
    )


def with_another_command(posted: PostedLog, batch: int) -> bytes:
    """Return the data of a batch in which one action has another nonce than was signed."""
    header = posted.batches()[batch].header
    commands = list(decode_batch(posted.batches()[batch].data))
    place = first_signed(posted, batch) - header.first_sequence
    commands[place] = msgspec.structs.replace(commands[place], nonce=200)
    return encode_batch(commands)


def liar(batch: int, *, data: bytes | None = None, root: bytes | None = None) -> Lie:
    """Return an endpoint's lie about one batch, told alike in its transaction and in its event."""

    def lie(method: str, result: Any) -> Any:
        if method == "eth_getTransactionByHash" and result:
            found = calldata_of(result)
            if found is not None and found[0].index == batch:
                header = msgspec.structs.replace(found[0], new_root=root or found[0].new_root)
                told = Batch(header, data or found[1], "age", last_block=1)
                return {**result, "input": "0x" + post_batch(told).hex()}
        if method == "eth_getLogs":
            return [_told(log, batch, data, root) for log in result]
        return result

    return lie


def _told(log: dict[str, Any], batch: int, data: bytes | None, root: bytes | None) -> Any:
    if not _is_posted(log, batch):
        return log
    words = bytearray.fromhex(log["data"][2:])
    if root is not None:
        words[:32] = root
    if data is not None:
        words[-32:] = keccak256(data)
    return {**log, "data": "0x" + words.hex()}


def _is_posted(log: dict[str, Any], batch: int) -> bool:
    topics = log["topics"]
    return topics[0] == "0x" + BATCH_POSTED.hex() and int(topics[1], 16) == batch


async def test_a_changed_command_is_named_by_batch_and_command(
    honest: PostedLog, tmp_path: Path
) -> None:
    lie = liar(1, data=with_another_command(honest, 1))
    async with proxy(url_of(honest.stage), lie) as rpc:
        report = await verdict_on(rpc, honest, tmp_path)
    found = report["difference"]
    assert (found["fault"], found["batch"]) == ("signature", 1)
    assert found["first_sequence"] == found["last_sequence"] == first_signed(honest, 1)
    assert found["command"] == "PlaceOrders"
    assert report["batches"] == 1


async def test_a_changed_command_that_its_own_hash_betrays_is_named_by_its_batch(
    honest: PostedLog, tmp_path: Path
) -> None:
    other = with_another_command(honest, 1)

    def lie(method: str, result: Any) -> Any:
        return liar(1, data=other)(method, result) if method != "eth_getLogs" else result

    async with proxy(url_of(honest.stage), lie) as rpc:
        report = await verdict_on(rpc, honest, tmp_path)
    assert (report["difference"]["fault"], report["difference"]["batch"]) == ("data", 1)


async def test_a_changed_root_is_named_by_the_commands_that_do_not_lead_to_it(
    honest: PostedLog, tmp_path: Path
) -> None:
    async with proxy(url_of(honest.stage), liar(2, root=bytes(31) + b"\1")) as rpc:
        report = await verdict_on(rpc, honest, tmp_path)
    found, header = report["difference"], honest.batches()[2].header
    assert (found["fault"], found["batch"]) == ("root", 2)
    assert header.first_sequence <= found["first_sequence"] <= found["last_sequence"]
    assert found["last_sequence"] == header.last_sequence
    assert found["expected"] == "0x" + header.new_root.hex()


async def test_a_root_that_its_own_event_betrays_is_a_contradiction(
    honest: PostedLog, tmp_path: Path
) -> None:
    def lie(method: str, result: Any) -> Any:
        if method == "eth_getLogs":
            return result
        return liar(1, root=bytes(31) + b"\1")(method, result)

    async with proxy(url_of(honest.stage), lie) as rpc:
        report = await verdict_on(rpc, honest, tmp_path)
    assert (report["difference"]["fault"], report["difference"]["batch"]) == ("contradiction", 1)
    assert report["batches"] <= 1


async def test_a_missing_batch_is_named(honest: PostedLog, tmp_path: Path) -> None:
    def lie(method: str, result: Any) -> Any:
        if method != "eth_getLogs":
            return result
        return [log for log in result if not _is_posted(log, 1)]

    async with proxy(url_of(honest.stage), lie) as rpc:
        report = await verdict_on(rpc, honest, tmp_path)
    assert (report["difference"]["fault"], report["difference"]["batch"]) == ("missing_batch", 1)


async def test_a_sequencer_that_posts_a_wrong_root_is_convicted_by_the_chain_alone(
    own_stage: Stage, tmp_path: Path
) -> None:
    posted = await PostedLog.open(own_stage)
    first, second = posted.batches()[:2]
    await posted.post(first.header, first.data)
    lie = msgspec.structs.replace(second.header, new_root=bytes(31) + b"\1")
    await posted.post(lie, second.data)
    report = await verdict_on(url_of(own_stage), posted, tmp_path)
    found = report["difference"]
    assert (found["fault"], found["batch"]) == ("root", 1)
    assert found["expected"] == "0x" + second.header.new_root.hex()
    assert report["roots"] == [
        "0x" + root.hex() for root in (first.header.previous_root, first.header.new_root)
    ]
