"""Many who hear one channel of a session; some of them fail, or are given up."""

import asyncio
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from node.client.errors import ConnectionLost, SubscriptionEnded
from node.client.session import Session
from node.client.subscription import Message
from node.types.errors import RateLimited
from tests.unit.client.test_channels import LIMITED
from tests.unit.client.test_session import HELLO, session_with
from tests.unit.client.test_session_books import (
    MISSED,
    NEWER,
    SNAPSHOT,
    until_connected_again,
    until_seq,
)

ACCOUNT = {"account": "0x" + "07" * 20, "orders": []}


class Server:
    """Tells each who subscribes how the book stands, unless ``silent``; says ``news`` at a ping.

    ``asked`` are the methods and channels, on one connection after another. The requests of these
    numbers (from 1) are ``refused``; the method ``unanswered``, or that and a channel, gets no
    answer.
    """

    def __init__(self, *news: Message) -> None:
        self.asked: list[str] = []
        self.refused: list[int] = []
        self.unanswered = ""
        self.silent = False
        self.back = asyncio.Event()
        self.back.set()
        self._news = list(news)

    async def behave(self, socket: web.WebSocketResponse, _request: web.Request) -> None:
        await self.back.wait()
        await socket.send_str(HELLO)
        async for message in socket:
            one = msgspec.json.decode(message.data)
            channel = one["params"].get("channel", "")
            self.asked.append(f"{one['method']} {channel}".strip())
            if self.unanswered in {one["method"], self.asked[-1]}:
                continue
            if one["method"] == "ping" and self._news:
                await socket.send_json(self._news.pop(0))
            if one["method"] == "subscribe" and len(self.asked) in self.refused:
                await socket.send_json({"id": one["id"], "error": LIMITED})
                continue
            await socket.send_json({"id": one["id"], "result": {"resumed": False}})
            if one["method"] == "subscribe" and channel == "book" and not self.silent:
                await socket.send_json(SNAPSHOT)


async def asked(server: Server, count: int) -> None:
    while len(server.asked) < count:  # noqa: ASYNC110 - nobody announces it
        await asyncio.sleep(0.005)


async def hang_up(session: Session) -> None:
    assert session._socket is not None
    await session._socket.close()


async def give_up(waiting: "asyncio.Future[Any]") -> None:
    waiting.cancel()
    with suppress(asyncio.CancelledError):
        await waiting


async def test_two_who_follow_one_book_are_both_told_and_both_know_when_nobody_tells() -> None:
    server = Server(MISSED)
    async with session_with(server.behave) as session:
        await session.ready()
        books = [await session.follow_book("BTC-PERP") for _ in range(2)]
        await session.request("ping", {})
        assert [book.bids() for book in books] == [[("10", "4")]] * 2
        server.back.clear()
        await hang_up(session)
        while session.connected:  # noqa: ASYNC110 - nobody announces it
            await asyncio.sleep(0)
        assert [book.known for book in books] == [False, False]
        server.back.set()
        await until_connected_again(session)
        assert server.asked[3:] == ["subscribe book"] * 2


async def test_a_first_message_of_the_second_is_no_news_to_the_first() -> None:
    heard: list[list[Message]] = [[], []]
    server = Server(MISSED)
    async with session_with(server.behave) as session:
        await session.ready()
        for each in heard:
            await session.subscribe("book", each.append, market="BTC-PERP")
        await session.request("ping", {})
        assert heard == [[SNAPSHOT, MISSED]] * 2


async def test_who_is_refused_takes_nothing_from_who_hears_the_channel_already() -> None:
    first, second = list[Message](), list[Message]()
    server = Server(MISSED, NEWER)
    server.refused = [2, 4]
    async with session_with(server.behave) as session:
        await session.ready()
        await session.subscribe("book", first.append, market="BTC-PERP")
        with pytest.raises(RateLimited):
            await session.subscribe("book", second.append, market="BTC-PERP")
        await session.request("ping", {})
        # Nor does one who asks to begin anew, and is refused, lose what it had.
        with pytest.raises(RateLimited):
            await session.subscribe("book", first.append, market="BTC-PERP")
        await session.request("ping", {})
        assert (first, second) == ([SNAPSHOT, MISSED, NEWER], [])


async def test_a_handler_that_asks_again_begins_anew_and_hears_each_message_once() -> None:
    heard: list[Message] = []
    server = Server(MISSED)
    async with session_with(server.behave) as session:
        await session.ready()
        asking = [session.subscribe("book", heard.append, market="BTC-PERP") for _ in range(2)]
        first, second = await asyncio.gather(*asking)
        assert first is second
        await session.request("ping", {})
        assert heard == [SNAPSHOT, MISSED]
        await session.subscribe("book", heard.append, market="BTC-PERP")
        await session.request("ping", {})
        assert heard == [SNAPSHOT, MISSED, SNAPSHOT]


@pytest.mark.parametrize("fault", [KeyError("account"), asyncio.QueueFull(), OSError()])
@pytest.mark.parametrize("alone", [True, False])
async def test_a_handler_that_fails_ends_its_own_subscription_and_nothing_else(
    fault: Exception, alone: bool
) -> None:
    told: list[SubscriptionEnded] = []
    other: list[Message] = []

    def fail(message: Message) -> None:
        if message["type"] == "diff":
            raise fault

    server = Server(MISSED)
    async with session_with(server.behave) as session:
        await session.ready()
        with capture_logs() as logged:
            failing = await session.subscribe("book", fail, market="BTC-PERP", ended=told.append)
            if not alone:
                await session.subscribe("book", other.append, market="BTC-PERP")
            await session.request("ping", {})
            await session.request("ping", {})
        assert [error.values for error in told] == [
            {"channel": "book", "market": "BTC-PERP", "fault": repr(fault)}
        ]
        assert (failing.error, told[0].__cause__, failing.current) == (told[0], fault, False)
        assert [entry["event"] for entry in logged] == ["subscription_ended"]
        assert session.connections == 1
        assert len(list(session._channels)) == (0 if alone else 1)
        assert other == ([] if alone else [SNAPSHOT, MISSED])
        # The server need not tell what nobody hears.
        assert ("unsubscribe book" in server.asked) is alone


async def test_who_fails_when_it_is_told_of_an_end_ends_nothing_else() -> None:
    def fail(_message: object) -> None:
        raise KeyError

    async with session_with(Server().behave) as session:
        await session.ready()
        with capture_logs() as logged:
            await session.subscribe("book", fail, market="BTC-PERP", ended=fail)
            await session.request("ping", {})
        assert [entry["event"] for entry in logged] == ["ended_failed", "subscription_ended"]
        assert session.connections == 1


async def test_a_request_that_is_given_up_leaves_nothing_to_tell_or_to_renew() -> None:
    server = Server()
    server.unanswered = "subscribe"
    async with session_with(server.behave) as session:
        await session.ready()
        waiting = asyncio.ensure_future(session.subscribe("marks", print))
        await asked(server, 1)
        await give_up(waiting)
        await session.request("ping", {})
        assert server.asked == ["subscribe marks", "unsubscribe marks", "ping"]
        await hang_up(session)
        await until_connected_again(session)
        await session.request("ping", {})
        assert server.asked[3:] == ["ping"]


async def test_who_gives_up_waiting_for_a_first_message_leaves_nothing_either() -> None:
    server = Server()
    server.silent = True
    async with session_with(server.behave) as session:
        await session.ready()
        with suppress(TimeoutError):
            async with asyncio.timeout(0.05):
                await session.follow_book("BTC-PERP")
        await session.request("ping", {})
        assert server.asked == ["subscribe book", "unsubscribe book", "ping"]
        assert list(session._channels) == []


async def test_who_waits_for_a_first_message_is_told_that_the_session_is_over() -> None:
    server = Server()
    server.silent = True
    told: list[SubscriptionEnded] = []
    async with asyncio.timeout(20):
        async with session_with(server.behave) as session:
            await session.ready()
            marks = await session.subscribe("marks", print, ended=told.append)
            waiting = asyncio.ensure_future(session.follow_book("BTC-PERP"))
            while sum(known.begun for known in session._channels) < 2:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0)
        with pytest.raises(SubscriptionEnded) as over:
            await waiting
    assert isinstance(over.value.__cause__, ConnectionLost)
    # Who holds the session knows of its end: it is no news of any one subscription.
    assert (told, marks.current) == ([], False)


@pytest.mark.parametrize("refused", [True, False], ids=["refused", "given up"])
async def test_fills_that_are_not_followed_leave_nothing_either(*, refused: bool) -> None:
    server = Server({"channel": "account", "type": "snapshot", "seq": 1} | ACCOUNT)
    server.refused = [3] if refused else []
    server.unanswered = "" if refused else "subscribe finality"
    async with session_with(server.behave) as session:
        await session.ready()
        waiting = asyncio.ensure_future(session.follow_fills())
        await asked(server, 1)
        await session.request("ping", {})
        await asked(server, 3)
        if refused:
            with pytest.raises(RateLimited):
                await waiting
        else:
            await give_up(waiting)
        await session.request("ping", {})
        assert "unsubscribe account" in server.asked
        assert list(session._channels) == []


async def test_one_who_gives_up_takes_nothing_from_the_others() -> None:
    heard: list[Message] = []
    server = Server(MISSED)
    async with session_with(server.behave) as session:
        await session.ready()
        book = await session.follow_book("BTC-PERP")
        await session.subscribe("book", heard.append, market="BTC-PERP")
        server.unanswered = "subscribe"
        for handler in (print, heard.append):
            waiting = asyncio.ensure_future(session.subscribe("book", handler, market="BTC-PERP"))
            await asked(server, len(server.asked) + 1)
            await give_up(waiting)
        server.unanswered = ""
        # What came between is missing to the one that was to begin anew, and it is asked for.
        await session.request("ping", {})
        await until_seq(book, 7)
        await session.request("ping", {})
        assert "unsubscribe book" not in server.asked
        assert server.asked.count("subscribe book") == 5
        assert (heard[0], len(list(session._channels))) == (SNAPSHOT, 2)


async def test_a_lost_connection_leaves_nothing_of_a_first_request() -> None:
    server = Server()
    server.unanswered = "subscribe"
    async with session_with(server.behave) as session:
        await session.ready()
        waiting = asyncio.ensure_future(session.subscribe("marks", print))
        await asked(server, 1)
        await hang_up(session)
        with pytest.raises(ConnectionLost):
            await waiting
        await until_connected_again(session)
        await session.request("ping", {})
        assert server.asked == ["subscribe marks", "ping"]
