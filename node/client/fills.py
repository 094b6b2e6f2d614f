"""The fills and orders of one account as its feed tells them, and how sure each fill is by now.

The feed ``account`` names the sequence of each fill, ``finality`` how far the log has come. Both
are bounded here: the oldest are forgotten first.
"""

from collections import OrderedDict, deque
from typing import Any, Final

import msgspec

from node.types.errors import PlimsollError
from node.types.feed_states import CANCELLED, FILL_STAGES, FILLED

KEPT: Final = 10_000
"""The most fills, and the most orders that are done with, that are kept."""

_CURSORS: Final = FILL_STAGES[1:]


class Fill(msgspec.Struct, frozen=True, gc=False):
    """One fill of the account; numbers are decimal strings. ``role`` is "maker" or "taker"."""

    sequence: int
    order_id: int
    role: str
    market: str
    side: str
    price: str
    size: str
    fee: str


class OrderState(msgspec.Struct, frozen=True, gc=False):
    """One of ``ORDER_STATES``, what is left of the order, and why it was cancelled, if it was."""

    state: str
    remaining: str
    reason: str | None = None


class Fills:
    """Give ``account`` and ``finality`` the messages of these channels, and ``end`` their end.

    ``ended``: one of the two is told no more, and why; what was told before stays.
    """

    def __init__(self) -> None:
        self.fills: deque[Fill] = deque(maxlen=KEPT)
        self.orders: dict[int, OrderState] = {}
        self.ended: PlimsollError | None = None
        self._done: OrderedDict[int, OrderState] = OrderedDict()
        self._reached = dict.fromkeys(_CURSORS, 0)

    def account(self, message: dict[str, Any]) -> None:
        """Take in a message of ``account``; a snapshot tells the open orders, and no past fill."""
        if message["type"] == "snapshot":
            self.orders = {
                order["order_id"]: OrderState(order["state"], order["remaining"])
                for order in message["orders"]
            }
            return
        for event in message["events"]:
            if event["event"] == "filled":
                self.fills.append(msgspec.convert(event, Fill))
            if "state" in event:
                self._follow(event)

    def finality(self, message: dict[str, Any]) -> None:
        """Take in a message of ``finality``."""
        self._reached = {cursor: message[cursor] for cursor in _CURSORS}

    def end(self, error: PlimsollError) -> None:
        """Note that one of the channels has ended; the first reason stands."""
        self.ended = self.ended or error

    def stage(self, sequence: int) -> str:
        """Return which of ``FILL_STAGES`` the fills of command ``sequence`` have reached."""
        return FILL_STAGES[sum(sequence <= cursor for cursor in self._reached.values())]

    def order(self, order_id: int) -> OrderState | None:
        """Return how an order stands, None where it is unknown or long done with."""
        return self.orders.get(order_id) or self._done.get(order_id)

    def _follow(self, event: dict[str, Any]) -> None:
        order_id = event["order_id"]
        state = OrderState(event["state"], event["remaining"], event.get("reason"))
        if state.state not in (FILLED, CANCELLED):
            self.orders[order_id] = state
            return
        self.orders.pop(order_id, None)
        self._done[order_id] = state
        if len(self._done) > KEPT:
            self._done.popitem(last=False)
