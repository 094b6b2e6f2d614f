"""What the history's rows are made of and how they are handed over: blocks in, groups out."""

import msgspec

from node.types.commands import NewOrder
from node.types.events import Event
from node.types.history import Holder, Row
from node.types.ids import Sequence
from node.types.units import Millis, Money


class Happened(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What command ``sequence`` did, as far as history tells of it.

    ``orders`` are those that it wanted to place, behind so many items of other kinds (``ahead``).
    """

    sequence: Sequence
    ahead: int
    orders: tuple[NewOrder, ...]
    events: tuple[Event, ...]


class RecordedBlock(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A durable block, as history takes it in; ``happened`` leaves out what has no rows."""

    number: int
    time: Millis
    first_sequence: Sequence
    last_sequence: Sequence
    parent: bytes
    hash: bytes
    happened: tuple[Happened, ...]


class Position(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What must be known of an open position to tell what it is next paid, and what it gains.

    Signed lots, signed entry value, and the funding index at which it was settled.
    """

    size: int
    entry: Money
    funding: Money


class RowGroup(msgspec.Struct, frozen=True):
    """The rows of some blocks in a row: what one transaction writes, whole or not at all.

    ``rows`` are new, by table. ``order_changes`` are of orders that have a row already: ``filled``,
    ``value`` and ``fees`` are what came on top, ``remaining`` is what is left, and None is what
    stays as it was. An order's size is at all times what is filled and what remains. ``positions``
    are as they stand at the end, None where one was closed.
    """

    first_sequence: Sequence
    last_sequence: Sequence
    block: int
    time: Millis
    parent: bytes
    hash: bytes
    rows: dict[str, list[Row]]
    order_changes: list[Row]
    positions: dict[Holder, Row | None]

    @property
    def count(self) -> int:
        """Return how many rows the group writes."""
        new = sum(map(len, self.rows.values()))
        return new + len(self.order_changes) + len(self.positions)
