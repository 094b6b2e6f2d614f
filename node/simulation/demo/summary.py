"""What the demo leaves behind: ``summary.json``, put together from three witnesses.

The *node's* own counters, the *clients'* (what the replay saw), and the *verifier's*, who had
nothing but the chain. ``faults`` says where they do not agree.
"""

from decimal import Decimal
from typing import Any

import msgspec

from node.ports.api import BOOK_DEPTH_MAX
from node.types.units import MONEY_DECIMALS, units_from_decimal

BACKEND = "py-evm"
_STAGE_FIELDS = ("name", "in", "out", "held", "busy_s", "utilization", "limit", "headroom")
_NO_SERVICE = {"p50": None, "p99": None}


class Expected(msgspec.Struct, frozen=True):
    """What a run must reach at least to count as a demonstration."""

    orders: int = 50_000
    liquidations: int = 20


def assemble(
    stats: dict[str, Any],
    verdict: dict[str, Any],
    replay: dict[str, Any],
    books: dict[str, dict[str, Any]],
) -> dict[str, Any]:
    """Return the summary.

    ``stats`` is the node's last word, ``verdict`` the verifier's report, ``replay`` the clients'
    report, ``books`` the node's order books as its API showed them when the flow had ended. Money
    is in millionths of the quote asset, so that whoever adds it up needs no decimals. A batch is
    confirmed when the verifier found it on the chain.
    """
    batches = stats["batches"]
    return {
        "commands": {key: stats["commands"][key] for key in ("offered", "accepted", "refused")},
        "orders": stats["orders"],
        "fills": stats["fills"],
        "liquidations": stats["liquidations"],
        "deleveragings": stats["deleveragings"],
        "batches": {
            "sealed": batches["sealed"],
            "posted": batches["posted"],
            "confirmed": verdict["batches"],
            "causes": batches["causes"],
        },
        "l1": {
            "backend": BACKEND,
            "gas_used": stats["l1"]["gas_used"],
            "da_bytes": stats["l1"]["da_bytes"],
        },
        "roots": {**stats["roots"], "verifier": verdict["root"]},
        "books": _books(books, verdict),
        "money": {
            name: units_from_decimal(text, MONEY_DECIMALS) for name, text in stats["money"].items()
        },
        "stages": [_stage(stage) for stage in stats["stages"]],
        "latency_ms": replay["latency_ms"],
        "throughput_per_s": replay["throughput_per_s"],
        "risk": stats["risk"],
        "verified": {
            "ok": verdict["ok"],
            "commands": verdict["commands"],
            "difference": verdict["difference"],
        },
        "clients": replay,
    }


def faults(summary: dict[str, Any], expected: Expected) -> list[str]:
    """Return one sentence for each thing that does not hold; none: all is well."""
    found = []
    roots = summary["roots"]
    if len(set(roots.values())) != 1 or not roots["sequencer"]:
        found.append("the roots differ: " + ", ".join(f"{k} {v}" for k, v in roots.items()))
    if not summary["verified"]["ok"]:
        found.append(f"the verifier disagrees: {summary['verified']['difference']}")
    money = summary["money"]
    others = sum(amount for name, amount in money.items() if name != "deposits")
    if money["deposits"] != others:
        found.append(f"money is not conserved: {money['deposits']} deposited, {others} there")
    found += [
        f"stage {stage['name']} does not conserve: {stage['in']} in, {stage['out']} out,"
        f" {stage['held']} held, {stage['refused']} refused"
        for stage in summary["stages"]
        if stage["in"] != stage["out"] + stage["held"] + stage["refused"]
    ]
    batches = summary["batches"]
    if not batches["sealed"] == batches["posted"] == batches["confirmed"]:
        found.append(
            f"batches are missing on L1: {batches['sealed']} sealed, {batches['posted']} posted,"
            f" {batches['confirmed']} confirmed"
        )
    for name, least in msgspec.structs.asdict(expected).items():
        if summary[name] < least:
            found.append(f"too few {name}: {summary[name]}, at least {least} wanted")
    return found


def _stage(report: dict[str, Any]) -> dict[str, Any]:
    causes = report["refused"]
    return {
        **{field: report[field] for field in _STAGE_FIELDS},
        "refused": sum(causes.values()),
        "causes": causes,
        "service_us": report["service_us"] or _NO_SERVICE,
    }


def _books(books: dict[str, dict[str, Any]], verdict: dict[str, Any]) -> dict[str, Any]:
    """Return the verifier's books: orders, best prices, and whether the node's API showed them."""
    return {symbol: _book(shown, symbol, verdict) for symbol, shown in books.items()}


def _book(shown: dict[str, Any], symbol: str, verdict: dict[str, Any]) -> dict[str, Any]:
    orders = [order for order in verdict["resting_orders"] if order["market"] == symbol]
    bids = _levels((o["price"], o["size"]) for o in orders if o["side"] == "buy")
    asks = _levels((o["price"], o["size"]) for o in orders if o["side"] == "sell")
    return {
        "resting_orders": len(orders),
        "best_bid": str(max(bids)) if bids else None,
        "best_ask": str(min(asks)) if asks else None,
        "as_shown": _best(bids, reverse=True) == _levels(shown["bids"])
        and _best(asks, reverse=False) == _levels(shown["asks"]),
    }


def _best(levels: dict[Decimal, Decimal], *, reverse: bool) -> dict[Decimal, Decimal]:
    """Return as many levels as the node shows."""
    return dict(sorted(levels.items(), reverse=reverse)[:BOOK_DEPTH_MAX])


def _levels(pairs: Any) -> dict[Decimal, Decimal]:
    """Return the total size at each price."""
    levels: dict[Decimal, Decimal] = {}
    for price, size in pairs:
        at = Decimal(price)
        levels[at] = levels.get(at, Decimal(0)) + Decimal(size)
    return levels
