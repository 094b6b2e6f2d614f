"""Recorded venues as oracles: their orders, played into our book, give their trades.

The files are not part of the project. They are looked for in the folder that ``PLIMSOLL_DATA``
names, else in ``../shared/data`` beside the checkout; without them these tests are skipped.
"""

import csv
import os
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from node.simulation.tape.replay import replay_engine_only

CHECKOUT = Path(__file__).parents[2]
DATA = Path(os.environ.get("PLIMSOLL_DATA", CHECKOUT.parent / "shared" / "data"))

Trade = tuple[str, str, Decimal, Decimal]
"""Resting order, arriving order, price, size."""


def recorded(name: str) -> Path:
    file = DATA / name
    if not file.exists():
        pytest.skip(f"{name} is not there; PLIMSOLL_DATA names the folder of recorded tapes")
    return file


def test_a_day_of_bme_commands_gives_its_fills_and_an_empty_book() -> None:
    result = replay_engine_only(
        "bme", recorded("l3_bme_ana_20190523/orders-ana-2019-5-23.csv.gz"), None, None
    )
    assert (result.operations, len(result.fills), result.volume) == (27_056, 996, 54_378)
    assert (result.unknown_references, result.resting_orders, result.refused) == (0, 0, 0)


def test_an_hour_of_lobster_reproduces_its_executions() -> None:
    """Of 4,067 executions 12 hit orders from before the file begins, which it never names.

    24 more jump the queue that the rows tell of: most at one price, where orders older than their
    rows (their ids say so) stood first.
    """
    file = recorded("l3_lobster_aapl_20120621/AAPL_2012-06-21_34200000_37800000_message_50.csv.gz")
    result = replay_engine_only("lobster", file, None, None)
    assert (result.executions, result.executions_reproduced) == (4_067, 4_031)
    assert (result.unknown_references, result.resting_orders) == (84, 380)


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
