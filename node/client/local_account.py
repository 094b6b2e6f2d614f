"""An account kept from its private feed: balances, positions, orders and fills as they happen.

Each message says what it follows (``prev_seq``); one that does not follow is a ``FeedGap``, after
which the account is not to be used until a new snapshot. What has ended is kept too, up to a limit:
the node itself forgets an order with its last lot.
"""

from collections import OrderedDict
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

import msgspec

from node.client.local_book import FeedGap, always_told
from node.codec.action_types import ORDER_TYPE_NAMES, SELF_TRADE_NAMES
from node.types.commands import OrderType, SelfTrade
from node.types.errors import PlimsollError

ENDED_MAX: Final = 1_000
"""Orders that have ended, and fills, that are kept; the oldest go first."""

_SLIDES: Final = ORDER_TYPE_NAMES[OrderType.SLIDE]
_SLID: Final = ORDER_TYPE_NAMES[OrderType.POST_ONLY]
"""What a sliding order is once it rests: one that never takes."""

_USUAL: Final = SELF_TRADE_NAMES[SelfTrade.CANCEL_MAKER]
"""What is not told of an order: it is what most do when they meet one of their own account."""

UNKNOWN: Final = "unknown"
"""How an order ended that went while nobody listened."""

Message = dict[str, Any]


class Order(msgspec.Struct):
    """One order; ``type`` is what it was sent as, or ``gtc`` or ``post_only`` once it rests.

    ``cost``, what its fills were worth, is None where some of them were not heard of.
    ``ended`` is None while it rests, else why it does not: ``filled``, a reason of the exchange, or
    ``UNKNOWN``.
    Times are those of blocks, in milliseconds; 0: before anybody listened. ``sequence`` is the
    command that changed it last (0: none that anybody heard of). ``trigger`` is ``stop``,
    ``take_profit``, or empty; it stays once ``trigger_price`` was met. ``good_till`` 0 is never, or
    not told.
    """

    order_id: int
    client_id: int
    market: str
    side: str
    type: str
    price: Decimal
    remaining: Decimal
    amount: Decimal
    filled: Decimal = Decimal(0)
    cost: Decimal | None = Decimal(0)
    fee: Decimal = Decimal(0)
    time: int = 0
    traded: int = 0
    changed: int = 0
    reduce_only: bool = False
    ended: str | None = None
    trigger: str = ""
    trigger_price: Decimal = Decimal(0)
    good_till: int = 0
    group: int = 0
    self_trade: str = _USUAL
    sequence: int = 0
    told: Message = msgspec.field(default_factory=dict)


class Fill(msgspec.Struct, frozen=True, gc=False):
    """One fill of the account; ``order_id`` is 0 where a liquidation took for it.

    ``key`` is the trade's name, the same for both sides and in the exchange's history.
    """

    key: str
    sequence: int
    order_id: int
    market: str
    side: str
    role: str
    price: Decimal
    size: Decimal
    fee: Decimal
    time: int
    told: Message


class Missed(msgspec.Struct, frozen=True, gc=False):
    """Commands behind ``behind``, up to ``up_to``, whose fills nobody told."""

    behind: int
    up_to: int


class Changes(msgspec.Struct):
    """What a message changed."""

    orders: dict[int, Order] = msgspec.field(default_factory=dict)
    fills: list[Fill] = msgspec.field(default_factory=list)
    positions: dict[str, Message] = msgspec.field(default_factory=dict)
    balance: bool = False
    missed: Missed | None = None


def trade_name(sequence: int, taker_order: int, maker_order: int) -> str:
    """Return what names a trade: the command that made it, and its orders (0: a liquidation's)."""
    return f"{sequence}-{taker_order}-{maker_order}"


class LocalAccount:
    """The account as the feed last told it; amounts are decimals in units of the market.

    Of what came behind the command ``whole_since`` all fills and ended orders are here. ``agents``
    are the keys that may sign for it, each until when (milliseconds); one whose time is over stays
    until a snapshot comes without it. While nobody tells of it, it stays as it was and is not
    ``known`` to be so; ``failure`` is why nobody will any more.
    """

    def __init__(self) -> None:
        self.failure: PlimsollError | None = None
        self.is_told: Callable[[], bool] = always_told
        self.seq = 0
        self.whole_since = 0
        self.free = Decimal(0)
        self.reserved = Decimal(0)
        self.positions: dict[str, Message] = {}
        self.agents: dict[str, int] = {}
        self.open: dict[int, Order] = {}
        self.ended: OrderedDict[int, Order] = OrderedDict()
        self.fills: OrderedDict[str, Fill] = OrderedDict()

    @property
    def known(self) -> bool:
        """Return whether this is how the account stands: told by the server, and no change missed.

        Unlike a book it can be read all the same: what was open may still be.
        """
        return self.failure is None and self.is_told()

    def end(self, error: PlimsollError) -> None:
        """Note that nobody tells of it any more, for ``error``."""
        self.failure = error

    def apply(self, message: Message) -> Changes:
        """Take in one message of the channel ``account``.

        Raises ``FeedGap`` where a message is missing before it.
        """
        if message["type"] == "snapshot":
            return self._begin(message)
        if message["prev_seq"] != self.seq:
            raise FeedGap(expected=self.seq, found=message["prev_seq"])
        self.seq = message["seq"]
        changes = Changes()
        for event in message["events"]:
            self._take(event, message["time"], changes)
        return changes

    def order(self, order_id: int) -> Order | None:
        """Return an order that is open or has ended lately."""
        return self.open.get(order_id) or self.ended.get(order_id)

    def named(self, order_id: int | None, client_id: int) -> Order | None:
        """Return the open order with ``order_id``, or where that is None with ``client_id``."""
        if order_id is not None:
            return self.open.get(order_id)
        return next((one for one in self.open.values() if one.client_id == client_id), None)

    def latest(self, client_id: int) -> Order | None:
        """Return the newest order with ``client_id``, open or ended.

        None where there may be a newer one than what is here.
        """
        lately = (
            one
            for one in reversed(self.ended.values())
            if one.client_id == client_id and one.sequence > self.whole_since
        )
        return self.named(None, client_id) or next(lately, None)

    def _begin(self, message: Message) -> Changes:
        """Start over; orders that went while nobody listened have ended, and nobody knows how."""
        before, seq = self.open, message["seq"]
        missed = Missed(self.seq, seq) if 0 < self.seq < seq else None
        self.seq = self.whole_since = seq
        self.free, self.reserved = Decimal(message["free"]), Decimal(message["reserved"])
        self.positions = {held["market"]: held for held in message["positions"]}
        self.agents = dict(message["agents"])
        self.open = {}
        for told in message["orders"]:
            self.open[told["order_id"]] = self._known(before.get(told["order_id"]), told)
        changes = Changes(dict(self.open), [], dict(self.positions), balance=True, missed=missed)
        for order_id, order in before.items():
            if order_id not in self.open:
                self._end(order, UNKNOWN)
                changes.orders[order_id] = order
        return changes

    def _known(self, order: Order | None, told: Message) -> Order:
        price, remaining = Decimal(told["price"]), Decimal(told["remaining"])
        filled = Decimal(told["filled"])
        if order is not None and order.filled == filled:
            # No fill was missed; what else has changed is told here.
            order.price, order.remaining, order.amount = price, remaining, filled + remaining
            order.type, order.told = told["type"], told
            _note_terms(order, told)
            return order
        return Order(
            told["order_id"], told["client_id"], told["market"], told["side"], told["type"],
            price, remaining, filled + remaining, filled,
            cost=None if filled else Decimal(0), **_terms(told), told=told,
        )  # fmt: skip

    def _take(self, event: Message, time: int, changes: Changes) -> None:
        match event["event"]:
            case "balance":
                self.free, self.reserved = Decimal(event["free"]), Decimal(event["reserved"])
                changes.balance = True
            case "position":
                self._position(event)
                changes.positions[event["market"]] = event
                # A position's margin is part of what the account has.
                changes.balance = True
            case "accepted" | "waiting":
                order = self._accepted(event, time)
                changes.orders[order.order_id] = order
            case "filled" | "cancelled" | "rested" | "amended" | "triggered":
                self._progress(event, time, changes)
            case "agent":
                self.agents[event["agent"]] = event["until"]
            case _:
                # Deposits, withdrawals, work: their sums come as a balance. And the switch.
                pass

    def _position(self, event: Message) -> None:
        if Decimal(event["size"]):
            self.positions[event["market"]] = event
        else:
            self.positions.pop(event["market"], None)

    def _accepted(self, event: Message, time: int) -> Order:
        size = Decimal(event["size"])
        order = self.open[event["order_id"]] = Order(
            event["order_id"], event["client_id"], event["market"], event["side"], event["type"],
            Decimal(event["price"]), size, size,
            time=time, changed=time, **_terms(event), sequence=event["sequence"], told=event,
        )  # fmt: skip
        return order

    def _progress(self, event: Message, time: int, changes: Changes) -> None:
        if event["event"] == "filled":
            changes.fills.append(self._fill(event, time))
        order = self.open.get(event["order_id"])
        if order is None:
            # A liquidation takes without an order.
            return
        order.changed, order.sequence, order.told = time, event["sequence"], event
        changes.orders[order.order_id] = order
        if event["event"] == "filled":
            self._fill_order(order, event, time)
            if not order.remaining:
                self._end(order, "filled")
        elif event["event"] == "cancelled":
            order.remaining = Decimal(event["remaining"])
            order.amount = order.filled + order.remaining
            self._end(order, event["reason"])
        elif event["event"] == "triggered":
            # A market order's price and a reduce-only order's size are known only now.
            order.price, order.remaining = Decimal(event["price"]), Decimal(event["size"])
            order.amount = order.remaining
        else:
            if event["event"] == "rested" and order.type == _SLIDES:
                order.type = _SLID
            _note_terms(order, event)
            order.price, order.remaining = Decimal(event["price"]), Decimal(event["remaining"])
            order.amount = order.filled + order.remaining

    def _fill_order(self, order: Order, event: Message, time: int) -> None:
        price, size, fee = (Decimal(event[name]) for name in ("price", "size", "fee"))
        # Not so much less each time: an auction tells first what it leaves, and then the fills.
        order.remaining = Decimal(event["remaining"])
        order.filled += size
        order.amount = order.filled + order.remaining
        if order.cost is not None:
            order.cost += price * size
        order.fee += fee
        order.traded = time

    def _fill(self, event: Message, time: int) -> Fill:
        price, size, fee = (Decimal(event[name]) for name in ("price", "size", "fee"))
        own, other, sequence = event["order_id"], event["counter_order"], event["sequence"]
        orders = (other, own) if event["role"] == "maker" else (own, other)
        key = trade_name(sequence, *orders)
        fill = self.fills[key] = Fill(
            key, sequence, own, event["market"], event["side"], event["role"], price, size, fee,
            time, event,
        )  # fmt: skip
        if len(self.fills) > ENDED_MAX:
            _, forgotten = self.fills.popitem(last=False)
            self.whole_since = max(self.whole_since, forgotten.sequence)
        return fill

    def _end(self, order: Order, reason: str) -> None:
        order.ended = reason
        self.open.pop(order.order_id, None)
        self.ended[order.order_id] = order
        if len(self.ended) > ENDED_MAX:
            _, forgotten = self.ended.popitem(last=False)
            self.whole_since = max(self.whole_since, forgotten.sequence)


def _terms(told: Message) -> Message:
    """Return what an order is told with when it enters, and in every snapshot."""
    return {
        "reduce_only": told["reduce_only"],
        "trigger": told.get("trigger", ""),
        "trigger_price": Decimal(told.get("trigger_price", 0)),
        "good_till": told.get("good_till", 0),
        "group": told.get("group", 0),
        "self_trade": told.get("self_trade", _USUAL),
    }


def _note_terms(order: Order, told: Message) -> None:
    """Take over the end and the price to wait for, which an amend moves, where they are told."""
    order.good_till = told.get("good_till", order.good_till)
    order.trigger_price = Decimal(told.get("trigger_price", order.trigger_price))
