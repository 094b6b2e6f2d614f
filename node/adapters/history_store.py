"""The history in a database: groups of rows, each with its progress in one transaction.

A crash at any moment leaves a whole number of groups and a progress that says exactly which: what
follows is written once, and nothing twice. The writer is one at a time; a second one finds the
progress moved, and writes nothing.
"""

import re
from collections.abc import Iterable
from operator import itemgetter
from typing import Any, Final, Self

import sqlalchemy as sql

from node.adapters.history_engine import open_engine, shown, told_as_ours
from node.adapters.history_owner import found_in, hex_text, is_outdated, outdated, owner_of
from node.adapters.history_tables import MARKETS, METADATA, PROGRESS, SQL_TABLES
from node.adapters.identity import Identity
from node.types.blocks import GENESIS_PARENT
from node.types.errors import HistoryUnavailable, HistoryUnusable, StateDiverged
from node.types.history import (
    FROM_THE_LOG,
    KEPT_UNLESS_TOLD,
    SCHEMA_VERSION,
    HistoryMark,
    Holder,
    Row,
)
from node.types.history_rows import Position, RowGroup
from node.types.ids import Sequence
from node.types.rules import Rules
from node.types.units import Millis, Money

_ONE: Final = 1
"""The id of the one row of progress."""

_orders = SQL_TABLES["orders"]
_positions = SQL_TABLES["positions"]
_batches = SQL_TABLES["batches"]

_NAMED_FOR_CHANGE: Final = {
    "order_id": "of_order",
    "filled": "more_filled",
    "value": "more_value",
    "fees": "more_fees",
    "remaining": "left",
}


def _or_as_it_was(name: str) -> sql.ColumnElement[int | str]:
    """Return what a change says of a column, or what stands there where it says nothing."""
    column = _orders.c[name]
    return sql.func.coalesce(sql.bindparam(f"new_{name}", type_=column.type), column)


_CHANGE_ORDER: Final = (
    sql.update(_orders)
    .where(_orders.c.order_id == sql.bindparam("of_order"))
    .values(
        filled=_orders.c.filled + sql.bindparam("more_filled"),
        value=_orders.c.value + sql.bindparam("more_value"),
        fees=_orders.c.fees + sql.bindparam("more_fees"),
        remaining=sql.bindparam("left"),
        size=_orders.c.filled + sql.bindparam("more_filled") + sql.bindparam("left"),
        **{name: _or_as_it_was(name) for name in KEPT_UNLESS_TOLD},
    )
)


_HASH: Final = re.compile("0x[0-9a-f]{64}")


class HistoryStore:
    """One exchange's history in the database at ``url``."""

    def __init__(self, url: str, identity: Identity, rules: Rules, *, renew: bool = False) -> None:
        """Make the tables where there are none, and check whose they are.

        ``renew``: this exchange's own tables of another version are dropped and made anew. Raises
        ``HistoryUnavailable``, ``HistoryUnusable``, or ``WrongChain`` where the history is another
        exchange's; nothing is changed then.
        """
        self.where = shown(url)
        self._identity = identity
        self._rules = rules
        self._engine = open_engine(url)
        try:
            with told_as_ours(self.where):
                if self._is_outdated(renew):
                    _drop_all(self._engine)
                # First of all, as it says that the others are a history's.
                PROGRESS.create(self._engine, checkfirst=True)
                METADATA.create_all(self._engine)
                _index_all(self._engine)
                with self._engine.begin() as connection:
                    self._found(connection)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the connection."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def mark(self) -> HistoryMark:
        """Return up to where history is written. Raises ``HistoryUnavailable``."""
        with told_as_ours(self.where), self._engine.begin() as connection:
            return self._mark(connection.execute(sql.select(PROGRESS)).one_or_none())

    def positions(self) -> dict[Holder, Position]:
        """Return the open positions there. Raises ``HistoryUnavailable``."""
        columns = _positions.c
        chosen = sql.select(
            columns.account, columns.market, columns.size, columns.entry, columns.funding_index
        )
        with told_as_ours(self.where), self._engine.begin() as connection:
            return {
                (account, market): Position(size, Money(entry), Money(funding))
                for account, market, size, entry, funding in connection.execute(chosen)
            }

    def append(self, group: RowGroup) -> HistoryMark:
        """Write ``group``, which must follow what is there, and return where history then ends.

        Raises ``HistoryUnavailable``: it is then unknown whether the group was written, and
        ``mark`` will tell. Raises ``StateDiverged`` where it is of another log.
        """
        with told_as_ours(self.where), self._engine.begin() as connection:
            chosen = sql.select(PROGRESS).with_for_update()
            before = self._mark(connection.execute(chosen).one_or_none())
            if before.sequence != group.first_sequence - 1:
                raise HistoryUnavailable(where=self.where, detail="another writer moved it on")
            if before.hash != group.parent:
                raise StateDiverged(
                    where="history", sequence=before.sequence, expected=before.hash,
                    found=group.parent,
                )  # fmt: skip
            _write(connection, group)
            after = HistoryMark(group.last_sequence, group.block, group.time, group.hash)
            _progress(connection, after)
        return after

    def put_batches(self, rows: list[Row]) -> None:
        """Write ``rows`` in the place of what is told of the same batches.

        Raises ``HistoryUnavailable``.
        """
        if not rows:
            return
        numbers = [row["number"] for row in rows]
        with told_as_ours(self.where), self._engine.begin() as connection:
            connection.execute(sql.delete(_batches).where(_batches.c.number.in_(numbers)))
            connection.execute(sql.insert(_batches), rows)

    def empty(self, *, batches: bool) -> None:
        """Drop all that comes from the log, and on request what is told of batches."""
        dropped = [SQL_TABLES[table.name] for table in FROM_THE_LOG]
        if batches:
            dropped.append(_batches)
        with told_as_ours(self.where):
            # First of all: whatever ends this halfway, no progress is told of what is gone.
            with self._engine.begin() as connection:
                connection.execute(sql.delete(PROGRESS))
            METADATA.drop_all(self._engine, [*dropped, MARKETS])
            METADATA.create_all(self._engine)
            with self._engine.begin() as connection:
                self._found(connection)

    def _mark(self, row: Any) -> HistoryMark:
        """Return where history ends; SQLite keeps whatever anybody wrote into a column."""
        told = () if row is None else (row.sequence, row.block, row.time, row.hash)
        if [*map(type, told)] != [int, int, int, str] or not _HASH.fullmatch(row.hash):
            detail = f"it does not tell where it ends: its table {PROGRESS.name} was changed"
            raise HistoryUnusable(where=self.where, detail=detail)
        return HistoryMark(
            Sequence(row.sequence), row.block, Millis(row.time), bytes.fromhex(row.hash[2:])
        )

    def _is_outdated(self, renew: bool) -> bool:
        """Return whether the tables are to be made anew; raise where they may not be used."""
        with self._engine.begin() as connection:
            found = found_in(connection, self.where)
        if found is None or not is_outdated(found, owner_of(self._identity), self.where):
            return False
        if renew:
            return True
        raise outdated(found, self.where)

    def _found(self, connection: sql.Connection) -> None:
        """Say whose history this is, where nobody has."""
        if connection.execute(sql.select(PROGRESS)).one_or_none() is None:
            start = {"sequence": 0, "block": 0, "time": 0, "hash": hex_text(GENESIS_PARENT)}
            whose = {"schema_version": SCHEMA_VERSION, **owner_of(self._identity)}
            connection.execute(sql.insert(PROGRESS), [{"id": _ONE, **whose, **start}])
            connection.execute(sql.delete(MARKETS))
            connection.execute(sql.insert(MARKETS), list(_markets(self._rules)))


def _index_all(engine: sql.Engine) -> None:
    """Make the indexes that tables lack which were there before: a minute where rows are many."""
    for table in METADATA.sorted_tables:
        for index in table.indexes:
            index.create(engine, checkfirst=True)


def _drop_all(engine: sql.Engine) -> None:
    """Drop every table; the progress last, as it says that the others are a history's."""
    METADATA.drop_all(engine, [table for table in METADATA.sorted_tables if table is not PROGRESS])
    PROGRESS.drop(engine, checkfirst=True)


def _write(connection: sql.Connection, group: RowGroup) -> None:
    for table, rows in group.rows.items():
        _insert(connection, SQL_TABLES[table], rows)
    if group.order_changes:
        changes = [
            {_NAMED_FOR_CHANGE.get(name, f"new_{name}"): value for name, value in change.items()}
            for change in group.order_changes
        ]
        connection.execute(_CHANGE_ORDER, changes)
    if group.positions:
        _write_positions(connection, group.positions)


def _insert(connection: sql.Connection, table: sql.Table, rows: list[Row]) -> None:
    """Insert ``rows``, as they are: binding each value by SQLAlchemy takes twice as long."""
    statement = sql.insert(table).compile(dialect=connection.dialect)
    text, names = statement.string, statement.positiontup
    if names is None:
        connection.exec_driver_sql(text, rows)
    else:
        connection.exec_driver_sql(text, list(map(itemgetter(*names), rows)))


def _write_positions(connection: sql.Connection, positions: dict[Holder, Row | None]) -> None:
    gone = sql.delete(_positions).where(
        _positions.c.account == sql.bindparam("of_account"),
        _positions.c.market == sql.bindparam("of_market"),
    )
    connection.execute(
        gone, [{"of_account": account, "of_market": market} for account, market in positions]
    )
    standing = [row for row in positions.values() if row is not None]
    if standing:
        _insert(connection, _positions, standing)


def _progress(connection: sql.Connection, mark: HistoryMark) -> None:
    connection.execute(
        sql.update(PROGRESS)
        .where(PROGRESS.c.id == _ONE)
        .values(sequence=mark.sequence, block=mark.block, time=mark.time, hash=hex_text(mark.hash))
    )


def _markets(rules: Rules) -> Iterable[dict[str, Any]]:
    for number, market in enumerate(rules.markets, start=1):
        yield {
            "market": number,
            "symbol": market.symbol,
            "tick_decimals": market.tick_decimals,
            "lot_decimals": market.lot_decimals,
        }
