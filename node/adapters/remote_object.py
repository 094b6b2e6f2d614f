"""An object in a process of its own: its methods are called through a pipe.

One request at a time, on one thread of the parent; the event loop only waits. The child ends with
that thread where the kernel sees to it (Linux), and else when it finds the pipe at its end, which
may be later than its parent's: after the request in hand. If it dies itself it is started anew, by
making the object again, and asked again where asking twice does no harm.
"""

import asyncio
import atexit
import multiprocessing
import signal
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from threading import Lock
from typing import Any, Final, TypeVar

import structlog

from node.adapters.collector import Collector
from node.adapters.durable_file import disk_failed, unusable
from node.adapters.parent_end import end_with_parent
from node.types.errors import CommandRejected, IntegrityError, PlimsollError, ShuttingDown

_log = structlog.get_logger(__name__)

STOP_TIMEOUT_S: Final = 5.0
ATTEMPTS: Final = 2
"""How often a request is made before its deaths count."""

T = TypeVar("T")


class RemoteObject:
    """What ``make`` returns, in a child process; arguments and answers must be picklable.

    ``pid`` is the child's process id, None while there is none; ``starts`` counts how often it was
    started.
    """

    def __init__(self, make: Callable[[], object], name: str) -> None:
        """Start nothing yet."""
        self._make = make
        self._name = name
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self._child: SpawnProcess | None = None
        self._child_lock = Lock()
        self._pipe: Connection | None = None
        self._closing = False
        self.pid: int | None = None
        self.starts = 0

    async def ask(self, kind: type[T], method: str, *arguments: object) -> T:
        """Return what the object's ``method`` returns, which must be a ``kind``.

        Raises what the method or ``make`` raises, if that is a ``PlimsollError``; ``DiskFailed``
        where a file cannot be written;
        ``IntegrityError`` for all else, and when the child died too often; ``ShuttingDown``.
        """
        if self._closing:
            raise ShuttingDown
        loop = asyncio.get_running_loop()
        answer = await loop.run_in_executor(self._thread, partial(self._call, method, *arguments))
        if isinstance(answer, PlimsollError):
            raise answer
        assert isinstance(answer, kind)
        return answer

    async def close(self) -> None:
        """End the child, once. A request in hand fails with ``ShuttingDown``."""
        if self._closing:
            return
        self._closing = True
        with self._child_lock:
            if self._child is not None:
                # Whatever it keeps must be whole at every moment, so it need not be asked politely.
                self._child.kill()
        await asyncio.get_running_loop().run_in_executor(self._thread, self._reap)
        self._thread.shutdown()

    # --- in the thread ---------------------------------------------------------------------------

    def _call(self, method: str, *arguments: object) -> Any:
        """Return the child's answer, which may be an error."""
        for _ in range(ATTEMPTS):
            try:
                if self._pipe is None:
                    refusal = self._spawn()
                    if refusal is not None:
                        return refusal
                assert self._pipe is not None
                self._pipe.send((method, arguments))
                return self._pipe.recv()
            except (EOFError, OSError):
                code = self._reap()
                if self._closing:
                    return ShuttingDown()
                _log.warning(f"{self._name}_died", request=method, exit_code=code)
        return IntegrityError(what=self._name, detail=f"it died {ATTEMPTS} times at {method}")

    def _spawn(self) -> PlimsollError | None:
        """Start the child and wait until it stands; return why it does not."""
        context = multiprocessing.get_context("spawn")
        pipe, childs_end = context.Pipe()
        child = context.Process(
            target=serve,
            args=(childs_end, self._make, self._name),
            name=f"plimsoll-{self._name}",
            daemon=True,
        )
        child.start()
        # Nobody may have closed this by the end of the interpreter, which waits for its children;
        # what it sends them before, they ignore.
        atexit.register(child.kill)
        self.starts += 1
        self.pid = child.pid
        with self._child_lock:
            self._child = child
            if self._closing:
                # Whoever closed saw no child to end.
                child.kill()
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
        with self._child_lock:
            child, self._child = self._child, None
        self.pid = None
        if child is None:
            return None
        child.join(STOP_TIMEOUT_S)
        if child.is_alive():
            child.kill()
            child.join()
        code = child.exitcode
        atexit.unregister(child.kill)
        child.close()
        return code


def serve(pipe: Connection, make: Callable[[], object], name: str) -> None:
    """Be the child: say whether it could start, then answer requests until the pipe ends."""
    # A terminal interrupts the whole group, and a supervisor may end it; the parent drains first,
    # and ends this process by SIGKILL, or by the end of the pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    end_with_parent()
    try:
        target = make()
    except PlimsollError as error:
        pipe.send(error)
        return
    except OSError as error:
        pipe.send(unusable(error, name))
        return
    pipe.send(None)
    try:
        with Collector() as collector:
            while True:
                method, arguments = pipe.recv()
                answer = _answer(target, name, method, arguments)
                pipe.send(answer)
                if isinstance(answer, IntegrityError):
                    # It stands somewhere in the middle of something and may not go on.
                    return
                collector.look()
    except (EOFError, OSError):
        # The parent is gone.
        return


def _answer(target: object, name: str, method: str, arguments: tuple[Any, ...]) -> object:
    try:
        return getattr(target, method)(*arguments)
    except CommandRejected as error:
        # Nobody sent a command here: what came from the log cannot be wrong.
        return IntegrityError(what=name, detail=str(error))
    except PlimsollError as error:
        return error
    except OSError as error:
        return disk_failed(error, name)
    except Exception:  # noqa: BLE001 - whatever it is, the parent must hear of it and stop
        return IntegrityError(what=name, detail=traceback.format_exc())
