"""The price's two plays as one HTML file that needs nothing else."""

from pathlib import Path
from typing import Any, Final

from node.planner.fee_replay import Replay
from node.planner.fee_response import STABLE_BELOW, Demand, Response, loop_gain
from node.simulation.plots import Chapter, Panel, Trace, plots_page

_EVERY: Final = 10
"""Points between two that are drawn: the plots are no finer than a screen."""


def write_page(
    file: Path, responses: list[tuple[Demand, Response]], ours: Replay, naive: Replay
) -> None:
    """Write the plots to ``file``. Raises ``OSError``."""
    rush = Chapter(
        "Five times the calm demand, for ten minutes. The price settles while its loop gain k·τ"
        f" stays below π/2 = {STABLE_BELOW:.2f}, and swings above it.",
        _steps(responses),
        "A rush",
    )
    day = Chapter(
        "Ten times the base fee, one batch in four L1 blocks, at most ten in flight. Once the price"
        " follows forecast and load, and once the last posted cost.",
        _day(ours, naive),
        "15 December 2023",
    )
    file.write_text(plots_page("the price of work", [rush, day]), encoding="utf-8")


def _steps(responses: list[tuple[Demand, Response]]) -> list[Panel]:
    prices, loads = [], []
    for tone, (demand, response) in enumerate(responses):
        name = f"delay {demand.delay_s:g} s: gain {loop_gain(demand):.2f}"
        prices.append(_line(name, response.time_s, response.price, tone))
        loads.append(_line(name, response.time_s, response.load, tone))
    return [
        Panel("Price of a unit of work", "seconds", "times its floor", prices, log=True),
        Panel("Load", "seconds", "share of capacity", loads),
    ]


def _day(ours: Replay, naive: Replay) -> list[Panel]:
    days = ((ours, "forecast and load", 0), (naive, "last posted cost", 1))
    held, in_flight, unit, money = [], [], [], []
    for day, name, tone in days:
        minutes = day.time_s / 60
        held.append(_line(name, minutes, day.held, tone))
        in_flight.append(_line(name, minutes, day.in_flight, tone))
        unit.append(_line(name, minutes, day.unit_price, tone))
        money.append(_line(f"charged: {name}", minutes, day.charged, tone))
        money.append(_line(f"paid to L1: {name}", minutes, day.paid, tone, "dash"))
    unit.append(_line("what its gas cost then", ours.time_s / 60, ours.unit_cost, 5, "dot"))
    return [
        Panel("Messages that are not on L1", "minutes", "messages", held),
        Panel("Batches in flight", "minutes", "batches", in_flight),
        Panel("Price of a unit of work", "minutes", "millionths of a quote unit", unit, log=True),
        Panel("Charged and paid from the start", "minutes", "quote units", money),
    ]


def _line(name: str, x: Any, y: Any, tone: int, dash: str = "solid") -> Trace:
    return Trace(name, x[::_EVERY].tolist(), y[::_EVERY].tolist(), tone, dash)
