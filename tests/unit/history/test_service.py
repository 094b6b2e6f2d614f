"""The loop that follows the log, with a writer that does as it is told."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
import pytest

from node.adapters.mailbox import Mailbox
from node.capacity.queue import BoundedQueue
from node.history.batches import BatchLedger
from node.history.config import HistoryConfig
from node.history.record import decode_blocks
from node.history.service import HistoryService
from node.types.durable import DurableBlock
from node.types.errors import HistoryGap, HistoryUnavailable, PlimsollError, StateDiverged
from node.types.history import HistoryMark, Row
from node.types.ids import Sequence
from node.types.units import Millis
from tests.property.test_mirrors import blocks_of, fresh_state
from tests.unit.history.test_batches import batch
from tests.unit.sequencer.surroundings import HandClock

LOG = list(blocks_of(5, fresh_state(), 40))
QUICK = HistoryConfig(queue_blocks=16, gather_ms=0, blocks_per_group=4)


class Writer:
    """Remembers which commands it wrote; ``fault`` is raised for as long as it is set."""

    def __init__(self, sequence: int = 0) -> None:
        self.sequence = sequence
        self.written: list[tuple[int, int]] = []
        self.caught_up: list[tuple[int, int]] = []
        self.batches: list[Row] = []
        self.fault: PlimsollError | None = None
        self.answers = asyncio.Event()
        self.answers.set()
        self.asked = 0

    async def _ready(self) -> None:
        self.asked += 1
        await self.answers.wait()
        if self.fault is not None:
            raise self.fault

    def _mark(self) -> HistoryMark:
        return HistoryMark(Sequence(self.sequence), 0, Millis(0), b"")

    async def mark(self) -> HistoryMark:
        await self._ready()
        return self._mark()

    async def write(self, blocks: bytes) -> HistoryMark:
        decoded = [one for one in decode_blocks(blocks) if one.last_sequence > self.sequence]
        await self._ready()
        if decoded and decoded[0].first_sequence == self.sequence + 1:
            self.written.append((decoded[0].first_sequence, decoded[-1].last_sequence))
            self.sequence = decoded[-1].last_sequence
        return self._mark()

    async def catch_up(self, until: Sequence) -> HistoryMark:
        await self._ready()
        until = min(until, Sequence(self.sequence + 30))
        self.caught_up.append((self.sequence + 1, until))
        self.sequence = until
        return self._mark()

    async def put_batches(self, rows: list[Row]) -> None:
        await self._ready()
        self.batches += rows


class Bench:
    """A service at work."""

    def __init__(self, writer: Writer, durable: int, config: HistoryConfig) -> None:
        self.writer = writer
        self.ledger = BatchLedger()
        self.service = HistoryService(
            _mailbox(config), writer, self.ledger, HandClock(), config, Sequence(durable)
        )

    def offer(self, *blocks: DurableBlock) -> None:
        for block in blocks:
            self.service.offer(block, HandClock().now_ns())

    async def until(self, reached: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not reached():  # noqa: ASYNC110 - nobody announces it
                await asyncio.sleep(0.001)

    async def until_written(self) -> None:
        await self.until(lambda: self.writer.sequence == self.service.durable)
        await self.until(lambda: self.service.settled)

    def require_each_once(self, first: int = 1) -> None:
        """What was written and what was caught up lies side by side, without a gap."""
        spans = sorted(self.writer.written + self.writer.caught_up)
        assert [start for start, _ in spans] == [first, *(end + 1 for _, end in spans[:-1])]
        assert spans[-1][1] == self.service.durable


def _mailbox(config: HistoryConfig) -> Callable[[Callable[[], int]], Mailbox[DurableBlock]]:
    def make(in_hand: Callable[[], int]) -> Mailbox[DurableBlock]:
        limit = config.queue_blocks
        return Mailbox(BoundedQueue[DurableBlock]("history", limit, in_hand=in_hand))

    return make


@asynccontextmanager
async def at_work(
    writer: Writer, durable: int = 0, config: HistoryConfig = QUICK
) -> AsyncIterator[Bench]:
    bench = Bench(writer, durable, config)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(bench.service.run())
        yield bench
        running.cancel()
    assert bench.service.stage.conserved()


async def joined(bench: Bench) -> None:
    await bench.until(lambda: not bench.service.parted)


async def test_blocks_are_written_in_order_and_each_once() -> None:
    async with at_work(Writer()) as bench:
        await joined(bench)
        for start in range(0, 40, 8):
            bench.offer(*LOG[start : start + 8])
            await bench.until_written()
        bench.require_each_once()
        assert bench.writer.caught_up == []
        assert bench.service.stage.done == 40


async def test_a_start_behind_the_log_reads_it_first() -> None:
    last = LOG[9].block.last_sequence
    async with at_work(Writer(), durable=last) as bench:
        await bench.until_written()
        bench.offer(*LOG[10:20])
        await bench.until_written()
        bench.require_each_once()
        assert bench.service.caught_up == last


async def test_a_full_queue_holds_nobody_up_and_is_caught_up_later() -> None:
    async with at_work(Writer()) as bench:
        await joined(bench)
        bench.writer.answers.clear()
        for block in LOG:
            # Room is always there: what does not fit is left to the journal.
            await asyncio.wait_for(bench.service.wait_for_room(), 1)
            bench.offer(block)
            await asyncio.sleep(0)
        assert bench.service.parted
        assert bench.service.stage.refused["behind"] > 0
        assert bench.service.stage.held() <= 16 + QUICK.blocks_per_group
        bench.writer.answers.set()
        await bench.until_written()
        bench.require_each_once()
        assert bench.writer.caught_up
        assert not bench.service.parted


async def test_blocks_that_come_while_it_catches_up_are_taken_in_again() -> None:
    async with at_work(Writer(), durable=LOG[19].block.last_sequence) as bench:
        await joined(bench)
        bench.offer(*LOG[20:24])
        await bench.until_written()
        bench.require_each_once()
        assert bench.service.stage.done == 4


async def test_an_error_is_waited_out_and_nothing_is_lost_or_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("node.history.service._PAUSE_S", 0.01)
    async with at_work(Writer()) as bench:
        await joined(bench)
        bench.writer.fault = HistoryUnavailable(where="db", detail="away")
        bench.offer(*LOG[:6])
        await bench.until(lambda: bool(bench.service.fault))
        assert bench.service.settled
        bench.offer(*LOG[6:9])
        bench.writer.fault = None
        await bench.until_written()
        bench.require_each_once()
        assert bench.writer.caught_up == []
        assert bench.service.fault == ""


async def test_a_gap_stands_still_and_takes_up_no_more_than_its_queue(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("node.history.service._PAUSE_S", 0.01)
    writer = Writer()
    writer.fault = HistoryGap(sequence=0, oldest=90)
    async with at_work(writer, durable=LOG[0].block.last_sequence) as bench:
        bench.offer(*LOG[1:])
        await bench.until(lambda: "HistoryGap" in bench.service.fault)
        assert bench.service.stage.held() == 0
        assert bench.service.behind == LOG[-1].block.last_sequence


async def test_a_history_that_was_made_anew_meanwhile_is_followed_from_where_it_ends() -> None:
    async with at_work(Writer()) as bench:
        await joined(bench)
        bench.offer(*LOG[:6])
        await bench.until_written()
        bench.writer.sequence = 0
        bench.writer.written.clear()
        bench.offer(*LOG[6:8])
        await bench.until_written()
        bench.require_each_once()
        assert bench.service.stage.refused == {"behind": 2}


async def ended(bench: Bench) -> PlimsollError:
    """Return the error that the loop ends with."""
    with pytest.raises(PlimsollError) as raised:
        await asyncio.wait_for(bench.service.run(), 10)
    return raised.value


async def test_a_history_ahead_of_the_log_stops_the_node() -> None:
    bench = Bench(Writer(sequence=10_000), 5, QUICK)
    error = await ended(bench)
    assert isinstance(error, StateDiverged)
    assert error.values == {"where": "history", "sequence": 10_000, "log": 5}
    assert bench.writer.written == []


async def test_a_log_that_outgrew_the_history_meanwhile_is_still_one_that_lost_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("node.history.service._PAUSE_S", 0.01)
    start, ahead = LOG[3].block.last_sequence, LOG[9].block.last_sequence
    bench = Bench(Writer(sequence=ahead), start, QUICK)
    bench.writer.fault = HistoryUnavailable(where="db", detail="away")
    async with asyncio.TaskGroup() as group:
        ending = group.create_task(ended(bench))
        await bench.service.asked()
        bench.offer(*LOG[4:20])
        bench.writer.fault = None
    assert ending.result().values == {"where": "history", "sequence": ahead, "log": start}


async def test_a_history_of_another_log_stops_the_node() -> None:
    bench = Bench(Writer(), 5, QUICK)
    bench.writer.fault = StateDiverged(where="history", sequence=3)
    assert await ended(bench) is bench.writer.fault


async def test_a_history_that_somebody_else_wrote_to_later_is_left_and_stops_no_node(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("node.history.service._PAUSE_S", 0.01)
    async with at_work(Writer()) as bench:
        await joined(bench)
        bench.offer(*LOG[:6])
        await bench.until_written()
        asked = bench.writer.asked
        bench.writer.sequence = 10_000
        bench.offer(*LOG[6:8])
        await bench.until(lambda: "StateDiverged" in bench.service.fault)
        # Nothing of it is believed, also once the log has outgrown it, or it seems right again.
        bench.writer.sequence = LOG[7].block.last_sequence
        bench.offer(*LOG[8:20])
        await asyncio.sleep(0.1)
        service = bench.service
        assert "StateDiverged" in service.fault
        assert service.settled
        assert service.mark.sequence == LOG[5].block.last_sequence
        assert service.behind == LOG[19].block.last_sequence - LOG[5].block.last_sequence
        assert (service.stage.done, service.stage.held()) == (6, 0)
        assert service.stage.refused == {"behind": 14}
        assert bench.writer.asked == asked + 1


async def test_a_history_that_ends_where_the_log_does_has_not_met_it_yet() -> None:
    end = LOG[3].block.last_sequence
    bench = Bench(Writer(sequence=end), end, QUICK)
    async with asyncio.TaskGroup() as group:
        ending = group.create_task(ended(bench))
        await joined(bench)
        bench.writer.fault = StateDiverged(where="history", sequence=end)
        bench.offer(*LOG[4:6])
    assert ending.result() is bench.writer.fault


async def test_a_log_that_cannot_be_executed_again_stops_the_history_alone() -> None:
    writer = Writer()
    writer.fault = StateDiverged(where="changes", block=3, sequence=9)
    async with at_work(writer, durable=5) as bench:
        await bench.until(lambda: "StateDiverged" in bench.service.fault)


async def test_where_history_ends_is_asked_once_or_known_to_be_unknown() -> None:
    async with at_work(Writer()) as bench:
        await asyncio.wait_for(bench.service.asked(), 10)
    writer = Writer()
    writer.fault = HistoryUnavailable(where="db", detail="away")
    async with at_work(writer) as bench:
        await asyncio.wait_for(bench.service.asked(), 10)
        assert bench.service.fault


async def test_news_of_batches_is_written_without_any_block() -> None:
    async with at_work(Writer()) as bench:
        await joined(bench)
        bench.ledger.sealed(batch(2))
        await bench.until(lambda: bool(bench.writer.batches))
        assert [row["number"] for row in bench.writer.batches] == [2]


async def test_news_of_batches_survives_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.history.service._PAUSE_S", 0.01)
    async with at_work(Writer()) as bench:
        await joined(bench)
        bench.writer.fault = HistoryUnavailable(where="db", detail="away")
        bench.ledger.sealed(batch(2))
        await bench.until(lambda: bool(bench.service.fault))
        assert bench.ledger.unwritten == 1
        bench.writer.fault = None
        await bench.until(lambda: bool(bench.writer.batches))


async def test_it_is_not_settled_while_news_of_batches_is_being_written() -> None:
    async with at_work(Writer()) as bench:
        await joined(bench)
        bench.writer.answers.clear()
        bench.ledger.sealed(batch(2))
        await bench.until(lambda: not bench.ledger.unwritten)
        # A node that stops now would cancel the writing.
        assert not bench.service.settled
        bench.writer.answers.set()
        await bench.until(lambda: bench.service.settled)
        assert [row["number"] for row in bench.writer.batches] == [2]


def test_its_mark_begins_before_the_first_command() -> None:
    bench = Bench(Writer(), 7, QUICK)
    assert (bench.service.behind, bench.service.parted) == (7, True)
    assert msgspec.structs.asdict(bench.service.mark)["sequence"] == 0
