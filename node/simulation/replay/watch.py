"""Shows how a replay goes: a live bar on a terminal, elsewhere a line every few seconds."""

import asyncio
from time import perf_counter

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from node.simulation.replay.driver import Driver
from node.simulation.replay.outcomes import Outcomes, quantiles_ms

TERMINAL_PAUSE_S = 0.25
LINE_PAUSE_S = 5.0


class Rate:
    """How fast a count grows between two looks at it."""

    def __init__(self) -> None:
        self._count = 0
        self._time_s = perf_counter()

    def look(self, count: int) -> float:
        """Return the growth per second since the last look."""
        now_s = perf_counter()
        gained, passed_s = count - self._count, now_s - self._time_s
        self._count, self._time_s = count, now_s
        return gained / passed_s if passed_s > 0 else 0.0


def figures(outcomes: Outcomes, rate: float) -> str:
    """Return the counts of a replay in one line."""
    p99 = quantiles_ms(outcomes.latency)["p99"]
    return (
        f"{rate:6,.0f} actions/s  {outcomes.orders:7,} orders  {outcomes.accepted:7,} acknowledged"
        f"  {outcomes.refused:5,} refused  {outcomes.in_flight:4,} in flight"
        f"  p99 {0.0 if p99 is None else p99:,.1f} ms"
    )


def brief_figures(outcomes: Outcomes, rate: float) -> str:
    """Return what matters most of them, short enough to stand beside a bar in 80 columns."""
    p99 = quantiles_ms(outcomes.latency)["p99"]
    return (
        f"{rate:5,.0f}/s  {outcomes.orders:6,} orders  {outcomes.refused:4,} refused"
        f"  p99 {0.0 if p99 is None else p99:3,.0f} ms"
    )


class Watch:
    """Follows a driver until cancelled; ``total`` is the number of actions, None if not known."""

    def __init__(self, console: Console, driver: Driver, total: int | None) -> None:
        self._console = console
        self._driver = driver
        self._total = total
        self._rate = Rate()

    async def run(self) -> None:
        """Show and refresh."""
        if self._console.is_terminal:
            await self._bar()
        else:
            await self._lines()

    async def _bar(self) -> None:
        columns = (
            TextColumn("{task.description:<10}"),
            BarColumn(bar_width=12),
            TimeElapsedColumn(),
            TextColumn("{task.fields[figures]}"),
        )
        with Progress(*columns, console=self._console, auto_refresh=False) as progress:
            task = progress.add_task("opening", total=self._total, figures="")
            while True:
                outcomes = self._driver.outcomes
                progress.update(
                    task,
                    description=self._driver.phase or "opening",
                    completed=outcomes.offered,
                    figures=brief_figures(outcomes, self._rate.look(outcomes.offered)),
                )
                progress.refresh()
                await asyncio.sleep(TERMINAL_PAUSE_S)

    async def _lines(self) -> None:
        while True:
            await asyncio.sleep(LINE_PAUSE_S)
            outcomes = self._driver.outcomes
            shown = figures(outcomes, self._rate.look(outcomes.offered))
            self._console.print(
                f"{self._driver.phase:<10} {shown}", highlight=False, soft_wrap=True
            )
