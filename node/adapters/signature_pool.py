"""Signatures of a batch, checked by worker processes while the caller executes it.

In threads of one process they would take turns with the execution, and the lock between them costs
more than the work.
"""

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Awaitable, Sequence
from concurrent.futures import ProcessPoolExecutor
from threading import Thread
from typing import Final, Self

import msgspec

from node.codec.eip712 import Signing
from node.codec.forgery import Forgery, first_forgery
from node.types.commands import Command

CHUNK_COMMANDS: Final = 256
"""Large enough that handing a chunk over costs nothing beside checking it (about 10 ms)."""

_decoder: msgspec.msgpack.Decoder[tuple[Command, ...]] = msgspec.msgpack.Decoder(
    tuple[Command, ...]
)


class SignaturePool:
    """``workers`` processes; use it as a context manager."""

    def __init__(self, workers: int) -> None:
        """Start no process before there is work."""
        assert workers >= 1
        self._pool = ProcessPoolExecutor(
            workers, multiprocessing.get_context("spawn"), initializer=_settle
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Drop what has not begun and end the processes."""
        self._pool.shutdown(cancel_futures=True)

    def begin(self, commands: Sequence[Command], signing: Signing) -> Awaitable[Forgery | None]:
        """Hand all of ``commands`` to the workers now; the answer is the first forgery."""
        loop = asyncio.get_running_loop()
        answers = [
            loop.run_in_executor(
                self._pool,
                _check,
                msgspec.msgpack.encode(commands[start : start + CHUNK_COMMANDS]),
                signing,
                start,
            )
            for start in range(0, len(commands), CHUNK_COMMANDS)
        ]
        return _first(answers)


async def _first(answers: list[asyncio.Future[Forgery | None]]) -> Forgery | None:
    found = [forgery for forgery in await asyncio.gather(*answers) if forgery is not None]
    return min(found, key=lambda forgery: forgery.place, default=None)


def _check(encoded: bytes, signing: Signing, start: int) -> Forgery | None:
    return first_forgery(_decoder.decode(encoded), signing, start)


def _settle() -> None:
    """Be a worker: leave interrupts to the parent, and do not outlive it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
