"""The history as Parquet files, one for each table, for whoever counts with other tools.

Amounts are ``decimal128(38, 6)``: exact, equal to the millionths, ticks and lots of the log (no
market has more than six decimals), and readable without knowing the market's units. Times are
UTC timestamps in milliseconds. A file appears under its name only once it is whole.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Self

import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sql

from node.adapters.history_engine import open_engine, shown, told_as_ours
from node.adapters.history_owner import Owner, found_in, is_outdated, outdated
from node.adapters.history_tables import PROGRESS, SQL_TABLES
from node.types.errors import HistoryUnusable, PathUnusable
from node.types.history import SCHEMA_VERSION, Column, Row, Table, Unit
from node.types.history_units import DECIMALS, decimals_of, market_of
from node.types.rules import Rules
from node.types.units import MONEY_DECIMALS

ROWS_AT_ONCE: Final = 20_000
"""Rows of one group in a file; what is in memory at a time."""

_DECIMAL: Final = pa.decimal128(38, MONEY_DECIMALS)
_TYPES: Final = {
    Unit.COUNT: pa.int64(),
    Unit.TIME: pa.timestamp("ms", tz="UTC"),
    Unit.MARKET: pa.dictionary(pa.int16(), pa.string()),
    Unit.FLAG: pa.bool_(),
    Unit.WORD: pa.dictionary(pa.int16(), pa.string()),
    Unit.NUMBER: pa.uint64(),
    Unit.ADDRESS: pa.string(),
    Unit.HASH: pa.string(),
}

Told = Callable[[int], None]
"""Told how many rows of the table are written so far."""


class HistoryExport:
    """Writes tables of the history at ``url`` into files, all of them as they stood at one moment.

    It reads in one transaction, from before ``sequence``, up to which history was written then: the
    node may go on writing, and moves nothing that is read here. SQLite's log of what it writes
    meanwhile grows until the end.
    """

    def __init__(self, url: str, rules: Rules, owner: Owner) -> None:
        """Connect, and check whose history it is; ``owner`` is what is known of the exchange.

        Raises ``HistoryUnavailable``, ``HistoryUnusable`` where there is none or one of another
        version, and ``WrongChain`` where it is another exchange's.
        """
        self._where = shown(url)
        self._rules = rules
        self._opened = ExitStack()
        try:
            with told_as_ours(self._where):
                self._connection = self._begun(url)
                self._require_readable(owner)
                self.sequence = int(
                    self._connection.execute(sql.select(PROGRESS.c.sequence)).scalar_one()
                )
        except BaseException:
            self._opened.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def _begun(self, url: str) -> sql.Connection:
        """Return a connection with a transaction that sees one moment."""
        engine = open_engine(url)
        self._opened.callback(engine.dispose)
        connection = self._opened.enter_context(engine.connect())
        if connection.dialect.name == "sqlite":
            # The driver begins none for what only reads.
            connection.exec_driver_sql("BEGIN")
            return connection
        return connection.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )

    def _require_readable(self, owner: Owner) -> None:
        found = found_in(self._connection, self._where)
        if found is None:
            raise HistoryUnusable(where=self._where, detail="there is no history in it")
        if is_outdated(found, owner, self._where):
            raise outdated(found, self._where)

    def write(self, table: Table, folder: Path, since: int, until: int, told: Told) -> int:
        """Write the rows from ``since`` to ``until`` (see ``Table.ordinal``); return how many.

        Raises ``HistoryUnavailable``, ``PathUnusable``.
        """
        schema = schema_of(table)
        target = folder / f"{table.name}.parquet"
        unfinished = target.with_suffix(".unfinished")
        count = 0
        try:
            with pq.ParquetWriter(unfinished, schema, compression="zstd") as writer:
                for rows in self._read(table, since, until):
                    writer.write_batch(batch_of(table, rows, schema, self._rules))
                    count += len(rows)
                    told(count)
            unfinished.replace(target)
        except OSError as error:
            raise PathUnusable(path=str(target), detail=error.strerror or str(error)) from error
        finally:
            unfinished.unlink(missing_ok=True)
        return count

    def _read(self, table: Table, since: int, until: int) -> Iterator[list[Row]]:
        """Yield the rows in the order of the log, so many at a time."""
        made = SQL_TABLES[table.name]
        place = made.c[table.ordinal]
        chosen = (
            sql.select(made)
            .where(place >= since, place <= until)
            .order_by(*(made.c[name] for name in table.key))
        )
        with told_as_ours(self._where):
            streamed = self._connection.execute(
                chosen, execution_options={"yield_per": ROWS_AT_ONCE}
            )
            for rows in streamed.mappings().partitions():
                yield [dict(row) for row in rows]


def schema_of(table: Table) -> pa.Schema:
    """Return the types of a table's columns, with what the table is about."""
    fields = [
        pa.field(
            column.name,
            _DECIMAL if column.unit in DECIMALS else _TYPES[column.unit],
            nullable=column.optional,
        )
        for column in table.columns
    ]
    return pa.schema(
        fields, metadata={"plimsoll_table": table.about, "plimsoll_schema": str(SCHEMA_VERSION)}
    )


def batch_of(table: Table, rows: Sequence[Row], schema: pa.Schema, rules: Rules) -> pa.RecordBatch:
    """Return ``rows`` with the types of ``schema``."""
    arrays = [
        pa.array(_values(column, rows, rules), type=field.type)
        for column, field in zip(table.columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _values(column: Column, rows: Sequence[Row], rules: Rules) -> list[Any]:
    name, unit = column.name, column.unit
    values: list[Any] = [row[name] for row in rows]
    if unit is Unit.MARKET:
        return [rules.markets[value - 1].symbol for value in values]
    if unit is Unit.NUMBER:
        return [None if value is None else int(value) for value in values]
    if unit is Unit.FLAG:
        return [bool(value) for value in values]
    if unit in DECIMALS:
        return [
            None
            if value is None
            else Decimal(value).scaleb(-decimals_of(unit, market_of(row, rules)))
            for value, row in zip(values, rows, strict=True)
        ]
    return values
