"""The history of the exchange as tables: which there are, and in which units their columns are.

One list for all who must agree on it: who makes the rows, the database, the answers over REST and
the files of an export. Every number is an exact integer in the units of the log; what it means as a
decimal follows from its ``Unit`` and from the market of its row.

A row is a plain dictionary with a value for each column of its table, None where there is none.
"""

from enum import Enum
from typing import Final

import msgspec

from node.types.ids import Sequence
from node.types.units import Millis

Row = dict[str, int | str | None]
Holder = tuple[str, int]
"""An account, as ``0x`` and 40 lower-case digits, and a market: who holds a position, and where."""

SCHEMA_VERSION: Final = 4
"""Another one means other tables: they are then made anew from the log (``history rebuild``)."""


class Unit(Enum):
    """What a value counts, or is."""

    COUNT = "count"
    """A number of things, or a place."""
    TIME = "time"
    """Milliseconds since the Unix epoch."""
    MARKET = "market"
    """A market's id: 1, 2, 3, … in the order of the rules."""
    PRICE = "price"
    """Ticks of the row's market."""
    SIZE = "size"
    """Lots of the row's market, signed where it is a position's."""
    MONEY = "money"
    """Millionths of the quote asset; for a funding index, of it for each lot."""
    FLAG = "flag"
    """0 or 1."""
    WORD = "word"
    """One of few fixed words."""
    NUMBER = "number"
    """A number of up to 64 bits without a sign, as decimal digits."""
    ADDRESS = "address"
    """``0x`` and 40 lower-case hexadecimal digits."""
    HASH = "hash"
    """``0x`` and 64 lower-case hexadecimal digits."""


TEXTS: Final = frozenset({Unit.WORD, Unit.NUMBER, Unit.ADDRESS, Unit.HASH})
"""The units whose values are texts; all others are integers of 64 bits."""


class Column(msgspec.Struct, frozen=True):
    """One column; ``optional``: a row may have no value there."""

    name: str
    unit: Unit
    optional: bool = False


class Table(msgspec.Struct, frozen=True):
    """One table; its rows are ordered by ``key``, ``accounts`` are the columns that say whose.

    ``told_apart_by`` is the column of few ``words`` by which rows can be asked for, empty where
    there is none. Where rows have a ``time``, it never falls while the key grows.
    """

    name: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    accounts: tuple[str, ...] = ()
    about: str = ""
    told_apart_by: str = ""
    words: tuple[str, ...] = ()

    @property
    def by_market(self) -> bool:
        """Return whether each row belongs to a market."""
        return any(column.unit is Unit.MARKET for column in self.columns)

    @property
    def timed(self) -> bool:
        """Return whether each row says when it came."""
        return any(column.name == "time" for column in self.columns)

    @property
    def by_client_id(self) -> bool:
        """Return whether the account that a row belongs to may have given it a number."""
        return any(column.name == "client_id" for column in self.columns)

    @property
    def number(self) -> str | None:
        """Return the column whose number names one row, None where it takes several columns."""
        return self.key[0] if len(self.key) == 1 else None

    @property
    def ordinal(self) -> str:
        """Return the column that says when a row came: its place in the log, or its number."""
        names = [column.name for column in self.columns]
        return "sequence" if "sequence" in names else self.key[0]


_PLACED: Final = (
    Column("sequence", Unit.COUNT),
    Column("place", Unit.COUNT),
    Column("block", Unit.COUNT),
    Column("time", Unit.TIME),
)
"""What every row has that tells of one event: its command, and its place among the command's."""

_BY_PLACE: Final = ("sequence", "place")

FILLS: Final = Table(
    "fills",
    _BY_PLACE,
    (
        *_PLACED,
        Column("market", Unit.MARKET),
        Column("price", Unit.PRICE),
        Column("size", Unit.SIZE),
        Column("value", Unit.MONEY),
        Column("taker_side", Unit.WORD),
        Column("maker", Unit.ADDRESS),
        Column("taker", Unit.ADDRESS),
        Column("maker_order", Unit.COUNT),
        Column("taker_order", Unit.COUNT, optional=True),
        Column("maker_fee", Unit.MONEY),
        Column("taker_fee", Unit.MONEY),
        Column("maker_realized", Unit.MONEY),
        Column("taker_realized", Unit.MONEY),
        Column("auction", Unit.FLAG),
    ),
    ("maker", "taker"),
    "Lots that changed hands; without a taker_order it was a liquidation that took.",
)
ORDERS: Final = Table(
    "orders",
    ("order_id",),
    (
        Column("order_id", Unit.COUNT),
        Column("sequence", Unit.COUNT),
        Column("block", Unit.COUNT),
        Column("time", Unit.TIME),
        Column("account", Unit.ADDRESS),
        Column("client_id", Unit.NUMBER, optional=True),
        Column("market", Unit.MARKET),
        Column("side", Unit.WORD),
        Column("type", Unit.WORD),
        Column("reduce_only", Unit.FLAG),
        Column("price", Unit.PRICE),
        Column("size", Unit.SIZE),
        Column("filled", Unit.SIZE),
        Column("value", Unit.MONEY),
        Column("fees", Unit.MONEY),
        Column("remaining", Unit.SIZE),
        Column("rested", Unit.SIZE, optional=True),
        Column("status", Unit.WORD),
        Column("reason", Unit.WORD, optional=True),
        Column("closed_sequence", Unit.COUNT, optional=True),
        Column("closed_time", Unit.TIME, optional=True),
        Column("trigger", Unit.WORD, optional=True),
        Column("trigger_price", Unit.PRICE, optional=True),
        Column("triggered_sequence", Unit.COUNT, optional=True),
        Column("triggered_time", Unit.TIME, optional=True),
    ),
    ("account",),
    "Every order and what has become of it: waiting, resting, filled or cancelled (reason).",
    "status",
    ("waiting", "resting", "filled", "cancelled"),
)
KEPT_UNLESS_TOLD: Final = (
    "price", "trigger_price", "rested", "status", "reason", "closed_sequence", "closed_time",
    "triggered_sequence", "triggered_time",
)  # fmt: skip
"""The columns of an order that stay as they were where a change says None of them."""

FUNDING: Final = Table(
    "funding",
    _BY_PLACE,
    (
        *_PLACED,
        Column("account", Unit.ADDRESS),
        Column("market", Unit.MARKET),
        Column("size", Unit.SIZE),
        Column("from_index", Unit.MONEY),
        Column("to_index", Unit.MONEY),
        Column("amount", Unit.MONEY),
    ),
    ("account",),
    "Funding that a position received (negative: paid) when it was next touched.",
)
FUNDING_MOVES: Final = Table(
    "funding_moves",
    _BY_PLACE,
    (
        *_PLACED,
        Column("market", Unit.MARKET),
        Column("delta", Unit.MONEY),
        Column("funding_index", Unit.MONEY),
    ),
    about="Moves of a market's funding index: what longs owe shorts for each lot.",
)
LIQUIDATIONS: Final = Table(
    "liquidations",
    _BY_PLACE,
    (
        *_PLACED,
        Column("account", Unit.ADDRESS),
        Column("market", Unit.MARKET),
        Column("side", Unit.WORD),
        Column("closed", Unit.SIZE),
        Column("value", Unit.MONEY),
        Column("deleveraged", Unit.SIZE),
        Column("deleveraged_value", Unit.MONEY),
        Column("remaining", Unit.SIZE),
        Column("fee", Unit.MONEY),
        Column("shortfall", Unit.MONEY),
    ),
    ("account",),
    "Positions that failed maintenance: what was closed and for what, fee, what the fund paid.",
)
DELEVERAGINGS: Final = Table(
    "deleveragings",
    _BY_PLACE,
    (
        *_PLACED,
        Column("account", Unit.ADDRESS),
        Column("counterparty", Unit.ADDRESS),
        Column("market", Unit.MARKET),
        Column("size", Unit.SIZE),
        Column("value", Unit.MONEY),
        Column("realized", Unit.MONEY),
        Column("counterparty_realized", Unit.MONEY),
    ),
    ("account", "counterparty"),
    "Lots of a bankrupt position that were handed to an opposing one.",
)
TRANSFERS: Final = Table(
    "transfers",
    _BY_PLACE,
    (
        *_PLACED,
        Column("kind", Unit.WORD),
        Column("number", Unit.COUNT),
        Column("account", Unit.ADDRESS),
        Column("amount", Unit.MONEY),
    ),
    ("account",),
    "Deposits (number: of the inbox) and withdrawals (number: their id).",
    "kind",
    ("deposit", "withdrawal"),
)
WORK: Final = Table(
    "work",
    _BY_PLACE,
    (
        *_PLACED,
        Column("account", Unit.ADDRESS),
        Column("units", Unit.COUNT),
        Column("price", Unit.MONEY),
        Column("amount", Unit.MONEY),
    ),
    ("account",),
    "What accounts paid for the work of their actions; price is that of one unit.",
)
BATCHES: Final = Table(
    "batches",
    ("number",),
    (
        Column("number", Unit.COUNT),
        Column("first_sequence", Unit.COUNT),
        Column("last_sequence", Unit.COUNT),
        Column("data_bytes", Unit.COUNT),
        Column("root", Unit.HASH),
        Column("status", Unit.WORD),
        Column("l1_block", Unit.COUNT, optional=True),
        Column("l1_transaction", Unit.HASH, optional=True),
    ),
    about="Batches of the log, and how far each has come on L1.",
)
POSITIONS: Final = Table(
    "positions",
    ("account", "market"),
    (
        Column("account", Unit.ADDRESS),
        Column("market", Unit.MARKET),
        Column("sequence", Unit.COUNT),
        Column("size", Unit.SIZE),
        Column("entry", Unit.MONEY),
        Column("margin", Unit.MONEY),
        Column("funding_index", Unit.MONEY),
    ),
    ("account",),
    "Open positions as they were last touched; payments of funding follow from them.",
)

FROM_THE_LOG: Final = (
    FILLS,
    ORDERS,
    FUNDING,
    FUNDING_MOVES,
    LIQUIDATIONS,
    DELEVERAGINGS,
    TRANSFERS,
    WORK,
    POSITIONS,
)
"""The tables whose rows are a function of the log."""

TABLES: Final = {table.name: table for table in (*FROM_THE_LOG, BATCHES)}


class HistoryMark(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """How far history is written: up to command ``sequence``, the last of ``block`` at ``time``.

    ``hash`` is that block's. ``rows`` counts what was written since the writer started.
    """

    sequence: Sequence
    block: int
    time: Millis
    hash: bytes
    rows: int = 0


class Question(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Which rows of ``table`` are asked for: up to ``limit``, the newest first or the oldest.

    ``behind`` is the key of the row behind which to go on, in that order (None: begin). All else
    leaves out other rows, and None leaves out none: ``account``, ``market``, ``word`` (in the
    column ``told_apart_by``), ``number`` (the one that names the row), ``client_id`` (the one that
    ``account`` gave it, as digits), and the times that rows are not older than (``since``) and not
    newer than (``until``).
    """

    table: str
    limit: int
    account: str | None = None
    market: int | None = None
    behind: tuple[int, ...] | None = None
    oldest_first: bool = False
    since: int | None = None
    until: int | None = None
    word: str | None = None
    number: int | None = None
    client_id: str | None = None
