"""CCXT's own validators, held against what the adapter returned; runs where CCXT is installed.

Reads ``{"markets": […], "cases": [{"kind", "entry", "symbol"}, …]}`` from standard input, and
writes one line of JSON: a text for each case, empty where CCXT has nothing against it. Run it with
an interpreter that has CCXT; this project needs none of it.
"""

import importlib
import json
import sys
from typing import Any

import ccxt
import ccxt.pro

NOW_MS = 1_760_000_060_000
KINDS = (
    "balance", "deposit_withdrawal", "ledger_entry", "liquidation", "margin_modification",
    "market", "ohlcv", "open_interest", "order", "order_book", "position", "ticker", "trade",
    "trading_fee",
)  # fmt: skip

MAY_BE_NONE = {"deposit_withdrawal": {"allowNull": ["txid", "network", "updated"]}}
"""What the exchange cannot tell, by CCXT's own list of such things: L1 knows the transaction."""


def validators() -> dict[str, Any]:
    """Return CCXT's validators by the kind of structure."""
    found = {}
    for kind in KINDS:
        module = importlib.import_module(f"ccxt.test.exchange.base.test_{kind}")
        found[kind] = getattr(module, f"test_{kind}")
    return found


def arguments(kind: str, entry: Any, symbol: str) -> tuple[Any, ...]:
    """Return what a validator of that kind takes after the method's name."""
    match kind:
        case "order_book" | "ticker":
            return entry, symbol
        case "trade":
            return entry, symbol, NOW_MS, entry["order"] is None
        case "order" | "ohlcv" | "position":
            return entry, symbol, NOW_MS
        case "liquidation":
            return entry, symbol
        case "deposit_withdrawal" | "ledger_entry":
            return entry, entry["currency"], NOW_MS
        case _:
            return (entry,)


def judged(exchange: Any, test: Any, case: dict[str, Any]) -> str:
    """Return what CCXT has against one structure."""
    kind, entry = case["kind"], case["entry"]
    try:
        test(
            exchange, MAY_BE_NONE.get(kind, {}), "adapter", *arguments(kind, entry, case["symbol"])
        )
    except Exception as fault:  # noqa: BLE001 - whatever it is, it is the verdict
        return f"{kind}: {type(fault).__name__}: {str(fault)[:600]}"
    return ""


def main() -> None:
    """Judge what stands on standard input."""
    told = json.load(sys.stdin)
    exchange = ccxt.Exchange({"id": "plimsoll", "precisionMode": ccxt.TICK_SIZE})
    exchange.precisionMode = ccxt.TICK_SIZE
    exchange.set_markets(told["markets"])
    tests = validators()
    faults = [judged(exchange, tests[case["kind"]], case) for case in told["cases"]]
    numbers = [
        exchange.price_to_precision(case["symbol"], case["value"])
        if case["of"] == "price"
        else exchange.amount_to_precision(case["symbol"], case["value"])
        for case in told["numbers"]
    ]
    methods = sorted(name for name in told["methods"] if not hasattr(ccxt.pro.binance, name))
    known = set(exchange.has) | set(ccxt.pro.hyperliquid().has) | set(ccxt.pro.binance().has)
    keys = sorted(set(told["has"]) - known)
    json.dump({"faults": faults, "numbers": numbers, "methods": methods, "has": keys}, sys.stdout)


if __name__ == "__main__":
    main()
