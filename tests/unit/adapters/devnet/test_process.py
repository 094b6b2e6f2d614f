"""The child process: it starts, it answers, and it never outlives its parent."""

import asyncio
import signal
import socket
import sys
import time

import aiohttp
import pytest

from node.adapters.chain_process import ChainProcess
from node.adapters.child_environment import SOURCE_ROOT
from node.adapters.devnet.process import DevnetProcess
from node.adapters.devnet.settings import DevnetSettings
from node.types.errors import ChainUnavailable

ON_REQUEST = DevnetSettings(block_time_s=0, chain_id=424_242, accounts=2)

PARENT = """
import asyncio
from node.adapters.devnet.process import DevnetProcess

async def main():
    async with DevnetProcess() as chain:
        print(chain.url, flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


async def ask(chain: ChainProcess, method: str) -> object:
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": []}
    async with aiohttp.ClientSession() as session, session.post(chain.url, json=body) as response:
        return (await response.json())["result"]


def answers(url: str) -> bool:
    host, port = url.removeprefix("http://").split(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except ConnectionRefusedError:
        return False
    return True


def wait_until_silent(url: str) -> None:
    deadline_s = time.monotonic() + 10
    while answers(url):
        assert time.monotonic() < deadline_s, "the child still answers"
        time.sleep(0.02)


async def test_it_serves_what_it_was_told_to_and_stops_with_its_context() -> None:
    async with DevnetProcess(ON_REQUEST) as chain:
        assert chain.url.startswith("http://127.0.0.1:")
        assert await ask(chain, "eth_chainId") == hex(424_242)
        accounts = await ask(chain, "eth_accounts")
        assert isinstance(accounts, list)
        assert len(accounts) == 2
        # A second one cannot have the same port, and says so instead of waiting.
        port = int(chain.url.rsplit(":", 1)[1])
        with pytest.raises(ChainUnavailable):
            async with DevnetProcess(ON_REQUEST, port=port):
                pass
    assert not answers(chain.url)


async def test_it_ends_when_its_parent_is_killed() -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, stdout=asyncio.subprocess.PIPE, cwd=SOURCE_ROOT
    )
    assert parent.stdout is not None
    url = (await parent.stdout.readline()).decode().strip()
    assert answers(url)
    parent.send_signal(signal.SIGKILL)
    await parent.wait()
    wait_until_silent(url)
