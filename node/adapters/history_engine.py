"""Connections to the history's database, and its troubles as errors of the project's own tree."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sql
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError

from node.types.errors import HistoryUnavailable, HistoryUnusable

FILE_NAME: Final = "history.sqlite"
"""The database in a data folder, where no other is configured."""

_BUSY_S: Final = 5
"""How long SQLite waits for another connection's write before it says so."""
_CONNECT_S: Final = 5

_SQLITE: Final = (
    # Readers go on beside the one writer, and what was committed survives a loss of power: the
    # journal is let go of behind it.
    "journal_mode=WAL",
    "synchronous=FULL",
    # Rows are appended, but an index by account is written all over: where its pages do not fit
    # into the cache (2 MiB unless told), or go back to the file with each checkpoint (4 MiB), a row
    # costs more the more there are.
    "cache_size=-32768",  # KiB
    "wal_autocheckpoint=8000",  # pages of 4 KiB
)
_DETAIL_CHARACTERS: Final = 200


def url_of(configured: str, data: Path) -> str:
    """Return the database's URL: as configured, or the file in the data folder."""
    return configured or f"sqlite:///{(data / FILE_NAME).absolute()}"


def shown(url: str) -> str:
    """Return ``url`` without its password. Raises ``HistoryUnusable`` where it is none."""
    try:
        return sql.make_url(url).render_as_string(hide_password=True)
    except ArgumentError as error:
        raise HistoryUnusable(where="history.url", detail=str(error)) from None


def open_engine(url: str, query_ms: int | None = None) -> sql.Engine:
    """Return an engine for ``url``; ``query_ms`` ends a question that takes longer (None: never).

    Nothing is connected to yet. Raises ``HistoryUnusable`` where the driver is not installed.
    """
    where = shown(url)
    place = sql.make_url(url)
    sqlite = place.get_backend_name() == "sqlite"
    name, seconds = ("timeout", _BUSY_S) if sqlite else ("connect_timeout", _CONNECT_S)
    # What is given here would go before what stands in the URL.
    connect: dict[str, Any] = {} if name in place.query else {name: seconds}
    try:
        engine = sql.create_engine(url, connect_args=connect, pool_pre_ping=not sqlite)
    except ModuleNotFoundError as error:
        detail = f"{error.name} is not installed; from the checkout: pip install '.[postgresql]'"
        raise HistoryUnusable(where=where, detail=detail) from None
    if sqlite:
        _prepare_sqlite(engine, query_ms)
    elif query_ms is not None:
        _limit_statements(engine, query_ms)
    return engine


def _prepare_sqlite(engine: sql.Engine, query_ms: int | None) -> None:
    @sql.event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: Any) -> None:
        for pragma in _SQLITE:
            connection.execute(f"PRAGMA {pragma}")
        if query_ms is not None:
            connection.execute("PRAGMA query_only=ON")


def _limit_statements(engine: sql.Engine, query_ms: int) -> None:
    @sql.event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"SET statement_timeout = {int(query_ms)}")
            cursor.execute("SET default_transaction_read_only = on")
        connection.commit()


@contextmanager
def told_as_ours(where: str) -> Iterator[None]:
    """Raise the database's errors as ours.

    ``HistoryUnavailable`` where it does not answer, ``HistoryUnusable`` where it lacks what it must
    have, or cannot hold what it was given.
    """
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        raise HistoryUnavailable(where=where, detail=_detail(error)) from None
    except DBAPIError as error:
        if error.connection_invalidated:
            raise HistoryUnavailable(where=where, detail=_detail(error)) from None
        raise HistoryUnusable(where=where, detail=_detail(error)) from None


def _detail(error: DBAPIError) -> str:
    lines = str(error.orig).splitlines() or [type(error).__name__]
    return lines[0][:_DETAIL_CHARACTERS]
