"""What became of an account's orders and fills, from its two channels alone."""

import asyncio
from typing import Any
from urllib.parse import parse_qsl

import pytest

from node.client import fills as module
from node.client.errors import ConnectionLost
from node.client.fills import Fill, Fills, OrderState


def filled(
    sequence: int, order_id: int, state: str, remaining: str, *, counter_order: int = 9
) -> dict[str, Any]:
    fields = {"event": "filled", "sequence": sequence, "order_id": order_id, "role": "maker"}
    fields["counter_order"] = counter_order
    numbers = {"price": "10", "size": "1", "fee": "0.1", "remaining": remaining, "state": state}
    return {**fields, "market": "X", "side": "buy", **numbers}


def update(*events: dict[str, Any], seq: int = 30) -> dict[str, Any]:
    return {"type": "update", "seq": seq, "time": 1_000, "events": list(events)}


RESTING = {"order_id": 7, "state": "resting", "remaining": "3"}
SNAPSHOT = {"type": "snapshot", "seq": 10, "account": "0xa", "orders": [RESTING]}


def row(sequence: int) -> dict[str, Any]:
    """Return what the history tells of the fill ``filled(sequence, 7, …)``."""
    orders = {"maker": "0xa", "taker": "0xb", "maker_order": 7, "taker_order": 9}
    fees = {"maker_fee": "0.1", "taker_fee": "0.2"}
    numbers = {"market": "X", "taker_side": "sell", "price": "10", "size": "1"}
    return {"sequence": sequence, "time": 1_000, **orders, **fees, **numbers}


class History:
    """Answers with the rows of the commands up to ``sequence``, so many a page."""

    def __init__(self, *sequences: int, written: int, rows: int = 2) -> None:
        self.sequences, self.written, self.rows = sequences, written, rows
        self.read = asyncio.Event()
        self.read.set()

    async def get(self, path: str) -> dict[str, Any]:
        await self.read.wait()
        table, query = path.split("?")
        asked = dict(parse_qsl(query))
        assert (table, asked["account"], asked["order"]) == ("/history/fills", "0xa", "newest")
        known = sorted((one for one in self.sequences if one <= self.written), reverse=True)
        begin = int(asked.get("cursor", 0))
        told = known[begin : begin + self.rows]
        following = str(begin + self.rows) if len(told) == self.rows else None
        return {"rows": [row(one) for one in told], "next": following, "sequence": self.written}


def parted(history: History) -> Fills:
    """Return fills of which some of the commands 21 … 40 are not here; those of 18, 35 and 45 are.

    Between its two snapshots somebody was told of 35, and away before and behind it.
    """
    fills = Fills(history.get)
    fills.account(SNAPSHOT)
    fills.account(update(filled(18, 7, "partly_filled", "2"), seq=20))
    fills.account({**SNAPSHOT, "seq": 33})
    fills.account(update(filled(35, 7, "partly_filled", "2"), seq=36))
    fills.account({**SNAPSHOT, "seq": 40})
    fills.account(update(filled(45, 7, "partly_filled", "2"), seq=45))
    return fills


def sequences(fills: Fills) -> list[int]:
    return [fill.sequence for fill in fills.fills]


def test_a_snapshot_in_the_middle_says_of_what_fills_are_missing() -> None:
    fills = Fills(History(written=0).get)
    fills.account(SNAPSHOT)
    fills.account(update(seq=20))
    assert fills.missed is None
    # Nothing has happened since.
    fills.account({**SNAPSHOT, "seq": 20})
    assert fills.missed is None
    assert parted(History(written=0)).missed == (20, 40)


async def test_what_was_missed_is_read_from_the_history_page_by_page() -> None:
    fills = parted(History(3, 18, 21, 22, 30, 35, 40, 45, written=50))
    await fills.fill_up()
    assert fills.missed is None
    assert sequences(fills) == [18, 21, 22, 30, 35, 40, 45]
    assert fills.fills[1] == Fill(21, 7, "maker", "X", "buy", "10", "1", "0.1", 9, 1_000)
    await fills.fill_up()
    assert len(fills.fills) == 7


async def test_a_fill_has_a_name_of_its_own_and_the_same_in_feed_and_history() -> None:
    fills = Fills(History(written=0).get)
    fills.account(SNAPSHOT)
    twins = (filled(20, 7, "partly_filled", "2", counter_order=one) for one in (8, 9))
    liquidation = filled(21, 0, "filled", "0") | {"role": "taker"}
    fills.account(update(*twins, liquidation))
    assert [fill.key for fill in fills.fills] == ["20-8-7", "20-9-7", "21-0-9"]
    assert len(set(fills.fills)) == 3
    assert {fill.time for fill in fills.fills} == {1_000}
    missed = parted(History(21, written=50))
    await missed.fill_up()
    assert [fill.key for fill in missed.fills] == ["18-9-7", "21-9-7", "45-9-7"]


async def test_what_the_history_has_not_written_yet_is_still_missed() -> None:
    history = History(18, 21, 30, 35, 40, 45, written=32)
    fills = parted(history)
    await fills.fill_up()
    assert (sequences(fills), fills.missed) == ([18, 21, 30, 35, 45], (32, 40))
    history.written = 15
    await fills.fill_up()
    assert (sequences(fills), fills.missed) == ([18, 21, 30, 35, 45], (32, 40))
    history.written = 50
    await fills.fill_up()
    assert (sequences(fills), fills.missed) == ([18, 21, 30, 35, 40, 45], None)


async def test_what_is_missed_while_the_history_is_read_stays_missed() -> None:
    history = History(18, 21, 35, 40, 45, written=50, rows=9)
    history.read.clear()
    fills = parted(history)
    async with asyncio.TaskGroup() as group:
        for _ in range(2):
            group.create_task(fills.fill_up())
        await asyncio.sleep(0)
        fills.account({**SNAPSHOT, "seq": 60})
        history.read.set()
    assert (sequences(fills), fills.missed) == ([18, 21, 35, 40, 45], (40, 60))


@pytest.mark.parametrize("rows", [[], [row(35)]], ids=["first", "later"])
async def test_pages_that_bring_nothing_and_go_on_are_not_read_for_ever(
    rows: list[dict[str, Any]],
) -> None:
    pages = [{"rows": [], "next": "c", "sequence": 50}, {"rows": rows, "next": "c", "sequence": 50}]

    async def get(_path: str) -> dict[str, Any]:
        return pages.pop()

    fills = parted(History(written=0))
    fills._get = get
    with pytest.raises(ConnectionLost):
        await fills.fill_up()
    assert fills.missed == (20, 40)


def test_a_fill_is_as_sure_as_the_log_has_come() -> None:
    fills = Fills(History(written=0).get)
    fills.account(SNAPSHOT)
    fills.account(update(filled(20, 7, "partly_filled", "2"), filled(25, 7, "filled", "0")))
    assert [(fill.sequence, fill.size) for fill in fills.fills] == [(20, "1"), (25, "1")]
    assert fills.stage(20) == "accepted"
    fills.finality({"sealed": 24, "posted": 22, "safe": 20, "final": 19})
    assert [fills.stage(number) for number in (25, 24, 22, 20, 19)] == [
        "accepted", "sealed", "posted", "safe", "final"
    ]  # fmt: skip
    # L1 may take back what is not final.
    fills.finality({"sealed": 24, "posted": 19, "safe": 19, "final": 19})
    assert fills.stage(22) == "sealed"


def test_an_order_is_where_its_last_event_says() -> None:
    fills = Fills(History(written=0).get)
    fills.account(SNAPSHOT)
    assert fills.order(7) == OrderState("resting", "3")
    fills.account(update(filled(20, 7, "partly_filled", "2")))
    assert fills.order(7) == OrderState("partly_filled", "2")
    gone = {"event": "cancelled", "order_id": 7, "state": "cancelled", "remaining": "2"}
    fills.account(update({**gone, "reason": "by_account"}, {"event": "balance"}))
    assert fills.order(7) == OrderState("cancelled", "2", "by_account")
    assert (fills.orders, fills.order(8)) == ({}, None)


def test_what_is_done_with_is_kept_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT", 2)
    fills = Fills(History(written=0).get)
    fills.account(update(*(filled(number, number, "filled", "0") for number in (1, 2, 3))))
    assert (fills.order(1), fills.order(3)) == (None, OrderState("filled", "0"))
