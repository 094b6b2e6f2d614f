"""What the adapter tells of the past: the history's rows, and what was heard since, once each."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from node.client import ccxt_history
from node.client.ccxt_adapter import PlimsollExchange
from node.client.ccxt_errors import (
    ArgumentsRequired,
    BadRequest,
    ExchangeNotAvailable,
    NotSupported,
    OrderNotFound,
)
from node.types.errors import HistoryUnavailable
from tests.examples import ALICE, BOB, START_MS, Person
from tests.integration.api_node import ApiNode, running_node
from tests.integration.kept_history import KeptHistory
from tests.integration.test_ccxt_adapter import BTC, ETH, limit, trading, two_traders

Structure = dict[str, Any]


@pytest.fixture
def history() -> Iterator[KeptHistory]:
    with KeptHistory.made() as kept:
        yield kept


@asynccontextmanager
async def traded(
    history: KeptHistory,
) -> AsyncIterator[tuple[ApiNode, PlimsollExchange, PlimsollExchange]]:
    """Let Bob buy three times of one offer of Alice's, and cancel what is left of it."""
    async with (
        running_node(history=history) as node,
        trading(node, ALICE) as alice,
        trading(node, BOB) as bob,
    ):
        offered = await alice.create_order(BTC, "limit", "sell", 1, 5_001, {"clientOrderId": "7"})
        for amount in (0.1, 0.2, 0.3):
            await bob.create_order(BTC, "market", "buy", amount)
        await alice.cancel_order(offered["id"])
        yield node, alice, bob


def ids(found: list[Structure]) -> list[str]:
    return [one["id"] for one in found]


async def test_fills_of_before_the_connection_are_told_with_their_fees(
    history: KeptHistory,
) -> None:
    async with traded(history) as (node, alice, _), trading(node, ALICE) as later:
        told = await later.fetch_my_trades(BTC)
        assert [one["amount"] for one in told] == [0.1, 0.2, 0.3]
        assert {one["takerOrMaker"] for one in told} == {"maker"}
        assert {one["side"] for one in told} == {"sell"}
        seen = await alice.fetch_my_trades(BTC)
        for one, other in zip(told, seen, strict=True):
            assert one | {"info": None} == other | {"info": None}
        assert await later.fetch_my_trades(ETH) == []


async def test_what_only_the_connection_knows_is_told_behind_the_rest_and_nothing_twice(
    history: KeptHistory,
) -> None:
    async with traded(history) as (_, alice, bob):
        before = await bob.fetch_my_trades(BTC)
        history.held_for = 1_000
        await limit(alice, "sell", 1, 5_002)
        await bob.create_order(BTC, "market", "buy", 0.4)
        behind = await bob.fetch_my_trades(BTC)
        assert behind[:3] == before
        assert [one["amount"] for one in behind] == [0.1, 0.2, 0.3, 0.4]
        assert [one["amount"] for one in await bob.fetch_my_trades(BTC, None, 2)] == [0.3, 0.4]
        assert [one["amount"] for one in await bob.fetch_my_trades(BTC, START_MS, 2)] == [0.1, 0.2]
        assert await bob.fetch_my_trades(BTC, START_MS + 1) == []
        history.held_for = 0
        assert ids(await bob.fetch_my_trades(BTC)) == ids(behind)


async def test_a_trade_has_one_name_wherever_it_is_told(history: KeptHistory) -> None:
    async with traded(history) as (_, alice, bob):
        names = ids(await bob.fetch_trades(BTC))
        assert len(set(names)) == 3
        assert ids(await bob.fetch_my_trades()) == names
        assert ids(await alice.fetch_my_trades()) == names
        assert ids(await bob.watch_my_trades()) == names


async def test_orders_that_ended_long_ago_are_found(history: KeptHistory) -> None:
    async with traded(history) as (node, alice, _), trading(node, ALICE) as later:
        [gone] = await later.fetch_canceled_orders(BTC)
        assert (gone["status"], gone["clientOrderId"]) == ("canceled", "7")
        assert (gone["amount"], gone["filled"], gone["remaining"]) == (1.0, 0.6, 0.4)
        assert gone["cost"] == pytest.approx(0.6 * 5_001)
        assert (gone["type"], gone["timeInForce"], gone["postOnly"]) == ("limit", "GTC", False)
        assert await later.fetch_order(gone["id"]) == gone
        seen = await alice.fetch_order(gone["id"])
        for name in ("fee", "average", "price", "timestamp", "lastUpdateTimestamp", "side"):
            assert gone[name] == seen[name], name
        assert await later.fetch_closed_orders() == []
        with pytest.raises(OrderNotFound):
            await later.fetch_order("4711")


async def test_an_order_is_found_by_the_number_that_its_owner_gave_it(history: KeptHistory) -> None:
    named = {"clientOrderId": "7"}
    async with traded(history) as (node, alice, bob), trading(node, ALICE) as later:
        [gone] = await later.fetch_canceled_orders(BTC)
        # From the history, and from what was heard.
        assert await later.fetch_order(None, BTC, named) == gone
        assert (await alice.fetch_order(None, BTC, named))["id"] == gone["id"]
        other = {"clientOrderId": "8"}
        rests = await alice.create_order(BTC, "limit", "sell", 1, 5_001, other)
        for one in (alice, later):
            found = await one.fetch_order(None, BTC, other)
            assert (found["id"], found["status"]) == (rests["id"], "open")
        await alice.cancel_order(rests["id"])
        assert (await later.fetch_order(None, BTC, other))["id"] == rests["id"]
        with pytest.raises(OrderNotFound):
            await bob.fetch_order(None, BTC, named)
        with pytest.raises(ArgumentsRequired):
            await alice.fetch_order(gone["id"], BTC, named)


async def test_an_order_that_was_open_before_is_told_as_far_as_anybody_knows(
    history: KeptHistory,
) -> None:
    for kept, time in ((None, None), (history, START_MS)):
        async with running_node(history=kept) as node, trading(node, ALICE) as alice:
            placed = await limit(alice, "sell", 1, 5_001)
            async with trading(node, ALICE) as later:
                found = await later.fetch_order(placed["id"])
        assert (found["amount"], found["remaining"], found["status"]) == (1.0, 1.0, "open")
        assert (found["cost"], found["timestamp"]) == (0.0, time)


async def test_somebody_else_s_order_is_not_the_account_s(history: KeptHistory) -> None:
    async with traded(history) as (_, alice, bob):
        [gone] = await alice.fetch_canceled_orders()
        with pytest.raises(OrderNotFound):
            await bob.fetch_order(gone["id"])


async def test_orders_stand_as_the_connection_last_heard_of_them(history: KeptHistory) -> None:
    async with traded(history) as (_, alice, bob):
        resting = await limit(alice, "sell", 1, 5_002)
        assert [one["status"] for one in await alice.fetch_orders(BTC)] == ["canceled", "open"]
        history.held_for = 1_000
        await bob.create_order(BTC, "market", "buy", 1)
        fresh = await limit(alice, "sell", 1, 5_003)
        found = await alice.fetch_orders(BTC)
        assert [one["status"] for one in found] == ["canceled", "closed", "open"]
        assert [one["filled"] for one in found] == [0.6, 1.0, 0.0]
        assert ids(found)[1:] == [resting["id"], fresh["id"]]
        assert ids(await alice.fetch_closed_orders(BTC)) == [resting["id"]]
        assert ids(await alice.fetch_orders(BTC, None, 1)) == [fresh["id"]]
        assert ids(await alice.fetch_orders(BTC, START_MS, 1)) == ids(found)[:1]


async def test_closed_orders_are_those_that_were_filled(history: KeptHistory) -> None:
    async with traded(history) as (_, alice, bob):
        offered = await limit(alice, "sell", 1, 5_001)
        await bob.create_order(BTC, "market", "buy", 1)
        [closed] = await alice.fetch_closed_orders(BTC)
        assert (closed["id"], closed["status"], closed["filled"]) == (offered["id"], "closed", 1.0)
        assert await alice.fetch_closed_orders(ETH) == []


async def test_pages_are_followed_as_far_as_asked_for(
    history: KeptHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ccxt_history, "ROWS", 2)
    monkeypatch.setattr(ccxt_history, "CALL_ROWS", 1)
    async with traded(history) as (node, _, _), trading(node, BOB) as bob:
        whole = [0.1, 0.2, 0.3]

        async def amounts(
            since: int | None, limit: int | None, params: Structure | None = None
        ) -> list[float]:
            return [one["amount"] for one in await bob.fetch_my_trades(BTC, since, limit, params)]

        assert await amounts(None, None) == whole[1:]
        assert await amounts(None, 3) == await amounts(START_MS, 3) == whole
        assert await amounts(None, None, {"paginate": True}) == whole
        assert await amounts(None, None, {"paginate": True, "paginationCalls": 1}) == whole[2:]
        assert await amounts(START_MS, None, {"paginate": True, "until": START_MS}) == whole
        assert await amounts(None, None, {"until": START_MS - 1}) == []
        for since, limit, params in ((-1, None, {}), (None, 0, {}), (None, None, {"til": 1})):
            with pytest.raises(BadRequest):
                await amounts(since, limit, params)


async def test_who_comes_while_the_history_is_behind_waits_for_it(
    history: KeptHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    history.held_for = 1_000
    monkeypatch.setattr(ccxt_history, "PAUSE_S", 0.01)
    monkeypatch.setattr(ccxt_history, "BEHIND_S", 0.02)
    async with running_node(history=history) as node, trading(node, ALICE) as alice:
        with pytest.raises(ExchangeNotAvailable) as refusal:
            await alice.fetch_my_trades()
        assert refusal.value.code == HistoryUnavailable.code
        assert refusal.value.values["sequence"] < refusal.value.values["needed"]
        history.held_for = 2
        assert await alice.fetch_my_trades() == []
        assert history.held_for == 0


async def test_money_that_came_and_went_is_told(history: KeptHistory) -> None:
    async with traded(history) as (_, alice, _):
        [deposit] = await alice.fetch_deposits("USDC")
        assert (deposit["type"], deposit["amount"], deposit["status"]) == ("deposit", 1e5, "ok")
        with pytest.raises(BadRequest):
            await alice.fetch_deposits("BTC")
        withdrawal = await (await alice.trader()).withdraw(5_500_000)  # type: ignore[arg-type]
        [gone] = await alice.fetch_withdrawals()
        assert (gone["amount"], gone["status"]) == (5.5, "pending")
        assert gone["id"] == str(withdrawal["results"][0]["withdrawal_id"])
        assert ids(await alice.fetch_deposits_withdrawals()) == [deposit["id"], gone["id"]]


async def test_without_a_key_the_history_is_all_there_is(history: KeptHistory) -> None:
    async with traded(history) as (node, _, bob):
        whole = await bob.fetch_my_trades()
        async with PlimsollExchange({"url": node.url, "walletAddress": _hex(BOB)}) as exchange:
            assert ids(await exchange.fetch_my_trades()) == ids(whole)
            assert len(await exchange.fetch_closed_orders(BTC)) == 3
            assert await exchange.fetch_liquidations(BTC) == []
            assert await exchange.fetch_my_liquidations() == []
            assert await exchange.fetch_funding_history(BTC) == []


def _hex(person: Person) -> str:
    return "0x" + person.address.hex()


@pytest.mark.parametrize(
    "method",
    ["fetch_my_trades", "fetch_orders", "fetch_funding_history", "fetch_withdrawals"],
)
async def test_a_node_without_a_history_says_so(method: str) -> None:
    async with two_traders() as (alice, _):
        with pytest.raises(NotSupported):
            await getattr(alice, method)()
