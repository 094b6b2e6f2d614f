"""The feeds over real sockets: what each says, where it goes on, and who holds up whom."""

import asyncio
from typing import Any

import aiohttp
import msgspec
import pytest

from node.adapters.http.config import HttpConfig
from node.client.ccxt_adapter import PlimsollExchange
from node.client.local_book import LocalBook
from node.client.local_orders import LocalOrders
from node.client.session import connect
from node.codec.commands import command_id
from node.ports.api import Channel
from node.publisher.finality import Cursors
from node.types.commands import Command, SettleFunding, Side
from node.types.ids import MarketId, Sequence
from node.types.units import Millis, Ticks
from tests.examples import ALICE, BOB, RULES, START_MS, oracle_round
from tests.integration.api_node import (
    BTC,
    PRICE,
    SIGNING,
    ApiNode,
    Body,
    Talker,
    running_node,
    talking_to,
)
from tests.integration.api_sockets import get, masked, settled, shake_hands, until
from tests.integration.kept_history import KeptHistory
from tests.integration.made_up_blocks import MadeUpBlocks

MARKET = {"market": "BTC-PERP"}
BOOK, ORDERS = {"channel": "book"} | MARKET, {"channel": "orders"} | MARKET
CANDLES = {"channel": "candles", "interval": "1m"} | MARKET


async def trade(node: ApiNode, talker: Talker) -> Body:
    """Sell 150 lots to two buyers; return the result of the second purchase."""
    await talker.call("action", node.order(BOB, Side.SELL, PRICE, 150))
    await talker.call("action", node.order(ALICE, Side.BUY, PRICE, 100))
    bought = await talker.call("action", node.order(ALICE, Side.BUY, PRICE, 100))
    result: Body = bought["result"]
    return result


async def test_orders_are_told_one_by_one_and_nobody_is_named() -> None:
    async with running_node() as node, talking_to(node) as talker:
        await talker.call("subscribe", ORDERS)
        snapshot = await talker.push("orders")
        assert (snapshot["type"], snapshot["bids"], snapshot["asks"]) == ("snapshot", [], [])
        orders = LocalOrders("BTC-PERP")
        orders.apply(snapshot)
        told: list[Any] = [snapshot]
        await trade(node, talker)
        for _ in range(3):
            told.append(await talker.push("orders"))
            orders.apply(told[-1])
        assert [change for message in told[1:] for change in message["changes"]] == [
            {"op": "add", "order_id": 1, "side": "sell", "price": "5000", "remaining": "0.015"},
            {
                "op": "change", "order_id": 1, "side": "sell", "price": "5000",
                "remaining": "0.005", "priority": "kept",
            },
            {"op": "remove", "order_id": 1},
            {"op": "add", "order_id": 3, "side": "buy", "price": "5000", "remaining": "0.005"},
        ]  # fmt: skip
        shown = msgspec.json.encode(told).decode()
        assert all(person.address.hex() not in shown for person in (ALICE, BOB))


async def test_the_best_is_told_when_it_changes_and_only_then() -> None:
    async with running_node() as node, talking_to(node) as talker:
        await talker.call("subscribe", {"channel": "bbo"} | MARKET)
        first = await talker.push("bbo")
        assert (first["bid"], first["ask"]) == (None, None)
        placed = await talker.call("action", node.order(ALICE, Side.BUY, PRICE))
        best = await talker.push("bbo")
        assert (best["bid"], best["ask"]) == (["5000", "0.01"], None)
        assert best["seq"] == placed["result"]["sequence"]
        await talker.call("action", node.order(ALICE, Side.BUY, PRICE - 100))
        await talker.call("action", node.order(BOB, Side.SELL, PRICE + 100))
        # What came below the best was not told.
        assert (await talker.push("bbo"))["ask"] == ["5001", "0.01"]


async def test_candles_and_trades_are_told_and_can_be_asked_for() -> None:
    async with running_node() as node, talking_to(node) as talker:
        await talker.call("subscribe", CANDLES)
        assert (await talker.push("candles"))["candles"] == []
        bought = await trade(node, talker)
        first, second = await talker.push("candles"), await talker.push("candles")
        assert second["prev_seq"] == first["seq"]
        assert second["seq"] == bought["sequence"]
        (candle,) = second["candles"]
        assert candle == {
            "start": START_MS - START_MS % 60_000,
            "open": "5000",
            "high": "5000",
            "low": "5000",
            "close": "5000",
            "volume": "0.015",
            "trades": 2,
        }
        await settled(node)
        asked = await get(node.url, "/candles?market=BTC-PERP&interval=1m&limit=5")
        assert (asked["candles"], asked["interval"]) == ([candle], "1m")
        trades = await get(node.url, "/trades?market=BTC-PERP&limit=1")
        assert [each["size"] for each in trades["trades"]] == ["0.005"]
        assert trades["trades"][0]["sequence"] == trades["seq"] == bought["sequence"]
        assert len((await get(node.url, "/trades?market=BTC-PERP"))["trades"]) == 2
        assert (await get(node.url, "/trades?market=ETH-PERP"))["trades"] == []


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/trades", "MalformedMessage"),
        ("/trades?market=DOGE", "UnknownMarket"),
        ("/trades?market=BTC-PERP&limit=0", "MalformedMessage"),
        ("/trades?market=BTC-PERP&limit=1001", "MalformedMessage"),
        ("/candles?market=BTC-PERP", "MalformedMessage"),
        ("/candles?market=BTC-PERP&interval=2m", "MalformedMessage"),
        ("/candles?market=DOGE&interval=1m", "UnknownMarket"),
    ],
)
async def test_what_cannot_be_asked_for_is_told(path: str, name: str) -> None:
    async with (
        running_node() as node,
        aiohttp.ClientSession() as session,
        session.get(node.url + path) as response,
    ):
        answer = msgspec.json.decode(await response.read())
        assert (response.status, answer["error"]["name"]) == (400, name)


async def test_a_reader_who_comes_back_is_told_what_it_missed() -> None:
    async with running_node() as node, talking_to(node) as stays:
        async with talking_to(node) as leaves:
            answer = await leaves.call("subscribe", BOOK)
            assert answer["result"] == BOOK | {"resumed": False}
            book = LocalBook("BTC-PERP")
            book.apply(await leaves.push("book"))
        for step in range(5):
            await stays.call("action", node.order(ALICE, Side.BUY, PRICE - 100 * step))
        await settled(node)
        async with talking_to(node) as back:
            answer = await back.call("subscribe", BOOK | {"since": book.seq})
            assert answer["result"] == BOOK | {"resumed": True}
            for _ in range(5):
                book.apply(await back.push("book"))
            assert len(book.bids()) == 5
            again = await back.call("subscribe", BOOK | {"since": book.seq})
            assert again["result"]["resumed"]
            await back.call("ping")
            assert not [push for push in back.pushes if push["channel"] == "book"]
            # No message ever had this sequence.
            old = await back.call("subscribe", BOOK | {"since": book.seq - 1})
            assert not old["result"]["resumed"]
            assert (await back.push("book"))["type"] == "snapshot"


@pytest.mark.parametrize(
    ("params", "name"),
    [
        (BOOK | {"since": 1_000_000}, "SinceAhead"),
        (BOOK | {"since": -1}, "MalformedMessage"),
        (BOOK | {"since": "7"}, "MalformedMessage"),
        (BOOK | {"since": 7.5}, "MalformedMessage"),
        (BOOK | {"since": 2**53}, "MalformedMessage"),
        ({"channel": "marks", "since": 1}, "MalformedMessage"),
        (CANDLES | {"since": 1}, "MalformedMessage"),
        (CANDLES | {"interval": "2m"}, "MalformedMessage"),
        (CANDLES | {"interval": ""}, "MalformedMessage"),
        (BOOK | {"interval": "1m"}, "MalformedMessage"),
    ],
)
async def test_where_nothing_can_be_gone_on_from_it_says_so(params: Body, name: str) -> None:
    async with running_node() as node, talking_to(node) as talker:
        answer = await talker.call("subscribe", params)
        assert answer["error"]["name"] == name
        assert node.publisher.subscribers == 0


async def test_a_slow_reader_of_a_book_is_neither_cut_nor_does_it_hold_up_the_others() -> None:
    config = HttpConfig(outbox_bytes=65_536)
    async with running_node(config, funded=False) as node, talking_to(node) as keen:
        reader, writer = await asyncio.open_connection("127.0.0.1", node.server.port, limit=4_096)
        try:
            await shake_hands(reader, writer)
            writer.write(
                masked(msgspec.json.encode({"id": 1, "method": "subscribe", "params": BOOK}))
            )
            await reader.readuntil(b'"snapshot"')
            await keen.call("subscribe", BOOK)
            book, made = LocalBook("BTC-PERP"), MadeUpBlocks(1, markets=1)
            book.apply(await keen.push("book"))
            # Nothing of this is read by the slow one: it fills the sockets, then is set aside.
            told = 0
            while not node.publisher._subscriptions.any_behind() or told < 2_000:
                node.mailbox.offer(made.draw(8), 0)
                book.apply(await keen.push("book"))
                told += 1
                assert told < 100_000
            (slow,) = (wire for wire in node.server._conversations if wire.behind)
            assert slow._transport.get_write_buffer_size() <= config.outbox_bytes
            assert (node.publisher.slow_readers, node.publisher.conflated) == (0, 0)
            # It reads again, and is told how things stand: the last snapshot, then what follows.
            text = b""
            while not node.publisher.conflated:
                text += await reader.read(1 << 20)
            node.mailbox.offer(made.draw(8), 0)
            book.apply(await keen.push("book"))
            last = b'"seq":%d,' % book.seq
            while last not in text[-65_536:]:
                text += await reader.read(1 << 20)
            assert b'"type":"snapshot"' in text
            levels = node.feeds.books.levels(BTC, Side.BUY)
            assert len(book.bids()) == len(levels)
            assert node.publisher.subscribers == 2
        finally:
            writer.close()


async def test_the_client_tells_how_sure_each_of_its_fills_is() -> None:
    async with running_node() as node, talking_to(node) as talker, connect(node.url) as session:
        await session.login(session.wallet(ALICE.key))
        fills = await session.follow_fills()
        bought = await trade(node, talker)
        await until(lambda: len(fills.fills) == 2)
        assert [fill.role for fill in fills.fills] == ["taker", "taker"]
        last = fills.fills[-1]
        assert (last.sequence, fills.stage(last.sequence)) == (bought["sequence"], "accepted")
        state = fills.order(last.order_id)
        assert state is not None
        assert (state.state, state.remaining) == ("partly_filled", "0.005")
        for stage, posted, final in (("sealed", 0, 0), ("posted", 1, 0), ("final", 1, 1)):
            end = last.sequence
            cursors = [Sequence(end * reached) for reached in (posted, final, final, 1)]
            node.publisher.set_cursors(Cursors(*cursors))
            await session.request("ping", {})
            assert fills.stage(end) == stage


async def test_fills_that_the_node_forgot_to_tell_are_read_from_its_history() -> None:
    with KeptHistory.made() as history:
        async with (
            running_node(history=history) as node,
            talking_to(node) as talker,
            connect(node.url) as session,
        ):
            await session.login(session.wallet(ALICE.key))
            fills = await session.follow_fills()
            await trade(node, talker)
            await until(lambda: len(fills.fills) == 2)
            for subscription in session._channels:
                # As where the node remembers none of its messages: there is nothing to go on from.
                subscription.start_over()
            assert session._socket is not None
            await session._socket.close()
            await trade(node, talker)
            await until(lambda: session.connections == 2)
            await session.ready()
            await until(lambda: fills.missed is not None)
            heard = list(fills.fills)
            await fills.fill_up()
            assert fills.missed is None
            assert list(fills.fills)[:2] == heard
            assert [(one.role, one.size) for one in fills.fills][2:] == [
                ("maker", "0.005"), ("taker", "0.01"),
            ]  # fmt: skip
            assert len({one.key for one in fills.fills}) == 4
            assert {(one.side, one.market) for one in fills.fills} == {("buy", "BTC-PERP")}
            await trade(node, talker)
            await until(lambda: len(fills.fills) == 6)
            assert fills.missed is None


async def test_the_client_goes_on_where_it_was_after_a_lost_connection() -> None:
    async with running_node() as node, talking_to(node) as talker, connect(node.url) as session:
        orders = await session.follow_orders("BTC-PERP")
        book = await session.follow_book("BTC-PERP")
        trades: list[Body] = []
        trading = await session.subscribe("trades", trades.append, market="BTC-PERP")
        assert session._socket is not None
        connection = session._socket._response.connection
        assert connection is not None
        assert connection.transport is not None
        connection.transport.abort()
        await trade(node, talker)
        await until(lambda: session.connections == 2)
        await session.ready()
        await until(lambda: book.seq == orders.seq == node.publisher.last_sequence)
        assert [order.order_id for order in orders.orders("buy")] == [3]
        assert book.bids() == orders.levels("buy") == [("5000", "0.005")]
        assert [message["type"] for message in trades] == ["snapshot", "diff", "diff"]
        assert (trading.resumed, trading.begun) == (1, 1)
        assert Channel("trades", MarketId(1)) in node.publisher


async def test_funding_is_told_with_the_marks_and_counts_in_what_a_position_is_worth() -> None:
    async with (
        running_node() as node,
        talking_to(node) as talker,
        PlimsollExchange({"url": node.url, "privateKey": BOB.key.hex()}) as exchange,
    ):
        await talker.call("subscribe", {"channel": "marks"})
        first = (await talker.push("marks"))["marks"]["BTC-PERP"]
        hour = RULES.markets[0].funding_interval_ms
        due = (START_MS // hour + 1) * hour
        nothing = {"index": "0", "premium": "0", "samples": 0, "rate": "0", "next_time": due}
        assert (first["funding"], first["open_interest"]) == (nothing, "0")
        await trade(node, talker)
        await talker.call("action", node.order(BOB, Side.SELL, PRICE + 100))
        prices = Ticks(PRICE), Ticks(20_000)
        await settle(node, oracle_round(Millis(START_MS + 1), prices, SIGNING))
        # The book stands at 5,000 and 5,001: its middle 0.01 % above the mark, an eighth an hour.
        told = (await talker.push("marks"))["marks"]["BTC-PERP"]
        expected = nothing | {"premium": "0.0001", "samples": 1, "rate": "0.0000125"}
        assert (told["funding"], told["open_interest"]) == (expected, "0.015")
        [market, _] = (await get(node.url, "/markets"))["markets"]
        assert market["now"]["funding"] == expected
        assert market["now"]["open_interest"] == "0.015"
        rate = await exchange.fetch_funding_rate("BTC/USDC:USDC")
        assert (rate["fundingRate"], rate["fundingTimestamp"]) == (0.0000125, due)
        assert (rate["interval"], rate["info"]) == ("1h", told)
        interest = await exchange.fetch_open_interest("BTC/USDC:USDC")
        assert (interest["openInterestAmount"], interest["openInterestValue"]) == (0.015, 75.0)

        before = await exchange.fetch_position("BTC/USDC:USDC")
        node.clock.ahead_ms = due - START_MS
        await settle(node, SettleFunding())
        told = (await talker.push("marks"))["marks"]["BTC-PERP"]
        assert told["funding"] == nothing | {"index": "0.000006", "next_time": due + hour}
        marks = await exchange.marks()
        await until(lambda: marks.indices["BTC-PERP"] == node.state.market(BTC).funding_index)
        after = await exchange.fetch_position("BTC/USDC:USDC")
        assert before is not None
        assert after is not None
        # The short is owed 6 millionths for each of its 150 lots, and nobody has touched it.
        assert after["info"]["funding"] == "0"
        assert round(after["collateral"] - before["collateral"], 9) == 150 * 6 / 1e6


async def settle(node: ApiNode, command: Command) -> None:
    """Let a command of the exchange's own be executed."""
    await node.sequencer.submit(command, command_id(command, SIGNING))
