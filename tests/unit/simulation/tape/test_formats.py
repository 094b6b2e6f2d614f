"""Each file format: what its rows become, and where a fault is said to be."""

import gzip
from collections.abc import Sequence
from pathlib import Path

import pytest

from node.simulation.tape.engine import TapeResult, run_tape
from node.simulation.tape.event import OrderNames, TapeEvent, TapeOp, account_of
from node.simulation.tape.formats import FORMATS
from node.types.commands import OrderType, Side
from node.types.errors import PathUnusable, TapeMalformed

HEADERS = {
    "bme": ["ordtype;uid;is_buy;qty;price;timestamp"],
    "lobster": [],
    "bitstamp": ["id,timestamp,exchange_timestamp,price,volume,action,direction"],
    "csv": ["time_ns,op,id,side,price,size,tif,account"],
}


def write(folder: Path, format_name: str, rows: Sequence[str]) -> Path:
    file = folder / "tape.txt"
    file.write_text("".join(f"{line}\n" for line in [*HEADERS[format_name], *rows]))
    return file


def read(folder: Path, format_name: str, *rows: str) -> list[TapeEvent]:
    return list(FORMATS[format_name](write(folder, format_name, rows)).events)


def run(folder: Path, format_name: str, *rows: str) -> TapeResult:
    return run_tape(FORMATS[format_name](write(folder, format_name, rows)).events)


def test_bme_rows_are_commands(tmp_path: Path) -> None:
    new, reduce, cancel = read(
        tmp_path,
        "bme",
        "new;55;True;30;95.8;2019-05-23 09:00:30.216",
        "modif;55;;14;;2019-05-23 09:00:30.231",
        "cancel;55;;16;;1970-01-01 00:00:01",
    )
    assert (new.op, new.id, new.line, new.side) == (TapeOp.NEW, 55, 2, Side.BUY)
    assert (new.price, new.size, new.type) == (958_000, 30, OrderType.GTC)
    assert new.account == account_of("55")
    assert new.time_ns == 1_558_602_030_216_000_000
    assert (reduce.op, reduce.size) == (TapeOp.REDUCE, 14)
    assert (cancel.op, cancel.time_ns) == (TapeOp.CANCEL, 1_000_000_000)


def test_a_lobster_execution_becomes_an_immediate_order_of_the_other_side(tmp_path: Path) -> None:
    add, take = read(
        tmp_path,
        "lobster",
        "34200.004241176,1,16,18,5853300,1",
        "34200.5,5,0,7,5853250,1",
        "35821.088778456004,4,16,10,5853300,1",
    )
    assert (add.time_ns, add.side, add.maker) == (34_200_004_241_176, Side.BUY, 0)
    assert (take.id, take.maker, take.side) == (-3, 16, Side.SELL)
    assert (take.type, take.price, take.size) == (OrderType.IOC, 5_853_300, 10)
    assert take.time_ns == 35_821_088_778_456


def test_lobster_counts_what_came_out_as_the_file_says(tmp_path: Path) -> None:
    result = run(
        tmp_path,
        "lobster",
        "1,1,1,10,100,1",
        "1,1,2,10,100,1",
        "2,4,1,4,100,1",  # In turn.
        "3,4,2,10,100,1",  # Out of turn: order 1 stands before it. Taken over as told.
        "4,4,1,6,100,1",  # In turn, since the outcome before has not touched order 1.
        "5,4,99,6,100,1",  # Nobody knows order 99,
        "6,3,98,6,100,1",  # nor order 98.
    )
    assert (result.executions, result.executions_reproduced) == (4, 2)
    assert (result.unknown_references, result.resting_orders, result.volume) == (2, 0, 10)


def test_bitstamp_outcomes_only_cap_what_is_left(tmp_path: Path) -> None:
    result = run(
        tmp_path,
        "bitstamp",
        "1,1000,900,100.0,2.0,created,ask",
        "2,2000,1900,105.0,0.5,created,bid",  # A taker: its limit, its whole size.
        "2,2000,1900,100.0,0.0,deleted,bid",  # Filled, as our own book has found already,
        "1,2000,1900,100.0,1.5,changed,ask",  # and so has the maker's rest.
        "1,3000,2900,100.0,1.0,changed,ask",  # This one is news.
        "4,4000,3900,0.0,0.4,created,bid",  # A market order.
        "9,5000,4900,100.0,1.0,deleted,ask",  # Nobody knows order 9.
    )
    assert [(fill.maker_id, fill.taker_id, fill.size) for fill in result.fills] == [
        (1, 2, 50_000_000),
        (1, 4, 40_000_000),
    ]
    assert (result.unknown_references, result.resting_orders) == (1, 1)


def test_a_bitstamp_order_deleted_untouched_by_the_next_row_is_post_only(tmp_path: Path) -> None:
    rows = (
        "1,1000,900,100.0,2.0,created,ask",
        "2,2000,1900,100.0,2.6e-06,created,bid",
        "2,2000,1900,100.0,2.6e-06,deleted,bid",
    )
    events = read(tmp_path, "bitstamp", *rows)
    assert (events[1].type, events[1].size) == (OrderType.POST_ONLY, 260)
    result = run(tmp_path, "bitstamp", *rows)
    assert (result.refused, result.fills, result.unknown_references) == (1, (), 0)


def test_bitstamp_orders_sized_in_dollars_are_passed_over(tmp_path: Path) -> None:
    assert (
        read(
            tmp_path,
            "bitstamp",
            "5,2000,1900,999999999.0,0.0,created,bid",
            "5,2000,1900,100.0,1e-08,changed,bid",
            "5,2000,1900,100.0,1e-08,deleted,bid",
        )
        == []
    )


def test_a_gzipped_tape_reads_like_a_plain_one(tmp_path: Path) -> None:
    plain = write(tmp_path, "csv", ["1,new,1,buy,5,2,,", "", "2,cancel,1,,,,,"])
    zipped = tmp_path / "no-telling-name"
    zipped.write_bytes(gzip.compress(plain.read_bytes()))
    assert list(FORMATS["csv"](zipped).events) == list(FORMATS["csv"](plain).events)
    zipped.write_bytes(gzip.compress(plain.read_bytes())[:-12])
    with pytest.raises(TapeMalformed):
        list(FORMATS["csv"](zipped).events)


@pytest.mark.parametrize(
    ("format_name", "row", "column"),
    [
        ("bme", "odd;1;True;1;1;2019-05-23 09:00:30", "1 (ordtype)"),
        ("bme", "new;1;yes;1;1;2019-05-23 09:00:30", "3 (is_buy)"),
        ("bme", "new;1;True;0;1;2019-05-23 09:00:30", "4 (qty)"),
        ("bme", "new;1;True;1;1.00001;2019-05-23 09:00:30", "5 (price)"),
        ("bme", "new;1;True;1;1;yesterday", "6 (timestamp)"),
        ("lobster", "x,1,16,18,5853300,1", "1 (time)"),
        ("lobster", "1.5,8,16,18,5853300,1", "2 (type)"),
        ("lobster", "1.5,1,a,18,5853300,1", "3 (order_id)"),
        ("lobster", "1.5,1,16,18,5853300,0", "6 (direction)"),
        ("bitstamp", "1,1,1,-1,1,created,ask", "4 (price)"),
        ("bitstamp", "1,1,1,1,1e-9,created,ask", "5 (volume)"),
        ("bitstamp", "1,1,1,1,1exp,created,ask", "5 (volume)"),
        ("bitstamp", "1,1,1,1,1,moved,ask", "6 (action)"),
        ("csv", "soon,new,1,buy,1,1,,", "1 (time_ns)"),
        ("csv", "1,amend,1,buy,1,1,,", "2 (op)"),
        ("csv", "1,new,,buy,1,1,,", "3 (id)"),
        ("csv", "1,new,1,BUY,1,1,,", "4 (side)"),
        ("csv", "1,new,1,buy,,1,,", "5 (price)"),
        ("csv", "1,new,1,buy,1,nan,,", "6 (size)"),
        ("csv", "1,new,1,buy,1,1,gtd,", "7 (tif)"),
        ("csv", "1,new,1,buy,1,1,", "1"),
    ],
)
def test_a_malformed_row_is_named(tmp_path: Path, format_name: str, row: str, column: str) -> None:
    with pytest.raises(TapeMalformed) as caught:
        read(tmp_path, format_name, row)
    line = len(HEADERS[format_name]) + 1
    assert (caught.value.file, caught.value.line) == ("tape.txt", line)
    assert caught.value.column == column
    assert caught.value.code == 4007


def test_a_wrong_header_is_named(tmp_path: Path) -> None:
    with pytest.raises(TapeMalformed) as caught:
        list(FORMATS["csv"](write(tmp_path, "bme", [])).events)
    assert (caught.value.line, caught.value.column) == (1, "1")


@pytest.mark.parametrize("name", ["absent.csv", "."])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(PathUnusable) as caught:
        list(FORMATS["csv"](tmp_path / name).events)
    assert caught.value.values["path"] == str(tmp_path / name)


def test_order_names_find_their_way_back() -> None:
    names = OrderNames()
    texts = ["7", "007", "a", "-1", "0", "7"]
    numbers = [names.number(text) for text in texts]
    assert len(set(numbers)) == 5
    assert numbers[0] == 7
    assert [names.text(number) for number in numbers] == texts
