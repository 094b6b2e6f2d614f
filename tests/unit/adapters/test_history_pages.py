"""Pages of rows: all of them, once, whatever is written meanwhile."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from node.adapters import history_pages
from node.adapters.history_engine import open_engine
from node.adapters.history_pages import HistoryPages
from node.codec.history_cursor import key_of
from node.types.errors import DeadlineExceeded, HistoryUnavailable
from node.types.history import FROM_THE_LOG, TABLES, Question
from node.types.ids import hex_from_address
from tests.property.random_log import ACCOUNTS, RULES
from tests.unit.adapters.history_databases import opened, some_blocks
from tests.unit.history.recorded_blocks import groups_of

BLOCKS = some_blocks(80, seed=4)


@contextmanager
def reading(url: str, query_ms: int = 5_000) -> Iterator[HistoryPages]:
    pages = HistoryPages(url, RULES, query_ms)
    try:
        yield pages
    finally:
        pages.close()


@pytest.fixture
def pages(url: str) -> Iterator[HistoryPages]:
    """Give the pages of a history that holds a random log."""
    with opened(url) as store:
        for group in groups_of(BLOCKS, 20):
            store.append(group)
    with reading(url) as found:
        yield found


def ask(pages: HistoryPages, question: Question) -> dict[str, Any]:
    body: dict[str, Any] = msgspec.json.decode(pages.page(question))
    return body


def every_page(pages: HistoryPages, question: Question) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    while True:
        page = ask(pages, question)
        rows += page["rows"]
        if page["next"] is None:
            return rows
        behind = key_of(TABLES[question.table], page["next"])
        question = msgspec.structs.replace(question, behind=behind)


@pytest.mark.parametrize("table", [name for name in TABLES if name not in ("positions", "batches")])
def test_pages_hold_every_row_once_the_newest_first(pages: HistoryPages, table: str) -> None:
    whole = ask(pages, Question(table, 10_000))
    assert whole["next"] is None
    assert whole["sequence"] == BLOCKS[-1].last_sequence
    keys = [tuple(row[name] for name in TABLES[table].key) for row in whole["rows"]]
    assert keys == sorted(set(keys), reverse=True)
    assert every_page(pages, Question(table, 3)) == whole["rows"]
    symbol = RULES.markets[0].symbol
    if TABLES[table].by_market:
        assert every_page(pages, Question(table, 3, market=1)) == [
            row for row in whole["rows"] if row["market"] == symbol
        ]


@pytest.mark.parametrize(
    ("table", "columns"),
    [("fills", ("maker", "taker")), ("orders", ("account",)), ("work", ("account",))],
)
def test_an_account_s_rows_are_found_by_whichever_column_names_it(
    pages: HistoryPages, table: str, columns: tuple[str, ...]
) -> None:
    whole = ask(pages, Question(table, 10_000))["rows"]
    for account in map(hex_from_address, ACCOUNTS[:3]):
        mine = [row for row in whole if account in [row[name] for name in columns]]
        assert every_page(pages, Question(table, 4, account=account)) == mine
        assert mine


@pytest.mark.parametrize("table", [table.name for table in FROM_THE_LOG if table.timed])
def test_the_oldest_first_are_the_newest_first_turned_round(
    pages: HistoryPages, table: str
) -> None:
    newest = every_page(pages, Question(table, 10_000))
    assert every_page(pages, Question(table, 3, oldest_first=True)) == newest[::-1]


@pytest.mark.parametrize("table", [table.name for table in FROM_THE_LOG if table.timed])
def test_times_bound_what_is_found_and_both_ends_belong_to_it(
    pages: HistoryPages, table: str
) -> None:
    whole = ask(pages, Question(table, 10_000))["rows"]
    times = sorted({row["time"] for row in whole})
    for since in (0, times[0], times[len(times) // 2], times[-1], times[-1] + 1):
        for until in (0, times[0], times[len(times) // 2] + 1, times[-1]):
            wanted = [row for row in whole if since <= row["time"] <= until]
            question = Question(table, 4, since=since, until=until)
            assert every_page(pages, question) == wanted
            question = msgspec.structs.replace(question, oldest_first=True)
            assert every_page(pages, question) == wanted[::-1]
    assert every_page(pages, Question(table, 4, since=times[1]))
    assert every_page(pages, Question(table, 4, until=times[0]))


@pytest.mark.parametrize("table", ["orders", "transfers"])
def test_rows_of_one_word_are_found(pages: HistoryPages, table: str) -> None:
    whole = ask(pages, Question(table, 10_000))["rows"]
    column, words = TABLES[table].told_apart_by, TABLES[table].words
    assert {row[column] for row in whole} <= set(words)
    for word in words:
        wanted = [row for row in whole if row[column] == word]
        assert every_page(pages, Question(table, 3, word=word)) == wanted
    account = hex_from_address(ACCOUNTS[0])
    assert every_page(pages, Question(table, 3, account=account, word=words[0])) == [
        row for row in whole if (row["account"], row[column]) == (account, words[0])
    ]


def test_one_order_is_found_by_its_number(pages: HistoryPages) -> None:
    whole = ask(pages, Question("orders", 10_000))["rows"]
    wanted = whole[len(whole) // 2]
    assert ask(pages, Question("orders", 5, number=wanted["order_id"]))["rows"] == [wanted]
    nobody = Question("orders", 5, account="0x" + "00" * 20, number=wanted["order_id"])
    assert ask(pages, nobody)["rows"] == []
    assert ask(pages, Question("orders", 5, number=2**62))["rows"] == []


def test_the_orders_that_an_account_gave_a_number_are_found(pages: HistoryPages) -> None:
    whole = ask(pages, Question("orders", 10_000))["rows"]
    named = [row for row in whole if row["client_id"]]
    one = named[len(named) // 2]
    asked = Question("orders", 2, account=one["account"], client_id=str(one["client_id"]))
    assert every_page(pages, asked) == [
        row for row in named
        if (row["account"], row["client_id"]) == (one["account"], one["client_id"])
    ]  # fmt: skip
    nobody = Question("orders", 5, account="0x" + "00" * 20, client_id=str(one["client_id"]))
    assert ask(pages, nobody)["rows"] == []


def test_times_of_a_history_without_rows_find_nothing(url: str) -> None:
    with opened(url), reading(url) as pages:
        page = ask(pages, Question("fills", 5, since=1, until=2))
    assert (page["rows"], page["next"]) == ([], None)


def test_rows_that_come_meanwhile_move_no_row_of_a_later_page(url: str) -> None:
    groups = list(groups_of(BLOCKS, 20))
    with opened(url) as store, reading(url) as pages:
        store.append(groups[0])
        store.append(groups[1])
        before = every_page(pages, Question("fills", 10_000))
        first = ask(pages, Question("fills", 5))
        cursor = key_of(TABLES["fills"], first["next"])
        for group in groups[2:]:
            store.append(group)
        rest = every_page(pages, Question("fills", 5, behind=cursor))
    assert first["rows"] + rest == before
    assert len(before) > 5


def test_amounts_are_exact_decimals_and_markets_have_their_names(pages: HistoryPages) -> None:
    page = ask(pages, Question("fills", 1))
    (row,) = page["rows"]
    newest = max(
        (row for group in groups_of(BLOCKS, 20) for row in group.rows.get("fills", ())),
        key=lambda one: (int(one["sequence"] or 0), int(one["place"] or 0)),
    )
    market = RULES.markets[int(newest["market"] or 0) - 1]
    assert row["market"] == market.symbol
    price = int(newest["price"] or 0)
    whole, _, fraction = row["price"].partition(".")
    assert int(whole) * 10**market.tick_decimals + int(fraction.ljust(1, "0")) == price
    assert row["taker_order"] is None or row["taker_order"] > 0


def test_a_question_that_takes_too_long_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_pages, "_STEPS_BETWEEN_LOOKS", 10)
    url = f"sqlite:///{tmp_path}/h.sqlite"
    with opened(url) as store:
        store.append(next(groups_of(BLOCKS, 80)))
    with reading(url, query_ms=0) as pages, pytest.raises(DeadlineExceeded):
        pages.page(Question("orders", 1_000))


def test_where_nothing_was_ever_written_history_is_away(tmp_path: Path) -> None:
    with reading(f"sqlite:///{tmp_path}/h.sqlite") as pages, pytest.raises(HistoryUnavailable):
        pages.page(Question("fills", 1))


def plan_of(url: str, question: Question) -> str:
    """Return how SQLite would look for the rows."""
    chosen = history_pages._chosen(TABLES[question.table], question, (None, None))
    engine = open_engine(url)
    try:
        with engine.connect() as connection:
            text = chosen.compile(engine, compile_kwargs={"literal_binds": True})
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}").all()
    finally:
        engine.dispose()
    return " ".join(row[3] for row in rows)


@pytest.mark.parametrize(("table", "column"), [("orders", "status"), ("transfers", "kind")])
def test_rows_of_one_word_are_a_range_of_an_index(tmp_path: Path, table: str, column: str) -> None:
    url = f"sqlite:///{tmp_path}/h.sqlite"
    with opened(url) as store:
        for _ in range(2):
            word = TABLES[table].words[0]
            assert f"INDEX {table}_by_{column} ({column}=?)" in plan_of(
                url, Question(table, 1, word=word)
            )
            # An account's rows are fewer than a word's.
            both = Question(table, 1, account="0x" + "00" * 20, word=word)
            assert f"INDEX {table}_by_account (account=?)" in plan_of(url, both)
            # Tables that were made before have it from the next start on.
            with store._engine.begin() as connection:
                connection.exec_driver_sql(f"DROP INDEX {table}_by_{column}")
            opened(url).close()
