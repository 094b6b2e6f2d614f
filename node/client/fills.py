"""The fills and orders of one account as its feed tells them, and how sure each fill is by now.

The feed ``account`` names the sequence of each fill, ``finality`` how far the log has come. Both
are bounded here: the oldest are forgotten first. Who was away for longer than the node remembers
its messages is told how things stand, and not what was filled meanwhile: that is ``missed`` until
it has been read from the node's history.
"""

from collections import OrderedDict, deque
from typing import Any, Final

import msgspec

from node.client.local_account import trade_name
from node.client.rest_calls import Get, history_page
from node.types.errors import PlimsollError
from node.types.feed_states import CANCELLED, FILL_STAGES, FILLED

KEPT: Final = 10_000
"""The most fills, and the most orders that are done with, that are kept."""

ROWS: Final = 100
"""Fills of one page of the history."""

_CURSORS: Final = FILL_STAGES[1:]


class Fill(msgspec.Struct, frozen=True, gc=False):
    """One fill of the account; numbers are decimal strings. ``role`` is "maker" or "taker".

    ``order_id`` is 0 where a liquidation took for the account, ``counter_order``, that of the other
    side, where one took from it. ``time`` is the block's, in milliseconds.
    """

    sequence: int
    order_id: int
    role: str
    market: str
    side: str
    price: str
    size: str
    fee: str
    counter_order: int
    time: int

    @property
    def key(self) -> str:
        """Return the trade's name: no other has it, both sides and the history have the same."""
        orders = self.order_id, self.counter_order
        taker, maker = orders if self.role == "taker" else reversed(orders)
        return trade_name(self.sequence, taker, maker)


class OrderState(msgspec.Struct, frozen=True, gc=False):
    """One of ``ORDER_STATES``, what is left of the order, and why it was cancelled, if it was."""

    state: str
    remaining: str
    reason: str | None = None


class Fills:
    """Give ``account`` and ``finality`` the messages of these channels, and ``end`` their end.

    ``missed``: of the commands behind the first, up to the second, not all fills may be here; None:
    of all since the beginning. ``ended``: one of the two channels is told no more, and why; what
    was told before stays.
    """

    def __init__(self, get: Get) -> None:
        """``get`` asks the node for what was missed."""
        self.fills: deque[Fill] = deque(maxlen=KEPT)
        self.orders: dict[int, OrderState] = {}
        self.missed: tuple[int, int] | None = None
        self.ended: PlimsollError | None = None
        self._get = get
        self._owner = ""
        self._seq: int | None = None
        self._done: OrderedDict[int, OrderState] = OrderedDict()
        self._reached = dict.fromkeys(_CURSORS, 0)

    def account(self, message: dict[str, Any]) -> None:
        """Take in a message of ``account``; a snapshot tells the open orders, and no past fill."""
        before, self._seq = self._seq, int(message["seq"])
        if message["type"] == "snapshot":
            self._owner = message["account"]
            if before is not None and before < self._seq:
                self.missed = (before if self.missed is None else self.missed[0], self._seq)
            self.orders = {
                order["order_id"]: OrderState(order["state"], order["remaining"])
                for order in message["orders"]
            }
            return
        for event in message["events"]:
            if event["event"] == "filled":
                self.fills.append(msgspec.convert({**event, "time": message["time"]}, Fill))
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

    async def fill_up(self) -> None:
        """Read what was missed from the node's history, as far as that is written by now.

        Raises ``NotFound`` where the node keeps none, and what else it refuses a page with; what
        was missed then still is.
        """
        missed = self.missed
        if missed is None:
            return
        behind, end = missed
        page = await self._page({})
        # Later pages may tell of more; of all up to here nothing is left out.
        reached = min(page["sequence"], end)
        rows: list[dict[str, Any]] = page["rows"]
        while page["next"] and rows[-1]["sequence"] > behind and len(rows) < KEPT:
            page = await self._page({"cursor": page["next"]})
            rows += page["rows"]
        told = (_fill_of(row, self._owner) for row in reversed(rows))
        # Some between two gaps were heard of: the history has those as well.
        earlier = [fill for fill in self.fills if fill.sequence <= behind]
        later = [fill for fill in self.fills if fill.sequence > max(behind, reached)]
        self.fills.clear()
        self.fills.extend(earlier)
        self.fills.extend(fill for fill in told if behind < fill.sequence <= reached)
        self.fills.extend(later)
        # While the history was read, more may have been missed, or somebody else may have read it.
        end = reached if self.missed is None else self.missed[1]
        self.missed = (max(behind, reached), end) if reached < end else None

    async def _page(self, more: dict[str, str]) -> dict[str, Any]:
        """Return a page of the account's fills, the newest first."""
        asked = {"account": self._owner, "order": "newest", "limit": ROWS, **more}
        return await history_page(self._get, "fills", asked)

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


def _fill_of(row: dict[str, Any], owner: str) -> Fill:
    """Return a row of the history as ``owner`` sees it, who is its maker or its taker."""
    making = row["maker"] == owner
    role, other = ("maker", "taker") if making else ("taker", "maker")
    side = row["taker_side"] if not making else "sell" if row["taker_side"] == "buy" else "buy"
    return Fill(
        row["sequence"], row[f"{role}_order"] or 0, role, row["market"], side, row["price"],
        row["size"], row[f"{role}_fee"], row[f"{other}_order"] or 0, row["time"],
    )  # fmt: skip
