"""The history's tables as SQLAlchemy knows them, made from the one list of ``node.types.history``.

Every number is a 64-bit integer in the units of the log, so that nothing is rounded and sums are
exact in every database. ``history_markets`` holds what makes decimals of them.
"""

from typing import Final

import sqlalchemy as sql

from node.types.history import TABLES, TEXTS, Column, Table, Unit

METADATA: Final = sql.MetaData()

_INTEGER: Final = sql.BigInteger()
_LENGTHS: Final = {Unit.WORD: 24, Unit.NUMBER: 20, Unit.ADDRESS: 42, Unit.HASH: 66}


def _column(table: Table, column: Column) -> sql.Column[int] | sql.Column[str]:
    key = column.name in table.key
    if column.unit in TEXTS:
        length = _LENGTHS[column.unit]
        return sql.Column(
            column.name, sql.String(length), primary_key=key, nullable=column.optional
        )
    return sql.Column(
        column.name, _INTEGER, primary_key=key, nullable=column.optional, autoincrement=False
    )


def _table(table: Table) -> sql.Table:
    """Return ``table`` with an index for each question that can be asked of it."""
    made = sql.Table(
        table.name,
        METADATA,
        *(_column(table, column) for column in table.columns),
        # A key of several columns is then the table itself, in its order.
        sqlite_with_rowid=len(table.key) == 1,
    )
    if table.name != "positions":
        key = [made.c[name] for name in table.key]
        for name in table.accounts:
            sql.Index(f"{table.name}_by_{name}", made.c[name], *key)
        if table.by_market:
            sql.Index(f"{table.name}_by_market", made.c.market, *key)
        if table.told_apart_by:
            sql.Index(f"{table.name}_by_{table.told_apart_by}", made.c[table.told_apart_by], *key)
    return made


SQL_TABLES: Final = {table.name: _table(table) for table in TABLES.values()}

PROGRESS: Final = sql.Table(
    "history_progress",
    METADATA,
    sql.Column("id", _INTEGER, primary_key=True, autoincrement=False),
    sql.Column("schema_version", _INTEGER, nullable=False),
    sql.Column("chain_id", _INTEGER, nullable=False),
    sql.Column("rollup", sql.String(42), nullable=False),
    sql.Column("rules", sql.String(66), nullable=False),
    sql.Column("sequence", _INTEGER, nullable=False),
    sql.Column("block", _INTEGER, nullable=False),
    sql.Column("time", _INTEGER, nullable=False),
    sql.Column("hash", sql.String(66), nullable=False),
)
"""One row: whose history this is, and up to where it is written."""

MARKETS: Final = sql.Table(
    "history_markets",
    METADATA,
    sql.Column("market", _INTEGER, primary_key=True, autoincrement=False),
    sql.Column("symbol", sql.String(64), nullable=False),
    sql.Column("tick_decimals", _INTEGER, nullable=False),
    sql.Column("lot_decimals", _INTEGER, nullable=False),
)
"""price = ticks / 10^tick_decimals, size = lots / 10^lot_decimals, money = millionths."""
