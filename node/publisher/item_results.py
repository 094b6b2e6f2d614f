"""What became of each item of a bulk action, as its sender is told.

Version 2 of the statuses; the list is closed, and a new one means a new version:

================  ===========================================================================
cancelled         a cancel: the order is open no more. An amend: no more than its new size was
                  filled already, and the rest is gone (``reason`` ``amended``)
amended           an amend: the order is open with ``remaining``, in the book or outside
waiting           an order: it waits until the mark reaches its trigger price
accepted          an order: it trades in the auction at the end of its block, or rests there
resting           an order: it rests with ``remaining``; ``filled`` was taken on arrival
filled            an order or an amend: all that was left of it was filled on arrival
partly_filled     an order or an amend: some was filled on arrival, the rest is gone (``reason``)
dropped           an order or an amend: nothing was filled, and it is not open (``reason``)
done              any other action: it has applied as a whole
================  ===========================================================================

An item that could not apply stands as ``{"error": {…}}``. Cancels come first, in their order, then
amends, then orders. What is told is how things stood at the end of the action: an order that rested
and was then cancelled by a later one of the same action (``self_trade``) is ``dropped``.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from node.codec.refusals import Refusals
from node.types.commands import AmendOrder, OrderType, PlaceOrders
from node.types.events import (
    CancelReason,
    Event,
    Filled,
    ItemRejected,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderRested,
    TriggerSet,
)
from node.types.feed_states import CANCEL_REASONS
from node.types.ids import ClientOrderId, MarketId, OrderId
from node.types.rules import Ordering, Rules
from node.types.units import decimal_from_units

_SLIDE: Final = OrderType.SLIDE


class CancelResult(msgspec.Struct, frozen=True, gc=False):
    """A cancel that applied."""

    status: str
    order_id: OrderId


class OrderResult(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """An order or an amend that applied; ``filled`` and ``remaining`` are decimals in base units.

    ``filled`` was taken on this arrival, ``remaining`` was not. Their sum is what was accepted: a
    reduce-only order is cut to what it can reduce; ``decrement`` takes from it without a trade.
    ``price`` is told of an order that slides: where it was accepted.
    """

    status: str
    order_id: OrderId
    client_id: ClientOrderId
    filled: str
    remaining: str
    reason: str | None = None
    price: str | None = None


class _Progress:
    """An order on its way through the events of an action, in lots.

    ``items`` are those that placed or amended it. ``open_as`` is its status while it is open.
    """

    __slots__ = (
        "client_id", "filled", "is_open", "items", "market", "open_as", "order_id", "price",
        "reason", "remaining",
    )  # fmt: skip

    def __init__(
        self,
        item: int,
        event: OrderAccepted | TriggerSet | OrderAmended | OrderCancelled,
        remaining: int,
    ) -> None:
        self.items = [item]
        self.order_id = event.order_id
        self.client_id = event.client_id
        self.market = event.market
        self.price = event.price
        self.filled = 0
        self.is_open = False
        self.open_as = "resting"
        self.reason: CancelReason | None = None
        self.remaining = remaining


class _Follower:
    """Follows the orders of one action through its events."""

    __slots__ = ("_amends", "_auctions", "_next_amend", "cancelled", "orders", "refused")

    def __init__(
        self, amends: Iterator[tuple[int, AmendOrder]], auctions: frozenset[MarketId]
    ) -> None:
        """``amends`` are those that applied, each with the place of its item."""
        self.cancelled: list[OrderId] = []
        self.orders: dict[OrderId, _Progress] = {}
        self.refused: list[ItemRejected] = []
        self._amends = amends
        self._next_amend = next(amends, None)
        self._auctions = auctions

    def follow(self, events: tuple[Event, ...]) -> None:
        """Take all events of the action."""
        for event in events:
            handler = _HANDLERS.get(type(event))
            if handler is not None:
                handler(self, event)

    def accepted(self, event: OrderAccepted) -> None:
        order = self.orders[event.order_id] = _Progress(event.item, event, event.size)
        if event.market in self._auctions:
            order.open_as, order.is_open = "accepted", True

    def waits(self, event: TriggerSet) -> None:
        order = self.orders[event.order_id] = _Progress(event.item, event, event.size)
        order.open_as, order.is_open = "waiting", True

    def filled(self, event: Filled) -> None:
        order = self.orders[event.taker_order]
        order.filled += event.size
        order.remaining -= event.size

    def rested(self, event: OrderRested) -> None:
        order = self.orders[event.order_id]
        order.remaining, order.is_open = event.remaining, True

    def amended(self, event: OrderAmended) -> None:
        """Count ``event`` to the next amend; or else it met an order of its own account."""
        self._pair(event)
        order = self.orders.get(event.order_id)
        if order is not None:
            order.remaining = event.remaining
            order.is_open = event.resting or event.market in self._auctions

    def gone(self, event: OrderCancelled) -> None:
        """Count ``event`` to an amend or one of the action's own orders, or else to a cancel."""
        if event.reason is CancelReason.AMENDED:
            self._pair(event)
        order = self.orders.get(event.order_id)
        if order is not None:
            order.remaining, order.reason, order.is_open = event.remaining, event.reason, False
        elif event.reason is CancelReason.BY_ACCOUNT:
            self.cancelled.append(event.order_id)

    def rejected(self, event: ItemRejected) -> None:
        self.refused.append(event)

    def _pair(self, event: OrderAmended | OrderCancelled) -> None:
        """Let the next amend, if it names the order of ``event``, follow that order."""
        if self._next_amend is None:
            return
        item, amend = self._next_amend
        if event.order_id != amend.order_id and (
            not amend.client_id or event.client_id != amend.client_id
        ):
            return
        self._next_amend = next(self._amends, None)
        order = self.orders.get(event.order_id)
        if order is None:
            order = self.orders[event.order_id] = _Progress(item, event, event.remaining)
            order.open_as = "amended"
        else:
            order.items.append(item)


_HANDLERS: Final[dict[type[Event], Callable[[_Follower, Any], None]]] = {
    OrderAccepted: _Follower.accepted,
    TriggerSet: _Follower.waits,
    Filled: _Follower.filled,
    OrderRested: _Follower.rested,
    OrderAmended: _Follower.amended,
    OrderCancelled: _Follower.gone,
    ItemRejected: _Follower.rejected,
}


class ItemResults:
    """Tells the items of bulk actions under one set of rules. Immutable; build it once."""

    __slots__ = ("_auctions", "_markets", "_refusals")

    def __init__(self, rules: Rules) -> None:
        self._refusals = Refusals(rules)
        self._markets = rules.markets
        self._auctions = frozenset(
            MarketId(place)
            for place, market in enumerate(rules.markets, start=1)
            if market.ordering is Ordering.AUCTION
        )

    def results(self, command: PlaceOrders, events: tuple[Event, ...]) -> list[Any]:
        """Return the result of each item of ``command``, which was accepted with ``events``."""
        cancels, orders_from = len(command.cancels), len(command.cancels) + len(command.amends)
        results: list[Any] = [None] * (orders_from + len(command.orders))
        follower = _Follower(_applied_amends(command, events), self._auctions)
        follower.follow(events)
        for event in follower.refused:
            results[event.item] = {"error": self._refusals.of_item(command, event)}
        # Cancels come first and each that applied told of one order: they pair up in order.
        done = iter(follower.cancelled)
        for item in range(cancels):
            if results[item] is None:
                results[item] = CancelResult("cancelled", next(done))
        for order in follower.orders.values():
            first = order.items[0]
            slides = first >= orders_from and command.orders[first - orders_from].type is _SLIDE
            result = self._order(order, tell_price=slides)
            for item in order.items:
                results[item] = result
        return results

    def _order(self, order: _Progress, *, tell_price: bool) -> OrderResult:
        market = self._markets[order.market - 1]
        return OrderResult(
            _status(order),
            order.order_id,
            order.client_id,
            decimal_from_units(order.filled, market.lot_decimals),
            decimal_from_units(order.remaining, market.lot_decimals),
            _reason(order),
            decimal_from_units(order.price, market.tick_decimals) if tell_price else None,
        )


def _applied_amends(
    command: PlaceOrders, events: tuple[Event, ...]
) -> Iterator[tuple[int, AmendOrder]]:
    """Return each amend that applied, with the place of its item."""
    if not command.amends:
        return iter(())
    refused = {event.item for event in events if isinstance(event, ItemRejected)}
    items = enumerate(command.amends, start=len(command.cancels))
    return ((item, amend) for item, amend in items if item not in refused)


def _status(order: _Progress) -> str:
    if order.reason is CancelReason.AMENDED:
        return "cancelled"
    if not order.remaining:
        return "filled"
    if order.is_open:
        return order.open_as
    return "partly_filled" if order.filled else "dropped"


def _reason(order: _Progress) -> str | None:
    if order.reason is not None:
        return CANCEL_REASONS[order.reason]
    # Lots that went without a word were taken off where the order met one of its own account.
    return None if order.is_open or not order.remaining else CANCEL_REASONS[CancelReason.SELF_TRADE]
