"""The history's processes, as the event loop sees them."""

import asyncio
from functools import partial
from time import monotonic_ns

from node.adapters.remote_object import RemoteObject
from node.app.history_session import HistorySetup, start_reader, start_writer
from node.capacity.least_served import LeastServed
from node.types.errors import Overloaded
from node.types.history import HistoryMark, Question, Row
from node.types.ids import Sequence
from node.types.rules import Rules


class HistoryWriterProcess:
    """A ``node.ports.history.HistoryWriter``: started when first asked, and again if it dies."""

    def __init__(self, setup: HistorySetup) -> None:
        """Start nothing yet."""
        self._remote = RemoteObject(partial(start_writer, setup), "history")

    @property
    def pid(self) -> int | None:
        """Return the child's process id, None while there is none."""
        return self._remote.pid

    async def mark(self) -> HistoryMark:
        """Return up to where history is written."""
        return await self._remote.ask(HistoryMark, "mark")

    async def write(self, blocks: bytes) -> HistoryMark:
        """Write ``blocks``."""
        return await self._remote.ask(HistoryMark, "write", blocks)

    async def catch_up(self, until: Sequence) -> HistoryMark:
        """Write some more from the log."""
        return await self._remote.ask(HistoryMark, "catch_up", until)

    async def put_batches(self, rows: list[Row]) -> None:
        """Write ``rows`` in the place of what is told of the same batches."""
        await self._remote.ask(type(None), "put_batches", rows)

    async def close(self) -> None:
        """End the child; a transaction in hand is as if it had never begun."""
        await self._remote.close()


class HistoryReaderProcess:
    """A ``node.ports.history.HistoryReader`` that answers one question after the other.

    Addresses take turns by what their questions took (``node.capacity.least_served``).
    """

    def __init__(self, url: str, rules: Rules, query_ms: int, waiting_max: int) -> None:
        """Start nothing yet: a node that nobody asks for its past needs no process for it."""
        make = partial(start_reader, url, rules, query_ms)
        self._remote = RemoteObject(make, "history_reader")
        self._waiting_max = waiting_max
        self._waiting: LeastServed[str, asyncio.Future[None]] = LeastServed("history")
        self._turn: asyncio.Future[None] | None = None
        self.refused = 0

    @property
    def pid(self) -> int | None:
        """Return the child's process id, None while there is none."""
        return self._remote.pid

    @property
    def waiting(self) -> int:
        """Return how many questions are not answered yet."""
        return len(self._waiting) + (self._turn is not None)

    async def page(self, question: Question, address: str) -> bytes:
        """Return the JSON body of a page.

        Raises ``Overloaded`` past the questions that wait: of the address that has most waiting.
        """
        turn = asyncio.get_running_loop().create_future()
        if self.waiting >= self._waiting_max:
            self._make_room(address)
        self._waiting.add(address, turn)
        if self._turn is None:
            self._next()
        try:
            await turn
            begun_ns = monotonic_ns()
            try:
                return await self._remote.ask(bytes, "page", question)
            finally:
                self._waiting.spent(address, begun_ns, monotonic_ns())
        finally:
            if self._turn is turn:
                self._next()

    def _make_room(self, address: str) -> None:
        """Turn away one that waits, or raise ``Overloaded``."""
        self.refused += 1
        error = Overloaded(queue="history_queries", limit=self._waiting_max)
        longest = self._waiting.make_room(address)
        if longest is None:
            raise error
        if not longest.done():
            longest.set_exception(error)

    def _next(self) -> None:
        """Give the turn to whoever is next, and was not cancelled meanwhile.

        Over HTTP nobody is before the end: who hung up keeps the place, and the turn.
        """
        self._turn = None
        while self._waiting and self._turn is None:
            turn = self._waiting.take(monotonic_ns())
            if not turn.done():
                self._turn = turn
                turn.set_result(None)

    async def close(self) -> None:
        """End the child, if there is one."""
        await self._remote.close()
