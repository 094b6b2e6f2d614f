"""Which rows each event makes: one function for each kind, in one table.

Nothing here knows a database, a clock or a thread. The same blocks in the same order give the same
rows, in however many groups they come: that is what a rebuild rests on.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from node.types.commands import OrderType, Side
from node.types.events import (
    CancelReason,
    Deleveraged,
    Deposited,
    Filled,
    FundingMoved,
    Liquidated,
    OrderAccepted,
    OrderCancelled,
    OrderRested,
    PositionChanged,
    WithdrawalOpened,
    WorkCharged,
)
from node.types.history import FROM_THE_LOG, Happened, Holder, Position, RecordedBlock, Row
from node.types.ids import OrderId, hex_from_address
from node.types.units import Money

SIDES: Final = {side: side.name.lower() for side in Side}
TYPES: Final = {kind: kind.name.lower() for kind in OrderType}
REASONS: Final = {reason: reason.name.lower() for reason in CancelReason}

RESTING: Final = "resting"
FILLED: Final = "filled"
CANCELLED: Final = "cancelled"


class Gathering:
    """The rows of a group while it is gathered; ``held`` are the positions before it."""

    def __init__(self, held: Mapping[Holder, Position]) -> None:
        """Begin with nothing; ``held`` is only read."""
        self._held = held
        self._new_orders: dict[OrderId, Row] = {}
        self._block: RecordedBlock
        self._happened: Happened
        self.rows: dict[str, list[Row]] = {table.name: [] for table in FROM_THE_LOG}
        self.order_changes: dict[OrderId, Row] = {}
        self.positions: dict[Holder, Row | None] = {}
        self.moved: dict[Holder, Position | None] = {}

    def take(self, block: RecordedBlock) -> None:
        """Add the rows of ``block``, which follows the last one."""
        self._block = block
        for happened in block.happened:
            self._happened = happened
            for event in happened.events:
                HANDLERS[type(event)](self, event)

    def position_before(self, holder: Holder) -> Position | None:
        """Return the position of ``holder`` as it stands so far."""
        return self.moved[holder] if holder in self.moved else self._held.get(holder)

    # --- single rows -----------------------------------------------------------------------------

    def put(self, table: str, values: Row) -> None:
        """Add a row that tells of one event; its place counts the command's rows in the table."""
        rows = self.rows[table]
        sequence = self._happened.sequence
        place = 0
        if rows and rows[-1]["sequence"] == sequence:
            last = rows[-1]["place"]
            assert isinstance(last, int)
            place = last + 1
        block = self._block
        rows.append(
            {
                "sequence": sequence,
                "place": place,
                "block": block.number,
                "time": block.time,
                **values,
            }
        )

    def accept(self, event: OrderAccepted) -> None:
        """Add the row of an order; what becomes of it at once is told by the events behind."""
        happened, block = self._happened, self._block
        order = happened.orders[event.item - happened.cancels]
        row = self._new_orders[event.order_id] = {
            "order_id": event.order_id,
            "sequence": happened.sequence,
            "block": block.number,
            "time": block.time,
            "account": hex_from_address(event.account),
            "client_id": str(event.client_id) if event.client_id else None,
            "market": event.market,
            "side": SIDES[event.side],
            "type": TYPES[order.type],
            "reduce_only": int(order.reduce_only),
            "price": event.price,
            "size": event.size,
            "filled": 0,
            "value": 0,
            "fees": 0,
            "remaining": event.size,
            "rested": None,
            "status": RESTING,
            "reason": None,
            "closed_sequence": None,
            "closed_time": None,
        }
        self.rows["orders"].append(row)

    def rest(self, event: OrderRested) -> None:
        """Note what of a new order went into the book."""
        self._new_orders[event.order_id]["rested"] = event.remaining

    def fill_order(self, order_id: OrderId, size: int, value: int, fee: int, left: int) -> None:
        """Add a fill to an order's row, which has ``left`` lots left."""
        row = self._order(order_id)
        _add(row, "filled", size)
        _add(row, "value", value)
        _add(row, "fees", fee)
        row["remaining"] = left
        if not left:
            self._close(row, FILLED, None)

    def left_of(self, order_id: OrderId) -> int:
        """Return the lots that a new order has left so far."""
        left = self._new_orders[order_id]["remaining"]
        assert isinstance(left, int)
        return left

    def cancel(self, event: OrderCancelled) -> None:
        """Close an order's row, unfilled as it is."""
        row = self._order(event.order_id)
        row["remaining"] = event.remaining
        self._close(row, CANCELLED, REASONS[event.reason])

    def hold(self, event: PositionChanged) -> None:
        """Note where a position stands now."""
        holder = (hex_from_address(event.account), int(event.market))
        if not event.size:
            self.positions[holder] = self.moved[holder] = None
            return
        self.moved[holder] = Position(event.size, Money(event.funding))
        self.positions[holder] = {
            "account": holder[0],
            "market": holder[1],
            "sequence": self._happened.sequence,
            "size": event.size,
            "entry": event.entry,
            "margin": event.margin,
            "funding_index": event.funding,
        }

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
                "status": RESTING,
                "reason": None,
                "closed_sequence": None,
                "closed_time": None,
            }
        return row

    def _close(self, row: Row, status: str, reason: str | None) -> None:
        row["status"] = status
        row["reason"] = reason
        row["closed_sequence"] = self._happened.sequence
        row["closed_time"] = self._block.time


def _add(row: Row, name: str, amount: int) -> None:
    before = row[name]
    assert isinstance(before, int)
    row[name] = before + amount


# --- one function for each kind of event ----------------------------------------------------------


def _filled(rows: Gathering, event: Filled) -> None:
    value = event.price * event.size
    rows.put(
        "fills",
        {
            "market": event.market,
            "price": event.price,
            "size": event.size,
            "value": value,
            "taker_side": SIDES[event.taker_side],
            "maker": hex_from_address(event.maker),
            "taker": hex_from_address(event.taker),
            "maker_order": event.maker_order,
            "taker_order": event.taker_order or None,
            "maker_fee": event.maker_fee,
            "taker_fee": event.taker_fee,
        },
    )
    rows.fill_order(event.maker_order, event.size, value, event.maker_fee, event.maker_remaining)
    if event.taker_order:
        left = rows.left_of(event.taker_order) - event.size
        rows.fill_order(event.taker_order, event.size, value, event.taker_fee, left)


def _position(rows: Gathering, event: PositionChanged) -> None:
    """Tell what the position was paid since it was last touched: it pays size × move of index."""
    before = rows.position_before((hex_from_address(event.account), int(event.market)))
    amount = 0 if before is None else -before.size * (event.funding - before.funding)
    if before is not None and amount:
        rows.put(
            "funding",
            {
                "account": hex_from_address(event.account),
                "market": event.market,
                "size": before.size,
                "from_index": before.funding,
                "to_index": event.funding,
                "amount": amount,
            },
        )
    rows.hold(event)


def _funding_moved(rows: Gathering, event: FundingMoved) -> None:
    rows.put(
        "funding_moves",
        {"market": event.market, "delta": event.delta, "funding_index": event.index},
    )


def _liquidated(rows: Gathering, event: Liquidated) -> None:
    rows.put(
        "liquidations",
        {
            "account": hex_from_address(event.account),
            "market": event.market,
            "closed": event.closed,
            "remaining": event.remaining,
            "fee": event.fee,
            "shortfall": event.shortfall,
        },
    )


def _deleveraged(rows: Gathering, event: Deleveraged) -> None:
    rows.put(
        "deleveragings",
        {
            "account": hex_from_address(event.account),
            "counterparty": hex_from_address(event.counterparty),
            "market": event.market,
            "size": event.size,
            "value": event.value,
        },
    )


def _deposited(rows: Gathering, event: Deposited) -> None:
    _transfer(rows, "deposit", event.index, event)


def _withdrawal(rows: Gathering, event: WithdrawalOpened) -> None:
    _transfer(rows, "withdrawal", event.withdrawal_id, event)


def _transfer(rows: Gathering, kind: str, number: int, event: Deposited | WithdrawalOpened) -> None:
    rows.put(
        "transfers",
        {
            "kind": kind,
            "number": number,
            "account": hex_from_address(event.account),
            "amount": event.amount,
        },
    )


def _work(rows: Gathering, event: WorkCharged) -> None:
    rows.put(
        "work",
        {
            "account": hex_from_address(event.account),
            "units": event.units,
            "price": event.price,
            "amount": event.amount,
        },
    )


HANDLERS: Final[dict[type[msgspec.Struct], Callable[[Gathering, Any], None]]] = {
    Deleveraged: _deleveraged,
    Deposited: _deposited,
    Filled: _filled,
    FundingMoved: _funding_moved,
    Liquidated: _liquidated,
    OrderAccepted: Gathering.accept,
    OrderCancelled: Gathering.cancel,
    OrderRested: Gathering.rest,
    PositionChanged: _position,
    WithdrawalOpened: _withdrawal,
    WorkCharged: _work,
}
"""What is recorded of each kind of event; a kind that is not here leaves no row."""
