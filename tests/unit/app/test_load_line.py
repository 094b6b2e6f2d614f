"""The load line: its window, whoever asked meanwhile, and what of the counters its laws take."""

import asyncio
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from node.app import load_line
from node.app.load_line import PUSH_S, SPAN_NS, LoadWatch, journal_of, push_load
from node.capacity.registry import Capacity
from node.capacity.telemetry import JournalCounters, KindCounters, Telemetry
from tests.unit.app.hand_clock import HandClock
from tests.unit.planner.telemetry_examples import EMPTY


class Counters:
    """Meters that have counted nothing, and the clock that they are read by."""

    def __init__(self) -> None:
        self.clock = HandClock()

    def read(self) -> Telemetry:
        return msgspec.structs.replace(EMPTY, at_ns=self.clock.ns)


def watch_of(counters: Counters) -> LoadWatch:
    node: Any = SimpleNamespace(
        config=SimpleNamespace(sequencer=SimpleNamespace(signature_workers=1)),
        base=SimpleNamespace(clock=counters.clock),
        capacity=Capacity(started_ns=0),
    )
    meters: Any = counters
    return LoadWatch(node, meters)


@pytest.mark.parametrize("turns", [100, 107, 119, 2_000])
async def test_the_window_moves_though_nobody_listens(
    monkeypatch: pytest.MonkeyPatch, turns: int
) -> None:
    counters = Counters()
    watch = watch_of(counters)
    end_ns = int(turns * PUSH_S * 1e9)

    async def turn(seconds: float) -> None:
        if counters.clock.ns == end_ns:
            raise asyncio.CancelledError
        counters.clock.ns += int(seconds * 1e9)

    monkeypatch.setattr(load_line, "asyncio", SimpleNamespace(sleep=turn))
    publisher: Any = SimpleNamespace(wants=lambda _channel: False)
    with pytest.raises(asyncio.CancelledError):
        await push_load(publisher, watch)
    # Somebody looks for the first time now.
    assert SPAN_NS <= end_ns - watch.since.at_ns <= 2 * SPAN_NS


def test_the_journal_is_told_by_what_a_block_can_hold_in_its_time() -> None:
    """Of 512 orders at 20 us a block of 3 ms holds 150: 50 bulks of three each."""
    told = msgspec.structs.replace(
        EMPTY,
        kinds=(KindCounters("bulk", 100, 300, 0, 0, 0),),
        journal=JournalCounters(appends=40, bytes=1, total_ns=40 * 10_000_000),
    )
    limit = journal_of(told, 150)
    assert limit is not None
    assert limit.limit_per_s == pytest.approx(5_000)
