"""Groups of rows with their progress: whole or not at all, on either database."""

import sqlite3
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sql

from node.adapters.history_engine import open_engine, shown, url_of
from node.adapters.history_store import HistoryStore
from node.adapters.history_tables import PROGRESS
from node.history.batches import batch_row
from node.history.record import Recorder
from node.types.errors import HistoryUnavailable, HistoryUnusable, StateDiverged, WrongChain
from node.types.history import TABLES, HistoryMark
from node.types.ids import Sequence
from tests.property.random_log import RULES
from tests.unit.adapters.history_databases import (
    IDENTITY,
    all_rows,
    opened,
    some_blocks,
)
from tests.unit.history.recorded_blocks import groups_of

BLOCKS = some_blocks(60)


def written(url: str, size: int) -> dict[str, list[tuple[object, ...]]]:
    with opened(url) as store:
        for group in groups_of(BLOCKS, size):
            store.append(group)
    return all_rows(url)


def test_every_group_moves_the_mark_and_a_restart_finds_it(url: str) -> None:
    with opened(url) as store:
        assert store.mark().sequence == 0
        for group in groups_of(BLOCKS, 7):
            after = store.append(group)
            assert after == HistoryMark(group.last_sequence, group.block, group.time, group.hash)
    with opened(url) as again:
        assert again.mark().sequence == BLOCKS[-1].last_sequence
        assert again.mark().hash == BLOCKS[-1].hash
        recorder = Recorder({})
        recorder.keep(recorder.group(BLOCKS)[1])
        assert again.positions() == recorder.positions


def test_rows_are_the_same_in_groups_of_any_size(url: str, tmp_path: Path) -> None:
    small = written(url, 1)
    large = written(f"sqlite:///{tmp_path}/large.sqlite", len(BLOCKS))
    assert small == large
    assert all(small[name] for name in ("fills", "orders", "funding", "transfers", "work"))


def test_a_group_that_fails_leaves_nothing_behind(url: str) -> None:
    first, second, *_ = groups_of(BLOCKS, 20)
    with opened(url) as store:
        store.append(first)
        before = all_rows(url)
        twice = [*second.rows["orders"], second.rows["orders"][0]]
        broken = msgspec.structs.replace(second, rows={**second.rows, "orders": twice})
        with pytest.raises(HistoryUnusable):
            store.append(broken)
        assert (all_rows(url), store.mark().sequence) == (before, first.last_sequence)
        assert store.append(second).sequence == second.last_sequence


def test_nothing_is_written_twice_and_nothing_out_of_order(url: str) -> None:
    first, second, third, *_ = groups_of(BLOCKS, 20)
    with opened(url) as store:
        store.append(first)
        for wrong in (first, third):
            with pytest.raises(HistoryUnavailable):
                store.append(wrong)
        store.append(second)
        assert store.mark().sequence == second.last_sequence


def test_a_group_of_another_log_is_refused(url: str) -> None:
    first, second, *_ = groups_of(BLOCKS, 20)
    with opened(url) as store:
        store.append(first)
        with pytest.raises(StateDiverged) as refused:
            store.append(msgspec.structs.replace(second, parent=bytes(32)))
        assert refused.value.expected == first.hash
        assert store.mark().sequence == first.last_sequence


def test_another_exchange_s_history_is_not_touched(url: str) -> None:
    with opened(url) as store:
        store.append(next(iter(groups_of(BLOCKS, 20))))
    other = msgspec.structs.replace(IDENTITY, chain_id=7)
    with pytest.raises(WrongChain) as refused:
        HistoryStore(url, other, RULES)
    assert (refused.value.field, refused.value.expected) == ("chain_id", 7)


def test_tables_of_another_version_are_told_apart(url: str) -> None:
    opened(url).close()
    engine = sql.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sql.update(PROGRESS).values(schema_version=99))
    engine.dispose()
    with pytest.raises(HistoryUnusable):
        opened(url)


def of_another_version(url: str, **changed: int) -> None:
    """Leave tables at ``url`` that hold something, of version 99."""
    with opened(url) as store:
        store.append(next(iter(groups_of(BLOCKS, 20))))
    engine = sql.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sql.update(PROGRESS).values(schema_version=99, **changed))
    engine.dispose()


def test_only_ones_own_tables_of_another_version_make_way(url: str) -> None:
    of_another_version(url)
    with HistoryStore(url, IDENTITY, RULES, renew=True) as store:
        assert store.mark().sequence == 0
        assert not any(all_rows(url).values())
        store.append(next(iter(groups_of(BLOCKS, 20))))
    with HistoryStore(url, IDENTITY, RULES, renew=True) as store:
        assert store.mark().sequence > 0


@pytest.mark.parametrize("renew", [False, True])
def test_another_exchange_s_tables_of_another_version_stay(url: str, *, renew: bool) -> None:
    of_another_version(url, chain_id=7)
    before = all_rows(url)
    with pytest.raises(WrongChain) as refused:
        HistoryStore(url, IDENTITY, RULES, renew=renew)
    assert (refused.value.field, refused.value.found) == ("chain_id", 7)
    assert any(before.values())
    assert all_rows(url) == before


@pytest.mark.parametrize("renew", [False, True])
def test_somebody_s_table_of_the_same_name_stays(tmp_path: Path, *, renew: bool) -> None:
    with sqlite3.connect(tmp_path / "shop.sqlite") as shop:
        shop.execute("CREATE TABLE orders (customer TEXT)")
        shop.execute("INSERT INTO orders VALUES ('Ada')")
    with pytest.raises(HistoryUnusable):
        HistoryStore(f"sqlite:///{tmp_path}/shop.sqlite", IDENTITY, RULES, renew=renew)
    with sqlite3.connect(tmp_path / "shop.sqlite") as shop:
        assert shop.execute("SELECT * FROM orders").fetchall() == [("Ada",)]
        assert shop.execute("SELECT count(*) FROM sqlite_master").fetchone() == (1,)


def test_a_history_that_was_left_half_made_is_made_whole(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/h.sqlite"
    opened(url).close()
    with sqlite3.connect(tmp_path / "h.sqlite") as half:
        half.execute("DELETE FROM history_progress")
        half.execute("DROP TABLE fills")
    with opened(url) as store:
        assert store.append(next(iter(groups_of(BLOCKS, 20)))).sequence > 0


def test_a_batch_has_one_row_however_often_it_is_told_of(url: str) -> None:
    row = batch_row(4, Sequence(1), Sequence(9), 300, bytes(32))
    with opened(url) as store:
        store.put_batches([row, {**row, "number": 5}])
        store.put_batches([{**row, "status": "final", "l1_block": 8}])
        store.put_batches([])
    assert [(found[0], found[5], found[6]) for found in all_rows(url)["batches"]] == [
        (4, "final", 8), (5, "sealed", None)
    ]  # fmt: skip


def test_an_emptied_history_begins_anew_and_keeps_batches_if_asked(url: str) -> None:
    with opened(url) as store:
        for group in groups_of(BLOCKS, 20):
            store.append(group)
        store.put_batches([batch_row(0, Sequence(1), Sequence(9), 300, bytes(32))])
        store.empty(batches=False)
        assert store.mark().sequence == 0
        assert {name for name, rows in all_rows(url).items() if rows} == {"batches"}
        store.empty(batches=True)
        assert not any(all_rows(url).values())
        assert store.append(next(iter(groups_of(BLOCKS, 20)))).sequence > 0


def test_every_table_has_the_columns_that_are_told(url: str) -> None:
    opened(url).close()
    engine = sql.create_engine(url)
    inspector = sql.inspect(engine)
    for table in TABLES.values():
        columns = [column["name"] for column in inspector.get_columns(table.name)]
        assert columns == [column.name for column in table.columns]
    engine.dispose()


@pytest.mark.parametrize(
    "change",
    [
        "update history_progress set sequence = 'abc'",
        "update history_progress set hash = '0x12'",
        "delete from history_progress",
    ],
)
def test_a_progress_that_somebody_changed_is_told_as_ours(tmp_path: Path, change: str) -> None:
    with opened(f"sqlite:///{tmp_path}/one.sqlite") as store:
        with sqlite3.connect(tmp_path / "one.sqlite") as other:
            other.execute(change)
        with pytest.raises(HistoryUnusable, match="history_progress"):
            store.mark()
        with pytest.raises(HistoryUnusable, match="history_progress"):
            store.append(next(iter(groups_of(BLOCKS, 20))))


def test_a_locked_database_is_away_and_not_broken(tmp_path: Path) -> None:
    first, *_ = groups_of(BLOCKS, 20)
    with opened(f"sqlite:///{tmp_path}/h.sqlite?timeout=0.05") as store:
        with sqlite3.connect(tmp_path / "h.sqlite") as other:
            other.execute("BEGIN EXCLUSIVE")
            with pytest.raises(HistoryUnavailable):
                store.append(first)
        assert store.append(first).sequence == first.last_sequence


@pytest.mark.parametrize(("said", "ms"), [("", 5_000), ("?timeout=0.05", 50)])
def test_how_long_a_lock_is_waited_for_is_the_urls_to_say(
    tmp_path: Path, said: str, ms: int
) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/h.sqlite{said}")
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == ms
    engine.dispose()


def test_a_database_that_is_not_there_is_away(tmp_path: Path) -> None:
    with pytest.raises(HistoryUnavailable):
        opened(f"sqlite:///{tmp_path}/no/such/folder/h.sqlite")


def test_a_password_is_never_shown() -> None:
    assert "secret" not in shown("postgresql+psycopg://plimsoll:secret@db/history")
    with pytest.raises(HistoryUnusable):
        shown("nonsense")


def test_without_a_url_the_history_lies_with_the_data(tmp_path: Path) -> None:
    assert url_of("", tmp_path) == f"sqlite:///{tmp_path}/history.sqlite"
    assert url_of("postgresql+psycopg://db/history", tmp_path) == "postgresql+psycopg://db/history"
