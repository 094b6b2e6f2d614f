"""The comparison of orderings as one HTML file that needs nothing else."""

from pathlib import Path
from typing import Final

from node.simulation.ordering.compare import Comparison
from node.simulation.plots import Chapter, Panel, Trace, plots_page
from node.types.rules import Ordering

_TONES: Final = {Ordering.CONTINUOUS: 5, Ordering.CANCELS_FIRST: 0, Ordering.AUCTION: 2}
_BASIS_POINTS: Final = "basis points"
_PANELS: Final = (
    ("picked_off", "Makers lost to fast traders, of what they traded", _BASIS_POINTS),
    ("makers_earned", "Makers earned, fees apart", _BASIS_POINTS),
    ("takers_paid", "Market orders paid beyond the fair price", _BASIS_POINTS),
    ("fast_share", "Fast traders' part of what makers traded", "share"),
)


def write_page(file: Path, compared: Comparison) -> None:
    """Write the plots to ``file``. Raises ``OSError``."""
    setting = compared.setting
    text = (
        f"The same {len(compared.seeds)} tapes of {setting.seconds:g} s through each rule."
        f" {setting.fast} fast traders hear of a new price after {setting.fast_ms:g} ms, makers"
        f" after {setting.slow_ms:g} ms. Whiskers are 95 % intervals over the seeds; a fill is"
        f" judged {compared.horizon_s:g} s later."
    )
    panels = [_panel(compared, name, caption, unit) for name, caption, unit in _PANELS]
    page = plots_page("order within a block", [Chapter(text, panels)])
    file.write_text(page, encoding="utf-8")


def _panel(compared: Comparison, name: str, caption: str, unit: str) -> Panel:
    traces = []
    for ordering, tone in _TONES.items():
        rows = [row for row in compared.rows if row.ordering is ordering]
        traces.append(
            Trace(
                ordering.value.replace("_", " "),
                [f"{row.block_ms} ms" for row in rows],
                [row.figures[name].mean for row in rows],
                tone,
                bars=True,
                spread=[row.figures[name].half_width for row in rows],
            )
        )
    return Panel(caption, "length of a block", unit, traces)
