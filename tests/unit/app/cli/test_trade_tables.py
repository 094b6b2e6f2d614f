"""What a trader sees: tables with the right figures in the right columns."""

from typing import Any

import pytest
from rich.console import Console, RenderableType

from node.app.cli.look import drawn, position_fields
from node.app.cli.options import for_people
from node.app.cli.status import load_line, show
from node.app.cli.trade_tables import (
    balance_line,
    book_table,
    cancelled_line,
    closed_orders_table,
    fills_table,
    orders_table,
    positions_table,
    preview_table,
    results_table,
)
from node.client.addresses import checksummed
from node.client.local_book import LocalBook
from node.client.valuation import Valued, value
from node.codec.checksums import book_checksum
from node.types.ids import hex_from_address
from node.types.units import Ticks
from tests.examples import ALICE, BOB, RULES

HER, HIS = hex_from_address(ALICE.address), hex_from_address(BOB.address)


def text_of(shown: RenderableType, width: int = 200) -> str:
    console = Console(width=width, soft_wrap=True, record=True, no_color=True)
    with console.capture() as captured:
        console.print(shown)
    return captured.get()


def cells(shown: RenderableType) -> list[list[str]]:
    """Return the cells of each row of a table's body."""
    rows = [line for line in text_of(shown).splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in row.strip("│").split("│")] for row in rows]


def long_position(mark: int = 5_900_000, index: int = 0) -> Valued:
    position = {
        "market": "BTC-PERP",
        "size": "1",
        "entry": "60000",
        "margin": "6000",
        "funding": "0",
    }
    return value(position, RULES, Ticks(mark), index)


RESULT: dict[str, Any] = {
    "sequence": 12,
    "block": 3,
    "results": [
        {"status": "cancelled", "order_id": 7},
        {"status": "resting", "order_id": 8, "client_id": 5, "filled": "0.1", "remaining": "0.2"},
        {"error": {"code": 1206, "name": "PostOnlyWouldCross", "values": {}}},
    ],
}


PREVIEW: dict[str, Any] = {
    "sequence": 11, "time": 1, "exact": False, "error": None,
    "result": {"status": "resting", "remaining": "0.004"},
    "fills": [{"price": "60000", "size": "0.006"}],
    "value": "360", "fees": {"trade": "0.18", "work": "0.001"}, "reserved": "24.2", "free": "939",
    "position": {"market": "BTC-PERP", "size": "0.006", "entry": "360", "margin": "36",
                 "liquidation_price": "56842.2"},
}  # fmt: skip


def test_a_preview_shows_what_an_order_would_cost_and_where_it_would_be_liquidated() -> None:
    shown = preview_table(PREVIEW)
    assert cells(shown) == [
        ["outcome", "resting"],
        ["fill", "0.006 at 60000"],
        ["value of fills", "360"],
        ["fees", "0.18 for fills, 0.001 for work"],
        ["remaining", "0.004"],
        ["reserved for it", "24.2"],
        ["free", "939"],
        ["position in BTC-PERP", "0.006"],
        ["margin", "36"],
        ["liquidation price", "56842.2"],
        ["not tried", "orders beyond those that a preview looks at"],
    ]
    assert "sequence 11" in text_of(shown)


def test_a_preview_of_an_order_that_would_be_refused_says_why() -> None:
    fault = {"code": 1206, "name": "PostOnlyWouldCross", "values": {"price": 9, "best": 8}}
    nothing: dict[str, Any] = {
        "error": fault,
        "result": None,
        "fills": [],
        "position": None,
        "exact": True,
    }
    assert cells(preview_table(PREVIEW | nothing)) == [
        ["outcome", "refused"],
        ["reason", "1206 PostOnlyWouldCross(price=9, best=8)"],
        ["free", "939"],
    ]


def test_each_item_of_a_result_has_its_row() -> None:
    assert cells(results_table(RESULT)) == [
        ["7", "–", "cancelled", "–", "–", "–"],
        ["8", "5", "resting", "0.1", "0.2", "–"],
        ["–", "–", "refused", "–", "–", "1206 PostOnlyWouldCross"],
    ]
    assert "sequence 12, block 3" in text_of(results_table(RESULT))


def test_a_cancel_of_everything_is_one_line_however_much_it_was() -> None:
    result = {"sequence": 4, "results": [{"cancelled": list(range(1, 26))}]}
    line = cancelled_line(result)
    assert line.startswith("25 cancelled: 1, 2, ")
    assert "20, …; sequence 4" in line
    assert cancelled_line({"sequence": 4, "results": [{"cancelled": [9]}]}) == (
        "1 cancelled: 9; sequence 4"
    )


def test_open_orders_have_their_own_numbers_or_a_dash() -> None:
    order = {
        "order_id": 3, "client_id": 0, "market": "BTC-PERP", "side": "sell", "price": "60001.5",
        "remaining": "0.25", "filled": "0.5", "type": "gtc", "reduce_only": True,
    }  # fmt: skip
    waiting = order | {
        "client_id": 9, "type": "post_only_slide", "reduce_only": False, "filled": "0",
        "trigger": "take_profit", "trigger_price": "61000", "group": 4,
        "good_till": 1_760_000_000_000,
    }  # fmt: skip
    shown = orders_table(ALICE.address, [order, waiting])
    assert f"open orders of {checksummed(ALICE.address)}" in text_of(shown)
    assert cells(shown) == [
        [
            "3", "–", "BTC-PERP", "sell", "gtc, reduce only", "60001.5", "0.25", "0.5", "–", "–",
            "–",
        ],
        [
            "3", "9", "BTC-PERP", "sell", "post only slide", "60001.5", "0.25", "0",
            "take profit 61000", "4", "2025-10-09 08:53:20 UTC",
        ],
    ]  # fmt: skip


def test_fills_are_told_from_the_accounts_own_side() -> None:
    fill = {
        "time": 1_760_000_000_000, "market": "BTC-PERP", "price": "60000", "size": "0.5",
        "value": "30000", "taker_side": "sell", "maker": HER, "taker": HIS,
        "maker_order": 3, "taker_order": 7, "maker_fee": "6", "taker_fee": "15",
        "maker_realized": "0", "taker_realized": "-1.5",
    }  # fmt: skip
    liquidated = fill | {"maker": HIS, "taker": HER, "taker_order": None}
    past = {"account": HER, "sequence": 9, "rows": [fill, liquidated]}
    at = "2025-10-09 08:53:20 UTC"
    assert cells(fills_table(ALICE.address, past)) == [
        [at, "3", "BTC-PERP", "buy", "60000", "0.5", "30000", "6", "0", "maker"],
        [at, "–", "BTC-PERP", "sell", "60000", "0.5", "30000", "15", "-1.5", "liquidated"],
    ]
    assert "up to sequence 9" in text_of(fills_table(ALICE.address, past))


def test_an_order_that_ended_says_when_and_why() -> None:
    order = {
        "closed_time": 1_760_000_000_000, "order_id": 3, "client_id": None, "market": "BTC-PERP",
        "side": "sell", "type": "post_only", "reduce_only": False, "price": "60001.5",
        "size": "1", "filled": "0.5", "fees": "6", "status": "cancelled", "reason": "by_owner",
    }  # fmt: skip
    past = {"account": HER, "sequence": 9, "rows": [order, order | {"client_id": 8}]}
    shown = cells(closed_orders_table(ALICE.address, past))
    assert [row[2] for row in shown] == ["–", "8"]
    assert shown[0] == [
        "2025-10-09 08:53:20 UTC", "3", "–", "BTC-PERP", "sell", "post only", "60001.5", "1",
        "0.5", "6", "cancelled", "by owner",
    ]  # fmt: skip


def test_a_position_is_shown_in_its_markets_decimals() -> None:
    [row] = cells(positions_table(ALICE.address, [long_position(index=250)], RULES))
    assert row == [
        "BTC-PERP", "long", "1", "60000.00", "59000", "56844.73", "59,000.00", "-1,000.00",
        "6,000.00", "-2.50", "59.0%", "9.8×",
    ]  # fmt: skip


@pytest.mark.parametrize("width", [40, 80, 200])
def test_no_figure_is_cut_however_narrow_the_terminal_is(width: int) -> None:
    table = positions_table(ALICE.address, [long_position()], RULES)
    told = text_of(table, width)
    for figure in ("60000.00", "59000", "56842.1", "-1,000.00"):
        assert f" {figure} " in told
    assert "…" not in told


@pytest.mark.parametrize(
    ("width", "left_out"),
    [
        (40, ["leverage", "maintenance / equity", "notional", "margin"]),
        (80, ["leverage", "maintenance / equity", "notional", "margin"]),
        (100, ["leverage", "maintenance / equity"]),
        (150, []),
    ],
)
def test_where_it_is_narrow_words_stay_whole_and_the_least_is_left_out_and_named(
    width: int, left_out: list[str]
) -> None:
    told = text_of(positions_table(ALICE.address, [long_position()], RULES), width)
    heads = " ".join(line for line in told.splitlines() if line.startswith("┃"))
    for name in ("market", "liquidation", "unrealized", "maintenance", "margin"):
        assert (f" {name} " in heads) is all(name not in one for one in left_out)
    assert "│ BTC-PERP │" in told
    assert (f"too narrow for {', '.join(left_out)}" in told) is bool(left_out)
    if width > 40:
        assert max(map(len, told.splitlines())) <= width


def test_a_column_in_which_no_row_has_anything_is_left_out() -> None:
    result = {"sequence": 1, "block": 1, "results": [{"status": "cancelled", "order_id": 7}]}
    assert cells(results_table(result)) == [["7", "cancelled"]]


def test_what_is_no_terminal_is_as_wide_as_the_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    for_people().print(positions_table(ALICE.address, [long_position()], RULES))
    assert "maintenance / equity" in capsys.readouterr().out


def test_a_position_past_its_equity_says_so() -> None:
    [row] = cells(positions_table(ALICE.address, [long_position(5_000_000)], RULES))
    assert row[10] == "past it"
    assert position_fields(long_position(5_000_000), RULES)["margin_ratio"] is None


def test_programs_get_exact_decimals() -> None:
    fields = position_fields(long_position(), RULES)
    assert fields["equity"] == "5000"
    assert fields["liquidation"] == "56842.1"
    assert fields["margin_ratio"] == "0.590000"


def test_equity_counts_what_orders_hold_back_and_what_positions_are_worth() -> None:
    account = {"free": "100.5", "reserved": "9.5"}
    assert balance_line(account, [long_position()]) == (
        "free 100.50   reserved 9.50   equity 5,110.00"
    )


def test_a_book_has_its_best_levels_on_top_and_its_spread_below() -> None:
    table = book_table("BTC-PERP", 9, [["10", "1"], ["9", "2"]], [["10.5", "3"]], 5)
    assert cells(table) == [["1", "10", "10.5", "3"], ["2", "9", "", ""]]
    assert "spread 0.5 (487.80 bp)" in text_of(table)


def test_an_empty_book_is_an_empty_row() -> None:
    assert cells(book_table("BTC-PERP", 0, [], [], 5)) == [["", "", "", ""]]


LOAD = {
    "rate_per_s": 1_234.0,
    "bottleneck": {"resource": "loop", "limit_per_s": 5_000.0},
    "headroom": 0.75,
    "gate": None,
    "batches": {"unposted": 2},
}


def test_the_load_line_is_a_sentence() -> None:
    assert load_line(LOAD) == "1,234 commands/s   of 5,000 (loop)   headroom 75%   gate open"
    closed = LOAD | {"gate": "l1_backlog", "bottleneck": None, "headroom": None}
    assert load_line(closed) == "1,234 commands/s   gate closed: l1_backlog"


def test_a_node_that_is_not_well_says_why() -> None:
    found = {
        "node": "http://here", "rollup": "0xab", "chain_id": 31337, "load": LOAD,
        "health": {"status": "unavailable", "reasons": ["l1_away", "marks_stale"]},
        "fee": {"price": "0.0001"}, "finality": {"posted": 9, "safe": 8, "final": 7},
        "books": [{"market": "BTC-PERP", "bids": [["10", "1"]], "asks": []}],
        "markets": [{"symbol": "BTC-PERP", "data_age_ms": 1_500, "opens": True}],
    }  # fmt: skip
    console = Console(width=200)
    with console.capture() as captured:
        show(found, console)
    told = captured.get()
    assert told.startswith("unavailable: l1_away, marks_stale\n")
    assert "posted 9   safe 8   final 7   2 batches wait" in told
    row = next(line for line in told.splitlines() if "BTC-PERP" in line)
    assert [cell.strip() for cell in row.strip("│").split("│")] == [
        "BTC-PERP", "10", "–", "1.5 s", "yes",
    ]  # fmt: skip


def test_a_book_that_nobody_tells_is_not_drawn() -> None:
    book = LocalBook("BTC-PERP")
    nothing = {"bids": [], "asks": [], "checksum": book_checksum([], [])}
    book.apply({"type": "snapshot", "seq": 5, "prev_seq": 5, **nothing})
    assert "at sequence 5" in text_of(drawn(book, 5))
    book.is_told = lambda: False
    assert text_of(drawn(book, 5)) == "BTC-PERP: reconnecting\n"
