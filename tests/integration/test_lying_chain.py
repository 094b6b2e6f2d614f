"""An endpoint that answers whatever it likes: each answer is read, or refused with a name.

Never another exception than an error of ours, never an answer that later code would trip over, and
never more memory than an answer may have. ``PLIMSOLL_HOSTILE`` sizes the thorough run.
"""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from aiohttp import web

from node.adapters import l1_chain
from node.adapters.chain_reader import RollupReader
from node.adapters.l1_chain import L1Chain
from node.ports.chain import Tag
from node.types.errors import ChainUnavailable, PlimsollError
from node.types.ids import Address
from tests.integration.hostile import Hostile

ANSWERS = int(os.environ.get("PLIMSOLL_HOSTILE", "1000000"))
SEED = int(os.environ.get("PLIMSOLL_SEED", "1"))
CONTRACT = Address(b"\x11" * 20)
HASH = "0x" + "ab" * 32
WORD = "0x" + "00" * 31 + "05"
LOG = {
    "address": "0x" + "11" * 20, "topics": [HASH, WORD], "data": WORD * 1 + "00" * 128,
    "blockNumber": "0x10", "blockHash": HASH, "transactionHash": HASH,
}  # fmt: skip
RESULTS: tuple[Any, ...] = (
    "0x7a69", WORD, HASH, None, [LOG], [],
    {"number": "0x10", "hash": HASH, "timestamp": "0x65", "baseFeePerGas": "0x7"},
    {
        "transactionHash": HASH, "blockNumber": "0x1", "blockHash": HASH, "status": "0x1",
        "gasUsed": "0x5208", "effectiveGasPrice": "0x7",
    },
    {"to": "0x" + "11" * 20, "input": "0x" + "22" * 100, "hash": HASH},
    {"baseFeePerGas": ["0x1", "0x2"], "gasUsedRatio": [0.5, 0], "reward": [["0x1"], ["0x0"]]},
)  # fmt: skip
REFUSALS: tuple[Any, ...] = (
    {"code": 3, "message": "execution reverted", "data": "0x08c379a0"},
    {"code": -32000, "message": "header not found"},
    {"code": -32000, "message": "nonce too low"},
)


class LyingChain(L1Chain):
    """The real reader of answers, with an endpoint that makes them up; no socket is between."""

    def __init__(self, hostile: Hostile) -> None:
        super().__init__("http://127.0.0.1:1")
        self._hostile = hostile
        self.answers = 0

    async def _read_answer(self, body: bytes) -> bytes:
        del body
        self.answers += 1
        return self._hostile.body()


def asks_of(chain: L1Chain) -> list[Callable[[], Awaitable[Any]]]:
    reader = RollupReader(chain, CONTRACT, pauses_s=())

    async def batches() -> None:
        async for _ in reader.batches():
            pass

    return [
        chain.chain_id,
        lambda: chain.block(Tag.LATEST),
        lambda: chain.block(b"\xab" * 32),
        lambda: chain.call(CONTRACT, b"\x01\x02\x03\x04"),
        lambda: chain.estimate_gas(CONTRACT, CONTRACT, b""),
        lambda: chain.code(CONTRACT),
        lambda: chain.balance(CONTRACT),
        lambda: chain.nonce(CONTRACT, Tag.SAFE),
        lambda: chain.fees(4),
        lambda: chain.send(b"\x02"),
        lambda: chain.receipt(b"\xab" * 32),
        lambda: chain.transaction(b"\xab" * 32),
        lambda: chain.logs(CONTRACT, (b"\xab" * 32,), 0, 9),
        reader.terms,
        reader.deposits,
        reader.tip,
        batches,
    ]


async def lie(answers: int, seed: int) -> Counter[str]:
    """Ask and be lied to so many times; count what came of it."""
    told = [{"jsonrpc": "2.0", "id": 1, "result": result} for result in RESULTS]
    told += [{"jsonrpc": "2.0", "id": 1, "error": error} for error in REFUSALS]
    chain = LyingChain(Hostile(seed, told))
    random, seen = Random(seed), Counter[str]()
    while chain.answers < answers:
        ask = random.choice(asks_of(chain))
        try:
            await ask()
        except PlimsollError as error:
            seen[type(error).__name__] += 1
        else:
            seen["read"] += 1
    return seen


async def test_every_lie_is_read_or_refused_by_name() -> None:
    seen = await lie(4_000, 7)
    assert seen["read"] > 0
    assert {"ChainUnavailable", "CallReverted", "read"} <= set(seen)


@pytest.mark.thorough
@pytest.mark.timeout(3_600)
async def test_a_million_lies_are_read_or_refused_by_name() -> None:
    print(dict(await lie(ANSWERS, SEED)))


@pytest.mark.parametrize(
    "answer",
    [
        {"number": "-0x1", "hash": HASH, "timestamp": "0x1"},
        {"number": "0x1", "hash": "0xab", "timestamp": "0x1"},
        {"number": hex(2**256), "hash": HASH, "timestamp": "0x1"},
    ],
)
async def test_a_block_that_cannot_be_is_no_answer(answer: Any) -> None:
    class OneAnswer(L1Chain):
        async def _read_answer(self, body: bytes) -> bytes:
            return msgspec.json.encode({"id": 1, "result": answer, "asked": len(body)})

    with pytest.raises(ChainUnavailable):
        await OneAnswer("http://127.0.0.1:1").block(Tag.LATEST)


async def test_sixty_thousand_brackets_do_not_end_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In a process of its own, under the recursion limit that py_ecc sets: the stack is shorter."""
    monkeypatch.setenv("PYTHONPATH", str(Path.cwd()))
    program = (
        "import sys; sys.setrecursionlimit(100_000)\n"
        "from node.adapters.untrusted_json import decode_untrusted\n"
        "try: decode_untrusted(b'[' * 60_000)\n"
        "except ValueError: print('refused')\n"
    )
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE
    )
    told, _ = await child.communicate()
    assert (child.returncode, told) == (0, b"refused\n")


async def test_an_answer_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(l1_chain, "ANSWER_BYTES_MAX", 100_000)
    sent = 0

    async def flood(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(1_000):
            await response.write(b"[" * 50_000)
            sent += 1
        return response

    application = web.Application()
    application.router.add_post("/", flood)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    chain = L1Chain(f"http://127.0.0.1:{runner.addresses[0][1]}")
    try:
        with pytest.raises(ChainUnavailable):
            await chain.chain_id()
    finally:
        await chain.close()
        await runner.cleanup()
    assert sent < 1_000
