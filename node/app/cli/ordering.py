"""``plimsoll ordering``: what each rule of order within a block costs makers and takers."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from node.app.cli.arguments import require_places
from node.app.cli.ordering_page import write_page
from node.app.config import read_rules
from node.simulation.ordering.compare import Comparison, Row, compare
from node.simulation.ordering.measure import Interval
from node.simulation.ordering.tape import Setting
from node.simulation.replay.command import BUNDLED_FLOW
from node.simulation.replay.sources import read_flow_config
from node.types.errors import ConfigInvalid

BUNDLED_RULES = Path(__file__).resolve().parents[3] / "configs" / "rules.toml"
COLUMNS = (
    ("makers earned", "makers_earned"),
    ("picked off", "picked_off"),
    ("market orders paid", "takers_paid"),
    ("maker fees", "maker_fees"),
)
SHARES = (("filled", "takers_filled"), ("fast share", "fast_share"))


def add_to(app: typer.Typer) -> None:
    """Add this module's command to ``app``."""
    app.command(name="ordering")(run)


def run(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    seeds: Annotated[int, typer.Option(help="How many tapes: seeds 1, 2, 3 …", min=2)] = 8,
    seconds: Annotated[float, typer.Option(help="Length of a tape.", min=1)] = 40.0,
    block_ms: Annotated[
        list[int] | None, typer.Option(help="Length of a block; may be given several times.")
    ] = None,
    fast_ms: Annotated[float, typer.Option(help="Mean delay of the fast traders.", min=0)] = 3.0,
    slow_ms: Annotated[float, typer.Option(help="Mean delay of the makers.", min=0)] = 20.0,
    flow: Annotated[Path, typer.Option(help="The flow (TOML).")] = BUNDLED_FLOW,
    rules: Annotated[
        Path, typer.Option(help="The rules; their first market is taken.")
    ] = BUNDLED_RULES,
    json: Annotated[Path | None, typer.Option(help="Write all figures here.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write the plots to this HTML file.")] = None,
) -> None:
    """Play the same tapes through continuous matching, cancels first, and batch auctions.

    Makers quote, traders take, and fast traders pick off what the makers were too slow to replace
    after a jump. No node is needed. Costs are in basis points of the value traded; ± is a 95 %
    interval over the seeds.

    Example: plimsoll ordering --block-ms 10 --block-ms 100 --json ordering.json
    """
    require_places(json=json, report=report)
    lengths = block_ms or [10, 50, 100, 250]
    if not all(1 <= length <= 10_000 for length in lengths):
        raise ConfigInvalid(faults=(f"block-ms: {lengths}: 1 … 10000 allowed",))
    setting = Setting(seconds=seconds, fast_ms=fast_ms, slow_ms=slow_ms)
    console = Console(soft_wrap=True)
    with console.status("reading") as status:
        compared = compare(
            read_flow_config(flow),
            read_rules(rules),
            setting,
            range(1, seeds + 1),
            lengths,
            status.update,
        )
    console.print(_table(compared))
    names = ", ".join(str(seed) for seed in compared.seeds)
    console.print(f"seeds {names}; fills are judged {compared.horizon_s:g} s later")
    if json is not None:
        json.write_bytes(compared.encode())
    if report is not None:
        write_page(report, compared)
        console.print(f"plots: {report}")


def _table(compared: Comparison) -> Table:
    titles = [title for title, _ in (*COLUMNS, *SHARES)]
    table = Table("block", "ordering", *titles, "picked off, against continuous")
    for row in compared.rows:
        table.add_row(
            f"{row.block_ms} ms",
            row.ordering.value,
            *(_points(row.figures[name]) for _, name in COLUMNS),
            *(f"{row.figures[name].mean:.1%}" for _, name in SHARES),
            _points(row.against["picked_off"]) if _differs(row) else "",
        )
    return table


def _differs(row: Row) -> bool:
    return any(one.mean or one.half_width for one in row.against.values())


def _points(interval: Interval) -> str:
    return f"{interval.mean:+.2f} ± {interval.half_width:.2f}"
