"""Answers to questions about the history: pages of rows as JSON, the newest or the oldest first.

A page ends where the next begins: at the key of its last row. Rows that are added meanwhile come
at the newest end, and move no row from one page to another.

Times become keys before anything is read: a table's time never falls while its key grows, so the
first key of a time is found by halving, and no index over times has to be written.
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
from node.types.units import MS_PER_S

_STEPS_BETWEEN_LOOKS: Final = 10_000
"""Instructions of SQLite between two looks at the clock: some tenths of a millisecond."""

KeyRange = tuple[int | None, int | None]
"""The lowest key, of its first column, and the one past the highest; None: there is no bound."""

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
                chosen = _chosen(table, question, _range(connection, table, question))
                found = connection.execute(chosen).mappings().all()
        except HistoryUnavailable:
            waited_ms = int((monotonic() - begun) * MS_PER_S)
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
            until = begun + self._query_ms / MS_PER_S
            driver.set_progress_handler(lambda: monotonic() > until, _STEPS_BETWEEN_LOOKS)


def _range(connection: sql.Connection, table: Table, question: Question) -> KeyRange:
    """Return the keys whose rows are of the time that is asked for."""
    since, until = question.since, question.until
    return (
        None if since is None else _first_key(connection, table, since),
        None if until is None else _first_key(connection, table, until + 1),
    )


def _first_key(connection: sql.Connection, table: Table, time: int) -> int:
    """Return the lowest key, of its first column, from which on no row is older than ``time``."""
    columns = SQL_TABLES[table.name].c
    key = columns[table.key[0]]
    least = sql.bindparam("least", type_=sql.BigInteger())
    next_row = sql.select(key, columns.time).where(key >= least).order_by(key).limit(1)
    low = 0
    high = (connection.execute(sql.select(sql.func.max(key))).scalar_one() or 0) + 1
    while low < high:
        middle = (low + high) // 2
        found = connection.execute(next_row, {"least": middle}).first()
        if found is None or found[1] >= time:
            high = middle
        else:
            low = found[0] + 1
    return low


def _chosen(table: Table, question: Question, keys: KeyRange) -> Any:
    """Return the statement; an account's rows are looked up by each column that may name it."""
    if question.account is None or len(table.accounts) == 1:
        owner = table.accounts[0] if question.account is not None else None
        return _page(table, question, keys, owner)
    # One range of an index for each column, and of these again the first.
    parts = [_page(table, question, keys, owner).subquery() for owner in table.accounts]
    both = sql.union_all(*(sql.select(part) for part in parts)).subquery()
    return sql.select(both).order_by(*_order(both, table, question)).limit(question.limit)


def _order(rows: Any, table: Table, question: Question) -> list[Any]:
    key = [rows.c[name] for name in table.key]
    return [one.asc() if question.oldest_first else one.desc() for one in key]


def _page(table: Table, question: Question, keys: KeyRange, owner: str | None) -> sql.Select[Any]:
    rows = SQL_TABLES[table.name]
    columns, first = rows.c, rows.c[table.key[0]]
    chosen = sql.select(*(columns[column.name] for column in table.columns))
    if owner is not None:
        chosen = chosen.where(columns[owner] == question.account)
    if question.market is not None:
        chosen = chosen.where(columns.market == question.market)
    if question.word is not None:
        word = columns[table.told_apart_by]
        # An account has fewer rows than a word: SQLite, which knows neither, would take the word's.
        plain = word if owner is None else sql.func.coalesce(word, "")
        chosen = chosen.where(plain == question.word)
    if question.number is not None:
        chosen = chosen.where(first == question.number)
    if question.client_id is not None:
        chosen = chosen.where(columns.client_id == question.client_id)
    if keys[0] is not None:
        chosen = chosen.where(first >= keys[0])
    if keys[1] is not None:
        chosen = chosen.where(first < keys[1])
    if question.behind is not None:
        key = sql.tuple_(*(columns[name] for name in table.key))
        last = sql.tuple_(*map(sql.literal, question.behind))
        chosen = chosen.where(key > last if question.oldest_first else key < last)
    return chosen.order_by(*_order(rows, table, question)).limit(question.limit)
