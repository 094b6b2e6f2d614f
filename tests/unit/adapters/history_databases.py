"""Databases to test the history on: SQLite always, PostgreSQL where one is named.

``PLIMSOLL_TEST_POSTGRES=postgresql+psycopg://user@host/database``, or ``scripts/with-postgres``.
Each test has a schema of its own there, so tests may run beside each other.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sql
from sqlalchemy.schema import CreateSchema, DropSchema

from node.adapters.history_engine import open_engine
from node.adapters.history_store import HistoryStore
from node.adapters.history_tables import SQL_TABLES
from node.adapters.identity import Identity
from node.types.history_rows import RecordedBlock
from tests.property.random_log import DOMAIN, RULES
from tests.property.test_mirrors import blocks_of, fresh_state
from tests.unit.history.recorded_blocks import chained

POSTGRES = os.environ.get("PLIMSOLL_TEST_POSTGRES", "")
IDENTITY = Identity.of(DOMAIN, RULES)

ON_POSTGRES = pytest.mark.skipif(not POSTGRES, reason="PLIMSOLL_TEST_POSTGRES names no database")


@contextmanager
def empty_postgres() -> Iterator[str]:
    """Give the URL of a new schema of the database, and drop it in the end."""
    schema = f"plimsoll_{uuid4().hex}"
    engine = open_engine(POSTGRES)
    with engine.begin() as connection:
        connection.execute(CreateSchema(schema))
    try:
        own = {"options": f"-csearch_path={schema}"}
        url = sql.make_url(POSTGRES).update_query_dict(own)
        yield url.render_as_string(hide_password=False)
    finally:
        with engine.begin() as connection:
            connection.execute(DropSchema(schema, cascade=True))
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
