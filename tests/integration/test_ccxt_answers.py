"""What became of an order reaches who asked for it, and once, whatever happens on the way."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest

from node.client.ccxt_adapter import PlimsollExchange
from node.client.ccxt_errors import (
    DuplicateOrderId,
    ExchangeError,
    OrderNotFillable,
    OrderNotFound,
)
from node.client.ccxt_feeds import Feeds
from node.client.ccxt_structures import unheard_order_structure
from node.client.ccxt_venue import Structure
from node.client.errors import ConnectionLost
from node.client.session import Session
from node.client.subscription import Message
from node.types.commands import SignedAction
from node.types.errors import EveryItemRejected, FillOrKillUnfilled
from tests.examples import START_MS
from tests.integration.test_ccxt_adapter import BTC, limit, two_traders

FOK = {"timeInForce": "FOK"}


async def is_told_of_its_first(
    exchange: PlimsollExchange, order: tuple[Any, ...], first: str
) -> None:
    """Ask for an order that was executed once more: it is not, and the first's id is told."""
    before = await exchange.fetch_position(BTC)
    with pytest.raises(DuplicateOrderId) as refused:
        await exchange.create_order(*order)
    assert refused.value.values["order_id"] == int(first)
    assert await exchange.fetch_position(BTC) == before


async def test_what_was_executed_is_told_though_no_feed_tells_of_it_any_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tell = Feeds._account_message
    told = [True]

    def tell_at_first(feeds: Feeds, message: Message) -> None:
        if told:
            tell(feeds, message)

    async def lose(_feeds: Feeds) -> None:
        raise ConnectionLost(method="subscribe")

    monkeypatch.setattr(Feeds, "_account_message", tell_at_first)
    async with two_traders() as (alice, _):
        first = await limit(alice, "buy", 1, 4_990)
        told.clear()
        monkeypatch.setattr(Feeds, "next_block", lose)
        placed = await alice.create_order(BTC, "limit", "buy", 2, 4_980)
        assert (placed["status"], placed["amount"], placed["price"]) == ("open", 2.0, 4_980.0)
        edited = await alice.edit_order(first["id"], BTC, "limit", "buy", 3)
        assert (edited["id"], edited["info"]["remaining"]) == (first["id"], "3")
        gone = await alice.cancel_all_orders(BTC)
        assert {one["id"] for one in gone} == {first["id"], placed["id"]}
        assert {one["status"] for one in gone} == {"canceled"}


@pytest.mark.parametrize("at", ["answer", "feed"])
async def test_an_order_whose_caller_gave_up_waiting_is_the_same_when_it_is_asked_for_again(
    monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    answered, until = Session.send, Feeds.until
    waiting = asyncio.Event()
    held: list[str] = []

    async def hold(what: str) -> None:
        if what in held:
            waiting.set()
            await asyncio.Event().wait()

    async def send(session: Session, action: SignedAction, **more: Any) -> Message:
        result = await answered(session, action, **more)
        await hold("answer")
        return result

    async def follow(feeds: Feeds, sequence: int, within_s: float) -> None:
        await hold("feed")
        await until(feeds, sequence, within_s)

    async def until_it_waits(placing: Awaitable[Structure]) -> None:
        async with asyncio.timeout(None) as patience, asyncio.TaskGroup() as group:
            waits = group.create_task(waiting.wait())
            waits.add_done_callback(lambda _: patience.reschedule(0))
            await placing

    monkeypatch.setattr(Session, "send", send)
    monkeypatch.setattr(Feeds, "until", follow)
    order = (BTC, "market", "buy", 1, None, {"clientOrderId": "7"})
    async with two_traders() as (alice, bob):
        await limit(bob, "sell", 5, 5_001)
        held.append(at)
        with pytest.raises(TimeoutError):
            await until_it_waits(alice.create_order(*order))
        held.clear()
        placed = await alice.create_order(*order)
        assert (placed["status"], placed["filled"], placed["clientOrderId"]) == ("closed", 1.0, "7")
        assert (await alice.fetch_position(BTC))["contracts"] == 1.0  # type: ignore[index]
        await is_told_of_its_first(alice, order, placed["id"])


@pytest.mark.parametrize(
    "values", [{"codes": [1204, 1204]}, {"errors": []}, {"errors": [{"code": 1204}] * 3}],
    ids=["codes", "none", "more"],
)  # fmt: skip
async def test_a_refusal_that_does_not_fit_what_was_sent_is_raised_itself(
    monkeypatch: pytest.MonkeyPatch, values: dict[str, Any]
) -> None:
    async def refuse(_session: Session, _action: SignedAction, **_: Any) -> Message:
        raise EveryItemRejected(**values)

    order = {"symbol": BTC, "type": "limit", "side": "buy", "amount": 1, "price": 4_990}
    async with two_traders() as (alice, _):
        monkeypatch.setattr(Session, "send", refuse)
        for sending in (alice.create_orders([order, order]), alice.cancel_orders(["1", "2"])):
            with pytest.raises(ExchangeError) as refusal:
                await sending
            assert (refusal.value.code, refusal.value.values) == (EveryItemRejected.code, values)


async def test_one_order_that_is_refused_inside_an_answer_is_an_error_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answered = Session.send

    async def send(session: Session, action: SignedAction, **more: Any) -> Message:
        # So it is where the work that the refusal made is charged.
        try:
            return await answered(session, action, **more)
        except FillOrKillUnfilled as refusal:
            told = {"code": refusal.code, "name": "FillOrKillUnfilled", "values": refusal.values}
            return {"sequence": 1, "time": START_MS, "results": [{"error": told}]}

    monkeypatch.setattr(Session, "send", send)
    async with two_traders() as (alice, bob):
        await limit(bob, "sell", 0.01, 5_001)
        ask = (BTC, "limit", "buy", 0.05, 5_005)
        for params in (FOK, {**FOK, "clientOrderId": "7"}, {**FOK, "clientOrderId": "7"}):
            with pytest.raises(OrderNotFillable) as refused:
                await alice.create_order(*ask, params)
            assert refused.value.code == FillOrKillUnfilled.code
        # What was refused has been answered: asked for again, it is an order of its own.
        await limit(bob, "sell", 0.04, 5_001)
        placed = await alice.create_order(*ask, {**FOK, "clientOrderId": "7"})
        assert (placed["status"], placed["filled"]) == ("closed", 0.05)


async def test_one_cancel_or_edit_that_is_refused_inside_an_answer_is_an_error_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refused = {"error": {"code": 1210, "name": "UnknownOrder", "values": {"order_id": 5}}}

    async def refuse(_session: Session, _action: SignedAction, **_: Any) -> Message:
        return {"sequence": 1, "time": START_MS, "results": [refused]}

    async with two_traders() as (alice, _):
        placed = await limit(alice, "buy", 1, 4_990)
        monkeypatch.setattr(Session, "send", refuse)
        for asking in (
            alice.cancel_order("5"),
            alice.cancel_order(None, BTC, {"clientOrderId": "5"}),
            alice.edit_order(placed["id"], BTC, "limit", "buy", 2),
        ):
            with pytest.raises(OrderNotFound) as error:
                await asking
            assert error.value.values == {"order_id": 5}


async def test_what_is_refused_has_every_key_of_an_order() -> None:
    async with two_traders() as (alice, bob):
        await limit(bob, "sell", 0.01, 5_001)
        whole = await limit(alice, "buy", 1, 4_990)
        wish = {"symbol": BTC, "type": "limit", "side": "buy", "amount": "0.05", "price": "5005"}
        orders = [{**wish, "params": {**FOK, "clientOrderId": one}} for one in ("7", "8")]
        refused, _ = await alice.create_orders(orders)
        assert refused.keys() == whole.keys()
        known = ("id", "status", "symbol", "type", "side", "price", "amount", "timeInForce")
        assert [refused[name] for name in known] == [
            None, "rejected", BTC, "limit", "buy", 5_005.0, 0.05, "FOK",
        ]  # fmt: skip
        assert (refused["filled"], refused["remaining"], refused["cost"]) == (0.0, 0.05, 0.0)
        assert (refused["clientOrderId"], refused["average"]) == ("7", None)
        with pytest.raises(OrderNotFillable):
            await alice.create_orders(orders[:1])
        gone = await alice.cancel_order(whole["id"])
        for one in await alice.cancel_orders([gone["id"], "999999"], "BTC-PERP"):
            assert (one.keys(), one["status"]) == (whole.keys(), "rejected")
            assert one["symbol"] == BTC
        assert one["amount"] is None
        assert unheard_order_structure({}).keys() == whole.keys()
