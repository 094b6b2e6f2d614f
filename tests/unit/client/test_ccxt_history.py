"""Rows of the history, as a node answered with them, become what CCXT's methods return."""

from typing import Any

import pytest

from node.client.ccxt_errors import BadRequest, NetworkError
from node.client.ccxt_history import (
    CALL_ROWS,
    ROWS,
    Span,
    fill_of_row,
    order_of_row,
    read,
    span_of,
)
from node.client.ccxt_structures import (
    funding_structure,
    liquidation_structure,
    order_structure,
    own_trade_structure,
    transaction_structure,
)
from node.codec.action_types import ORDER_TYPE_NAMES
from node.types.commands import OrderType

MAKER, TAKER, BTC = "0x" + "1" * 40, "0x" + "2" * 40, "BTC/USDC:USDC"
PLACED: dict[str, Any] = {"sequence": 2045, "place": 0, "block": 379, "time": 1_795_284_464_678}
FILL = PLACED | {
    "market": "BTC-PERP", "price": "67779.6", "size": "0.014", "value": "948.9144",
    "taker_side": "sell", "maker": MAKER, "taker": TAKER, "maker_order": 1260,
    "taker_order": 1264, "maker_fee": "0.1898", "taker_fee": "0.4745", "auction": False,
}  # fmt: skip
ORDER: dict[str, Any] = {
    "order_id": 1264, "sequence": 2045, "block": 379, "time": 1_000, "account": TAKER,
    "client_id": None, "market": "BTC-PERP", "side": "sell", "type": "gtc", "reduce_only": False,
    "price": "67000", "size": "0.02", "filled": "0.014", "value": "948.9144", "fees": "0.4745",
    "remaining": "0.006", "rested": "0.006", "status": "resting", "reason": None,
    "closed_sequence": None, "closed_time": None, "trigger": None, "trigger_price": None,
    "triggered_sequence": None, "triggered_time": None,
}  # fmt: skip


def shown(row: dict[str, Any]) -> dict[str, Any]:
    return order_structure(BTC, order_of_row(row), "USDC")


def test_a_fill_is_told_from_either_side() -> None:
    made, took = fill_of_row(FILL, MAKER), fill_of_row(FILL, TAKER)
    assert made.key == took.key == "2045-1264-1260"
    maker, taker = (own_trade_structure(BTC, one, "USDC") for one in (made, took))
    for trade, order, side, role, fee in (
        (maker, "1260", "buy", "maker", 0.1898), (taker, "1264", "sell", "taker", 0.4745)
    ):  # fmt: skip
        assert (trade["order"], trade["side"], trade["takerOrMaker"]) == (order, side, role)
        assert trade["fee"] == {"cost": fee, "currency": "USDC"}
        assert (trade["cost"], trade["timestamp"]) == (948.9144, PLACED["time"])


def test_what_a_liquidation_took_is_of_no_order() -> None:
    fill = fill_of_row(FILL | {"taker_order": None}, TAKER)
    assert fill.key == "2045-0-1260"
    assert own_trade_structure(BTC, fill, "USDC")["order"] is None


def test_an_order_stands_as_its_row_says() -> None:
    order = shown(ORDER)
    assert (order["status"], order["amount"], order["filled"]) == ("open", 0.02, 0.014)
    assert order["average"] == pytest.approx(67_779.6)
    assert (order["clientOrderId"], order["lastTradeTimestamp"]) == (None, None)
    closed = {"closed_sequence": 2050, "closed_time": 2_000, "client_id": 2**63}
    done = shown(ORDER | closed | {"status": "filled", "remaining": "0"})
    assert (done["status"], done["lastTradeTimestamp"]) == ("closed", 2_000)
    assert done["clientOrderId"] == str(2**63)
    gone = shown(ORDER | closed | {"status": "cancelled", "reason": "by_account"})
    assert (gone["status"], gone["lastTradeTimestamp"]) == ("canceled", None)
    assert gone["lastUpdateTimestamp"] == 2_000


def test_an_order_that_waits_is_open_and_says_for_what() -> None:
    waits = {"status": "waiting", "trigger": "stop", "trigger_price": "66000", "filled": "0"}
    order = shown(ORDER | waits)
    assert (order["status"], order["stopLossPrice"], order["triggerPrice"]) == (
        "open", 66_000.0, 66_000.0
    )  # fmt: skip
    assert (order["takeProfitPrice"], order["fee"]) == (None, None)


@pytest.mark.parametrize("kind", list(OrderType))
def test_every_type_of_order_has_ccxt_s_words(kind: OrderType) -> None:
    order = shown(ORDER | {"type": ORDER_TYPE_NAMES[kind], "reduce_only": True})
    assert order["type"] == ("market" if kind is OrderType.MARKET else "limit")
    assert order["timeInForce"] in {"GTC", "IOC", "FOK", "PO"}
    assert order["postOnly"] is (order["timeInForce"] == "PO")
    assert order["reduceOnly"] is True


def test_funding_that_was_paid_is_below_zero() -> None:
    row = PLACED | {"market": "BTC-PERP", "size": "0.5", "amount": "-1.25"}
    payment = funding_structure(BTC, row, "USDC")
    assert (payment["amount"], payment["code"], payment["id"]) == (-1.25, "USDC", "2045-0")


def test_a_liquidation_tells_all_that_was_closed_and_its_average_price() -> None:
    closed = {"side": "buy", "closed": "0.5", "value": "2500", "deleveraged": "0.1"}
    told = liquidation_structure(BTC, PLACED | closed | {"deleveraged_value": "530"})
    assert (told["contracts"], told["baseValue"], told["side"]) == (0.6, 0.6, "buy")
    assert (told["price"], told["quoteValue"]) == (5_050.0, 3_030.0)


def test_a_liquidation_that_only_cancelled_orders_has_no_price() -> None:
    nothing = {"side": "buy", "closed": "0", "value": "0", "deleveraged": "0"}
    told = liquidation_structure(BTC, PLACED | nothing | {"deleveraged_value": "0"})
    assert (told["contracts"], told["price"], told["quoteValue"]) == (0.0, None, 0.0)


@pytest.mark.parametrize(
    ("kind", "final", "status"),
    [("deposit", 0, "ok"), ("withdrawal", 2_044, "pending"), ("withdrawal", 2_045, "ok")],
)
def test_a_withdrawal_is_done_once_l1_would_pay(kind: str, final: int, status: str) -> None:
    row = PLACED | {"kind": kind, "number": 7, "account": MAKER, "amount": "12.5"}
    told = transaction_structure(row, "USDC", final)
    assert (told["status"], told["id"], told["amount"]) == (status, "7", 12.5)


def test_a_limit_counts_from_since_and_else_from_the_end() -> None:
    assert Span(5, None, 2).cut([5, 6, 7]) == [5, 6]
    assert Span(None, None, 2).cut([5, 6, 7]) == [6, 7]
    assert [Span(5, 7, 1).holds(time) for time in (4, 5, 7, 8)] == [False, True, True, False]


def test_what_is_asked_for_has_bounds() -> None:
    assert span_of(None, None, None) == Span(None, None, ROWS)
    assert span_of(1, 5, {"until": 9}) == Span(1, 9, 5)
    assert span_of(None, None, {"paginate": True, "paginationCalls": 3}).limit == 3 * CALL_ROWS
    for since, limit, params in (
        (-1, None, {}), (0.5, None, {}), (None, 0, {}), (None, True, {}), (None, None, {"a": 1}),
        (None, None, {"until": "9"}), (None, None, {"paginationCalls": 0}),
    ):  # fmt: skip
        with pytest.raises(BadRequest):
            span_of(since, limit, params)  # type: ignore[arg-type]


async def test_pages_that_bring_nothing_and_go_on_are_not_read_for_ever() -> None:
    pages = [{"rows": [], "next": "c", "sequence": 9}, {"rows": [FILL], "next": "c", "sequence": 9}]

    async def get(_path: str) -> dict[str, Any]:
        return pages.pop()

    with pytest.raises(NetworkError):
        await read(get, "fills", Span(None, None, 5))
