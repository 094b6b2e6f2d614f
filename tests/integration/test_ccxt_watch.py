"""What the adapter's watchers are told of what happened while nobody listened."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientWebSocketResponse

from node.client import ccxt_history, ccxt_venue
from node.client.ccxt_adapter import PlimsollExchange
from node.client.ccxt_errors import (
    AuthenticationError,
    ExchangeClosedByUser,
    ExchangeError,
    ExchangeNotAvailable,
    NetworkError,
)
from node.client.errors import SubscriptionEnded
from node.client.session import Session
from node.client.subscription import Message
from node.types.errors import AgentExpired, UnknownMarket, WrongChain
from tests.examples import ALICE, BOB, START_MS
from tests.integration.api_node import running_node
from tests.integration.kept_history import KeptHistory
from tests.integration.test_ccxt_adapter import (
    BTC,
    ETH,
    limit,
    trading,
    two_traders,
    two_traders_of,
)


@asynccontextmanager
async def away(exchange: PlimsollExchange, *, forgotten: bool = True) -> AsyncIterator[None]:
    """Cut the connection and keep it cut; ``forgotten``: there is nothing to go on from then."""
    session = await exchange.session()
    back, serve = asyncio.Event(), session._serve

    async def serve_later(socket: ClientWebSocketResponse) -> None:
        await back.wait()
        await serve(socket)

    session._serve = serve_later  # type: ignore[method-assign]
    assert session._socket is not None
    await session._socket.close()
    while session.connected:  # noqa: ASYNC110 - nobody announces it
        await asyncio.sleep(0)
    try:
        yield
        if forgotten:
            for subscription in session._channels:
                subscription.start_over()
    finally:
        back.set()
    await session.ready()


@pytest.mark.parametrize("kept", [True, False], ids=["history", "none"])
async def test_what_was_filled_while_nobody_listened_is_told_as_far_as_it_is_kept(
    *, kept: bool
) -> None:
    with KeptHistory.made() as history:
        async with two_traders_of(history if kept else None) as (alice, bob):
            bid = await limit(alice, "buy", 1, 4_990)
            await alice.watch_orders()
            async with asyncio.TaskGroup() as group:
                orders = group.create_task(alice.watch_orders())
                fills = group.create_task(alice.watch_my_trades(BTC))
                await asyncio.sleep(0)
                async with away(alice):
                    await limit(bob, "sell", 0.4, 4_990)
                    await limit(bob, "sell", 0.6, 4_990)
                [ended] = await orders
                assert (ended["id"], ended["status"]) == (bid["id"], "closed" if kept else None)
                assert (await alice.fetch_order(bid["id"]))["status"] == ended["status"]
                await limit(alice, "sell", 0.1, 5_010)
                await limit(bob, "buy", 0.1, 5_010)
                told = await fills
            while told[-1]["side"] == "buy":
                told += await alice.watch_my_trades(BTC)
        missed = [("buy", 0.4), ("buy", 0.6)] if kept else []
        assert [(one["side"], one["amount"]) for one in told] == [*missed, ("sell", 0.1)]


async def test_what_was_missed_is_told_once_the_history_has_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ccxt_history, "BEHIND_S", 0.0)
    with KeptHistory.made() as history:
        async with two_traders_of(history) as (alice, bob):
            bid = await limit(alice, "buy", 1, 4_990)
            await alice.watch_orders()
            async with away(alice):
                await limit(bob, "sell", 1, 4_990)
            history.held_for = 1_000
            for watching in (alice.watch_orders, alice.watch_my_trades):
                with pytest.raises(ExchangeNotAvailable):
                    await watching()
            history.held_for = 0
            [ended] = await alice.watch_orders()
            [fill] = await alice.watch_my_trades()
            assert (ended["id"], ended["status"], ended["filled"]) == (bid["id"], "closed", 1.0)
            assert (fill["order"], fill["amount"]) == (bid["id"], 1.0)
            assert (await alice.fetch_order(bid["id"]))["status"] == "closed"


async def test_that_a_position_is_gone_is_told_like_any_other_change() -> None:
    async with two_traders() as (alice, bob), asyncio.TaskGroup() as group:
        # Who asks for one market is told of no other.
        other = group.create_task(alice.watch_positions([ETH]))
        for side, amount, held in (
            ("sell", 0.5, ("short", 0.5)),
            ("buy", 0.2, ("short", 0.3)),
            ("buy", 0.3, (None, 0.0)),
        ):
            await limit(bob, "buy" if side == "sell" else "sell", amount, 5_000)
            await limit(alice, side, amount, 5_000)
            for asked in (None, [BTC]):
                [told] = await alice.watch_positions(asked)
                assert (told["side"], told["contracts"]) == held
                assert (told["symbol"], told["timestamp"]) == (BTC, START_MS)
        [gone] = await alice.watch_positions([BTC, ETH])
        assert gone["entryPrice"] is None
        assert gone["info"]["size"] == "0"
        assert await alice.fetch_position(BTC) is None
        await limit(bob, "buy", 0.1, 5_000)
        await limit(alice, "sell", 0.1, 5_000)
        [whole] = await alice.watch_positions()
        assert whole.keys() == gone.keys()
        assert not other.done()
        other.cancel()


async def test_a_position_that_went_while_nobody_listened_is_told_to_be_gone() -> None:
    async with two_traders() as (alice, bob):
        await limit(bob, "buy", 1, 5_000)
        await limit(alice, "sell", 1, 5_000)
        assert [one["contracts"] for one in await alice.watch_positions()] == [1.0]
        await limit(alice, "buy", 1, 4_990)
        async with away(alice):
            await limit(bob, "sell", 1, 4_990)
        async with asyncio.timeout(20):
            for asked in (None, [BTC]):
                told = (await alice.watch_positions(asked))[-1]
                assert (told["symbol"], told["side"], told["contracts"]) == (BTC, None, 0.0)


async def test_of_each_break_just_that_is_read_which_fell_into_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ccxt_history, "ROWS", 1)
    with KeptHistory.made() as history:
        async with two_traders_of(history) as (alice, bob):
            await limit(alice, "buy", 10, 4_990)
            sold = (0.1, 0.2, 0.3, 0.4, 0.5)
            for amount in sold:
                if amount in {0.2, 0.4}:
                    async with away(alice):
                        await limit(bob, "sell", amount, 4_990)
                else:
                    await limit(bob, "sell", amount, 4_990)
            told: list[float] = []
            while len(told) < len(sold):
                told += [one["amount"] for one in await alice.watch_my_trades(BTC)]
            assert told == [*sold]
            assert (await alice.watch_orders())[0]["filled"] == pytest.approx(sum(sold))
            assert await alice.fetch_open_orders(ETH) == []


async def test_an_order_of_unknown_age_is_not_left_out_for_its_age() -> None:
    async with running_node() as node, trading(node, ALICE) as alice:
        older = await limit(alice, "buy", 1, 4_990)
        async with trading(node, ALICE) as later:
            [told] = await later.watch_orders(BTC, START_MS + 1)
            assert (told["id"], told["timestamp"]) == (older["id"], None)
            newer = await limit(later, "buy", 1, 4_980)
            found = await later.fetch_open_orders(BTC, START_MS)
            assert [one["id"] for one in found] == [older["id"], newer["id"]]
            [told] = await later.fetch_open_orders(BTC, START_MS + 1)
            assert told["id"] == older["id"]


async def test_what_a_break_kept_back_is_told_at_once_and_with_its_own_time() -> None:
    async with running_node() as node, trading(node, ALICE) as alice, trading(node, BOB) as bob:
        bid = await limit(alice, "buy", 1, 4_990)
        await alice.watch_orders()
        async with away(alice, forgotten=False):
            for amount, ahead_ms in ((0.4, 100), (0.6, 300)):
                node.clock.ahead_ms = ahead_ms
                await limit(bob, "sell", amount, 4_990)
        async with asyncio.timeout(20):
            # No block comes any more: nothing may wait for one.
            fills = await alice.watch_my_trades()
        assert [one["timestamp"] for one in fills] == [START_MS + 100, START_MS + 300]
        [ended] = await alice.watch_orders()
        assert (ended["id"], ended["lastTradeTimestamp"]) == (bid["id"], START_MS + 300)


async def test_what_is_asked_for_is_never_told_from_memory_while_nobody_listens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with two_traders() as (alice, bob):
        bid = await limit(alice, "buy", 1, 4_990)
        funding = await alice.fetch_funding_rate(BTC)
        asking: tuple[Callable[[], Awaitable[Any]], ...] = (
            lambda: alice.fetch_open_orders(BTC),
            lambda: alice.fetch_order(bid["id"]),
            lambda: alice.fetch_funding_rate(BTC),
            lambda: alice.fetch_open_interest(BTC),
        )
        async with away(alice, forgotten=False):
            monkeypatch.setattr(ccxt_venue, "CURRENT_S", 0.01)
            for ask in asking:
                with pytest.raises(NetworkError):
                    await ask()
            monkeypatch.undo()
            asked = [asyncio.ensure_future(ask()) for ask in asking]
            await limit(bob, "sell", 1, 4_990)
            assert not any(one.done() for one in asked)
        opened, order, rate, _ = await asyncio.gather(*asked)
        assert (opened, order["status"], rate["info"]["open_interest"]) == ([], "closed", "1")
        assert rate | {"info": funding["info"]} == funding


async def test_nothing_is_told_from_memory_once_the_log_in_is_refused() -> None:
    async def refuse() -> None:
        raise AgentExpired(until=START_MS)

    async with two_traders() as (alice, bob):
        bid = await limit(alice, "buy", 1, 4_990)
        session = await alice.session()
        async with away(alice, forgotten=False):
            await limit(bob, "sell", 1, 4_990)
            session._log_in = refuse  # type: ignore[method-assign]
            asking = alice.fetch_open_orders(), alice.fetch_order(bid["id"])
            asked = [asyncio.ensure_future(one) for one in asking]
            await asyncio.sleep(0)
        for one in asked:
            with pytest.raises(AuthenticationError):
                await one


async def test_two_who_watch_a_book_at_once_are_both_told_and_it_is_followed_once() -> None:
    async with running_node() as node, trading(node, ALICE) as alice, asyncio.timeout(20):
        await limit(alice, "buy", 1, 4_990)
        books = await asyncio.gather(*(alice.watch_order_book(BTC) for _ in range(2)))
        assert [book["bids"] for book in books] == [[[4_990.0, 1.0]]] * 2
        followed = [one.params["channel"] for one in (await alice.session())._channels]
        assert followed.count("book") == 1


async def test_two_who_watch_a_book_that_ends_are_both_told_why() -> None:
    async with running_node() as node, trading(node, ALICE) as alice, asyncio.timeout(20):
        await alice.watch_order_book(BTC)
        waiting = [asyncio.ensure_future(alice.watch_order_book(BTC)) for _ in range(2)]
        await asyncio.sleep(0)
        (await alice.session())._channels.end("book", UnknownMarket(market="BTC-PERP"))
        await limit(alice, "buy", 1, 4_990)
        for one in waiting:
            with pytest.raises(ExchangeNotAvailable):
                await one
        assert (await alice.watch_order_book(BTC))["bids"] == [[4_990.0, 1.0]]


async def all_watching(exchange: PlimsollExchange) -> list[asyncio.Future[Any]]:
    """Return one watcher of each kind, each of which waits."""
    watching: tuple[Callable[[], Awaitable[Any]], ...] = (
        exchange.watch_orders,
        exchange.watch_my_trades,
        exchange.watch_balance,
        exchange.watch_positions,
        lambda: exchange.watch_trades(BTC),
        lambda: exchange.watch_order_book(BTC),
    )
    await limit(exchange, "buy", 1, 4_990)
    for watch in (exchange.watch_orders, exchange.watch_balance, watching[-1]):
        await watch()
    waiting: list[asyncio.Future[Any]] = [asyncio.ensure_future(watch()) for watch in watching]
    # What the watchers ask for first is answered by then.
    await exchange.fetch_open_orders()
    assert not any(one.done() for one in waiting)
    return waiting


async def test_who_watches_a_connection_that_is_closed_is_told() -> None:
    async with running_node() as node, trading(node, ALICE) as alice:
        waiting = await all_watching(alice)
        await alice.close()
        async with asyncio.timeout(20):
            ends = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(end) for end in ends] == [ExchangeClosedByUser] * len(waiting)
        # The next request connects again.
        assert len(await alice.fetch_open_orders()) == 1
        assert [one["status"] for one in await alice.watch_orders()] == ["open"]


@pytest.mark.parametrize("channel", ["fee", "account", "marks"])
async def test_a_first_message_that_never_comes_holds_nobody_up_once_it_is_closed(
    monkeypatch: pytest.MonkeyPatch, channel: str
) -> None:
    async with running_node() as node, trading(node, ALICE) as alice, asyncio.timeout(20):
        known = (await alice.session())._channels
        take = known.take

        def withhold(message: Message) -> None:
            if message["channel"] != channel:
                take(message)

        monkeypatch.setattr(known, "take", withhold)
        ask = alice.marks if channel == "marks" else alice.trader
        waiting = asyncio.ensure_future(ask())
        while channel not in {one.params["channel"] for one in known if one.begun}:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0)
        await alice.close()
        told = ExchangeClosedByUser if channel == "account" else SubscriptionEnded
        with pytest.raises(told):
            await waiting
        assert await alice.fetch_open_orders() == []
        assert (await alice.marks()).prices


async def test_who_watches_a_node_that_has_become_another_is_told_and_so_is_whoever_asks() -> None:
    async def become_another(_socket: ClientWebSocketResponse) -> None:
        raise WrongChain(expected=1, found=2)

    async with running_node() as node, trading(node, ALICE) as alice:
        # The task that made the first request need not live as long as the connection.
        await alice.close()
        await asyncio.ensure_future(alice.fetch_open_orders())
        waiting = await all_watching(alice)
        session = await alice.session()
        session._serve = become_another  # type: ignore[assignment, method-assign]
        assert session._socket is not None
        await session._socket.close()
        async with asyncio.timeout(20):
            ends = await asyncio.gather(*waiting, return_exceptions=True)
        for end in ends:
            assert isinstance(end, ExchangeError)
            assert end.code == WrongChain.code
        asking: tuple[Callable[[], Awaitable[Any]], ...] = (
            alice.fetch_open_orders,
            alice.watch_orders,
            alice.fetch_time,
            lambda: alice.fetch_trades(ETH),
        )
        for ask in asking:
            with pytest.raises(ExchangeError) as refusal:
                await ask()
            assert refusal.value.code == WrongChain.code
        await alice.close()
        assert len(await alice.fetch_open_orders()) == 1


async def test_who_stops_waiting_for_the_first_connection_holds_nobody_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    serving, serve = asyncio.Event(), Session._serve

    async def serve_later(session: Session, socket: ClientWebSocketResponse) -> None:
        await serving.wait()
        await serve(session, socket)

    monkeypatch.setattr(Session, "_serve", serve_later)
    async with running_node() as node:
        exchange = PlimsollExchange({"url": node.url})
        first, second = (asyncio.ensure_future(exchange.fetch_time()) for _ in range(2))
        await asyncio.sleep(0.05)
        first.cancel()
        await asyncio.wait([first])
        assert first.cancelled()
        serving.set()
        assert await second == START_MS
        await exchange.close()
