"""Answers to questions about the history: pages of rows as JSON, the newest first.

A page ends where the next begins: at the key of its last row. Rows that are added meanwhile come
before the first page and move no row from one page to another.
"""

from time import monotonic
from typing import Any, Final

import msgspec
import sqlalchemy as sql

from node.adapters.history_engine import open_engine, shown, told_as_ours
from node.adapters.history_tables import PROGRESS, SQL_TABLES
from node.codec.history_cursor import cursor_of
from node.types.errors import DeadlineExceeded, HistoryUnavailable
from node.types.history import TABLES, Question, Row, Table
from node.types.history_units import readable
from node.types.rules import Rules

_STEPS_BETWEEN_LOOKS: Final = 10_000
"""Instructions of SQLite between two looks at the clock: some tenths of a millisecond."""
_MS: Final = 1_000

_encode = msgspec.json.Encoder().encode


class HistoryPages:
    """Reads one exchange's history from the database at ``url``, and never writes."""

    def __init__(self, url: str, rules: Rules, query_ms: int) -> None:
        """Connect to nothing yet; a question that takes longer than ``query_ms`` is given up."""
        self._where = shown(url)
        self._rules = rules
        self._query_ms = query_ms
        self._engine = open_engine(url, query_ms)
        self._sqlite = self._engine.dialect.name == "sqlite"

    def close(self) -> None:
        """Let go of the connections."""
        self._engine.dispose()

    def page(self, question: Question) -> bytes:
        """Return the JSON body of a page: its rows, the key to go on from, and how far we are.

        Raises ``HistoryUnavailable``, and ``DeadlineExceeded`` where it took too long.
        """
        table = TABLES[question.table]
        begun = monotonic()
        try:
            with told_as_ours(self._where), self._engine.connect() as connection:
                self._limit(connection, begun)
                written = connection.execute(sql.select(PROGRESS.c.sequence)).scalar_one()
                found = connection.execute(_chosen(table, question)).mappings().all()
        except HistoryUnavailable:
            waited_ms = int((monotonic() - begun) * _MS)
            if waited_ms >= self._query_ms:
                raise DeadlineExceeded(waited_ms=waited_ms, deadline_ms=self._query_ms) from None
            raise
        rows: list[Row] = [dict(row) for row in found]
        whole = len(rows) == question.limit
        return _encode(
            {
                "rows": readable(table, rows, self._rules),
                "next": cursor_of(table, rows[-1]) if whole else None,
                "sequence": written,
            }
        )

    def _limit(self, connection: sql.Connection, begun: float) -> None:
        """Let SQLite look at the clock; PostgreSQL was told when it was connected to."""
        if self._sqlite:
            driver: Any = connection.connection.driver_connection
            until = begun + self._query_ms / _MS
            driver.set_progress_handler(lambda: monotonic() > until, _STEPS_BETWEEN_LOOKS)


def _chosen(table: Table, question: Question) -> Any:
    """Return the statement; an account's rows are looked up by each column that may name it."""
    if question.account is None or len(table.accounts) == 1:
        owner = table.accounts[0] if question.account is not None else None
        return _page(table, question, owner)
    # One range of an index for each column, and of these again the newest.
    parts = [_page(table, question, owner).subquery() for owner in table.accounts]
    both = sql.union_all(*(sql.select(part) for part in parts)).subquery()
    newest = [both.c[name].desc() for name in table.key]
    return sql.select(both).order_by(*newest).limit(question.limit)


def _page(table: Table, question: Question, owner: str | None) -> sql.Select[Any]:
    columns = SQL_TABLES[table.name].c
    chosen = sql.select(*(columns[column.name] for column in table.columns))
    if owner is not None:
        chosen = chosen.where(columns[owner] == question.account)
    if question.market is not None:
        chosen = chosen.where(columns.market == question.market)
    key = [columns[name] for name in table.key]
    if question.before is not None:
        chosen = chosen.where(sql.tuple_(*key) < sql.tuple_(*map(sql.literal, question.before)))
    return chosen.order_by(*(column.desc() for column in key)).limit(question.limit)
