"""Cursors, counts and lags of batches on their way, and back again after a reorg."""

import asyncio
import random

import pytest

from node.app.standings import NotingSealer, Standings
from node.capacity.histogram import bucket_high, bucket_index
from node.capacity.report import MEDIAN_PPM
from node.publisher.finality import Cursors
from node.types.blocks import Batch, BatchHeader
from node.types.ids import Sequence
from node.types.marks import Mark, Standing
from node.types.units import Millis
from tests.unit.app.hand_clock import HandClock

COMMANDS = 10
BASE = 1_000
DATA = b"seven by"
IN_FLIGHT_MAX = 2


def batch(index: int) -> Batch:
    """Return batch ``index`` of ten commands; batch 0 begins right after ``BASE``."""
    first = BASE + COMMANDS * index + 1
    header = BatchHeader(
        index=index,
        previous_root=bytes(32),
        new_root=bytes(32),
        first_sequence=Sequence(first),
        last_sequence=end(index),
        inbox_cursor=0,
        roots=(),
    )
    return Batch(header, data=DATA, cause="age", last_block=index)


def end(index: int) -> Sequence:
    return Sequence(BASE + COMMANDS * (index + 1))


def mark(index: int, standing: Standing) -> Mark:
    return Mark(index, standing, end(index), block=1, time=Millis(0))


class Quay:
    """Standings of some batches, and the clock they are timed by."""

    def __init__(self, batches: int, first: int = 0) -> None:
        self.clock = HandClock()
        self.standings = Standings(Sequence(end(first - 1)), self.clock, IN_FLIGHT_MAX)
        for index in range(first, first + batches):
            self.standings.sealed(batch(index))

    def move(self, index: int, standing: Standing) -> Cursors:
        return self.standings.moved(mark(index, standing))


def test_cursors_follow_the_unbroken_run_of_each_standing() -> None:
    quay = Quay(4)
    sealed = end(3)
    assert quay.move(1, Standing.POSTED) == Cursors(
        Sequence(BASE), Sequence(BASE), Sequence(BASE), sealed
    )
    assert quay.move(0, Standing.FINAL) == Cursors(end(1), end(0), end(0), sealed)
    assert quay.move(2, Standing.SAFE) == Cursors(end(2), end(0), end(0), sealed)
    assert quay.move(1, Standing.SAFE) == Cursors(end(2), end(2), end(0), sealed)
    assert quay.standings.unposted == 1


def test_a_batch_that_is_only_sent_moves_no_cursor() -> None:
    quay = Quay(1)
    assert quay.move(0, Standing.PENDING).posted == BASE
    assert quay.standings.unposted == 1
    assert not quay.standings.da_bytes


def test_a_reorg_takes_counts_and_cursors_back() -> None:
    quay = Quay(2)
    for index in (0, 1):
        quay.move(index, Standing.POSTED)
    quay.move(0, Standing.SAFE)
    assert quay.standings.da_bytes == 2 * len(DATA)
    back = quay.move(0, Standing.SEALED)
    assert back == Cursors(Sequence(BASE), Sequence(BASE), Sequence(BASE), end(1))
    reached = quay.standings.reached
    assert (reached[Standing.SEALED], reached[Standing.POSTED], reached[Standing.SAFE]) == (2, 1, 0)
    assert quay.standings.da_bytes == len(DATA)
    assert quay.move(0, Standing.POSTED).posted == end(1)
    assert reached[Standing.POSTED] == 2


def test_a_restart_begins_behind_what_was_final() -> None:
    quay = Quay(2, first=7)
    assert quay.move(8, Standing.POSTED) == Cursors(end(6), end(6), end(6), end(8))
    assert quay.move(7, Standing.POSTED) == Cursors(end(8), end(6), end(6), end(8))
    # A mark of a batch from before the start counts nothing.
    assert quay.move(3, Standing.FINAL).posted == end(8)
    assert not quay.standings.reached[Standing.FINAL]


def test_what_is_final_is_forgotten_in_order_and_stays_final() -> None:
    quay = Quay(3)
    quay.move(1, Standing.FINAL)
    assert quay.standings.data_bytes(1) == len(DATA)
    assert quay.move(0, Standing.FINAL).final == end(1)
    assert [quay.standings.data_bytes(index) for index in range(3)] == [0, 0, len(DATA)]
    assert quay.move(2, Standing.POSTED) == Cursors(end(2), end(1), end(1), end(2))
    assert quay.standings.reached[Standing.FINAL] == 2


def test_lags_run_from_sealing_and_a_step_back_leaves_them() -> None:
    quay = Quay(1)
    quay.clock.ns = 5
    quay.move(0, Standing.POSTED)
    quay.clock.ns = 9
    quay.move(0, Standing.SAFE)
    assert quay.standings.lag_ns == {Standing.POSTED: 5, Standing.SAFE: 9}
    quay.clock.ns = 11
    quay.move(0, Standing.SEALED)
    assert quay.standings.lag_ns == {Standing.POSTED: 5, Standing.SAFE: 9}
    quay.clock.ns = 20
    quay.move(0, Standing.POSTED)
    assert quay.standings.lag_ns[Standing.POSTED] == 20


def test_a_flight_leaves_out_the_wait_behind_those_that_are_in_flight() -> None:
    """An hour of outage, and then a batch each second, two in flight."""
    quay = Quay(6)
    hour_ms = 3_600_000
    for index in range(6):
        quay.move(index, Standing.PENDING)
        quay.clock.ns = (hour_ms + 1_000 * (index + 1)) * 1_000_000
        quay.move(index, Standing.POSTED)
        quay.move(index, Standing.FINAL)
    flights = quay.standings.flights_ms
    assert (flights.count, flights.total) == (6, 2 * hour_ms + 3_000 + 4 * 2_000)
    assert flights.quantile(MEDIAN_PPM) == bucket_high(bucket_index(2_000))
    assert quay.standings.lag_ns[Standing.POSTED] == (hour_ms + 6_000) * 1_000_000
    assert len(quay.standings._posted_ns) == IN_FLIGHT_MAX


def test_a_batch_that_a_reorg_took_back_has_its_first_flight_alone() -> None:
    quay = Quay(1)
    for ms in (7, 3_600_000):
        quay.move(0, Standing.PENDING)
        quay.clock.ns = ms * 1_000_000
        quay.move(0, Standing.POSTED)
        quay.move(0, Standing.SEALED)
    assert (quay.standings.flights_ms.count, quay.standings.flights_ms.total) == (1, 7)


def test_what_a_process_before_sent_has_no_flight() -> None:
    quay = Quay(2)
    quay.move(0, Standing.POSTED)
    quay.clock.ns = 7_000_000
    quay.move(1, Standing.PENDING)
    quay.move(1, Standing.POSTED)
    assert (quay.standings.flights_ms.count, quay.standings.flights_ms.total) == (1, 7)


def test_a_batch_is_noted_once_and_only_in_order() -> None:
    quay = Quay(2)
    quay.standings.sealed(batch(0))
    assert quay.standings.reached[Standing.SEALED] == 2
    with pytest.raises(AssertionError):
        Quay(1, first=3).standings.sealed(batch(2))


async def test_what_a_sealer_makes_is_noted() -> None:
    class Sealing:
        async def seal(
            self, blocks: tuple[bytes, ...], first_sequence: Sequence, cause: str
        ) -> Batch:
            assert (blocks, first_sequence, cause) == ((b"block",), BASE + 1, "age")
            return batch(0)

    quay = Quay(0)
    made = await NotingSealer(Sealing(), quay.standings.sealed).seal(
        (b"block",), Sequence(BASE + 1), "age"
    )
    assert made == batch(0)
    assert quay.standings.unposted == 1


async def test_a_sealer_that_does_not_answer_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.app.standings.SILENT_AFTER_S", 0.01)
    answers = asyncio.Event()

    class Sealing:
        async def seal(
            self, blocks: tuple[bytes, ...], first_sequence: Sequence, cause: str
        ) -> Batch:
            assert blocks, (first_sequence, cause)
            await answers.wait()
            return batch(0)

    sealer = NotingSealer(Sealing())
    assert not sealer.silent
    async with asyncio.TaskGroup() as group:
        group.create_task(sealer.seal((b"block",), Sequence(1), "age"))
        await asyncio.sleep(0)
        assert not sealer.silent
        await asyncio.sleep(0.05)
        assert sealer.silent
        answers.set()
    assert not sealer.silent


def slow_cursors(stand: dict[int, Standing]) -> Cursors:
    """Return what the definition says, batch by batch."""

    def up_to(standing: Standing) -> Sequence:
        reached = Sequence(BASE)
        for index in sorted(stand):
            if stand[index] < standing:
                return reached
            reached = end(index)
        return reached

    standings = (Standing.POSTED, Standing.SAFE, Standing.FINAL, Standing.SEALED)
    return Cursors(*(up_to(standing) for standing in standings))


@pytest.mark.parametrize("seed", range(20))
def test_at_random_the_cursors_are_those_of_the_definition(seed: int) -> None:
    draw = random.Random(seed)
    quay = Quay(6)
    stand = dict.fromkeys(range(6), Standing.SEALED)
    for _ in range(60):
        index = draw.choice([index for index in stand if stand[index] < Standing.FINAL] or [0])
        standing = stand[index] if stand[index] is Standing.FINAL else draw.choice([*Standing])
        stand[index] = standing
        assert quay.move(index, standing) == slow_cursors(stand)
    counted = {standing: quay.standings.reached[standing] for standing in Standing if standing > 1}
    assert counted == {
        standing: sum(found >= standing for found in stand.values()) for standing in counted
    }
