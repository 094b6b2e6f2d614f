"""The node's children share all cores but one, whichever of their threads it is."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from node.adapters import spared_core
from node.adapters.spared_core import SparedCore

OWN = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()

LINUX_WITH_TWO_CORES = pytest.mark.skipif(
    len(OWN) < 2, reason="needs two cores, and a system that tells which"
)

TWO_THREADS = """
import sys, threading
threading.Thread(target=sys.stdin.read).start()
print("ready", flush=True)
"""


@contextmanager
def child() -> Iterator[int]:
    """Give a process of two threads, which ends with the context."""
    process = subprocess.Popen(
        [sys.executable, "-c", TWO_THREADS], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    try:
        yield process.pid
    finally:
        process.communicate()


def cores_of(pid: int) -> list[set[int]]:
    """Return what each thread of ``pid`` may use."""
    threads = sorted(int(thread.name) for thread in Path(f"/proc/{pid}/task").iterdir())
    return [os.sched_getaffinity(thread) for thread in threads]


@LINUX_WITH_TWO_CORES
def test_every_thread_of_every_child_leaves_the_core_alone() -> None:
    core = max(OWN)
    with child() as one, child() as other, capture_logs() as logs:
        os.sched_setaffinity(one, {core})
        spared = SparedCore(lambda: (one, other))
        spared.look()
        spared.look()
        assert cores_of(one) == cores_of(other) == [OWN - {core}] * 2
    assert os.sched_getaffinity(0) == OWN
    assert logs == [{"event": "core_spared", "core": core, "log_level": "info"}]


@LINUX_WITH_TWO_CORES
def test_it_follows_the_cores_that_the_node_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    given, core = {min(OWN)}, max(OWN)
    asked = os.sched_getaffinity
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: asked(pid) if pid else given)
    with child() as one, capture_logs() as logs:
        spared = SparedCore(lambda: (one,))
        spared.look()
        # There is no other, so nothing can be spared.
        assert cores_of(one) == [given] * 2
        given = OWN
        spared.look()
        assert cores_of(one) == [OWN - {core}] * 2
    assert [entry["event"] for entry in logs] == ["no_core_spared", "core_spared"]


@LINUX_WITH_TWO_CORES
def test_a_child_that_has_ended_is_passed_over() -> None:
    with child() as gone:
        pass
    with child() as one, capture_logs() as logs:
        SparedCore(lambda: (gone, one)).look()
        assert cores_of(one) == [OWN - {max(OWN)}] * 2
    assert [entry["event"] for entry in logs] == ["core_spared"]


@LINUX_WITH_TWO_CORES
def test_what_the_system_refuses_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: int, cores: set[int]) -> None:
        raise PermissionError(1, f"{thread} {cores}")

    monkeypatch.setattr(os, "sched_setaffinity", refuse)
    with child() as one, capture_logs() as logs:
        spared = SparedCore(lambda: (one,))
        spared.look()
        spared.look()
    [told] = logs
    assert (told["event"], told["log_level"]) == ("no_core_spared", "warning")
    assert told["detail"].endswith("2 refused")


@LINUX_WITH_TWO_CORES
def test_what_cannot_be_looked_at_is_told_and_stops_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(path: Path) -> Iterator[Path]:
        raise OSError(24, f"too many open files: {path}")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with capture_logs() as logs:
        SparedCore(lambda: (os.getpid(),)).look()
    assert [entry["event"] for entry in logs] == ["no_core_spared"]


@LINUX_WITH_TWO_CORES
async def test_a_child_that_comes_later_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spared_core, "LOOK_EVERY_S", 0.001)
    children: list[int] = []
    running = asyncio.create_task(SparedCore(lambda: children).run())
    with child() as one:
        await asyncio.sleep(0.01)
        children.append(one)
        async with asyncio.timeout(10):
            while max(OWN) in cores_of(one)[0]:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
    running.cancel()


async def test_a_system_that_pins_no_process_is_told_and_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    with capture_logs() as logs:
        async with asyncio.timeout(10):
            await SparedCore(lambda: (os.getpid(),)).run()
    assert [entry["event"] for entry in logs] == ["no_core_spared"]
