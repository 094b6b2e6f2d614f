"""``plimsoll history rebuild`` and ``plimsoll export``: the past, made anew and taken along."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn

from node.adapters.chain_reader import RollupReader
from node.adapters.data_folder import DataFolder, stored_identity
from node.adapters.history_engine import FILE_NAME, shown, url_of
from node.adapters.history_export import HistoryExport
from node.adapters.history_owner import Owner, hex_text, owner_of
from node.adapters.history_store import HistoryStore
from node.adapters.identity import Identity
from node.adapters.journal_segment import first_sequence_of, segments_in
from node.adapters.l1_chain import L1Chain
from node.app.cli.arguments import read_address, require_places
from node.app.cli.daemon import DEFAULT_CONFIG, ConfigOption
from node.app.config import L1Config, NodeConfig, read_config
from node.app.history_rebuild import Rebuild, from_journal, from_l1
from node.ports.chain_reader import RollupTerms
from node.simulation.progress import shown_progress
from node.types.errors import ConfigInvalid, HistoryUnusable, PathUnusable
from node.types.history import TABLES, HistoryMark
from node.types.ids import Address
from node.types.rules import Rules, decode_rules

history = typer.Typer(help="The exchange's history in SQL.", no_args_is_help=True)

DataOption = Annotated[Path | None, typer.Option("--data", help="The node's data folder.")]
UrlOption = Annotated[
    str | None, typer.Option("--url", help="The database; as configured if left out.")
]
JsonOption = Annotated[Path | None, typer.Option("--json", help="Write a summary here (JSON).")]

INT64_MAX = 2**63 - 1


class Source(Enum):
    """Where a rebuild reads the log."""

    AUTO = "auto"
    JOURNAL = "journal"
    L1 = "l1"


def add_to(app: typer.Typer) -> None:
    """Add this module's commands to ``app``."""
    history.command()(rebuild)
    app.add_typer(history, name="history")
    app.command()(export)


def rebuild(
    config: ConfigOption = DEFAULT_CONFIG,
    data: DataOption = None,
    url: UrlOption = None,
    source: Annotated[
        Source,
        typer.Option(
            "--from",
            help="Where the log is read: auto is the journal if it holds all of it, else L1.",
        ),
    ] = Source.AUTO,
    rpc: Annotated[str | None, typer.Option(help="L1's JSON-RPC endpoint.")] = None,
    rollup: Annotated[
        str | None, typer.Option(help="Without a data folder: the rollup. L1 has its rules.")
    ] = None,
    json: JsonOption = None,
) -> None:
    """Drop the exchange's own history and make it anew from the log. The node must not run.

    From the journal, what is told of batches on L1 is kept; from L1 it is made anew as well.

    Example: plimsoll history rebuild --data ./data/first
    """
    overrides = {"": {"data": str(data) if data else None}, "l1": {"rpc": rpc}, "history": {}}
    if url is not None:
        overrides["history"] = {"url": url}
    read = read_config(config, overrides)
    require_places(json=json)
    identity, rules = _exchange(read, rollup)
    begun = perf_counter()
    with DataFolder(read.data, identity) as folder:
        chosen = _chosen(source, folder)
        mark, rows = asyncio.run(_rebuild(read, rules, folder, chosen))
    summary = {
        "where": shown(url_of(read.history.url, read.data)),
        "source": chosen.value,
        "sequence": mark.sequence,
        "rows": rows,
        "seconds": round(perf_counter() - begun, 3),
    }
    _tell(json, summary, f"OK  {rows} rows up to command {mark.sequence}, from {chosen.value}")


def _exchange(config: NodeConfig, rollup: str | None) -> tuple[Identity, Rules]:
    """Return whose history is made: the data folder's exchange, or the rollup that is named.

    The rules of a rollup stand on L1: whoever has no data folder needs no file of them.
    """
    found = stored_identity(config.data)
    if found is not None:
        Identity.of(found.domain, config.rules).require(found, str(config.data))
        return found, config.rules
    if not (rollup or config.l1.rollup):
        raise PathUnusable(
            path=str(config.data), detail="holds no exchange, and no rollup is named"
        )
    address = read_address("rollup", rollup or config.l1.rollup)
    terms = asyncio.run(_terms(config.l1, address))
    rules = decode_rules(terms.rules)
    return Identity.of(terms.domain, rules), rules


async def _terms(l1: L1Config, rollup: Address) -> RollupTerms:
    chain = L1Chain(l1.rpc)
    try:
        return await RollupReader(chain, rollup, from_block=l1.first_block).terms()
    finally:
        await chain.close()


def _chosen(source: Source, folder: DataFolder) -> Source:
    """Return where the log is read. Raises ``HistoryUnusable`` where it does not begin there."""
    segments = segments_in(folder.journal)
    whole = bool(segments) and first_sequence_of(segments[0]) == 1
    if source is Source.JOURNAL and not whole:
        raise HistoryUnusable(
            where=str(folder.journal), detail="the journal does not begin with the first command"
        )
    if source is Source.AUTO:
        return Source.JOURNAL if whole else Source.L1
    return source


async def _rebuild(
    config: NodeConfig, rules: Rules, folder: DataFolder, source: Source
) -> tuple[HistoryMark, int]:
    url = url_of(config.history.url, folder.path)
    identity = folder.identity
    store = HistoryStore(url, identity, rules, renew=True)
    with store, _bar() as line:
        store.empty(batches=source is Source.L1)
        made = Rebuild(store, identity, rules)
        if source is Source.L1:
            chain = L1Chain(config.l1.rpc)
            try:
                first = config.l1.first_block
                await from_l1(
                    made, store, chain, identity, config.settlement, first,
                    line("batches"),
                )  # fmt: skip
            finally:
                await chain.close()
        await from_journal(made, folder.journal, identity, line("commands"))
        return made.flush(), made.rows


def export(
    to: Annotated[Path, typer.Option("--to", help="A folder for the files; made if missing.")],
    table: Annotated[
        list[str] | None, typer.Option("--table", help="One table; may be repeated. Else all.")
    ] = None,
    since: Annotated[int, typer.Option(help="The first command (or batch number).", min=0)] = 0,
    until: Annotated[
        int, typer.Option(help="The last command (or batch number).", min=0)
    ] = INT64_MAX,
    config: ConfigOption = DEFAULT_CONFIG,
    data: DataOption = None,
    url: UrlOption = None,
    json: JsonOption = None,
) -> None:
    """Write tables of the history as Parquet files. The node may run meanwhile.

    Example: plimsoll export --to ./parquet --table fills --table orders --since 1000
    """
    overrides: dict[str, dict[str, Any]] = {"": {"data": str(data) if data else None}}
    if url is not None:
        overrides["history"] = {"url": url}
    read = read_config(config, overrides)
    names = _tables(table)
    if since > until:
        raise ConfigInvalid(faults=(f"since: {since}, at most until ({until}) allowed",))
    require_places(json=json)
    if not read.history.url and not (read.data / FILE_NAME).exists():
        raise PathUnusable(path=str(read.data / FILE_NAME), detail="there is no history there")
    try:
        to.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PathUnusable(path=str(to), detail=error.strerror) from error
    begun = perf_counter()
    where = url_of(read.history.url, read.data)
    with HistoryExport(where, read.rules, _owner(read)) as exported:
        last = exported.sequence
        rows = _export(exported, names, to, since, until)
    summary = {
        "to": str(to),
        "sequence": last,
        "rows": rows,
        "seconds": round(perf_counter() - begun, 3),
    }
    _tell(json, summary, f"OK  {sum(rows.values())} rows of {len(rows)} tables in {to}")


def _export(
    exported: HistoryExport, names: list[str], to: Path, since: int, until: int
) -> dict[str, int]:
    with _bar() as line:
        return {
            name: exported.write(TABLES[name], to, since, until, _uncounted(line(name)))
            for name in names
        }


def _owner(config: NodeConfig) -> Owner:
    """Return what is known here of the exchange; without its data folder, not all of it."""
    found = stored_identity(config.data)
    if found is not None:
        Identity.of(found.domain, config.rules).require(found, str(config.data))
        return owner_of(found)
    rollup = config.l1.rollup
    named = {"rollup": hex_text(read_address("rollup", rollup))} if rollup else {}
    return {**named, "rules": hex_text(config.rules.digest())}


def _uncounted(told: Callable[[int, int | None], None]) -> Callable[[int], None]:
    """Return what tells how much is done, of nobody knows how much."""
    return lambda done: told(done, None)


def _tables(names: list[str] | None) -> list[str]:
    unknown = [name for name in names or () if name not in TABLES]
    if unknown:
        allowed = ", ".join(TABLES)
        raise ConfigInvalid(faults=tuple(f"table: {name}, {allowed} allowed" for name in unknown))
    return list(dict.fromkeys(names)) if names else list(TABLES)


@contextmanager
def _bar() -> Iterator[Callable[[str], Callable[[int, int | None], None]]]:
    """Give what makes a line of progress on the standard error stream, by what it counts."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
    )  # fmt: skip
    with shown_progress(*columns) as progress:

        def line(what: str) -> Callable[[int, int | None], None]:
            task = progress.add_task(what, total=None)

            def told(done: int, total: int | None) -> None:
                progress.update(task, completed=done, total=total)

            return told

        yield line


def _tell(json: Path | None, summary: dict[str, Any], said: str) -> None:
    if json is not None:
        json.write_bytes(msgspec.json.format(msgspec.json.encode(summary)) + b"\n")
    Console(soft_wrap=True, highlight=False).print(said, style="green")
