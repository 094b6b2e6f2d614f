"""What became of an account's orders and fills, from its two channels alone."""

from typing import Any

import pytest

from node.client import fills as module
from node.client.fills import Fills, OrderState


def filled(sequence: int, order_id: int, state: str, remaining: str) -> dict[str, Any]:
    fields = {"event": "filled", "sequence": sequence, "order_id": order_id, "role": "maker"}
    numbers = {"price": "10", "size": "1", "fee": "0.1", "remaining": remaining, "state": state}
    return {**fields, "market": "X", "side": "buy", **numbers}


def update(*events: dict[str, Any]) -> dict[str, Any]:
    return {"type": "update", "events": list(events)}


SNAPSHOT = {"type": "snapshot", "orders": [{"order_id": 7, "state": "resting", "remaining": "3"}]}


def test_a_fill_is_as_sure_as_the_log_has_come() -> None:
    fills = Fills()
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
    fills = Fills()
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
    fills = Fills()
    fills.account(update(*(filled(number, number, "filled", "0") for number in (1, 2, 3))))
    assert (fills.order(1), fills.order(3)) == (None, OrderState("filled", "0"))
