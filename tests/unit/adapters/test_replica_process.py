"""The replica behind a pipe: it answers, errors keep their type, a killed child comes back."""

import asyncio
import errno
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from multiprocessing.context import SpawnProcess
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from node.adapters.folder_lock import FolderLock
from node.adapters.replica_process import ReplicaProcess
from node.adapters.replica_session import ReplicaSetup
from node.codec.commands import encode_block
from node.transition.leaves import GLOBAL_KEY, withdrawal_key
from node.transition.tree.proofs import verify_first
from node.types.blocks import Batch, Block
from node.types.errors import (
    DataLocked,
    DiskFailed,
    IntegrityError,
    JournalCorrupt,
    NotFound,
    PathUnusable,
    ShuttingDown,
    StateDiverged,
)
from tests.examples import DOMAIN, RULES
from tests.unit.transition.example_log import example_log

LOG = example_log()


@pytest_asyncio.fixture
async def replica(tmp_path: Path) -> AsyncIterator[ReplicaProcess]:
    process = ReplicaProcess(setup_in(tmp_path))
    yield process
    await process.close()


def setup_in(folder: Path) -> ReplicaSetup:
    for name in ("batches", "snapshots"):
        (folder / name).mkdir(exist_ok=True)
    return ReplicaSetup(RULES, DOMAIN, folder / "batches", folder / "snapshots")


async def seal(replica: ReplicaProcess, blocks: list[Block]) -> Batch:
    encoded = tuple(encode_block(block) for block in blocks)
    return await replica.seal(encoded, blocks[0].first_sequence, "age")


async def test_a_killed_child_comes_back_where_it_was(replica: ReplicaProcess) -> None:
    start = await replica.start()
    assert (start.next_index, start.next_sequence) == (0, 1)
    first = await seal(replica, LOG.blocks[:20])
    assert replica.pid is not None
    os.kill(replica.pid, signal.SIGKILL)
    second = await seal(replica, LOG.blocks[20:40])
    assert replica.starts == 2
    assert second.header.previous_root == first.header.new_root
    batch, proof = await replica.prove(1, GLOBAL_KEY)
    assert batch == 1
    found = verify_first(second.header.new_root, GLOBAL_KEY, proof)
    assert found is not None
    with pytest.raises(NotFound):
        await replica.prove(1, withdrawal_key(1))
    assert await replica.pin(1) == 1
    assert await replica.finalize(1) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_child_ignores_what_a_terminal_or_supervisor_sends_to_all(
    replica: ReplicaProcess, number: int
) -> None:
    await replica.start()
    assert replica.pid is not None
    os.kill(replica.pid, number)
    await seal(replica, LOG.blocks[:20])
    assert replica.starts == 1


def test_a_child_that_nobody_closed_does_not_hold_up_the_end_of_its_parent() -> None:
    code = (
        "import asyncio; from functools import partial;"
        "from node.adapters.remote_object import RemoteObject;"
        "remote = RemoteObject(partial(list, (1, 2)), 'left');"
        "print(asyncio.run(remote.ask(int, 'count', 2)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=60)
    assert done.stdout == b"1\n"


async def test_a_divergence_arrives_with_its_values(replica: ReplicaProcess) -> None:
    wrong = msgspec.structs.replace(LOG.blocks[3], changes=bytes(32))
    with pytest.raises(StateDiverged) as caught:
        await seal(replica, [*LOG.blocks[:3], wrong])
    assert caught.value.number == wrong.number
    with pytest.raises(IntegrityError):
        await replica.seal((b"no block",), LOG.blocks[0].first_sequence, "age")


async def test_a_child_that_cannot_start_says_why(tmp_path: Path) -> None:
    setup = setup_in(tmp_path)
    (setup.batches / "000000000000.batch").write_bytes(b"nothing of ours")
    process = ReplicaProcess(setup)
    with pytest.raises(JournalCorrupt):
        await process.start()
    await process.close()
    with pytest.raises(ShuttingDown):
        await process.start()


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="no other process can be limited")
async def test_a_disk_that_is_full_is_named_with_the_file(replica: ReplicaProcess) -> None:
    await replica.start()
    assert replica.pid is not None
    resource.prlimit(replica.pid, resource.RLIMIT_FSIZE, (100, 100))
    with pytest.raises(DiskFailed) as failure:
        await seal(replica, LOG.blocks[:20])
    assert failure.value.path.endswith("batches/000000000000.batch")
    assert failure.value.errno == errno.EFBIG
    # It has ended, and the next one begins with what is whole.
    assert (await seal(replica, LOG.blocks[:20])).header.index == 0
    assert replica.starts == 2


async def test_a_replica_waits_for_the_end_of_one_that_a_killed_node_left(tmp_path: Path) -> None:
    setup = setup_in(tmp_path)
    left_over = FolderLock(setup.batches)
    impatient = ReplicaProcess(setup, left_over_s=0.0)
    with pytest.raises(DataLocked) as refusal:
        await impatient.start()
    assert refusal.value.path == str(setup.batches)
    await impatient.close()
    patient = ReplicaProcess(setup)
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        starting = group.create_task(patient.start())
        done, _ = await asyncio.wait([starting], timeout=1.5)
        assert not done
        left_over.close()
    assert starting.result().next_index == 0
    with pytest.raises(DataLocked):
        FolderLock(setup.batches)
    await patient.close()
    FolderLock(setup.batches).close()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it is waited for")
def test_a_child_that_hangs_ends_with_a_parent_that_is_killed() -> None:
    code = (
        "import asyncio, sys; from functools import partial;"
        "from node.adapters.remote_object import RemoteObject;"
        "remote = RemoteObject(partial(list, (1, 2)), 'left');"
        "asyncio.run(remote.ask(int, 'count', 2));"
        "print(remote.pid, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        os.kill(pid, signal.SIGSTOP)
        parent.kill()
    deadline = time.monotonic() + 10
    while _runs(pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _runs(pid: int) -> bool:
    """Tell whether there is such a process that has not ended, whoever should have reaped it."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


async def test_a_child_that_cannot_open_a_file_names_it(tmp_path: Path) -> None:
    setup = setup_in(tmp_path)
    (setup.batches / "lock").mkdir()
    process = ReplicaProcess(setup)
    with pytest.raises(PathUnusable) as refusal:
        await process.start()
    assert refusal.value.path == str(setup.batches / "lock")
    await process.close()


async def test_a_child_that_always_dies_is_given_up(tmp_path: Path) -> None:
    setup = msgspec.structs.replace(setup_in(tmp_path), domain=None)
    process = ReplicaProcess(setup)
    with pytest.raises(IntegrityError):
        await process.start()
    assert process.starts == 2
    await process.close()


async def test_closing_ends_a_request_in_hand(replica: ReplicaProcess) -> None:
    await replica.start()
    assert replica.pid is not None
    os.kill(replica.pid, signal.SIGSTOP)
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        request = group.create_task(_outcome(replica))
        await asyncio.sleep(0.05)
        await replica.close()
    assert request.result() == "shutting down"


async def test_closing_ends_a_child_that_is_just_being_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starting, closed = threading.Event(), threading.Event()
    start = SpawnProcess.start

    def start_once_closed(child: SpawnProcess) -> None:
        starting.set()
        assert closed.wait(10)
        start(child)

    monkeypatch.setattr(SpawnProcess, "start", start_once_closed)
    replica = ReplicaProcess(setup_in(tmp_path))
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        request = group.create_task(_outcome(replica))
        assert await asyncio.to_thread(starting.wait, 10)
        closing = group.create_task(replica.close())
        await asyncio.sleep(0)
        closed.set()
        await closing
    assert request.result() == "shutting down"
    assert (replica.starts, replica.pid) == (1, None)


async def _outcome(replica: ReplicaProcess) -> str:
    try:
        await replica.start()
    except ShuttingDown:
        return "shutting down"
    return "answered"
