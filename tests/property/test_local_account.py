"""An account that is followed update by update is the one that a snapshot tells of."""

from typing import Any

import msgspec
import pytest

from node.client.local_account import LocalAccount
from node.ports.api import Channel
from node.publisher.accounts import Accounts
from node.publisher.books import Books
from node.publisher.feeds import Feeds
from node.publisher.marks import Marks
from node.types.feed_states import WAITING
from node.types.ids import Sequence
from tests.property.random_log import ACCOUNTS, RULES
from tests.property.test_mirrors import BLOCKS, SEEDS, blocks_of, fresh_state

POSITION = ("market", "size", "entry", "margin", "funding")
ORDER = (
    "order_id", "client_id", "market", "side", "type", "price", "remaining", "amount", "filled",
    "reduce_only", "good_till", "group", "self_trade", "ended",
)  # fmt: skip
WAITS_FOR = ("trigger", "trigger_price")
"""What an order was waiting for stays known to who has followed it; a snapshot tells no more."""


def shown(account: LocalAccount, waiting: set[int]) -> dict[str, Any]:
    """Return what ``account`` says of itself, but for what only the past can tell."""
    return {
        "seq": account.seq,
        "money": (account.free, account.reserved),
        "positions": [
            [held[name] for name in POSITION] for _, held in sorted(account.positions.items())
        ],
        "orders": [
            [
                getattr(order, name)
                for name in (*ORDER, *(WAITS_FOR if number in waiting else ()))
            ]
            for number, order in sorted(account.open.items())
        ],
    }  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
def test_updates_come_to_what_a_snapshot_says(seed: int) -> None:
    print(f"seed {seed}")
    feeds = Feeds(RULES, Books(2), Accounts(RULES.limits), Marks(Sequence(0)), bytes, Sequence(0))
    followed: dict[Channel, LocalAccount] = {}
    for address in ACCOUNTS:
        channel = Channel("account", account=address)
        followed[channel] = LocalAccount()
        followed[channel].apply(msgspec.json.decode(feeds.standing(channel)[0]))
    seen: set[str] = set()
    names: dict[int, int] = {}
    for block in blocks_of(seed, fresh_state(), BLOCKS):
        for message in feeds.take(block, followed):
            update = msgspec.json.decode(message.frame)
            for event in update["events"]:
                if "state" in event:
                    seen.add(event["event"])
                    assert (
                        names.setdefault(event["order_id"], event["client_id"])
                        == (event["client_id"])
                    )
            assert update["time"] == block.block.time
            followed[message.channel].apply(update)
        for channel, account in followed.items():
            told = msgspec.json.decode(feeds.standing(channel)[0])
            fresh = LocalAccount()
            fresh.apply(told)
            waiting = {one["order_id"] for one in told["orders"] if one["state"] == WAITING}
            assert shown(account, waiting) == shown(fresh, waiting)
            seen |= {
                name
                for order in account.open.values()
                for name in ("good_till", "group", "client_id")
                if getattr(order, name)
            } | {order.self_trade for order in account.open.values()}
    # Otherwise the log was too quiet to show anything.
    assert seen >= {
        "accepted", "waiting", "triggered", "rested", "amended", "filled", "cancelled",
        "good_till", "group", "client_id", "cancel_taker", "decrement",
    }  # fmt: skip
