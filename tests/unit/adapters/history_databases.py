"""Databases to test the history on: SQLite always, PostgreSQL where one is named.

``PLIMSOLL_TEST_POSTGRES=postgresql+psycopg://user@host/database``; its tables are dropped.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import pytest
import sqlalchemy as sql

from node.adapters.data_folder import Identity
from node.adapters.history_engine import open_engine
from node.adapters.history_store import HistoryStore
from node.adapters.history_tables import METADATA, SQL_TABLES
from node.types.history import RecordedBlock
from tests.property.random_log import DOMAIN, RULES
from tests.property.test_mirrors import blocks_of, fresh_state
from tests.unit.history.recorded_blocks import chained

POSTGRES = os.environ.get("PLIMSOLL_TEST_POSTGRES", "")
IDENTITY = Identity.of(DOMAIN, RULES)

ON_POSTGRES = pytest.mark.skipif(not POSTGRES, reason="PLIMSOLL_TEST_POSTGRES names no database")
EACH_DATABASE = ["sqlite", pytest.param("postgresql", marks=ON_POSTGRES)]


def fresh_url(kind: str, folder: Path) -> Iterator[str]:
    """Give the URL of an empty database, and drop what it holds in the end."""
    if kind == "sqlite":
        yield f"sqlite:///{folder}/history.sqlite"
        return
    with empty_postgres() as url:
        yield url


@contextmanager
def empty_postgres() -> Iterator[str]:
    """Give the URL of the database, empty, to one test of all processes of a run at a time."""
    with (Path(gettempdir()) / "plimsoll-test-postgres.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _drop_everything()
        yield POSTGRES
        _drop_everything()


def _drop_everything() -> None:
    engine = open_engine(POSTGRES)
    METADATA.drop_all(engine)
    engine.dispose()


def opened(url: str) -> HistoryStore:
    """Return the history at ``url``, of the exchange that random logs are of."""
    return HistoryStore(url, IDENTITY, RULES)


def some_blocks(count: int, seed: int = 3) -> list[RecordedBlock]:
    """Return the blocks of a random log."""
    return list(chained(blocks_of(seed, fresh_state(), count)))


def all_rows(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of every table, in the order of their keys."""
    engine = sql.create_engine(url)
    try:
        with engine.connect() as connection:
            return {
                name: [
                    tuple(row)
                    for row in connection.execute(
                        sql.select(table).order_by(*table.primary_key.columns)
                    )
                ]
                for name, table in SQL_TABLES.items()
            }
    finally:
        engine.dispose()
