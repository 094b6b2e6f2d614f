"""A node with its chain on board: what a terminal's Ctrl-C and the chain's death do to it."""

import asyncio
import os
import signal
import socket
from pathlib import Path

from node.types.errors import ChainDisagrees
from tests.integration.daemon import WITHIN_S, Daemon

EXIT_INTEGRITY = 3
DEVNET = "node.adapters.devnet"


def on_board(folder: Path) -> Daemon:
    """Return a node that will start a devnet at a port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    return Daemon(
        folder,
        f"http://127.0.0.1:{port}",
        more=("--embedded",),
        module="tests.integration.telling_node",
    )


async def end_of(daemon: Daemon) -> int:
    """Return the code with which a node ends by itself; one that does not says why."""
    try:
        async with asyncio.timeout(WITHIN_S):
            return await daemon.ended()
    except TimeoutError:
        print(await daemon.tell())
        raise


async def test_a_node_whose_own_chain_died_stops_and_says_so(tmp_path: Path) -> None:
    async with on_board(tmp_path) as daemon:
        [chain] = daemon.children(DEVNET)
        os.kill(chain, signal.SIGKILL)
        assert await end_of(daemon) == EXIT_INTEGRITY
        assert not daemon.children()
    told = (tmp_path / "node.log").read_text()
    line = next(line for line in told.splitlines() if line.startswith("error "))
    assert line.startswith(f"error {ChainDisagrees.code}: ChainDisagrees")
    assert f"exit_code={-signal.SIGKILL}" in line
    assert "Traceback" not in told


async def test_its_chain_stands_apart_and_outlives_it_until_everything_is_posted(
    tmp_path: Path,
) -> None:
    async with on_board(tmp_path) as daemon:
        [chain] = daemon.children(DEVNET)
        # What a terminal interrupts is a process group.
        assert os.getpgid(chain) != os.getpgid(os.getpid())
        stats = await daemon.stop()
    assert stats["roots"]["l1"] == stats["roots"]["sequencer"]
