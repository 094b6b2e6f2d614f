"""The columns of a batch: their names and order, and their bytes with a directory in front.

    length of column 0, length of column 1, …   (bytes, as varints)
    column 0, column 1, …                       (varints)

Values of one kind stand together: that is what makes them small and alike, and a compressor happy.
The rare columns stand behind all others, with a directory of their own, and only in a batch that
has a value for one of them: without, not even their lengths are posted.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import Final

from node.codec.varint import decode_varints, encode_varints
from node.types.errors import BatchMalformed
from node.types.ids import Address
from node.types.units import UINT64_MAX

COLUMNS: Final = (
    "kind",
    "block.number",
    "block.time",
    "block.fee",
    "block.since",
    "party.account",
    "party.signer",
    "action.party",
    "action.nonce",
    "action.expires_seconds",
    "action.expires_millis",
    "place.cancels",
    "place.orders",
    "place.max_fee",
    "cancel.form",
    "cancel.order_id",
    "cancel.client_id",
    "order.market",
    "order.form",
    "order.price",
    "order.size",
    "order.client_id",
    "cancel_all.market",
    "margin.market",
    "margin.amount",
    "withdraw.amount",
    "agent.address",
    "agent.until",
    "deposit.index",
    "deposit.account",
    "deposit.amount",
    "round.time",
    "round.reports",
    "report.reporter",
    "report.prices",
    "report.price",
    "liquidate.market",
    "liquidate.account",
    "order.extras",
    "order.good_till",
    "order.trigger_price",
    "order.group",
    "amend.action",
    "amend.form",
    "amend.order_id",
    "amend.client_id",
    "amend.market",
    "amend.price",
    "amend.size",
    "switch.form",
    "switch.cancel_at",
    "expire.account",
    "trigger.account",
    "trigger.order_id",
    "disconnected.account",
    "uncross.market",
)
"""In the order of the format; docs/PROTOCOL.md says what each one holds."""

RARE_COLUMNS: Final = ("amend.trigger_price", "amend.good_till")

CODE_MAX: Final = 2 * UINT64_MAX + 2
"""The largest zigzag-coded difference of two 64-bit values, with a step of one."""


class Kind(IntEnum):
    """The numbers of the commands in a batch; the same that tag them in the journal."""

    PLACE_ORDERS = 1
    CANCEL_ALL = 2
    ADJUST_MARGIN = 3
    WITHDRAW = 4
    APPROVE_AGENT = 5
    SET_SWITCH = 6
    OPEN_BLOCK = 10
    DEPOSIT = 11
    ORACLE_ROUND = 12
    SETTLE_FUNDING = 13
    LIQUIDATE = 14
    EXPIRE = 15
    TRIGGER_ORDER = 16
    DISCONNECTED = 17
    UNCROSS = 18


Columns = dict[str, Sequence[int]]


class AddressBook:
    """The addresses of a batch, each once, in the order of their first use."""

    __slots__ = ("_places",)

    def __init__(self) -> None:
        self._places: dict[Address, int] = {}

    def place(self, address: Address) -> int:
        """Return the place of ``address``, which is appended if it is new."""
        return self._places.setdefault(address, len(self._places))

    def to_bytes(self) -> bytes:
        """Return all addresses, one behind the other."""
        return b"".join(self._places)


def one_key(count: int) -> bytes:
    """Return ``count`` equal keys: the rows are measured each from the one before."""
    return bytes(count)


def columns_to_bytes(columns: Columns) -> list[bytes]:
    """Return the directory, then each column, as they follow each other; so with rare ones."""
    parts = _behind_directory(columns, COLUMNS)
    if any(columns[name] for name in RARE_COLUMNS):
        parts += _behind_directory(columns, RARE_COLUMNS)
    return parts


class ColumnReader:
    """The columns in ``data``: each is taken once, with the number of values it must have."""

    __slots__ = ("_columns",)

    def __init__(self, data: bytes) -> None:
        self._columns = dict.fromkeys(RARE_COLUMNS, b"")
        place = self._read(COLUMNS, data, 0)
        if place < len(data):
            place = self._read(RARE_COLUMNS, data, place)
            if not any(self._columns[name] for name in RARE_COLUMNS):
                raise BatchMalformed(detail="the rare columns are all empty")
        if place != len(data):
            raise BatchMalformed(detail=f"columns end at {place}, their bytes at {len(data)}")

    def _read(self, names: Sequence[str], data: bytes, place: int) -> int:
        """Cut out the columns whose directory begins at ``place``; return where they end."""
        lengths, place = _directory(data, place, len(names))
        for name, length in zip(names, lengths, strict=True):
            self._columns[name] = data[place : place + length]
            place += length
        return place

    def all(self, name: str, high: int = CODE_MAX) -> list[int]:
        """Return all values of column ``name``. Raises ``BatchMalformed`` for one over ``high``."""
        try:
            values = decode_varints(self._columns[name])
        except BatchMalformed as error:
            raise BatchMalformed(detail=f"{name}: {error.detail}") from None
        if values and max(values) > high:
            raise BatchMalformed(detail=f"{name}: {max(values)} is over {high}")
        return values

    def length(self, name: str) -> int:
        """Return the bytes of column ``name``: its rows, if all its values are below 128."""
        return len(self._columns[name])

    def take(self, name: str, count: int, high: int = CODE_MAX) -> list[int]:
        """Return column ``name``, which must have ``count`` values of at most ``high``."""
        values = self.all(name, high)
        if len(values) != count:
            raise BatchMalformed(detail=f"{name}: {len(values)} values for {count} rows")
        return values


def require_within(name: str, values: Sequence[int], low: int, high: int) -> None:
    """Raise ``BatchMalformed`` unless all ``values`` of column ``name`` lie within the bounds."""
    if values and not (low <= min(values) and max(values) <= high):
        raise BatchMalformed(detail=f"{name}: a value outside {low} … {high}")


def _behind_directory(columns: Columns, names: Sequence[str]) -> list[bytes]:
    encoded = [encode_varints(columns[name]) for name in names]
    return [encode_varints([len(column) for column in encoded]), *encoded]


def _directory(data: bytes, start: int, count: int) -> tuple[list[int], int]:
    """Return the lengths of the ``count`` columns from ``start``, and where the directory ends."""
    place = start
    for _ in range(count):
        while place < len(data) and data[place] >= 0x80:
            place += 1
        place += 1
    if place > len(data):
        raise BatchMalformed(detail="the directory of the columns is cut off")
    return decode_varints(data[start:place]), place
