"""``plimsoll fees``: how the price of work answers a rush, and a day on which L1 was congested."""

from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from node.app.cli.fee_page import write_page
from node.planner.fee_replay import Day, Replay, replay
from node.planner.fee_response import STABLE_BELOW, Demand, Response, loop_gain, step_response
from node.types.fees import FeeRules
from node.types.units import Money

RULES: Final = FeeRules(floor=Money(1_000), ceiling=Money(10_000_000))
"""A floor of many units, so that a price moves smoothly in the plots."""
DEMANDS: Final = (Demand(1.0, 2.0), Demand(1.0, 5.0), Demand(1.0, 12.0))
_HALF_HOUR_S: Final = 1_800


def add_to(app: typer.Typer) -> None:
    """Add this module's command to ``app``."""
    app.command(name="fees")(run)


def run(
    report: Annotated[Path | None, typer.Option(help="Write the plots to this HTML file.")] = None,
) -> None:
    """Play the price's answer to a rush and to 15 December 2023; no node is needed.

    Example: plimsoll fees --report fees.html
    """
    console = Console(soft_wrap=True)
    responses = [(demand, step_response(demand, RULES)) for demand in DEMANDS]
    ours, naive = replay(Day(), FeeRules()), replay(Day(), FeeRules(), naive=True)
    console.print(_step_table(responses))
    console.print(_day_table(ours, naive))
    if report is not None:
        write_page(report, responses, ours, naive)
        console.print(f"plots: {report}")


def _step_table(responses: list[tuple[Demand, Response]]) -> Table:
    table = Table(
        "elasticity", "delay", "loop gain", "settles", "swing at the end", "back at floor"
    )
    for demand, response in responses:
        gain = loop_gain(demand)
        end = demand.rush_from_s + 340
        table.add_row(
            f"{demand.elasticity:g}",
            f"{demand.delay_s:g} s",
            f"{gain:.2f}",
            "yes" if gain < STABLE_BELOW else "no",
            f"{response.swing(end - 100, end):.0%}",
            f"{response.recovery_s(demand.rush_until_s):.0f} s",
        )
    return table


def _day_table(ours: Replay, naive: Replay) -> Table:
    table = Table("15 December 2023", "forecast and load", "last posted cost")
    for name, figure in (
        ("most messages held", lambda day: f"{day.held.max():,.0f}"),
        ("most batches in flight", lambda day: f"{day.in_flight.max():.0f}"),
        ("refused by the gate", lambda day: f"{day.refused:,}"),
        ("charged over paid, by half hours", _ratios),
    ):
        table.add_row(name, figure(ours), figure(naive))
    return table


def _ratios(day: Replay) -> str:
    last = len(day.time_s) - 1
    begins = range(0, last, _HALF_HOUR_S)
    ratios = [day.charge_ratio(begin, min(begin + _HALF_HOUR_S, last)) for begin in begins]
    return f"{min(ratios):.2f} … {max(ratios):.2f}"
