"""What the adapter follows, where the server does not go on telling it."""

import asyncio
from typing import Any

import pytest

from node.client.ccxt_feeds import Feeds
from node.client.errors import ConnectionLost, SubscriptionEnded
from node.types.errors import RateLimited
from tests.unit.client.test_channels import GONE, LIMITED, server
from tests.unit.client.test_readers import Server, give_up
from tests.unit.client.test_readers import asked as until_asked
from tests.unit.client.test_session import session_with
from tests.unit.client.test_session_books import until_connected_again


@pytest.mark.parametrize("channel", ["trades", "blocks"])
async def test_who_waits_on_a_channel_that_ends_is_told_and_may_follow_it_again(
    channel: str,
) -> None:
    asked: list[str] = []
    refused: dict[str, list[dict[str, Any]]] = {channel: [GONE]}
    behaviours = server([], leave_after=2), server(asked, refused=refused)
    async with session_with(*behaviours) as session:
        await session.ready()
        feeds = Feeds(session)
        await feeds.begin()
        await feeds.follow_trades("BTC-PERP")
        waits = feeds.trade_news["BTC-PERP"].take if channel == "trades" else feeds.next_block
        waiting = asyncio.ensure_future(waits())
        await until_connected_again(session)
        if channel == "trades":
            with pytest.raises(SubscriptionEnded):
                await waiting
            await feeds.follow_trades("BTC-PERP")
        else:
            await waiting
            again = asyncio.ensure_future(feeds.next_block())
            await session.request("ping", {})
            assert not again.done()
            again.cancel()
        assert asked.count(channel) == 2


async def test_trades_that_were_refused_for_now_are_asked_for_again() -> None:
    asked: list[str] = []
    async with session_with(server(asked, refused={"trades": [LIMITED]})) as session:
        await session.ready()
        feeds = Feeds(session)
        first = asyncio.ensure_future(feeds.follow_trades("BTC-PERP"))
        await asyncio.sleep(0)
        # It relies on the one that asks already, and must not wait for ever.
        await feeds.follow_trades("BTC-PERP")
        second = asyncio.ensure_future(feeds.trade_news["BTC-PERP"].take())
        for refused in (first, second):
            with pytest.raises(RateLimited):
                await refused
        await feeds.follow_trades("BTC-PERP")
        assert asked == ["trades", "trades"]


async def test_who_gives_up_asking_for_trades_leaves_nobody_waiting() -> None:
    server = Server()
    server.unanswered = "subscribe"
    async with session_with(server.behave) as session:
        await session.ready()
        feeds = Feeds(session)
        first = asyncio.ensure_future(feeds.follow_trades("BTC-PERP"))
        await until_asked(server, 1)
        await feeds.follow_trades("BTC-PERP")
        waiting = asyncio.ensure_future(feeds.trade_news["BTC-PERP"].take())
        await give_up(first)
        with pytest.raises(ConnectionLost):
            await waiting
        server.unanswered = ""
        await feeds.follow_trades("BTC-PERP")
        assert server.asked == ["subscribe trades", "unsubscribe trades", "subscribe trades"]


async def test_an_account_that_ends_before_it_was_told_is_waited_for_by_nobody() -> None:
    refused: dict[str, list[dict[str, Any]]] = {"account": [GONE]}
    account: list[str] = []
    behaviours = server([], leave_after=1), server(account, refused=refused)
    async with session_with(*behaviours) as session:
        await session.ready()
        feeds = Feeds(session)
        with pytest.raises(SubscriptionEnded):
            await feeds.follow_account()
        # Whoever asks next asks the server again.
        refused["account"].append(LIMITED)
        with pytest.raises(RateLimited):
            await feeds.follow_account()
        assert account == ["account", "account"]
