"""``plimsoll verify``: the whole exchange again, from the chain alone."""

import asyncio
import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn

from node.adapters.chain_reader import RollupReader
from node.adapters.l1_chain import L1Chain
from node.adapters.signature_pool import SignaturePool
from node.app.cli.arguments import read_address, require_places
from node.client.addresses import checksummed
from node.simulation.progress import shown_progress
from node.transition.state import State
from node.types.ids import Address
from node.verifier.report import verify_report
from node.verifier.service import verify as rebuild
from node.verifier.verdict import Difference, Verdict, shown


def add_to(app: typer.Typer) -> None:
    """Add this module's command to ``app``."""
    app.command()(verify)


def verify(
    rpc: Annotated[str, typer.Option(help="L1's JSON-RPC endpoint.")],
    rollup: Annotated[str, typer.Option(help="The rollup contract's address.")],
    json: Annotated[
        Path | None, typer.Option(help="Write roots, batches, books and accounts here.")
    ] = None,
    from_block: Annotated[
        int, typer.Option(min=0, help="An L1 block not after the rollup's own.")
    ] = 0,
    workers: Annotated[
        int,
        typer.Option(
            min=0, max=1_000, help="Processes that check signatures; 0: one for each core."
        ),
    ] = 0,
) -> None:
    """Rebuild the exchange with an empty disk and compare every root. Exits 1 on a difference.

    Example: plimsoll verify --rpc http://127.0.0.1:8545 --rollup 0x… --json report.json
    """
    address = read_address("rollup", rollup)
    require_places(json=json)
    count = workers or os.cpu_count() or 1
    verdict, state = asyncio.run(_verify(rpc, address, from_block, count))
    if json is not None:
        json.write_bytes(verify_report(verdict, state).to_json())
    _tell(verdict, Console(soft_wrap=True, highlight=False))
    if not verdict.ok:
        raise typer.Exit(1)


def _tell(verdict: Verdict, console: Console) -> None:
    """Print what was found, and in whose hands it is."""
    if verdict.difference is None:
        console.print(
            f"OK  {verdict.batches} batches, {verdict.commands} commands,"
            f" root {shown(verdict.roots[-1])}",
            style="green",
        )
    else:
        _tell_difference(verdict.difference, console)
    terms = verdict.terms
    console.print(
        f"  sequencer  {checksummed(terms.sequencer)},"
        f" a batch is final {terms.finality_blocks} L1 blocks later\n"
        f"  money      {checksummed(terms.token)} in {checksummed(terms.inbox)}"
    )
    if verdict.lag_understated_ms:
        console.print(
            f"  lag        understated by {verdict.lag_understated_ms:,} ms at the worst block,"
            " so margin was asked for too little there",
            style="yellow",
        )


def _tell_difference(found: Difference, console: Console) -> None:
    place = f"in batch {found.batch}" if found.batch >= 0 else "before the first batch"
    console.print(f"DIFFERENT  {found.fault.value} {place}", style="bold red")
    if found.first_sequence:
        console.print(
            f"  commands   {found.first_sequence} … {found.last_sequence} {found.command}".rstrip()
        )
    console.print(f"  expected   {found.expected}\n  found      {found.found}")


async def _verify(
    rpc: str, rollup: Address, from_block: int, workers: int
) -> tuple[Verdict, State | None]:
    chain = L1Chain(rpc)
    columns = (
        TextColumn("verifying"), BarColumn(), MofNCompleteColumn(), TextColumn("batches"),
        TimeElapsedColumn(),
    )  # fmt: skip
    try:
        with shown_progress(*columns) as progress:
            task = progress.add_task("batches", total=None)
            reader = RollupReader(chain, rollup, from_block=from_block)
            with SignaturePool(workers) as signatures:
                return await rebuild(
                    reader,
                    signatures,
                    lambda done, total: progress.update(task, completed=done, total=total),
                )
    finally:
        await chain.close()
