"""What the history's processes do: one writes, the other answers questions.

They are processes and not threads, because rows are made by the interpreter: a thread that inserts
beside a busy event loop takes half of the loop's time for as long as it writes.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from node.adapters.history_pages import HistoryPages
from node.adapters.history_store import HistoryStore
from node.app.history_replay import LogPlace, LogReplay
from node.history.record import Recorder, decode_blocks
from node.types.errors import HistoryGap, PathUnusable, PlimsollError, StateDiverged
from node.types.history import HistoryMark, Row
from node.types.history_rows import RecordedBlock
from node.types.ids import Sequence
from node.types.rules import Rules

READER_NICENESS = 10
"""How far behind the exchange the process stands in line for a core that answers questions."""

WRITER_NICENESS = 19
"""Likewise the one that writes, last of all: it may fall behind, and reads the journal later.

Where cores are short it gets a seventieth of one beside a process of the exchange.
"""

CATCH_UP_COMMANDS = 5_000
"""Commands of one slice of catching up: a fraction of a second, one transaction."""


class HistorySetup(msgspec.Struct, frozen=True):
    """All that the writer's process is told when it starts."""

    url: str
    place: LogPlace


class _Opened(msgspec.Struct):
    """The database, and what is known of it."""

    store: HistoryStore
    recorder: Recorder
    mark: HistoryMark


class HistorySession:
    """The writer. The database is opened when it is first needed, and anew after each error."""

    def __init__(self, setup: HistorySetup) -> None:
        """Connect to nothing yet."""
        self._setup = setup
        self._opened: _Opened | None = None
        self._replay: LogReplay | None = None
        self._pending: list[RecordedBlock] = []
        self._rows = 0

    def mark(self) -> HistoryMark:
        """Return up to where history is written."""
        with self._open() as opened:
            return self._told(opened)

    def write(self, blocks: bytes) -> HistoryMark:
        """Write ``blocks``; see ``node.ports.history.HistoryWriter``."""
        self._replay, self._pending = None, []
        return self._write(decode_blocks(blocks))

    def catch_up(self, until: Sequence) -> HistoryMark:
        """Write one slice from the log; see ``node.ports.history.HistoryWriter``.

        What was executed stays in hand until it is written: a database that is away for a moment
        does not cost another execution.
        """
        with self._open() as opened:
            self._read_on(opened.mark.sequence, until)
        mark = self._write(tuple(self._pending))
        self._pending = []
        return mark

    def _read_on(self, after: Sequence, until: Sequence) -> None:
        """Have the blocks behind ``after`` in hand."""
        pending, replay = self._pending, self._replay
        if pending and pending[0].first_sequence == after + 1:
            return
        if pending or replay is None or replay.sequence != after:
            replay = self._replay = LogReplay(self._setup.place, after)
        try:
            self._pending = replay.take(CATCH_UP_COMMANDS, until)
        except (OSError, PathUnusable) as error:
            # A segment was let go of, since history was too far behind.
            self._replay = None
            raise HistoryGap(sequence=after, detail=str(error)) from None
        if self._pending and self._pending[0].first_sequence != after + 1:
            # No block of this log ends where history does, so it can never go on from there.
            self._replay, found = None, self._pending[0].first_sequence
            raise StateDiverged(where="history", sequence=after, found=found)

    def put_batches(self, rows: list[Row]) -> None:
        """Write ``rows`` in the place of what is told of the same batches."""
        with self._open() as opened:
            opened.store.put_batches(rows)
            self._rows += len(rows)

    def _write(self, blocks: tuple[RecordedBlock, ...]) -> HistoryMark:
        with self._open() as opened:
            sequence = opened.mark.sequence
            new = tuple(block for block in blocks if block.last_sequence > sequence)
            if new and new[0].first_sequence == sequence + 1:
                group, gathered = opened.recorder.group(new)
                opened.mark = opened.store.append(group)
                opened.recorder.keep(gathered)
                self._rows += group.count
            return self._told(opened)

    def _told(self, opened: _Opened) -> HistoryMark:
        return msgspec.structs.replace(opened.mark, rows=self._rows)

    @contextmanager
    def _open(self) -> Iterator[_Opened]:
        """Give the open database; after an error it is let go of, as nobody knows how it stands."""
        try:
            if self._opened is None:
                self._opened = self._opening()
            yield self._opened
        except PlimsollError:
            opened, self._opened = self._opened, None
            if opened is not None:
                opened.store.close()
            raise

    def _opening(self) -> _Opened:
        place = self._setup.place
        store = HistoryStore(self._setup.url, place.identity, place.rules)
        return _Opened(store, Recorder(store.positions()), store.mark())


def start_writer(setup: HistorySetup) -> HistorySession:
    """Return the writer, in the process that is to be its own."""
    os.nice(WRITER_NICENESS)
    return HistorySession(setup)


def start_reader(url: str, rules: Rules, query_ms: int) -> HistoryPages:
    """Return what answers questions, likewise."""
    os.nice(READER_NICENESS)
    return HistoryPages(url, rules, query_ms)
