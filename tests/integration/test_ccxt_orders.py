"""The adapter's conditions, edits, switch and candles, against a node with a real state."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from node.client.ccxt_errors import (
    ArgumentsRequired,
    BadRequest,
    InvalidOrder,
    OrderNotFound,
    RequestTimeout,
)
from node.client.ccxt_feeds import Feeds
from node.client.ccxt_venue import Structure
from node.client.errors import ConnectionLost
from node.client.session import Session
from node.client.subscription import Message
from node.client.trader import OutcomeUnknown
from node.types.commands import SignedAction
from tests.examples import ALICE, BOB, START_MS
from tests.integration.api_node import is_ahead, running_node
from tests.integration.test_ccxt_adapter import (
    BTC,
    ETH,
    MARK,
    limit,
    trading,
    two_traders,
)
from tests.integration.test_ccxt_answers import is_told_of_its_first

MINUTE_MS = 60_000


@pytest.mark.parametrize(
    ("side", "params", "trigger", "worst"),
    [
        ("buy", {"triggerPrice": 5_100}, "stop", 5_355.0),
        ("sell", {"triggerPrice": 4_900, "triggerDirection": "descending"}, "stop", 4_655.0),
        ("sell", {"triggerPrice": 5_100, "triggerDirection": "above"}, "take_profit", 4_845.0),
        ("sell", {"stopLossPrice": 4_900, "slippage": 0.01}, "stop", 4_851.0),
        ("buy", {"takeProfitPrice": "4900"}, "take_profit", 5_145.0),
    ],
)
async def test_an_order_waits_for_its_price(
    side: str, params: dict[str, object], trigger: str, worst: float
) -> None:
    async with two_traders() as (alice, _):
        placed = await alice.create_order(BTC, "market", side, 1, None, params)
        [told] = (await (await alice.session()).get(f"/orders/{await alice.account()}"))["orders"]
        assert (told["trigger"], float(told["price"])) == (trigger, worst)
        assert placed["status"] == "open"
        assert placed["triggerPrice"] == float(told["trigger_price"])
        assert placed["stopLossPrice"] == (placed["triggerPrice"] if trigger == "stop" else None)
        assert placed["filled"] == 0.0
        [found] = await alice.fetch_open_orders(BTC)
        assert (found["id"], found["triggerPrice"]) == (placed["id"], placed["triggerPrice"])
        assert (await alice.cancel_order(placed["id"]))["status"] == "canceled"


async def test_every_kind_of_order_has_a_method_of_its_own() -> None:
    async with two_traders() as (alice, bob):
        quote = await alice.create_limit_order(BTC, "sell", 1, 5_010)
        assert (await bob.create_market_order(BTC, "buy", 1))["status"] == "closed"
        kept = await alice.create_post_only_order(BTC, "limit", "buy", 1, 4_990)
        assert (quote["timeInForce"], kept["timeInForce"], kept["postOnly"]) == ("GTC", "PO", True)
        less = await alice.create_reduce_only_order(BTC, "limit", "buy", 0.5, 4_980)
        assert less["reduceOnly"] is True
        waits = await alice.create_trigger_order(BTC, "limit", "sell", 0.5, 4_900, 4_950)
        same = await alice.create_stop_order(BTC, "limit", "sell", 0.5, 4_900, 4_950)
        loss = await alice.create_stop_loss_order(BTC, "market", "buy", 0.5, None, 5_100)
        gain = await alice.create_take_profit_order(BTC, "market", "buy", 0.5, None, 4_900)
        assert waits["stopLossPrice"] == same["stopLossPrice"] == 4_950.0
        assert (loss["stopLossPrice"], gain["takeProfitPrice"]) == (5_100.0, 4_900.0)
        with pytest.raises(ArgumentsRequired):
            await alice.create_stop_loss_order(BTC, "market", "buy", 0.5)


async def test_a_price_that_the_mark_has_met_already_is_no_condition() -> None:
    async with two_traders() as (alice, _):
        with pytest.raises(InvalidOrder) as refused:
            await alice.create_order(BTC, "limit", "buy", 1, MARK, {"triggerPrice": MARK - 1})
        assert refused.value.code == 1217


async def test_an_order_is_good_till_a_date() -> None:
    async with two_traders() as (alice, _):
        until = {"timeInForce": "GTD", "goodTillDate": START_MS + MINUTE_MS}
        placed = await alice.create_order(BTC, "limit", "buy", 1, 4_990, until)
        # CCXT's list of times has no name for it: its order is GTC, and info tells the rest.
        assert (placed["status"], placed["timeInForce"]) == ("open", "GTC")
        [told] = (await (await alice.session()).get(f"/orders/{await alice.account()}"))["orders"]
        assert told["good_till"] == START_MS + MINUTE_MS
        with pytest.raises(InvalidOrder) as late:
            await alice.create_order(BTC, "limit", "buy", 1, 4_990, {"goodTillDate": START_MS})
        assert late.value.code == 1216


async def test_an_edit_changes_amount_and_price_and_keeps_the_id() -> None:
    async with two_traders() as (alice, bob):
        placed = await alice.create_order(BTC, "limit", "buy", 2, 4_990, {"clientOrderId": "7"})
        await bob.create_order(BTC, "limit", "sell", 0.5, 4_990)
        smaller = await alice.edit_order(placed["id"], BTC, "limit", "buy", 1)
        assert (smaller["id"], smaller["price"]) == (placed["id"], 4_990.0)
        assert (smaller["amount"], smaller["filled"], smaller["remaining"]) == (1.0, 0.5, 0.5)
        moved = await alice.edit_order(None, BTC, "limit", "buy", None, 4_980, {"clientOrderId": 7})
        assert (moved["id"], moved["price"], moved["amount"]) == (placed["id"], 4_980.0, 1.0)
        assert (await bob.fetch_order_book(BTC))["bids"] == [[4_980.0, 0.5]]
        gone = await alice.edit_order(placed["id"], BTC, "limit", "buy", 0.5)
        assert (gone["status"], gone["info"]["reason"]) == ("canceled", "amended")


@pytest.mark.parametrize(("kind", "worst"), [("market", 5_460.0), ("limit", 5_150.0)])
async def test_an_edit_moves_what_an_order_waits_for_and_when_it_ends(
    kind: str, worst: float
) -> None:
    async with two_traders() as (alice, _):
        price = 5_150 if kind == "limit" else None
        placed = await alice.create_order(BTC, kind, "buy", 1, price, {"triggerPrice": 5_100})
        params = {"triggerPrice": 5_200, "goodTillDate": START_MS + MINUTE_MS}
        moved = await alice.edit_order(placed["id"], BTC, kind, "buy", None, None, params)
        assert (moved["id"], moved["triggerPrice"]) == (placed["id"], 5_200.0)
        assert (moved["price"], moved["amount"]) == (worst, 1.0)
        [told] = (await (await alice.session()).get(f"/orders/{await alice.account()}"))["orders"]
        assert (told["trigger_price"], told["good_till"]) == ("5200", START_MS + MINUTE_MS)
        with pytest.raises(InvalidOrder) as refused:
            await alice.edit_order(
                placed["id"], BTC, kind, "buy", None, None, {"triggerPrice": MARK - 1}
            )
        assert refused.value.code == 1217


async def test_an_edit_moves_the_end_of_an_order_that_rests() -> None:
    async with two_traders() as (alice, _):
        placed = await limit(alice, "buy", 2, 4_990)
        until = {"goodTillDate": START_MS + MINUTE_MS}
        await alice.edit_order(placed["id"], BTC, "limit", "buy", None, None, until)
        [told] = (await (await alice.session()).get(f"/orders/{await alice.account()}"))["orders"]
        assert (told["good_till"], told["remaining"]) == (START_MS + MINUTE_MS, "2")
        for wrong, kind in (
            ({"goodTillDate": "soon"}, "limit"),
            ({"triggerPrice": 5_200}, "limit"),
        ):
            with pytest.raises((InvalidOrder, BadRequest)):
                await alice.edit_order(placed["id"], BTC, kind, "buy", None, None, wrong)


async def test_a_list_of_which_nothing_is_taken_tells_each_reason() -> None:
    async with two_traders() as (alice, bob):
        await limit(bob, "buy", 1, 4_990)
        await limit(bob, "sell", 1, 5_010)
        quote = {"symbol": BTC, "type": "limit", "amount": 1, "params": {"postOnly": True}}
        bid, ask = {"side": "buy", "price": 5_010}, {"side": "sell", "price": 4_980}
        placed = await alice.create_orders([quote | bid, quote | ask])
        assert [(one["status"], one["side"], one["timestamp"]) for one in placed] == [
            ("rejected", "buy", None), ("rejected", "sell", None),
        ]  # fmt: skip
        told = [one["info"]["error"] for one in placed]
        assert [one["name"] for one in told] == ["PostOnlyWouldCross"] * 2
        assert [one["values"]["best"] for one in told] == ["5010", "4990"]
        gone = await alice.cancel_orders(["999998", "999999"])
        assert [(one["id"], one["status"], one["info"]["error"]["name"]) for one in gone] == [
            ("999998", "rejected", "UnknownOrder"), ("999999", "rejected", "UnknownOrder"),
        ]  # fmt: skip
        with pytest.raises(OrderNotFound):
            await alice.cancel_orders(["999999"])


@pytest.mark.parametrize("arrives", [True, False])
async def test_the_same_order_after_a_lost_answer_is_placed_once(
    monkeypatch: pytest.MonkeyPatch, *, arrives: bool
) -> None:
    answered = Session.send
    losing = [True]

    async def lose(session: Session, action: SignedAction, **more: Any) -> Message:
        result = await answered(session, action, **more) if arrives or not losing else {}
        if losing:
            raise ConnectionLost
        return result

    monkeypatch.setattr(Session, "send", lose)
    order = (BTC, "market", "buy", 1, None, {"clientOrderId": "7"})
    async with two_traders() as (alice, bob):
        losing.clear()
        await limit(bob, "sell", 5, 5_001)
        losing.append(True)
        for _ in range(2):
            with pytest.raises(RequestTimeout) as unknown:
                await alice.create_order(*order)
            assert unknown.value.code == OutcomeUnknown.code
        losing.clear()
        placed = await alice.create_order(*order)
        assert (placed["status"], placed["filled"], placed["clientOrderId"]) == ("closed", 1.0, "7")
        position = await alice.fetch_position(BTC)
        assert position is not None
        assert position["contracts"] == 1.0
        await is_told_of_its_first(alice, order, placed["id"])


async def test_an_order_from_before_the_connection_is_edited_like_any_other() -> None:
    async with running_node() as node, trading(node, BOB) as bob:
        async with trading(node, ALICE) as alice:
            rests = await limit(alice, "buy", 2, 4_990)
            stop = {"triggerPrice": 5_100}
            waits = await alice.create_order(BTC, "limit", "buy", 3, 5_150, stop)
        async with trading(node, ALICE) as alice:
            ends, stop = {"goodTillDate": START_MS + MINUTE_MS}, {"triggerPrice": 5_120}
            await alice.edit_order(rests["id"], BTC, "limit", "buy", None, None, ends)
            await alice.edit_order(waits["id"], BTC, "limit", "buy", None, None, stop)
            shown = await (await alice.session()).get(f"/orders/{await alice.account()}")
            told = {str(one["order_id"]): one for one in shown["orders"]}
            assert (told[rests["id"]]["good_till"], told[rests["id"]]["remaining"]) == (
                ends["goodTillDate"], "2",
            )  # fmt: skip
            assert (told[waits["id"]]["trigger_price"], told[waits["id"]]["remaining"]) == (
                "5120", "3",
            )  # fmt: skip
            await limit(bob, "sell", 0.5, 4_990)
        async with trading(node, ALICE) as alice:
            ends = {"goodTillDate": START_MS + 2 * MINUTE_MS}
            kept = await alice.edit_order(rests["id"], BTC, "limit", "buy", None, None, ends)
            assert (kept["amount"], kept["filled"], kept["remaining"]) == (2.0, 0.5, 1.5)
            # Of what its fill was worth nothing was heard.
            assert (kept["cost"], kept["average"], kept["fee"]) == (None, None, None)


async def test_what_kind_of_order_somebody_else_placed_is_told() -> None:
    async with running_node() as node:
        async with trading(node, ALICE) as alice:
            only = {"postOnly": True, "clientOrderId": "5"}
            await alice.create_order(BTC, "limit", "buy", 2, 4_990, only)
            stop = {"triggerPrice": 5_100, "slippage": 0.01}
            waits = await alice.create_order(BTC, "market", "buy", 1, None, stop)
        async with trading(node, ALICE) as later:
            quoted, stopped = await later.fetch_open_orders(BTC)
            for told, kind, time in ((quoted, "limit", "PO"), (stopped, "market", "IOC")):
                assert (told["type"], told["timeInForce"]) == (kind, time)
                assert told["reduceOnly"] is False
            # Its worst price goes along, as far away as whoever placed it wanted.
            moved = await later.edit_order(
                waits["id"], BTC, "market", "buy", None, None, {"triggerPrice": 5_200}
            )
            assert (moved["triggerPrice"], moved["price"]) == (5_200.0, 5_252.0)


async def test_an_edit_says_what_it_cannot_do() -> None:
    async with two_traders() as (alice, _):
        placed = await limit(alice, "buy", 2, 4_990)
        with pytest.raises(OrderNotFound):
            await alice.edit_order("4711", BTC, "limit", "buy", 1)
        for symbol, kind, side in (
            (BTC, "limit", "sell"), (BTC, "market", "buy"), (ETH, "limit", "buy"),
        ):  # fmt: skip
            with pytest.raises(InvalidOrder):
                await alice.edit_order(placed["id"], symbol, kind, side, 1)
        with pytest.raises(ArgumentsRequired):
            await alice.edit_order(None, BTC, "limit", "buy", 1)
        with pytest.raises(BadRequest):
            await alice.edit_order(placed["id"], BTC, "limit", "buy", 1, None, {"reduceOnly": True})
        [still] = await alice.fetch_open_orders()
        assert (still["amount"], still["price"]) == (2.0, 4_990.0)


async def test_the_switch_is_set_and_turned_off() -> None:
    async with two_traders() as (alice, _):
        session, account = await alice.session(), await alice.account()
        told = await alice.cancel_all_orders_after(30_000, {"onDisconnect": True})
        assert is_ahead(told["triggerTime"], 30_000)
        shown = await session.get(f"/account/{account}")
        assert shown["switch"] == {"cancel_at": told["triggerTime"], "on_disconnect": True}
        await alice.cancel_all_orders_after(0)
        shown = await session.get(f"/account/{account}")
        assert shown["switch"] == {"cancel_at": 0, "on_disconnect": False}
        for timeout in (-1, 0.5, True):
            with pytest.raises(BadRequest):
                await alice.cancel_all_orders_after(timeout)  # type: ignore[arg-type]


async def test_candles_are_those_of_the_node() -> None:
    async with two_traders() as (alice, bob):
        assert await bob.fetch_ohlcv(BTC) == []
        await limit(alice, "sell", 0.5, 5_001)
        await limit(alice, "sell", 0.5, 5_002)
        await bob.create_order(BTC, "market", "buy", 0.7)
        start = START_MS - START_MS % MINUTE_MS
        candle = [start, 5_001.0, 5_002.0, 5_001.0, 5_002.0, 0.7]
        assert await bob.fetch_ohlcv(BTC) == [candle]
        assert await bob.fetch_ohlcv(BTC, "1m", start, 1) == [candle]
        assert await bob.fetch_ohlcv(BTC, "1m", start + 1) == []
        assert await bob.fetch_ohlcv(BTC, "1m", None, 1) == [candle]
        with pytest.raises(BadRequest):
            await bob.fetch_ohlcv(BTC, "2m")


async def test_trades_of_before_are_fetched_and_those_of_later_watched() -> None:
    async with two_traders() as (alice, bob):
        await limit(alice, "sell", 1, 5_001)
        await bob.create_order(BTC, "market", "buy", 0.2)
        [early] = await bob.fetch_trades(BTC)
        assert (early["amount"], (await bob.fetch_ticker(BTC))["last"]) == (0.2, 5_001.0)
        await bob.create_order(BTC, "market", "buy", 0.3)
        [late] = await bob.watch_trades(BTC)
        assert (late["amount"], late["timestamp"]) == (0.3, START_MS)
        assert await bob.fetch_trades(BTC) == [early, late]
        # Whoever goes on from a moment must not be given the other end.
        assert await bob.fetch_trades(BTC, START_MS, 1) == [early]
        assert await bob.fetch_trades(BTC, None, 1) == [late]
        assert await bob.fetch_trades(BTC, START_MS + 1, 1) == []
        await bob.create_order(BTC, "market", "buy", 0.1)
        await bob.create_order(BTC, "market", "buy", 0.4)
        assert [one["amount"] for one in await bob.watch_trades(BTC, START_MS, 1)] == [0.4]
        for limited in (0, -1):
            for ask in (bob.fetch_trades, bob.watch_trades, bob.fetch_open_orders, bob.fetch_ohlcv):
                with pytest.raises(BadRequest):
                    await ask(BTC, limit=limited)


async def test_numbers_out_of_range_are_refused_before_anything_is_signed() -> None:
    async with two_traders() as (alice, _):
        placed = await alice.create_order(BTC, "limit", "buy", 1, 4_990)
        for amount, price in ((-0.5, 5_000), (1e15, 5_000), (1, 1e18), (1, -5), (1e30, 5_000)):
            with pytest.raises((InvalidOrder, BadRequest)):
                await alice.create_order(BTC, "limit", "buy", amount, price)
            with pytest.raises((InvalidOrder, BadRequest)):
                await alice.edit_order(placed["id"], BTC, "limit", "buy", amount, price)
        for slippage in (-0.01, 1, 2):
            with pytest.raises(InvalidOrder):
                await alice.create_order(BTC, "market", "buy", 1, None, {"slippage": slippage})
        for missing in ("symbol", "type", "side", "amount"):
            order = {"symbol": BTC, "type": "limit", "side": "buy", "amount": 1, "price": 5_000}
            with pytest.raises(ArgumentsRequired, match=missing):
                await alice.create_orders([order | {missing: None}])
        for margin in (-1, 0, 1e13, 1e30):
            with pytest.raises(BadRequest):
                await alice.add_margin(BTC, margin)
            with pytest.raises(BadRequest):
                await alice.reduce_margin(BTC, margin)
        with pytest.raises(BadRequest):
            await alice.cancel_all_orders_after(1 << 64)
        [found] = await alice.fetch_open_orders()
        assert (found["amount"], found["price"]) == (1.0, 4_990.0)


async def test_an_order_can_be_edited_as_soon_as_it_was_placed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def late(tell: Callable[[Feeds, Message], None]) -> Callable[[Feeds, Message], object]:
        return lambda feeds, message: asyncio.get_running_loop().call_later(
            0.02, tell, feeds, message
        )

    for name in ("_account_message", "_block"):
        monkeypatch.setattr(Feeds, name, late(getattr(Feeds, name)))
    async with two_traders() as (alice, _):
        placed = await alice.create_order(BTC, "limit", "buy", 1, 4_990)
        edited = await alice.edit_order(placed["id"], BTC, "limit", "buy", 2)
        assert (edited["id"], edited["amount"]) == (placed["id"], 2.0)


async def test_tasks_that_watch_two_markets_take_nothing_from_each_other() -> None:
    async with two_traders() as (alice, bob):
        await bob.fetch_balance()

        async def watched(symbol: str, count: int) -> list[Structure]:
            seen: list[Structure] = []
            while len(seen) < count:
                seen += await bob.watch_my_trades(symbol)
            return seen

        async with asyncio.timeout(20), asyncio.TaskGroup() as group:
            tasks = [group.create_task(watched(symbol, 3)) for symbol in (BTC, ETH)]
            await asyncio.sleep(0)
            for _ in range(3):
                for symbol, price in ((BTC, 5_000), (ETH, 200)):
                    await alice.create_order(symbol, "limit", "sell", 0.1, price)
                    await bob.create_order(symbol, "limit", "buy", 0.1, price)
        for task, symbol in zip(tasks, (BTC, ETH), strict=True):
            seen = task.result()
            assert {trade["symbol"] for trade in seen} == {symbol}
            assert len({trade["id"] for trade in seen}) == 3
