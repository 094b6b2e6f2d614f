"""What became of an order reaches who asked for it, and once, whatever happens on the way."""

import pytest

from node.client.ccxt_feeds import Feeds
from node.client.errors import ConnectionLost
from node.client.subscription import Message
from tests.integration.test_ccxt_adapter import BTC, limit, two_traders


async def test_what_was_executed_is_told_though_no_feed_tells_of_it_any_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tell = Feeds._block
    told = [True]

    def tell_at_first(feeds: Feeds, message: Message) -> None:
        if told:
            tell(feeds, message)

    async def lose(_feeds: Feeds) -> None:
        raise ConnectionLost(method="subscribe")

    monkeypatch.setattr(Feeds, "_block", tell_at_first)
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
