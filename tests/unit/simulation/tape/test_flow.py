"""Which rows of a tape somebody decided, and which only tell what came of it."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from node.simulation.tape.flow import DEPTH_EVERY, Decision, FlowTrace, read_flow

PLACE, CANCEL, TAKE = Decision.PLACE, Decision.CANCEL, Decision.TAKE
HEADERS = {
    "lobster": "",
    "bitstamp": "id,timestamp,exchange_timestamp,price,volume,action,direction\n",
    "csv": "time_ns,op,id,side,price,size,tif,account\n",
}


def flow(
    folder: Path, format_name: str, rows: Sequence[str], seconds: float | None = None
) -> FlowTrace:
    file = folder / "tape.txt"
    file.write_text(HEADERS[format_name] + "".join(f"{row}\n" for row in rows))
    return read_flow(format_name, file, seconds)


def decided(trace: FlowTrace) -> list[tuple[Decision, float]]:
    return list(zip(trace.decisions, trace.sizes, strict=True))


def test_executions_of_one_moment_and_side_are_one_order(tmp_path: Path) -> None:
    trace = flow(
        tmp_path,
        "lobster",
        [
            "34200.1,1,1,100,10000,1",
            "34200.2,1,2,50,10100,1",
            "34200.3,4,2,50,10100,1",
            "34200.3,4,1,20,10000,1",
            "34200.4,2,1,30,10000,1",
            "34200.5,3,1,50,10000,1",
            "34200.6,3,77,10,10000,1",
        ],
    )
    # The last one takes back an order of before the tape, whose size its row does not pass on.
    assert decided(trace) == [
        (PLACE, 100.0),
        (PLACE, 50.0),
        (TAKE, 70.0),
        (CANCEL, 30.0),
        (CANCEL, 50.0),
        (CANCEL, 0.0),
    ]
    assert trace.fills == [0, 0, 2, 0, 0, 0]
    assert trace.times_ns[2] == 34_200_300_000_000
    assert trace.resolution_ns == 1


def test_outcomes_of_a_trade_are_nobody_s_decision(tmp_path: Path) -> None:
    snapshot = ["1,1000,1000,100.00,1,created,bid", "2,1000,1000,101.00,2,created,ask"]
    trace = flow(
        tmp_path,
        "bitstamp",
        [
            *snapshot,
            "3,1010,1010,99.00,3,created,bid",
            # A taker meets the ask of the snapshot; the feed then tells of both sides.
            "4,1020,1020,101.00,0.5,created,bid",
            "2,1020,1020,101.00,1.5,changed,ask",
            "4,1020,1020,101.00,0,deleted,bid",
            # Somebody makes an order smaller, and another takes one back.
            "3,1030,1030,99.00,1,changed,bid",
            "1,1040,1040,100.00,1,deleted,bid",
            # A post-only order that would have taken is refused at once: one decision.
            "5,1050,1050,101.00,1,created,bid",
            "5,1050,1050,101.00,1,deleted,bid",
            # The recorder's clean-up.
            "2,1060,1060,101.00,1.5,deleted,ask",
            "3,1060,1060,99.00,1,deleted,bid",
        ],
    )
    assert decided(trace) == [
        (PLACE, 3.0),
        (TAKE, 0.5),
        (CANCEL, 2.0),
        (CANCEL, 1.0),
        (PLACE, 1.0),
    ]
    assert trace.fills[1] == 1
    assert trace.resolution_ns == 1_000_000


def test_the_book_is_looked_at_now_and_then(tmp_path: Path) -> None:
    rows = [f"{n},new,{n},buy,{100 + n % 2},2,gtc," for n in range(1, 2 * DEPTH_EVERY + 1)]
    trace = flow(tmp_path, "csv", rows)
    assert trace.resting_orders == [DEPTH_EVERY, 2 * DEPTH_EVERY]
    assert trace.levels == [2, 2]
    # Half of the orders stand at the best price.
    assert trace.touch_sizes == pytest.approx([DEPTH_EVERY, 2 * DEPTH_EVERY])


def test_a_beginning_is_enough(tmp_path: Path) -> None:
    rows = [f"{n * 1_000_000_000},new,{n},buy,100,1,gtc," for n in range(1, 11)]
    trace = flow(tmp_path, "csv", rows, seconds=4.0)
    assert [time // 1_000_000_000 for time in trace.times_ns] == [1, 2, 3, 4]


def test_an_empty_tape_has_no_flow(tmp_path: Path) -> None:
    assert flow(tmp_path, "csv", []).times_ns == []
