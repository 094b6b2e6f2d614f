"""The rows of some blocks while they are gathered: what one event says of the rows of another.

An order's row lives through all that is told of the order, a position's stands as it was last told,
and what a trade realizes follows from the position that it met.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from node.codec.action_types import ORDER_TYPE_NAMES
from node.margin.realized import Realized
from node.types.commands import Side, Trigger
from node.types.events import (
    CancelReason,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderRested,
    OrderTriggered,
    PositionChanged,
    TriggerSet,
)
from node.types.feed_states import CANCEL_REASONS, CANCELLED, FILLED, RESTING, WAITING
from node.types.history import FROM_THE_LOG, KEPT_UNLESS_TOLD, Holder, Row
from node.types.history_rows import Happened, Position, RecordedBlock
from node.types.ids import OrderId, Sequence, hex_from_address
from node.types.units import Money

SIDES: Final = {side: side.name.lower() for side in Side}
TRIGGERS: Final = {trigger: trigger.name.lower() for trigger in Trigger}

INTEGER_MAX: Final = 2**63 - 1
"""The most that a database's integers hold. Only a price that was never held to the band is more:
that of an order which waits, and means any price."""

Handlers = Mapping[type[msgspec.Struct], Callable[["Gathering", Any], None]]
"""What is recorded of each kind of event."""

_AS_IT_WAS: Final[Row] = dict.fromkeys(KEPT_UNLESS_TOLD)


class Gathering:
    """The rows of a group while it is gathered; ``held`` are the positions before it."""

    def __init__(self, held: Mapping[Holder, Position]) -> None:
        """Begin with nothing; ``held`` is only read."""
        self._held = held
        self._new_orders: dict[OrderId, Row] = {}
        # Of the block at hand: what may still trade or come to rest, and which command let it in.
        self._arriving: dict[OrderId, tuple[Row, Sequence]] = {}
        self._block: RecordedBlock
        self._happened: Happened
        # Of the command at hand: where its trades have left positions that it has not told yet, and
        # the row of its liquidation.
        self._traded: dict[Holder, tuple[int, int]] = {}
        self._liquidation: Row | None = None
        self.rows: dict[str, list[Row]] = {table.name: [] for table in FROM_THE_LOG}
        self.order_changes: dict[OrderId, Row] = {}
        self.positions: dict[Holder, Row | None] = {}
        self.moved: dict[Holder, Position | None] = {}

    def take(self, block: RecordedBlock, handlers: Handlers) -> None:
        """Add the rows of ``block``, which follows the last one, as ``handlers`` make them."""
        self._block = block
        for happened in block.happened:
            self._happened = happened
            self._traded.clear()
            self._liquidation = None
            for event in happened.events:
                handlers[type(event)](self, event)
        self._end_block()

    def position_before(self, holder: Holder) -> Position | None:
        """Return the position of ``holder`` as it stands so far."""
        return self.moved[holder] if holder in self.moved else self._held.get(holder)

    # --- what trades realize ---------------------------------------------------------------------

    def standing(self, holder: Holder) -> tuple[int, int]:
        """Return the signed lots and entry value of a position, the command's trades included."""
        traded = self._traded.get(holder)
        if traded is not None:
            return traded
        before = self.position_before(holder)
        return (0, 0) if before is None else (before.size, before.entry)

    def realize(self, holder: Holder, traded: Realized) -> int:
        """Note where a trade has left a position, and return what it gained."""
        size, entry, gain = traded
        self._traded[holder] = (size, entry)
        return gain

    def liquidate(self, row: Row) -> None:
        """Add the row of a liquidation; the command's trades add what they closed of it."""
        self._liquidation = self.put("liquidations", row)

    def add_to_liquidation(self, values: Mapping[str, int]) -> None:
        """Add what a trade of the command closed of the position that is liquidated."""
        if self._liquidation is not None:
            for name, amount in values.items():
                _add(self._liquidation, name, amount)

    # --- single rows -----------------------------------------------------------------------------

    def put(self, table: str, values: Row) -> Row:
        """Add a row that tells of one event; its place counts the command's rows in the table."""
        rows = self.rows[table]
        sequence = self._happened.sequence
        place = 0
        if rows and rows[-1]["sequence"] == sequence:
            last = rows[-1]["place"]
            assert isinstance(last, int)
            place = last + 1
        block = self._block
        row: Row = {
            "sequence": sequence,
            "place": place,
            "block": block.number,
            "time": block.time,
            **values,
        }
        rows.append(row)
        return row

    def accept(self, event: OrderAccepted) -> None:
        """Add the row of an order; what becomes of it at once is told by the events behind."""
        row = self._put_order(event, RESTING)
        self._arriving[event.order_id] = (row, self._happened.sequence)

    def wait(self, event: TriggerSet) -> None:
        """Add the row of an order that waits for its price."""
        row = self._put_order(event, WAITING)
        row["trigger"] = TRIGGERS[event.trigger]
        row["trigger_price"] = event.trigger_price

    def arrive(self, event: OrderTriggered) -> None:
        """Note with what an order arrives that has waited so far."""
        row = self._order(event.order_id)
        row["triggered_sequence"] = self._happened.sequence
        row["triggered_time"] = self._block.time
        row["status"] = RESTING
        row["price"] = min(event.price, INTEGER_MAX)
        self._leave(row, event.size)
        self._arriving[event.order_id] = (row, self._happened.sequence)

    def amend(self, event: OrderAmended) -> None:
        """Note what an open order is now; one that lost its place arrives anew."""
        row = self._order(event.order_id)
        row["price"] = min(event.price, INTEGER_MAX)
        # What one waited for stays in its row once it has arrived.
        if event.trigger_price:
            row["trigger_price"] = event.trigger_price
        self._leave(row, event.remaining)
        if not event.resting:
            self._arriving[event.order_id] = (row, self._happened.sequence)

    def rest(self, event: OrderRested) -> None:
        """Note what of an order that arrived went into the book."""
        row, _ = self._arriving.pop(event.order_id)
        row["rested"] = event.remaining
        self._leave(row, event.remaining)

    def fill_order(self, order_id: OrderId, size: int, value: int, fee: int, left: int) -> None:
        """Add a fill to an order's row, which has ``left`` lots left."""
        row = self._order(order_id)
        _add(row, "filled", size)
        _add(row, "value", value)
        _add(row, "fees", fee)
        self._leave(row, left)
        if not left:
            self._arriving.pop(order_id, None)
            self._close(row, FILLED, None, self._happened.sequence)

    def left_of(self, order_id: OrderId) -> int:
        """Return the lots that an order which arrived has left so far."""
        left = self._order(order_id)["remaining"]
        assert isinstance(left, int)
        return left

    def cancel(self, event: OrderCancelled) -> None:
        """Close an order's row, unfilled as it is."""
        row = self._order(event.order_id)
        self._leave(row, event.remaining)
        self._arriving.pop(event.order_id, None)
        self._close(row, CANCELLED, CANCEL_REASONS[event.reason], self._happened.sequence)

    def _end_block(self) -> None:
        """Close the orders that arrived and of which nothing more was told.

        Fills took all that ``DECREMENT`` had not taken off before, where they met orders of their
        own account, which is told of those alone. Nothing else is left open when a block ends.
        """
        for row, sequence in self._arriving.values():
            self._close(row, CANCELLED, CANCEL_REASONS[CancelReason.SELF_TRADE], sequence)
        self._arriving.clear()

    def hold(self, event: PositionChanged) -> None:
        """Note where a position stands now."""
        holder = (hex_from_address(event.account), int(event.market))
        if not event.size:
            self.positions[holder] = self.moved[holder] = None
            return
        self.moved[holder] = Position(event.size, event.entry, Money(event.funding))
        self.positions[holder] = {
            "account": holder[0],
            "market": holder[1],
            "sequence": self._happened.sequence,
            "size": event.size,
            "entry": event.entry,
            "margin": event.margin,
            "funding_index": event.funding,
        }

    def _put_order(self, event: OrderAccepted | TriggerSet, status: str) -> Row:
        """Add the row of an order as it was placed, and return it."""
        happened, block = self._happened, self._block
        order = happened.orders[event.item - happened.ahead]
        row: Row = {
            "order_id": event.order_id,
            "sequence": happened.sequence,
            "block": block.number,
            "time": block.time,
            "account": hex_from_address(event.account),
            "client_id": str(event.client_id) if event.client_id else None,
            "market": event.market,
            "side": SIDES[event.side],
            "type": ORDER_TYPE_NAMES[order.type],
            "reduce_only": int(order.reduce_only),
            "price": min(event.price, INTEGER_MAX),
            "size": event.size,
            "filled": 0,
            "value": 0,
            "fees": 0,
            "remaining": event.size,
            "rested": None,
            "status": status,
            "reason": None,
            "closed_sequence": None,
            "closed_time": None,
            "trigger": None,
            "trigger_price": None,
            "triggered_sequence": None,
            "triggered_time": None,
        }
        self._new_orders[event.order_id] = row
        self.rows["orders"].append(row)
        return row

    def _order(self, order_id: OrderId) -> Row:
        """Return the row of a new order, or what changes in the row of an older one."""
        row = self._new_orders.get(order_id) or self.order_changes.get(order_id)
        if row is None:
            row = self.order_changes[order_id] = {
                "order_id": order_id,
                "filled": 0,
                "value": 0,
                "fees": 0,
                "remaining": 0,
                **_AS_IT_WAS,
            }
        return row

    def _leave(self, row: Row, left: int) -> None:
        """Note what an order has left; its size is that and what is filled."""
        row["remaining"] = left
        if "size" in row:
            filled = row["filled"]
            assert isinstance(filled, int)
            row["size"] = filled + left

    def _close(self, row: Row, status: str, reason: str | None, sequence: Sequence) -> None:
        """Close a row by command ``sequence`` of the block at hand."""
        row["status"] = status
        row["reason"] = reason
        row["closed_sequence"] = sequence
        row["closed_time"] = self._block.time


def _add(row: Row, name: str, amount: int) -> None:
    before = row[name]
    assert isinstance(before, int)
    row[name] = before + amount
