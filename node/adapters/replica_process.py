"""The replica in a process of its own: re-executing takes as long as executing did.

Requests and answers go through one pipe, one at a time, on one thread of the parent; the event loop
only waits. The child ends when the pipe does, so it never outlives its parent. If it dies itself,
it is started again from its files and asked again, once; sealing twice gives the same batch.
"""

import asyncio
import multiprocessing
import signal
import traceback
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any, Final, TypeVar

import structlog

from node.adapters.replica_session import Position, ReplicaSession, ReplicaSetup
from node.transition.tree.proofs import Proof
from node.types.blocks import Batch
from node.types.errors import CommandRejected, IntegrityError, PlimsollError, ShuttingDown
from node.types.ids import Sequence

_log = structlog.get_logger(__name__)

STOP_TIMEOUT_S: Final = 5.0
_ATTEMPTS: Final = 2

T = TypeVar("T")


class ReplicaProcess:
    """A ``node.ports.replica.Sealer`` that also proves, and lets go of what is final.

    ``starts`` counts how often the child was started.
    """

    def __init__(self, setup: ReplicaSetup) -> None:
        """Start nothing yet."""
        self._setup = setup
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="replica")
        self._child: SpawnProcess | None = None
        self._pipe: Connection | None = None
        self._closing = False
        self.starts = 0

    async def start(self) -> Position:
        """Start the child, wait until it has replayed its batches, and return where they end.

        Raises what ``ReplicaSession`` raises, or ``IntegrityError`` when the child died.
        """
        return await self._ask(Position, "position")

    async def seal(self, blocks: tuple[bytes, ...], first_sequence: Sequence, cause: str) -> Batch:
        """Return the blocks as the next batch; see ``node.ports.replica.Sealer``."""
        return await self._ask(Batch, "seal", blocks, first_sequence, cause)

    async def prove(self, index: int, key: bytes) -> Proof:
        """Return the proof that the state after batch ``index`` holds ``key``.

        Raises ``NotFound`` when it does not, or when that batch is no longer kept.
        """
        return await self._ask(Proof, "prove", index, key)

    async def finalize(self, index: int) -> Sequence:
        """Let go of what only batches before the final batch ``index`` needed.

        Returns the last command of the oldest snapshot kept, 0 where there is none.
        """
        return Sequence(await self._ask(int, "finalize", index))

    async def close(self) -> None:
        """End the child, once. A request in hand fails with ``ShuttingDown``."""
        if self._closing:
            return
        self._closing = True
        if self._child is not None:
            # Its files are whole at every moment, so it need not be asked politely.
            self._child.kill()
        await asyncio.get_running_loop().run_in_executor(self._thread, self._reap)
        self._thread.shutdown()

    async def _ask(self, kind: type[T], name: str, *arguments: object) -> T:
        if self._closing:
            raise ShuttingDown
        loop = asyncio.get_running_loop()
        answer = await loop.run_in_executor(self._thread, partial(self._call, name, *arguments))
        if isinstance(answer, PlimsollError):
            raise answer
        assert isinstance(answer, kind)
        return answer

    # --- in the thread ---------------------------------------------------------------------------

    def _call(self, name: str, *arguments: object) -> Any:
        """Return the child's answer, which may be an error."""
        for _ in range(_ATTEMPTS):
            try:
                if self._pipe is None:
                    refusal = self._spawn()
                    if refusal is not None:
                        return refusal
                assert self._pipe is not None
                self._pipe.send((name, arguments))
                return self._pipe.recv()
            except (EOFError, OSError):
                code = self._reap()
                if self._closing:
                    return ShuttingDown()
                _log.warning("replica_died", request=name, exit_code=code)
        return IntegrityError(what="replica", detail=f"it died {_ATTEMPTS} times at {name}")

    def _spawn(self) -> PlimsollError | None:
        """Start the child and wait until it stands; return why it does not."""
        context = multiprocessing.get_context("spawn")
        pipe, childs_end = context.Pipe()
        self._child = context.Process(
            target=serve, args=(childs_end, self._setup), name="plimsoll-replica", daemon=True
        )
        self._child.start()
        self.starts += 1
        # Held here too, it would never come to its end when the child dies.
        childs_end.close()
        self._pipe = pipe
        refusal: PlimsollError | None = pipe.recv()
        if refusal is not None:
            self._reap()
        return refusal

    def _reap(self) -> int | None:
        """Close the pipe, wait for the child to end, and return its exit code."""
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None
        child, self._child = self._child, None
        if child is None:
            return None
        child.join(STOP_TIMEOUT_S)
        if child.is_alive():
            child.kill()
            child.join()
        code = child.exitcode
        child.close()
        return code


def serve(pipe: Connection, setup: ReplicaSetup) -> None:
    """Be the child: say whether it could start, then answer requests until the pipe ends."""
    # An interrupt from the terminal goes to the whole group; the parent ends this process in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        session = ReplicaSession(setup)
    except PlimsollError as error:
        pipe.send(error)
        return
    pipe.send(None)
    try:
        while True:
            name, arguments = pipe.recv()
            answer = _answer(session, name, arguments)
            pipe.send(answer)
            if isinstance(answer, IntegrityError):
                # The replica stands somewhere inside a batch and may not go on.
                return
    except (EOFError, OSError):
        # The parent is gone.
        return


def _answer(session: ReplicaSession, name: str, arguments: tuple[Any, ...]) -> object:
    try:
        return getattr(session, name)(*arguments)
    except CommandRejected as error:
        # Nobody sent a command here: what came from the log cannot be wrong.
        return IntegrityError(what="replica", detail=str(error))
    except PlimsollError as error:
        return error
    except Exception:  # noqa: BLE001 - whatever it is, the parent must hear of it and stop
        return IntegrityError(what="replica", detail=traceback.format_exc())
