"""A book order by order, kept from the feed as ``local_book`` keeps levels, with its queues."""

from collections.abc import Iterator
from decimal import Decimal
from itertools import islice
from typing import Any

import msgspec
from sortedcontainers import SortedDict

from node.client.local_book import FeedCrossed, FollowedBook, Level, require_checksum
from node.codec.checksums import CHECKSUM_DEPTH, order_entry


class QueuedOrder(msgspec.Struct, frozen=True, gc=False):
    """An order that rests; ``side`` is "buy" or "sell", the numbers as the server wrote them."""

    order_id: int
    side: str
    price: str
    remaining: str


_Queue = dict[int, QueuedOrder]
"""The orders at one price by id, in priority: a changed one keeps its place in a dict."""


class LocalOrders(FollowedBook):
    """One market's orders in price-time priority as the server last told them."""

    def __init__(self, market: str) -> None:
        super().__init__(market)
        self._orders: dict[int, QueuedOrder] = {}
        self._queues: dict[str, SortedDict[Decimal, _Queue]] = {
            "buy": SortedDict(),
            "sell": SortedDict(),
        }

    def apply(self, message: dict[str, Any]) -> None:
        """Take in one message of the orders channel; raises what ``LocalBook.apply`` raises."""
        if self._begins_anew(message):
            self._begin(message)
        else:
            for change in message["changes"]:
                self._change(change)
        self.seq = message["seq"]
        self._require_uncrossed()
        require_checksum(message["checksum"], self._entries("buy"), self._entries("sell"))
        self._fits = True

    def orders(self, side: str, depth: int | None = None) -> list[QueuedOrder]:
        """Return the first ``depth`` orders of a side in priority. Raises ``BookUnknown``."""
        self._require_known()
        return list(islice(self._ranked(side), depth))

    def order(self, order_id: int) -> QueuedOrder | None:
        """Return an order that rests, None where it does not. Raises ``BookUnknown``."""
        self._require_known()
        return self._orders.get(order_id)

    def levels(self, side: str) -> list[Level]:
        """Return (price, total size) of each level, best first. Raises ``BookUnknown``."""
        self._require_known()
        return [_level(queue) for queue in self._best_first(side)]

    def _begin(self, message: dict[str, Any]) -> None:
        self._orders.clear()
        for side, name in (("buy", "bids"), ("sell", "asks")):
            self._queues[side].clear()
            for order_id, price, remaining in message[name]:
                self._join(QueuedOrder(order_id, side, price, remaining))

    def _change(self, change: dict[str, Any]) -> None:
        order_id, op = change["order_id"], change["op"]
        if op == "remove":
            self._leave(order_id)
            return
        order = QueuedOrder(order_id, change["side"], change["price"], change["remaining"])
        if op == "add":
            self._join(order)
        elif change["priority"] == "kept":
            self._orders[order_id] = order
            queue = self._queues[order.side][Decimal(order.price)]
            queue[order_id] = order
        else:
            self._leave(order_id)
            self._join(order)

    def _join(self, order: QueuedOrder) -> None:
        """Put an order behind all others of its price."""
        self._orders[order.order_id] = order
        queues = self._queues[order.side]
        queues.setdefault(Decimal(order.price), {})[order.order_id] = order

    def _leave(self, order_id: int) -> None:
        order = self._orders.pop(order_id)
        queues, price = self._queues[order.side], Decimal(order.price)
        del queues[price][order_id]
        if not queues[price]:
            del queues[price]

    def _best_first(self, side: str) -> Iterator[_Queue]:
        queues = self._queues[side].values()
        return reversed(queues) if side == "buy" else iter(queues)

    def _ranked(self, side: str) -> Iterator[QueuedOrder]:
        for queue in self._best_first(side):
            yield from queue.values()

    def _entries(self, side: str) -> Iterator[str]:
        for order in islice(self._ranked(side), CHECKSUM_DEPTH):
            yield order_entry(order.order_id, order.price, order.remaining)

    def _require_uncrossed(self) -> None:
        bids, asks = self._queues["buy"], self._queues["sell"]
        if bids and asks and bids.peekitem(-1)[0] >= asks.peekitem(0)[0]:
            raise FeedCrossed(bid=str(bids.peekitem(-1)[0]), ask=str(asks.peekitem(0)[0]))


def _level(queue: _Queue) -> Level:
    """Return price and total size; the size as the server writes it, without trailing zeros."""
    orders = tuple(queue.values())
    size = f"{sum(Decimal(order.remaining) for order in orders):f}"
    return orders[0].price, size.rstrip("0").rstrip(".") if "." in size else size
