"""What the history makes the node keep, and how it reads the log again."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from node.adapters.data_folder import DataFolder
from node.adapters.file_journal import FileJournal
from node.adapters.identity import Identity
from node.adapters.snapshots import SnapshotFolder
from node.adapters.system_clock import SystemClock
from node.app.history_process import HistoryReaderProcess, HistoryWriterProcess
from node.app.history_replay import LogPlace, LogReplay
from node.app.history_session import HistorySession, HistorySetup
from node.codec.changes import changes_digest
from node.codec.links import block_hash, chain_ids
from node.history.record import encode_blocks, recorded
from node.ports.snapshots import Snapshot
from node.transition.apply import apply
from node.transition.state import State
from node.types.blocks import GENESIS_PARENT, Block
from node.types.commands import Command, OpenBlock
from node.types.durable import DurableBlock
from node.types.errors import HistoryGap, Overloaded, StateDiverged
from node.types.events import Event, Rejected
from node.types.hashing import keccak256
from node.types.history import Question
from node.types.ids import Sequence
from node.types.units import Millis
from tests.property.random_log import DOMAIN, RULES, RandomLog
from tests.property.tempers import CRASHES

IDENTITY = Identity.of(DOMAIN, RULES)
BLOCKS = 60
SNAPSHOT_AT = 30


class Written:
    """A data folder with a log, and what its blocks did."""

    def __init__(self, folder: DataFolder) -> None:
        self.folder = folder
        self.state = State.genesis(RULES, DOMAIN)
        self.state.drain_changes()
        self.blocks: list[DurableBlock] = []
        self.place = LogPlace(folder.journal, folder.snapshots, IDENTITY, RULES)

    async def fill(self) -> None:
        journal = FileJournal(self.folder.journal, IDENTITY, SystemClock(), segment_bytes=1 << 13)
        log = RandomLog(7, CRASHES, self.state)
        commands: list[Command] = []
        events: list[tuple[Event, ...]] = []
        parent = GENESIS_PARENT
        while len(self.blocks) < BLOCKS:
            command = log.draw()
            if isinstance(command, OpenBlock) and not self._opens(command):
                continue
            if isinstance(command, OpenBlock) and commands:
                durable = self._sealed(commands, events, parent)
                parent = durable.block.hash
                await journal.append(durable.block)
                self.blocks.append(durable)
                if len(self.blocks) == SNAPSHOT_AT:
                    self._snapshot()
                commands, events = [], []
            happened = apply(self.state, command)
            if not isinstance(happened[0], Rejected):
                commands.append(command)
                events.append(happened)
        await journal.close()

    def _opens(self, command: OpenBlock) -> bool:
        """Return whether ``command`` will apply, before the block under way is closed for it."""
        trial = State.from_leaves(RULES, DOMAIN, self.state.leaves())
        return not isinstance(apply(trial, command)[0], Rejected)

    @property
    def last(self) -> Sequence:
        return self.blocks[-1].block.last_sequence

    def prune(self, below: Sequence) -> None:
        """Drop the segments that hold nothing from ``below`` on."""
        segments = sorted(self.folder.journal.glob("*.journal"))
        starts = [int(path.stem) for path in segments]
        for path, following in zip(segments, starts[1:], strict=False):
            if following <= below:
                path.unlink()

    def _sealed(
        self, commands: list[Command], events: list[tuple[Event, ...]], parent: bytes
    ) -> DurableBlock:
        number, time = self.state.block, Millis(self.state.time)
        first = Sequence(self.state.sequence - len(commands) + 1)
        ids = tuple(keccak256(b"%d" % (first + place)) for place in range(len(commands)))
        links = chain_ids(parent, ids)
        leaves = self.state.drain_changes()
        block = Block(
            number=number,
            time=time,
            first_sequence=first,
            commands=tuple(commands),
            ids=ids,
            parent=parent,
            hash=block_hash(number, time, first, len(commands), links[-1]),
            signature=bytes(65),
            changes=changes_digest(leaves),
        )
        return DurableBlock(block, tuple(events), tuple(links), leaves)

    def _snapshot(self) -> None:
        block = self.blocks[-1].block
        SnapshotFolder(self.folder.snapshots, IDENTITY).save(
            Snapshot(
                DOMAIN, RULES.digest(), block.last_sequence, block.number, block.hash,
                tuple(self.state.leaves()),
            )
        )  # fmt: skip


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Written]:
    with DataFolder(tmp_path / "data", IDENTITY) as folder:
        found = Written(folder)
        asyncio.run(found.fill())
        yield found


def session(written: Written) -> HistorySession:
    url = f"sqlite:///{written.folder.path}/history.sqlite"
    return HistorySession(HistorySetup(url, written.place))


@pytest.mark.parametrize("begin", [0, 10, SNAPSHOT_AT, 45, BLOCKS - 1])
def test_the_log_read_again_gives_the_blocks_that_were_recorded(
    written: Written, begin: int
) -> None:
    after = written.blocks[begin - 1].block.last_sequence if begin else Sequence(0)
    replay = LogReplay(written.place, after)
    found = []
    while replay.sequence < written.last:
        found += replay.take(20, written.last)
    assert found == [recorded(block) for block in written.blocks[begin:]]


def test_nothing_is_read_behind_what_is_durable(written: Written) -> None:
    until = written.blocks[20].block.last_sequence
    replay = LogReplay(written.place, Sequence(0))
    assert replay.take(10**6, until)[-1].last_sequence == until
    assert replay.take(10**6, written.last)[0].first_sequence == until + 1


def test_a_pruned_journal_serves_a_history_that_is_past_its_snapshot(written: Written) -> None:
    at = written.blocks[SNAPSHOT_AT - 1].block.last_sequence
    written.prune(Sequence(at + 1))
    assert len(LogReplay(written.place, at).take(10**6, written.last)) == BLOCKS - SNAPSHOT_AT
    with pytest.raises(HistoryGap) as gap:
        LogReplay(written.place, Sequence(at - 1))
    assert gap.value.sequence == at - 1
    assert 1 < gap.value.oldest <= at + 1


def test_live_blocks_and_those_read_again_join_without_a_seam(written: Written) -> None:
    writer, blocks = session(written), written.blocks
    frame = encode_blocks(tuple(recorded(block) for block in blocks[:5]))
    assert writer.write(frame).sequence == blocks[4].block.last_sequence
    assert writer.write(frame).sequence == blocks[4].block.last_sequence
    # What does not follow is not written.
    later = encode_blocks(tuple(recorded(block) for block in blocks[9:12]))
    assert writer.write(later).sequence == blocks[4].block.last_sequence
    until = blocks[10].block.last_sequence
    while writer.mark().sequence < until:
        writer.catch_up(until)
    mark = writer.write(later)
    assert (mark.sequence, mark.hash) == (blocks[11].block.last_sequence, blocks[11].block.hash)
    assert mark.rows > 0


def test_a_history_that_ends_where_no_block_does_is_of_another_log(written: Written) -> None:
    writer, blocks = session(written), written.blocks
    block = next(one for one in blocks if len(one.block.commands) > 1)
    foreign = msgspec.structs.replace(
        recorded(blocks[0]), first_sequence=Sequence(1), last_sequence=block.block.first_sequence
    )
    assert writer.write(encode_blocks((foreign,))).sequence == block.block.first_sequence
    with pytest.raises(StateDiverged) as diverged:
        writer.catch_up(written.last)
    assert diverged.value.where == "history"


async def test_a_killed_writer_starts_again_where_it_was(written: Written) -> None:
    url = f"sqlite:///{written.folder.path}/history.sqlite"
    writer = HistoryWriterProcess(HistorySetup(url, written.place))
    try:
        assert writer.pid is None
        first = await writer.catch_up(written.blocks[3].block.last_sequence)
        assert writer.pid is not None
        assert first.sequence == written.blocks[3].block.last_sequence
        frame = encode_blocks(tuple(recorded(block) for block in written.blocks[4:8]))
        assert (await writer.write(frame)).sequence == written.blocks[7].block.last_sequence
        await writer.put_batches([])
    finally:
        await writer.close()


async def test_questions_past_the_limit_are_refused(written: Written) -> None:
    session(written).catch_up(written.last)
    url = f"sqlite:///{written.folder.path}/history.sqlite"
    reader = HistoryReaderProcess(url, RULES, 5_000, 1)
    try:
        first = asyncio.gather(reader.page(Question("transfers", 1), "a"))
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await reader.page(Question("transfers", 1), "b")
        (body,) = await first
        assert len(msgspec.json.decode(body)["rows"]) == 1
        assert (reader.waiting, reader.refused) == (0, 1)
        assert reader.pid is not None
    finally:
        await reader.close()


class SlowRemote:
    """Stands for the reader's process: each question is answered when the test says so."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._answers: asyncio.Queue[None] = asyncio.Queue()

    async def ask(self, _kind: type[bytes], _method: str, question: Question) -> bytes:
        self.asked.append(question.account or "")
        await self._answers.get()
        return b""

    def answer(self) -> None:
        self._answers.put_nowait(None)


async def turn_of_the_loop() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def reader_of(remote: SlowRemote, waiting_max: int) -> HistoryReaderProcess:
    reader = HistoryReaderProcess("sqlite:///nowhere", RULES, 5_000, waiting_max)
    reader._remote = remote  # type: ignore[assignment]
    return reader


def asking(reader: HistoryReaderProcess, address: str, times: int) -> list[asyncio.Task[bytes]]:
    """Ask from ``address``, and name it in the question."""
    question = Question("fills", 1, account=address)
    return [asyncio.create_task(reader.page(question, address)) for _ in range(times)]


async def test_a_quick_question_waits_for_one_of_whoever_asks_many_slow_ones() -> None:
    remote = SlowRemote()
    reader = reader_of(remote, waiting_max=64)
    many = asking(reader, "many", 10)
    await turn_of_the_loop()
    (quick,) = asking(reader, "quick", 1)
    await turn_of_the_loop()
    for _ in range(11):
        remote.answer()
    await asyncio.gather(quick, *many)
    assert remote.asked == ["many", "quick", *["many"] * 9]
    assert (reader.waiting, reader.refused) == (0, 0)


async def test_those_who_hold_all_places_make_room_for_one_more() -> None:
    remote = SlowRemote()
    reader = reader_of(remote, waiting_max=8)
    held = [task for name in "abcd" for task in asking(reader, name, 2)]
    await turn_of_the_loop()
    (late,) = asking(reader, "late", 1)
    await turn_of_the_loop()
    for _ in range(8):
        remote.answer()
    answers = await asyncio.gather(late, *held, return_exceptions=True)
    assert answers[0] == b""
    assert [type(one) for one in answers].count(Overloaded) == 1
    assert (len(remote.asked), reader.waiting, reader.refused) == (8, 0, 1)


async def test_whoever_goes_away_passes_its_turn_on() -> None:
    remote = SlowRemote()
    reader = reader_of(remote, waiting_max=8)
    first, second, third = (asking(reader, name, 1)[0] for name in ("1", "2", "3"))
    await turn_of_the_loop()
    second.cancel()
    first.cancel()
    await turn_of_the_loop()
    assert remote.asked == ["1", "3"]
    remote.answer()
    assert await third == b""
    assert reader.waiting == 0
