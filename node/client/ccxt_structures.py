"""Markets, books, trades, orders, positions and balances as traders' programs know them from CCXT.

Pure: each takes what the node said and returns a new dictionary. Amounts and prices are floats for
reading; what is sent never comes from them (``ccxt_numbers``). ``info`` is what the node said.
"""

from decimal import Decimal
from typing import Any, Final

from node.client.ccxt_ledger import Change
from node.client.ccxt_numbers import iso8601
from node.client.ccxt_orders import kind_of
from node.client.local_account import UNKNOWN, Fill, Order, trade_name
from node.client.valuation import Valued
from node.types.rules import MarketRules
from node.types.units import MONEY_DECIMALS, PPM_ONE

Structure = dict[str, Any]

_CLOSED: Final = "filled"
_OF_A_RATE: Final = ("Rate", "Timestamp", "Datetime")
_MS_PER_HOUR: Final = 3_600_000

_ORDER_KEYS: Final = (
    "id", "clientOrderId", "timestamp", "datetime", "lastTradeTimestamp", "lastUpdateTimestamp",
    "symbol", "type", "timeInForce", "postOnly", "reduceOnly", "side", "price", "stopPrice",
    "triggerPrice", "stopLossPrice", "takeProfitPrice", "amount", "filled", "remaining", "cost",
    "average", "status", "fee", "fees", "trades", "info",
)  # fmt: skip

_POSITION_KEYS: Final = (
    "id", "symbol", "timestamp", "datetime", "lastUpdateTimestamp", "hedged", "side", "contracts",
    "contractSize", "entryPrice", "markPrice", "lastPrice", "notional", "leverage", "collateral",
    "positionMargin", "initialMargin", "initialMarginPercentage", "maintenanceMargin",
    "maintenanceMarginPercentage", "unrealizedPnl", "realizedPnl", "liquidationPrice",
    "marginRatio", "marginMode", "percentage", "stopLossPrice", "takeProfitPrice", "info",
)  # fmt: skip
_NOTHING: Final = (
    "contracts", "notional", "collateral", "positionMargin", "initialMargin", "maintenanceMargin",
    "unrealizedPnl",
)  # fmt: skip
"""What is zero, and not unknown, of a position that is gone."""

_LEDGER_TYPES: Final = {
    "trade": "trade", "deleveraging": "trade", "trading_fee": "fee", "liquidation_fee": "fee",
    "work": "fee", "funding": "fee", "deposit": "transaction", "withdrawal": "transaction",
    "insurance": "transfer",
}  # fmt: skip
"""CCXT's words for the kinds of changes; its validator knows only these and three more."""


def market_structure(info: Structure, rules: MarketRules, quote: str) -> Structure:
    """Return a linear perpetual that settles in ``quote``; precision is in steps."""
    base = rules.symbol.partition("-")[0]
    tick, lot = 10.0**-rules.tick_decimals, 10.0**-rules.lot_decimals
    most = float(Decimal(rules.max_size).scaleb(-rules.lot_decimals))
    least_cost = float(Decimal(rules.min_notional).scaleb(-MONEY_DECIMALS))
    return {
        "id": rules.symbol, "lowercaseId": rules.symbol.lower(), "uppercaseId": rules.symbol,
        "symbol": f"{base}/{quote}:{quote}",
        "base": base, "quote": quote, "settle": quote,
        "baseId": base, "quoteId": quote, "settleId": quote,
        "type": "swap", "subType": "linear", "spot": False, "margin": False, "swap": True,
        "future": False, "option": False, "index": False, "active": True, "contract": True,
        "linear": True, "inverse": False, "quanto": False, "contractSize": 1.0,
        "expiry": None, "expiryDatetime": None, "strike": None, "optionType": None,
        "taker": rules.taker_fee / PPM_ONE, "maker": rules.maker_fee / PPM_ONE,
        "percentage": True, "tierBased": False, "feeSide": "quote", "created": None,
        "precision": {"price": tick, "amount": lot, "cost": 10.0**-MONEY_DECIMALS},
        "limits": {
            "amount": {"min": lot, "max": most},
            "price": {"min": tick, "max": None},
            "cost": {"min": least_cost, "max": None},
            "leverage": {"min": 1.0, "max": PPM_ONE / rules.brackets[0].initial},
        },
        "marginModes": {"cross": False, "isolated": True},
        "info": info,
    }  # fmt: skip


def order_book_structure(symbol: str, book: Structure, time: int) -> Structure:
    """Return a book; ``nonce`` is the log's sequence that it stands at."""
    return {
        "symbol": symbol,
        "bids": [[float(price), float(size)] for price, size in book["bids"]],
        "asks": [[float(price), float(size)] for price, size in book["asks"]],
        "timestamp": time,
        "datetime": iso8601(time),
        "nonce": book["seq"],
    }


def ticker_structure(
    symbol: str, top: Structure, mark: float | None, time: int | None, last: float | None
) -> Structure:
    """Return the tops of the book, the mark, and the last trade that was seen.

    The node tells nothing of the last day, so that what needs it is None.
    """
    bid, bid_size = _level(top["bids"])
    ask, ask_size = _level(top["asks"])
    return {
        "symbol": symbol, "timestamp": time, "datetime": iso8601(time),
        "bid": bid, "bidVolume": bid_size, "ask": ask, "askVolume": ask_size,
        "last": last, "close": last, "markPrice": mark, "indexPrice": mark,
        "open": None, "high": None, "low": None, "vwap": None, "previousClose": None,
        "change": None, "percentage": None, "average": None,
        "baseVolume": None, "quoteVolume": None, "info": top,
    }  # fmt: skip


def trade_structure(symbol: str, trade: Structure, time: int) -> Structure:
    """Return a public trade; its side is the taker's."""
    price, size = Decimal(trade["price"]), Decimal(trade["size"])
    return {
        "id": trade_name(trade["sequence"], trade["taker_order"], trade["maker_order"]),
        "order": None,
        "timestamp": time, "datetime": iso8601(time), "symbol": symbol, "type": None,
        "side": trade["taker_side"], "takerOrMaker": "taker",
        "price": float(price), "amount": float(size), "cost": float(price * size),
        "fee": None, "fees": [], "info": trade,
    }  # fmt: skip


def own_trade_structure(symbol: str, fill: Fill, quote: str) -> Structure:
    """Return a fill of one of the account's own orders, with its fee."""
    fee = {"cost": float(fill.fee), "currency": quote}
    return {
        "id": fill.key, "order": str(fill.order_id) if fill.order_id else None,
        "timestamp": fill.time, "datetime": iso8601(fill.time), "symbol": symbol, "type": None,
        "side": fill.side, "takerOrMaker": fill.role,
        "price": float(fill.price), "amount": float(fill.size),
        "cost": float(fill.price * fill.size), "fee": fee, "fees": [dict(fee)], "info": fill.told,
    }  # fmt: skip


def order_structure(symbol: str, order: Order, quote: str) -> Structure:
    """Return an order; what its fills cost is None where not all of them were heard of."""
    filled, cost = order.filled, order.cost
    fee = {"cost": float(order.fee), "currency": quote} if filled and cost is not None else None
    time = order.time or None
    return {
        "id": str(order.order_id),
        "clientOrderId": str(order.client_id) if order.client_id else None,
        "timestamp": time, "datetime": iso8601(time),
        "lastTradeTimestamp": order.traded or None, "lastUpdateTimestamp": order.changed or None,
        "symbol": symbol, **kind_of(order.type), "reduceOnly": order.reduce_only,
        "side": order.side, "price": float(order.price),
        **_trigger_prices(order),
        "amount": float(order.amount), "filled": float(filled),
        "remaining": float(order.remaining),
        "cost": None if cost is None else float(cost),
        "average": float(cost / filled) if filled and cost is not None else None,
        "status": status_of(order), "fee": fee, "fees": [] if fee is None else [dict(fee)],
        "trades": [], "info": order.told,
    }  # fmt: skip


def unheard_order_structure(told: Structure) -> Structure:
    """Return an order of which no more than what is ``told`` is known."""
    return {**dict.fromkeys(_ORDER_KEYS), "fees": [], "trades": [], **told}


def position_structure(
    symbol: str, info: Structure, held: Valued, rules: MarketRules, time: int
) -> Structure:
    """Return a position with isolated margin, valued at the mark of ``time``."""
    ticks, contracts = rules.tick_decimals, Decimal(abs(held.size)).scaleb(-rules.lot_decimals)
    margin, unrealized = _money(held.margin), _money(held.unrealized)
    bracket = rules.bracket(abs(held.size))
    liquidation = held.liquidation
    ratio = held.margin_ratio
    return {
        "id": None, "symbol": symbol, "timestamp": time, "datetime": iso8601(time),
        "lastUpdateTimestamp": time, "hedged": False,
        "side": "long" if held.long else "short",
        "contracts": float(contracts), "contractSize": 1.0,
        "entryPrice": float(held.entry_price.scaleb(-ticks)),
        "markPrice": float(Decimal(held.mark).scaleb(-ticks)), "lastPrice": None,
        "notional": _money(held.notional), "leverage": float(held.leverage) or None,
        "collateral": _money(held.equity), "positionMargin": margin,
        "initialMargin": _money(held.initial), "initialMarginPercentage": bracket.initial / PPM_ONE,
        "maintenanceMargin": _money(held.maintenance),
        "maintenanceMarginPercentage": bracket.maintenance / PPM_ONE,
        "unrealizedPnl": unrealized, "realizedPnl": None,
        "liquidationPrice": None
        if liquidation is None
        else float(Decimal(liquidation).scaleb(-ticks)),
        "marginRatio": float(ratio) if ratio.is_finite() else None, "marginMode": "isolated",
        "percentage": 100 * held.unrealized / held.margin if held.margin else None,
        "stopLossPrice": None, "takeProfitPrice": None, "info": info,
    }  # fmt: skip


def gone_position_structure(symbol: str, info: Structure, time: int) -> Structure:
    """Return a position that was closed, by whatever, as it was told until the mark of ``time``."""
    return {
        **dict.fromkeys(_POSITION_KEYS), **dict.fromkeys(_NOTHING, 0.0),
        "symbol": symbol, "timestamp": time, "datetime": iso8601(time),
        "lastUpdateTimestamp": time, "hedged": False, "contractSize": 1.0,
        "marginMode": "isolated", "info": info,
    }  # fmt: skip


def money_of(account: Structure) -> Decimal:
    """Return what an account has: free, held back by orders, and as the margin of positions."""
    margins = (Decimal(position["margin"]) for position in account["positions"])
    return Decimal(account["free"]) + Decimal(account["reserved"]) + sum(margins, Decimal(0))


def balance_structure(account: Structure, quote: str) -> Structure:
    """Return what an account has on the exchange, without what its positions would bring in.

    ``used`` is held back by orders and as the margin of positions.
    """
    free, total = Decimal(account["free"]), money_of(account)
    told = {"free": float(free), "used": float(total - free), "total": float(total)}
    return {
        "info": account, "timestamp": None, "datetime": None,
        quote: told,
        **{name: {quote: amount} for name, amount in told.items()},
    }  # fmt: skip


def margin_structure(
    symbol: str, kind: str, amount: Decimal, quote: str, result: Structure
) -> Structure:
    """Return what became of ``amount`` (signed) being moved into a position's margin."""
    time = result["time"]
    return {
        "info": result, "symbol": symbol, "type": kind, "marginMode": "isolated",
        "amount": float(abs(amount)), "total": float(result["results"][0]["margin"]),
        "code": quote, "status": "ok", "timestamp": time, "datetime": iso8601(time),
    }  # fmt: skip


def funding_structure(symbol: str, row: Structure, quote: str) -> Structure:
    """Return a payment of funding to a position; one that it paid is below zero."""
    time = row["time"]
    return {
        "info": row, "symbol": symbol, "code": quote, "timestamp": time,
        "datetime": iso8601(time), "id": f"{row['sequence']}-{row['place']}",
        "amount": float(row["amount"]), "rate": None, "type": None,
    }  # fmt: skip


def funding_rate_structure(symbol: str, told: Structure, interval_ms: int) -> Structure:
    """Return the rate so far of an interval that ends at ``fundingTimestamp``.

    Where the premium stays as it is, longs pay that share of a position's value then.
    """
    time, funding = told["time"], told["funding"]
    nothing = dict.fromkeys(
        f"{which}Funding{what}" for which in ("next", "previous") for what in _OF_A_RATE
    )
    return {
        "info": told, "symbol": symbol, "markPrice": float(told["price"]),
        "indexPrice": float(told["price"]), "interestRate": 0.0, "estimatedSettlePrice": None,
        "timestamp": time, "datetime": iso8601(time), "fundingRate": float(funding["rate"]),
        "fundingTimestamp": funding["next_time"], "fundingDatetime": iso8601(funding["next_time"]),
        **nothing, "interval": f"{interval_ms / _MS_PER_HOUR:g}h",
    }  # fmt: skip


def open_interest_structure(symbol: str, told: Structure) -> Structure:
    """Return the size of all long positions, and its value at the mark."""
    size, time = Decimal(told["open_interest"]), told["time"]
    return {
        "info": told, "symbol": symbol, "openInterestAmount": float(size),
        "openInterestValue": float(size * Decimal(told["price"])),
        "timestamp": time, "datetime": iso8601(time),
    }  # fmt: skip


def liquidation_structure(symbol: str, row: Structure) -> Structure:
    """Return a liquidation: all that was closed, in the book and by deleveraging.

    The price is the average of both, None where nothing was closed; the side is that which closes.
    """
    time = row["time"]
    contracts = Decimal(row["closed"]) + Decimal(row["deleveraged"])
    value = Decimal(row["value"]) + Decimal(row["deleveraged_value"])
    return {
        "info": row, "symbol": symbol, "contracts": float(contracts), "contractSize": 1.0,
        "price": float(value / contracts) if contracts else None, "side": row["side"],
        "baseValue": float(contracts), "quoteValue": float(value),
        "timestamp": time, "datetime": iso8601(time),
    }  # fmt: skip


def ledger_structure(
    change: Change, account: str, quote: str, balance: tuple[Decimal, Decimal] | None
) -> Structure:
    """Return a change of the account's money; ``balance`` is what it had before and after."""
    time = change.row["time"]
    before, after = (None, None) if balance is None else map(float, balance)
    return {
        "info": {**change.row, "kind": change.kind}, "id": change.name, "timestamp": time,
        "datetime": iso8601(time), "direction": "in" if change.amount > 0 else "out",
        "account": account, "referenceId": change.reference,
        "referenceAccount": change.counterparty, "type": _LEDGER_TYPES[change.kind],
        "currency": quote, "amount": float(abs(change.amount)), "before": before, "after": after,
        "status": "ok", "fee": {"cost": 0.0, "currency": quote},
    }  # fmt: skip


def transaction_structure(row: Structure, quote: str, final: int) -> Structure:
    """Return a deposit or a withdrawal, which is ``ok`` once its command is ``final`` on L1.

    L1 names its own transaction of each; the exchange's log knows of none.
    """
    time, account, kind = row["time"], row["account"], row["kind"]
    done = kind == "deposit" or row["sequence"] <= final
    return {
        "info": row, "id": str(row["number"]), "txid": None, "timestamp": time,
        "datetime": iso8601(time), "network": None, "address": account,
        "addressTo": account, "addressFrom": account if kind == "deposit" else None,
        "tag": None, "tagTo": None, "tagFrom": None, "type": kind,
        "amount": float(row["amount"]), "currency": quote, "status": "ok" if done else "pending",
        "updated": None, "internal": False, "comment": None,
        "fee": {"cost": 0.0, "currency": quote},
    }  # fmt: skip


def candle_structure(candle: Structure) -> list[float]:
    """Return a candle as CCXT's list: its start in milliseconds, the four prices, the volume."""
    named = ("open", "high", "low", "close", "volume")
    return [candle["start"], *(float(candle[name]) for name in named)]


def _trigger_prices(order: Order) -> Structure:
    """Return the mark that an order waits for, or waited for, under each of its names."""
    price = float(order.trigger_price) if order.trigger else None
    return {
        "stopPrice": price, "triggerPrice": price,
        "stopLossPrice": price if order.trigger == "stop" else None,
        "takeProfitPrice": price if order.trigger == "take_profit" else None,
    }  # fmt: skip


def status_of(order: Order) -> str | None:
    """Return CCXT's word for how an order stands; None where nobody knows how it ended."""
    if order.ended is None:
        return "open"
    if order.ended == UNKNOWN:
        return None
    return "closed" if order.ended == _CLOSED else "canceled"


def _level(levels: list[tuple[str, str]]) -> tuple[float | None, float | None]:
    return (float(levels[0][0]), float(levels[0][1])) if levels else (None, None)


def _money(amount: int) -> float:
    return float(Decimal(amount).scaleb(-MONEY_DECIMALS))
