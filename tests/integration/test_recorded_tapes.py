"""Recorded venues as oracles: their orders, played into our book, give their trades.

The files are not part of the project (``recorded_folder``); without them these tests are skipped.
"""

import csv
import gzip
from collections import Counter
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from sortedcontainers import SortedList

from node.simulation.tape.engine import TapeEngine, run_tape
from node.simulation.tape.event import TapeEvent, TapeOp
from node.simulation.tape.formats.bitstamp import STALE_IDS
from node.simulation.tape.formats.lobster import read_lobster
from node.simulation.tape.replay import replay_engine_only
from tests.simulation.price_paths import recorded_folder
from tests.simulation.recorded_flow import LOBSTER

Trade = tuple[str, str, Decimal, Decimal]
"""Resting order, arriving order, price, size."""


def recorded(name: str) -> Path:
    file = recorded_folder() / name
    if not file.exists():
        pytest.skip(f"{name} is not there; PLIMSOLL_DATA names the folder of recorded tapes")
    return file


def test_a_day_of_bme_commands_gives_its_fills_and_an_empty_book() -> None:
    result = replay_engine_only(
        "bme", recorded("l3_bme_ana_20190523/orders-ana-2019-5-23.csv.gz"), None, None
    )
    assert (result.operations, len(result.fills), result.volume) == (27_056, 996, 54_378)
    assert (result.unknown_references, result.resting_orders, result.refused) == (0, 0, 0)


BEFORE_THE_FILE = (2288, 2413, 2424, 2425, 2426, 2474, 2483, 2545, 4883, 5676, 5693, 5974)
"""Lines that execute an order which rested before the file begins: it is never named otherwise."""
OLDER_THAN_THEIR_ROWS = (
    5771, 5772, 5773, 5774, 5775, 5776, 5777, 5780, 5783, 5784, 5785, 5786, 5787, 7844, 7852,
)  # fmt: skip
"""Lines that execute an order from before the opening. Its row comes late, behind rows of younger
orders; its id tells its true turn."""
OUT_OF_TURN = (2411, 2419, 2420, 36332, 42575, 42576, 42577, 63789, 88000)
"""Lines that execute the younger of two orders at one price, while the older rests on. Why the
venue passed it over (a least size, a self-match prevented) stands in no column of the file."""


def test_an_hour_of_lobster_reproduces_its_executions() -> None:
    """All of its 4,067 but those named above, and each of those fails for its reason."""
    engine = TapeEngine()
    missed: dict[str, list[int]] = {"unknown": [], "younger row": [], "older order rests": []}
    for event in read_lobster(recorded(LOBSTER)).events:
        reproduced, best = engine.executions_reproduced, engine.book.best(event.side.opposite)
        engine.play(event)
        if not event.maker or engine.executions_reproduced > reproduced:
            continue
        if event.maker not in engine.orders:
            missed["unknown"].append(event.line)
        else:
            assert best is not None
            assert best.price == event.price
            kind = "younger row" if event.maker < best.order_id else "older order rests"
            missed[kind].append(event.line)
    assert (engine.executions, engine.executions_reproduced) == (4_067, 4_031)
    assert tuple(missed["unknown"]) == BEFORE_THE_FILE
    assert tuple(missed["younger row"]) == OLDER_THAN_THEIR_ROWS
    assert tuple(missed["older order rests"]) == OUT_OF_TURN
    result = engine.result(1)
    assert (result.unknown_references, result.resting_orders) == (84, 380)


def test_orders_from_before_the_opening_in_the_turn_of_their_ids_give_15_more() -> None:
    """What is left then: 12 orders that the file never names, and 9 executions out of turn."""
    early: list[TapeEvent] = []
    later: list[TapeEvent] = []
    youngest = 0
    for event in read_lobster(recorded(LOBSTER)).events:
        adds = event.op is TapeOp.NEW and not event.maker
        (early if adds and event.id < youngest else later).append(event)
        youngest = max(youngest, event.id) if adds else youngest
    result = run_tape([*sorted(early, key=lambda event: event.id), *later])
    assert len(early) == 229
    assert result.executions_reproduced == 4_031 + len(OLDER_THAN_THEIR_ROWS)
    exceptions = len(BEFORE_THE_FILE) + len(OUT_OF_TURN)
    assert result.executions - result.executions_reproduced == exceptions


@pytest.mark.lengthy
def test_half_an_hour_of_bitstamp_gives_its_trades(tmp_path: Path) -> None:
    """Two of the 284 trades were sized in dollars: the feed does not tell how much they wanted."""
    orders = recorded("l3_bitstamp_btcusd_20260502/orders.csv.gz")
    fills = tmp_path / "fills.csv"
    result = replay_engine_only("bitstamp", orders, None, fills)
    ours, theirs = fills_of(fills), trades_of(orders.with_name("trades.csv"))
    assert theirs.total() == 284
    assert ours - theirs == Counter()
    assert sorted(size for _, _, _, size in theirs - ours) == [
        Decimal("0.00006377"),
        Decimal("0.0000638"),
    ]
    assert (result.unknown_references, result.resting_orders) == (13, 0)
    # Our book refuses as many post-only orders as the rows themselves show to have been refused.
    refused = refused_pairs_of(orders)
    assert result.refused == len(refused) == 100_518
    # Whoever lets a taker's rest move to the price of its last fill loses some that were refused.
    fewer = refused_pairs_of(orders, move=True)
    assert fewer < refused
    assert len(fewer) == 100_499


def refused_pairs_of(file: Path, *, move: bool = False) -> set[str]:
    """Return, from the rows alone, the orders that cross the best of the others and go untouched.

    The snapshot is no flow, and two of its asks were gone already (see the reader of the format).
    ``move``: an order stands from then on at the price that a row of its change tells.
    """
    with gzip.open(file, "rt") as text:
        rows = [row for row in csv.DictReader(text) if row["id"] not in STALE_IDS]
    sides: dict[str, SortedList[Decimal]] = {"bid": SortedList(), "ask": SortedList()}
    live: dict[str, tuple[str, Decimal]] = {}
    refused: set[str] = set()
    for row, after in pairwise([*rows, rows[-1]]):
        side, price = row["direction"], Decimal(row["price"])
        bids, asks = sides["bid"], sides["ask"]
        if row["action"] == "created":
            crosses = (asks and price >= asks[0]) if side == "bid" else (bids and price <= bids[-1])
            untouched = (after["id"], after["action"]) == (row["id"], "deleted")
            untouched = untouched and after["volume"] == row["volume"]
            if crosses and untouched and row["timestamp"] != rows[0]["timestamp"]:
                refused.add(row["id"])
            live[row["id"]] = (side, price)
            sides[side].add(price)
        elif row["action"] == "deleted" and row["id"] in live:
            side, price = live.pop(row["id"])
            sides[side].remove(price)
        elif row["action"] == "changed" and move and row["id"] in live:
            sides[side].remove(live[row["id"]][1])
            sides[side].add(price)
            live[row["id"]] = (side, price)
    return refused


def fills_of(file: Path) -> Counter[Trade]:
    with file.open(newline="") as text:
        return Counter(
            (row["maker_id"], row["taker_id"], Decimal(row["price"]), Decimal(row["size"]))
            for row in csv.DictReader(text)
        )


def trades_of(file: Path) -> Counter[Trade]:
    with file.open(newline="") as text:
        return Counter(
            (*_maker_and_taker(row), Decimal(row["price"]), Decimal(row["amount"]))
            for row in csv.DictReader(text)
        )


def _maker_and_taker(row: dict[str, str]) -> tuple[str, str]:
    buyer, seller = row["buy_order_id"], row["sell_order_id"]
    return (seller, buyer) if row["side"] == "buy" else (buyer, seller)
