"""The channel ``account``: what one account has, then what happens to it, in its owner's words."""

from collections.abc import Container
from typing import Final

import msgspec

from node.codec.action_types import SIDE_NAMES, TRIGGER_NAMES
from node.ports.api import Channel
from node.publisher.account_events import AccountEvents, terms
from node.publisher.account_mirror import AccountMirror, OpenOrder
from node.publisher.accounts import Accounts
from node.publisher.message import Fields, Framer, Message, joined, shown
from node.types.durable import DurableBlock
from node.types.ids import Address, Sequence, hex_from_address
from node.types.rules import MarketRules, Rules
from node.types.units import money_text

_encode = msgspec.json.Encoder().encode

_HEAD_BYTES: Final = 512
_ORDER_BYTES: Final = 480
_POSITION_BYTES: Final = 256
_SIGNER_BYTES: Final = 72
"""What each takes at most, with the longest numbers and names that there can be.

A signer takes as much for its nonce, and an agent once more for its time.
"""


def snapshot_bytes_max(rules: Rules) -> int:
    """Return what the snapshot of one account takes at most: the rules bound all that is in it."""
    limits = rules.limits
    return (
        _HEAD_BYTES
        + _ORDER_BYTES * limits.open_orders_per_account
        + _POSITION_BYTES * len(rules.markets)
        + _SIGNER_BYTES * (2 * limits.agents_per_account + 1)
    )


class AccountMessages:
    """Writes what the accounts' mirrors have to tell."""

    __slots__ = ("_accounts", "_framer", "_rules", "_show")

    def __init__(self, rules: Rules, accounts: Accounts, framer: Framer) -> None:
        self._rules = rules
        self._accounts = accounts
        self._framer = framer
        self._show = AccountEvents(rules)

    def take(self, block: DurableBlock, wanted: Container[Channel]) -> list[Message]:
        """Follow ``block``; return a message for each account in ``wanted`` that it touched."""
        messages: list[Message] = []
        touched, sequence = self._accounts.take(block), block.block.last_sequence
        for address, events in touched.items():
            channel = Channel("account", account=address)
            if channel in wanted:
                before = self._accounts.by_address[address].sequence
                fields = {
                    "channel": "account",
                    "type": "update",
                    "account": hex_from_address(address),
                    "seq": sequence,
                    "prev_seq": before,
                    "time": block.block.time,
                    "events": [self._show.show(event, address) for event in events],
                }
                messages.append(self._framer.link(channel, sequence, before, fields))
        self._accounts.moved_on(touched, sequence)
        return messages

    def standing(self, address: Address) -> bytes:
        """Return the frame that a new reader of the account begins with."""
        fields = self.fields(address)
        head = {"channel": "account", "type": "snapshot", "prev_seq": fields["seq"]}
        return self._framer.frame({**head, **fields})

    def sequence(self, address: Address) -> Sequence:
        """Return the ``seq`` of the account's last message."""
        mirror = self._accounts.by_address.get(address)
        return Sequence(0) if mirror is None else mirror.sequence

    def fields(self, address: Address) -> Fields:
        """Return an account as it stands; one that never had a deposit has nothing."""
        mirror = self._accounts.by_address.get(address)
        if mirror is None:
            mirror = AccountMirror(Sequence(0))
        positions = [self._show.position(held, address) for held in mirror.positions.values()]
        for position in positions:
            del position["event"]
        return {
            "account": hex_from_address(address),
            "seq": mirror.sequence,
            "free": money_text(mirror.free),
            "reserved": money_text(mirror.reserved),
            "positions": positions,
            "orders": joined(map(self._order_text, mirror.orders.values())),
            "agents": {hex_from_address(key): one.until for key, one in mirror.agents.items()},
            "nonces": {
                hex_from_address(address): mirror.nonce,
                **{hex_from_address(key): one.nonce for key, one in mirror.agents.items()},
            },
            "switch": {"cancel_at": mirror.switch[0], "on_disconnect": mirror.switch[1]},
        }

    def _order_text(self, order: OpenOrder) -> bytes:
        """Return the order as JSON, written again only where it stands otherwise than last time."""
        stands = (
            order.price, order.remaining, order.filled, order.state, order.trigger_price,
            order.good_till,
        )  # fmt: skip
        if order.told != stands:
            order.text, order.told = _encode(self._order(order)), stands
        return order.text

    def _order(self, order: OpenOrder) -> Fields:
        market = self._rules.market(order.market)
        return {
            **terms(order),
            **_waits_for(order, market),
            "order_id": order.order_id,
            "client_id": order.client_id,
            "market": market.symbol,
            "side": SIDE_NAMES[order.side],
            "price": shown(order.price, market.tick_decimals),
            "remaining": shown(order.remaining, market.lot_decimals),
            "filled": shown(order.filled, market.lot_decimals),
            "state": order.state,
        }


def _waits_for(order: OpenOrder, market: MarketRules) -> Fields:
    """Return which mark an order waits for, if it does."""
    if not order.trigger:
        return {}
    price = shown(order.trigger_price, market.tick_decimals)
    return {"trigger": TRIGGER_NAMES[order.trigger], "trigger_price": price}
