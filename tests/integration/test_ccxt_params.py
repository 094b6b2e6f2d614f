"""What the adapter's params make of an order, on a node with a real state."""

from typing import Any

import pytest

from tests.integration.test_ccxt_adapter import BTC, two_traders


@pytest.mark.parametrize("name", ["stopLossPrice", "takeProfitPrice", "triggerPrice"])
async def test_a_stop_loss_and_a_take_profit_only_close_unless_it_is_said_otherwise(
    name: str,
) -> None:
    side = "buy" if name == "takeProfitPrice" else "sell"
    async with two_traders() as (alice, _):
        cases: tuple[tuple[dict[str, Any], bool], ...] = (
            ({}, name != "triggerPrice"),
            ({"reduceOnly": None}, name != "triggerPrice"),
            ({"reduceOnly": False}, False),
            ({"reduceOnly": True}, True),
        )
        for asked, closes in cases:
            params = {name: 4_900, **asked}
            placed = await alice.create_order(BTC, "market", side, 1, None, params)
            assert placed["reduceOnly"] is closes


async def test_an_order_may_belong_to_a_pair_and_say_what_meets_its_own() -> None:
    async with two_traders() as (alice, _):
        pair = {"group": 7, "selfTrade": "cancel_taker"}
        stop = await alice.create_order(
            BTC, "market", "sell", 1, None, pair | {"stopLossPrice": 4_900}
        )
        await alice.create_order(BTC, "limit", "sell", 1, 5_010, pair | {"group": "7"})
        told = (await (await alice.session()).get(f"/orders/{await alice.account()}"))["orders"]
        assert [(one["group"], one["self_trade"]) for one in told] == [(7, "cancel_taker")] * 2
        # It meets its own account's offer, and gives way to it; the usual one would take it off.
        gone = await alice.create_order(
            BTC, "limit", "buy", 1, 5_010, {"selfTrade": "cancel_taker", "timeInForce": "IOC"}
        )
        assert (gone["status"], gone["info"]["reason"]) == ("canceled", "self_trade")
        assert len(await alice.fetch_open_orders()) == 2
        await alice.cancel_order(stop["id"])
        assert await alice.fetch_open_orders() == []
