"""The demo's summary: put together from its witnesses, and able to fail."""

import copy
import io
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from node.simulation.demo.show import show
from node.simulation.demo.summary import Expected, assemble, faults

ROOT = "0x" + "ab" * 32
DELAYS = {"count": 3, "p50_ns": 2_000_000, "p99_ns": 3_000_000, "max_ns": 4_000_000}
STATS: dict[str, Any] = {
    "commands": {"offered": 12, "accepted": 10, "refused": 2, "causes": {"NothingToTake": 2}},
    "orders": 60_000,
    "fills": 9,
    "liquidations": 25,
    "deleveragings": 0,
    "batches": {"sealed": 2, "posted": 2, "safe": 1, "final": 0, "causes": {"age": 2}},
    "l1": {"gas_used": 1_000, "da_bytes": 400, "away": False},
    "money": {
        "deposits": "100.5", "equity": "90", "fees": "10", "insurance": "0.499999",
        "withdrawals": "0.000001",
    },
    "stages": [
        {
            "name": "ingress", "in": 12, "out": 10, "held": 0, "refused": {"NothingToTake": 2},
            "busy_s": 0.5, "utilization": 0.1, "limit": 100.0, "headroom": 0.9,
            "service_us": {"p50": 1.0, "p99": 2.0},
        },
        {
            "name": "lane", "in": 5, "out": 4, "held": 1, "refused": {}, "busy_s": 0.0,
            "utilization": None, "limit": None, "headroom": None, "service_us": None,
        },
    ],
    "risk": {
        "detection": DELAYS, "liquidation": {**DELAYS, "count": 0}, "tier_checks": 5,
        "full_scan_checks": 50,
    },
    "roots": {"sequencer": ROOT, "l1": ROOT},
}  # fmt: skip
VERDICT: dict[str, Any] = {
    "ok": True,
    "batches": 2,
    "commands": 10,
    "root": ROOT,
    "difference": None,
    "resting_orders": [
        {"market": "BTC-PERP", "side": "buy", "price": "99.5", "size": "0.1"},
        {"market": "BTC-PERP", "side": "buy", "price": "99.5", "size": "0.2"},
        {"market": "BTC-PERP", "side": "buy", "price": "100", "size": "1"},
        {"market": "ETH-PERP", "side": "sell", "price": "5", "size": "1"},
    ],
}
REPLAY: dict[str, Any] = {
    "latency_ms": {"ack": {"p50": 1.0, "p99": 2.0, "p999": None}},
    "throughput_per_s": 1_000.0,
    "seconds": 80.0,
}
BOOKS: dict[str, dict[str, Any]] = {
    "BTC-PERP": {"bids": [["100", "1"], ["99.5", "0.3"]], "asks": []},
    "ETH-PERP": {"bids": [], "asks": [["5", "2"]]},
}


def summary() -> dict[str, Any]:
    return assemble(*copy.deepcopy((STATS, VERDICT, REPLAY, BOOKS)))


def test_a_run_in_which_all_holds_has_no_fault() -> None:
    assert faults(summary(), Expected()) == []


def test_it_has_every_key_of_the_contract() -> None:
    made = summary()
    assert made["commands"] == {"offered": 12, "accepted": 10, "refused": 2}
    assert made["roots"] == {"sequencer": ROOT, "l1": ROOT, "verifier": ROOT}
    assert made["batches"] == {"sealed": 2, "posted": 2, "confirmed": 2, "causes": {"age": 2}}
    assert made["l1"] == {"backend": "py-evm", "gas_used": 1_000, "da_bytes": 400}
    assert made["latency_ms"]["ack"].keys() == {"p50", "p99", "p999"}
    assert {"fills", "liquidations", "orders", "throughput_per_s"} < made.keys()
    for stage in made["stages"]:
        assert {
            "name", "in", "out", "held", "refused", "busy_s", "utilization", "limit", "headroom",
            "service_us",
        } < stage.keys()  # fmt: skip
        assert stage["service_us"].keys() == {"p50", "p99"}
        assert stage["in"] == stage["out"] + stage["held"] + stage["refused"]


def test_money_is_whole_millionths() -> None:
    money = summary()["money"]
    assert money.pop("deposits") == 100_500_000 == sum(money.values())


def test_the_books_of_node_and_verifier_are_compared_by_level() -> None:
    books = summary()["books"]
    assert books["BTC-PERP"] == {
        "resting_orders": 3, "best_bid": "100", "best_ask": None, "as_shown": True,
    }  # fmt: skip
    assert not books["ETH-PERP"]["as_shown"]


def _other_root(made: dict[str, Any]) -> None:
    made["roots"]["verifier"] = "0x00"


def _no_roots(made: dict[str, Any]) -> None:
    made["roots"] = dict.fromkeys(made["roots"], "")


def _verifier_disagrees(made: dict[str, Any]) -> None:
    made["verified"]["ok"] = False


def _money_lost(made: dict[str, Any]) -> None:
    made["money"]["fees"] -= 1


def _item_lost(made: dict[str, Any]) -> None:
    made["stages"][0]["out"] -= 1


def _batch_missing(made: dict[str, Any]) -> None:
    made["batches"]["confirmed"] -= 1


def _few_orders(made: dict[str, Any]) -> None:
    made["orders"] = 49_999


def _few_liquidations(made: dict[str, Any]) -> None:
    made["liquidations"] = 19


@pytest.mark.parametrize(
    "spoil",
    [
        _other_root, _no_roots, _verifier_disagrees, _money_lost, _item_lost, _batch_missing,
        _few_orders, _few_liquidations,
    ],
)  # fmt: skip
def test_whatever_does_not_hold_is_found(spoil: Callable[[dict[str, Any]], None]) -> None:
    made = summary()
    spoil(made)
    assert len(faults(made, Expected())) == 1


@pytest.mark.parametrize("width", [80, 200])
def test_a_person_reads_the_verdict_in_the_last_lines(width: int) -> None:
    for found, word in (([], "OK"), (["the roots differ"], "differs")):
        file = io.StringIO()
        show(Console(file=file, width=width), summary(), found, "summary: here")
        *_, verdict, where = file.getvalue().splitlines()
        assert verdict.startswith(word)
        assert where == "summary: here"
        assert "100.500000" in file.getvalue()
