"""Files of one moment, of the exchange that was asked for and no other."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sql

from node.adapters.history_export import HistoryExport
from node.adapters.history_owner import owner_of
from node.adapters.history_tables import PROGRESS
from node.types.errors import HistoryUnusable, WrongChain
from node.types.history import TABLES
from tests.property.random_log import RULES
from tests.unit.adapters.history_databases import (
    IDENTITY,
    all_rows,
    opened,
    some_blocks,
)
from tests.unit.history.recorded_blocks import groups_of

BLOCKS = some_blocks(60)
OWNER = owner_of(IDENTITY)


def test_all_tables_are_of_one_moment_whatever_is_written_meanwhile(
    url: str, tmp_path: Path
) -> None:
    first, second = groups_of(BLOCKS, 30)
    with opened(url) as store:
        store.append(first)
        before = all_rows(url)
        with HistoryExport(url, RULES, OWNER) as exported:
            store.append(second)
            counts = {
                name: exported.write(table, tmp_path, 0, 2**63 - 1, lambda _done: None)
                for name, table in TABLES.items()
            }
        after = all_rows(url)
    assert exported.sequence == first.last_sequence
    assert counts == {name: len(rows) for name, rows in before.items()}
    # The second group changes positions and orders that stand in the first.
    assert after["positions"] != before["positions"]
    accounts = pq.read_table(tmp_path / "positions.parquet")["account"].to_pylist()
    assert sorted(accounts) == sorted(row[0] for row in before["positions"])
    filled = pq.read_table(tmp_path / "orders.parquet")["filled"].to_pylist()
    assert sum(map(bool, filled)) == sum(bool(row) for row in _column(before, "orders", "filled"))


def _column(rows: dict[str, list[tuple[object, ...]]], table: str, name: str) -> list[object]:
    place = [column.name for column in TABLES[table].columns].index(name)
    return [row[place] for row in rows[table]]


def test_a_database_without_a_history_is_told_as_one(url: str) -> None:
    with pytest.raises(HistoryUnusable, match="there is no history in it"):
        HistoryExport(url, RULES, OWNER)


@pytest.mark.parametrize(
    ("changed", "error", "told"),
    [
        ({"schema_version": 2}, HistoryUnusable, "version 2"),
        ({"chain_id": 7}, WrongChain, "chain_id"),
        ({"rollup": "0x" + "77" * 20}, WrongChain, "rollup"),
        ({"rules": "0x" + "77" * 32}, WrongChain, "rules"),
    ],
)
def test_tables_of_another_exchange_or_version_are_refused(
    url: str, changed: dict[str, object], error: type[Exception], told: str
) -> None:
    opened(url).close()
    engine = sql.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sql.update(PROGRESS).values(**changed))
    engine.dispose()
    with pytest.raises(error, match=told):
        HistoryExport(url, RULES, OWNER)
    if "chain_id" in changed:
        # Without a data folder the chain is not known here.
        with HistoryExport(url, RULES, {"rules": OWNER["rules"]}) as exported:
            assert exported.sequence == 0
