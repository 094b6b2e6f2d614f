"""The history of a running node: written behind it, asked over REST, killed, rebuilt, exported."""

import os
import signal
import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest

from node.types.history import TABLES
from node.types.ids import hex_from_address
from tests.integration.daemon import (
    WITH_HISTORY,
    Child,
    Daemon,
    node_on_chain,
    plimsoll,
    plimsoll_here,
    swift,
    until,
)
from tests.integration.load import Load, load_on
from tests.unit.adapters.history_databases import ON_POSTGRES, all_rows, empty_postgres

SEED = 20190523

Rows = dict[str, list[tuple[Any, ...]]]


def history_file(daemon: Daemon) -> Path:
    return daemon.folder / "data" / "history.sqlite"


def rows_of(file: Path) -> Rows:
    """Return every row of every table, in the order of their keys."""
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as connection:
        return {
            table.name: connection.execute(
                f"SELECT * FROM {table.name} ORDER BY {', '.join(table.key)}"  # noqa: S608
            ).fetchall()
            for table in TABLES.values()
        }


async def until_written(daemon: Daemon) -> int:
    """Wait until history holds everything that is durable; return its last command."""

    async def written() -> int:
        stats = await daemon.get("/stats")
        told = stats["history"]
        return int(told["sequence"]) if told["sequence"] == stats["sequence"] else 0

    return int(await until("history is written", written))


async def all_pages(daemon: Daemon, path: str, limit: int) -> list[dict[str, Any]]:
    """Return all rows of a view, page by page."""
    rows: list[dict[str, Any]] = []
    cursor = ""
    while cursor is not None:
        page = await daemon.get(f"{path}limit={limit}" + (f"&cursor={cursor}" if cursor else ""))
        rows += page["rows"]
        assert len(page["rows"]) <= limit
        cursor = page["next"]
    return rows


async def rebuild(daemon: Daemon, source: str, file: Path) -> Child:
    """Rebuild into another database, so that the node's own is there to compare."""
    return await plimsoll(
        *("history", "rebuild", "--config", daemon.config, "--data", daemon.folder / "data"),
        *("--url", f"sqlite:///{file}", "--from", source, "--rpc", daemon.rpc),
        *("--json", file.with_suffix(".json")),
    )


async def require_views(daemon: Daemon, load: Load) -> None:
    """The views tell what the feed's mirrors tell, page by page and account by account."""
    fills = await all_pages(daemon, "/history/fills?", 7)
    keys = [(one["sequence"], one["place"]) for one in fills]
    assert keys == sorted(set(keys), reverse=True)
    assert len(fills) > 7
    for trader in load.traders:
        account = hex_from_address(trader.address)
        mine = await all_pages(daemon, f"/history/fills?account={account}&", 5)
        assert mine == [one for one in fills if account in (one["maker"], one["taker"])]
        orders = await all_pages(daemon, f"/history/orders?account={account}&", 11)
        resting = {
            one["order_id"]: one["remaining"] for one in orders if one["status"] == "resting"
        }
        open_orders = (await daemon.get(f"/orders/{account}"))["orders"]
        assert resting == {one["order_id"]: one["remaining"] for one in open_orders}
    for wrong in ("limit=0", "cursor=00", "account=0x12", "market=NONE", "page=1"):
        assert 1_000 < (await daemon.get(f"/history/fills?{wrong}"))["error"]["code"] < 2_000


@pytest.mark.lengthy
async def test_what_is_written_live_is_what_journal_and_l1_give_again(tmp_path: Path) -> None:
    async with (
        node_on_chain(tmp_path, "py-evm", swift(history=WITH_HISTORY)) as (daemon, _),
        load_on(daemon.url, daemon.rpc, seed=SEED) as load,
    ):
        async with load.running():
            await load.until_acknowledged(60)
            writer, *_ = daemon.children("spawn_main")
            for child in daemon.children("spawn_main"):
                os.kill(child, signal.SIGKILL)
            await load.until_acknowledged(60)
            # kill -9 of all of it, with a transaction under way more often than not.
            await daemon.kill()
            await daemon.start()
            await load.until_acknowledged(60)
        await until_written(daemon)
        await require_views(daemon, load)
        await daemon.stop()
        live = rows_of(history_file(daemon))
        assert writer
        for source in ("journal", "l1"):
            file = tmp_path / f"{source}.sqlite"
            done = await rebuild(daemon, source, file)
            assert done.code == 0, done.errors
            again = rows_of(file)
            require_equal(live, again, batches=source == "l1")
        await require_export(daemon, tmp_path / "parquet", live)


def require_equal(live: Rows, again: Rows, *, batches: bool) -> None:
    """Every row is the same; how far batches are on L1 only grows."""
    for name in TABLES:
        if name != "batches":
            assert again[name] == live[name], name
    if batches:
        # All but the status: the last ones were not final yet when the node stopped.
        assert [row[:5] + row[6:] for row in again["batches"]] == [
            row[:5] + row[6:] for row in live["batches"]
        ]
        assert live["batches"]
    assert all(live[name] for name in ("fills", "orders", "transfers", "work", "positions"))


async def require_export(daemon: Daemon, folder: Path, live: Rows) -> None:
    """Files hold the rows, exactly; a part of them is a part; a slip is told with code 2."""
    where = ("--config", daemon.config, "--data", daemon.folder / "data")
    summary = folder.parent / "export.json"
    done = await plimsoll("export", "--to", folder, *where, "--json", summary)
    assert done.code == 0, done.errors
    rows = msgspec.json.decode(summary.read_bytes())["rows"]
    assert rows == {name: len(held) for name, held in live.items()}
    fills = pq.read_table(folder / "fills.parquet")
    assert str(fills.schema.field("price").type) == "decimal128(38, 6)"
    assert [int(value * 10**6) for value in fills["value"].to_pylist()] == [
        row[7] for row in live["fills"]
    ]
    middle = live["fills"][len(live["fills"]) // 2][0]
    part = ("--table", "fills", "--since", middle, "--until", middle)
    done = await plimsoll("export", "--to", folder / "part", *part, *where)
    assert done.code == 0, done.errors
    sequences = pq.read_table(folder / "part" / "fills.parquet")["sequence"].to_pylist()
    assert sequences == [row[0] for row in live["fills"] if row[0] == middle]
    done = await plimsoll("export", "--to", folder, "--table", "nothing", *where)
    assert (done.code, "nothing" in done.errors) == (2, True)


@pytest.mark.lengthy
async def test_a_database_that_is_away_holds_nobody_up_and_is_caught_up(tmp_path: Path) -> None:
    sections = swift(
        history={**WITH_HISTORY, "queue_blocks": 16, "blocks_per_group": 8, "gather_ms": 0},
        batcher={"age_ms_max": 60, "snapshot_every_batches": 3},
    )
    async with (
        node_on_chain(tmp_path, "py-evm", sections) as (daemon, _),
        load_on(daemon.url, daemon.rpc, seed=SEED) as load,
    ):
        await until_written(daemon)
        with sqlite3.connect(history_file(daemon)) as other:
            # Nobody else can write now, and says so after some seconds.
            other.execute("BEGIN EXCLUSIVE")
            async with load.running():

                async def overflown() -> bool:
                    stage = await stage_of(daemon)
                    return bool(stage["refused"].get("behind"))

                await until("the queue overflows", overflown)
                before = len(load.acknowledged)
                await load.until_acknowledged(50)
                assert len(load.acknowledged) > before
                other.rollback()
        last = await until_written(daemon)
        stats = await daemon.get("/stats")
        assert stats["history"]["caught_up"] > 0
        assert stats["conserved"]
        assert "plimsoll_history_behind_commands 0.0" in await daemon.text("/metrics")
        await daemon.stop()
        done = await rebuild(daemon, "l1", tmp_path / "again.sqlite")
        assert done.code == 0, done.errors
        assert last > 0
        require_equal(
            rows_of(history_file(daemon)), rows_of(tmp_path / "again.sqlite"), batches=True
        )


async def stage_of(daemon: Daemon) -> dict[str, Any]:
    """Return the counters of the history's stage."""
    stages: list[dict[str, Any]] = (await daemon.get("/telemetry"))["stages"]
    return next(stage for stage in stages if stage["name"] == "history")


@ON_POSTGRES
async def test_a_killed_node_s_history_in_postgresql_is_what_l1_gives_again(
    tmp_path: Path,
) -> None:
    with empty_postgres() as url:
        await require_the_same_again(url, tmp_path)


async def require_the_same_again(url: str, tmp_path: Path) -> None:
    """Kill a node whose history is at ``url``, and make the history anew from L1."""
    sections = swift(history={**WITH_HISTORY, "url": url})
    async with (
        node_on_chain(tmp_path, "py-evm", sections) as (daemon, _),
        load_on(daemon.url, daemon.rpc, seed=SEED) as load,
    ):
        async with load.running():
            await load.until_acknowledged(60)
            await daemon.kill()
            await daemon.start()
            await load.until_acknowledged(60)
        await until_written(daemon)
        await require_views(daemon, load)
        await daemon.stop()
        done = await rebuild(daemon, "l1", tmp_path / "again.sqlite")
        assert done.code == 0, done.errors
        require_equal(all_rows(url), rows_of(tmp_path / "again.sqlite"), batches=True)


async def test_a_node_without_a_history_writes_and_answers_none(tmp_path: Path) -> None:
    async with node_on_chain(tmp_path, "py-evm") as (daemon, _):
        assert (await daemon.get("/stats"))["history"] is None
        assert (await daemon.get("/history/fills"))["error"]["name"] == "NotFound"
        await daemon.stop()
        assert not history_file(daemon).exists()


@pytest.mark.lengthy
async def test_a_rebuild_beside_a_running_node_is_refused(tmp_path: Path) -> None:
    async with node_on_chain(tmp_path, "py-evm", swift(history=WITH_HISTORY)) as (daemon, _):
        done = await rebuild(daemon, "auto", tmp_path / "other.sqlite")
        assert (done.code, "DataLocked" in done.errors) == (2, True)


@pytest.mark.parametrize("arguments", [("--since", 5, "--until", 4), ("--data", "/nowhere")])
def test_an_export_that_cannot_be_says_so(tmp_path: Path, arguments: tuple[object, ...]) -> None:
    done = plimsoll_here("export", "--to", tmp_path, "--data", tmp_path, *arguments)
    assert done.code == 2, done.errors
