"""A node with its chain on board: what a terminal's Ctrl-C and the chain's death do to it."""

import asyncio
import os
import signal
import socket
from pathlib import Path

import pytest

from node.adapters import process_times
from node.types.errors import ChainDisagrees
from tests.integration.daemon import WITH_HISTORY, WITHIN_S, Daemon, Sections, swift, until

EXIT_INTEGRITY = 3
DEVNET = "node.adapters.devnet"
WORKER = "node.ingress.admission_process"


def on_board(folder: Path, sections: Sections | None = None) -> Daemon:
    """Return a node that will start a devnet at a port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    return Daemon(
        folder,
        f"http://127.0.0.1:{port}",
        sections,
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
        # No core is kept from anyone unless that is asked for.
        assert os.sched_getaffinity(chain) == os.sched_getaffinity(0)
        # What a terminal interrupts is a process group.
        assert os.getpgid(chain) != os.getpgid(os.getpid())
        stats = await daemon.stop()
    assert stats["roots"]["l1"] == stats["roots"]["sequencer"]


@pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or process_times.cores() < 2,
    reason="needs two cores, and a system that tells which",
)
async def test_its_children_leave_a_core_to_the_loop_also_those_started_anew(
    tmp_path: Path,
) -> None:
    own = os.sched_getaffinity(0)
    sections = swift(sequencer={"spare_core": True}, history=WITH_HISTORY)
    async with on_board(tmp_path, sections) as daemon:

        async def kept_off() -> bool:
            # Python's own tracker of children does nothing; history's writer has the lowest
            # priority already.
            children = set(daemon.children()) - set(daemon.children("resource_tracker"))
            cores = [os.sched_getaffinity(child) for child in children]
            return len(cores) == 4 and cores.count(own - {max(own)}) == 3 and own in cores

        await until("worker, replica and chain leave the core, and the writer does not", kept_off)
        assert daemon.logged("core_spared", core=max(own))
        assert (await daemon.get("/telemetry"))["limits"]["spare_core"] is True
        [worker] = daemon.children(WORKER)
        os.kill(worker, signal.SIGKILL)

        async def replaced() -> bool:
            return bool(daemon.children(WORKER)) and worker not in daemon.children(WORKER)

        await until("another worker is started", replaced)
        await until("it leaves the core as well", kept_off)
        await daemon.stop()
