"""What a node runs on: clocks, processes, disk. A simulation brings its own."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import msgspec

from node.adapters.file_journal import SegmentFile, SyncedFile
from node.adapters.process_times import waited_ns
from node.adapters.replica_process import ReplicaProcess
from node.adapters.replica_session import Position, ReplicaSetup
from node.adapters.system_clock import SystemClock
from node.adapters.worker_process import processes_of
from node.ingress.inline_worker import start_inline
from node.ports.clock import Clock, JumpingClock
from node.ports.machine import Apply
from node.ports.replica import Sealer
from node.ports.worker import StartWorker
from node.transition.apply import apply
from node.transition.state import State
from node.transition.tree.proofs import Proof
from node.types.ids import Sequence


class ReplicaHost(Sealer, Protocol):
    """Where the replica runs; ``ReplicaProcess`` says what the calls mean."""

    @property
    def pid(self) -> int | None:
        """Return the id of its process, None where it has none of its own."""
        ...

    async def start(self) -> Position:
        """Replay what is stored, and return where the batches end."""
        ...

    async def pin(self, index: int) -> int:
        """Keep what proves by ``index``, the newest final batch."""
        ...

    async def prove(self, final: int, key: bytes) -> tuple[int, Proof]:
        """Return a batch, ``final`` or one before it, and the proof that it holds ``key``."""
        ...

    async def finalize(self, index: int) -> Sequence:
        """Let go of what only batches before the final batch ``index`` needed."""
        ...

    async def close(self) -> None:
        """End it."""
        ...


class Platform(msgspec.Struct, frozen=True):
    """What differs between a machine and a simulation of one.

    ``busy_ns``: how long the event loop's thread has worked, from an arbitrary start;
    ``waited_ns``: how long it was ready and had no core, None where nobody tells. Both are asked in
    that thread.
    ``set_clock`` is ``clock`` again where it may be set to another time; a simulated one is not.
    ``start_worker`` starts what recovers signatures, ``open_file`` opens the journal's newest
    segment, ``make_replica`` makes what re-executes batches.
    """

    clock: Clock
    apply: Apply[State]
    busy_ns: Callable[[], int]
    waited_ns: Callable[[], int | None]
    start_worker: StartWorker
    open_file: Callable[[Path], SegmentFile]
    make_replica: Callable[[ReplicaSetup], ReplicaHost]
    set_clock: JumpingClock | None = None


def this_machine(signature_workers: int) -> Platform:
    """Return the machine itself; without ``signature_workers`` the loop recovers signatures."""
    processes = processes_of("node.ingress.admission_process")
    clock = SystemClock()
    return Platform(
        clock=clock,
        set_clock=clock,
        apply=apply,
        busy_ns=time.thread_time_ns,
        waited_ns=waited_ns,
        start_worker=processes if signature_workers else start_inline,
        open_file=SyncedFile,
        make_replica=ReplicaProcess,
    )
