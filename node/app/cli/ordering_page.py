"""The comparison of orderings as one HTML file that needs nothing else."""

from pathlib import Path
from typing import Any, Final

from node.simulation.ordering.compare import Comparison
from node.types.rules import Ordering

_HEAD: Final = (
    "<!doctype html><meta charset='utf-8'><title>Plimsoll: order within a block</title>"
    "<meta name='viewport' content='width=device-width'>"
    "<style>body{font-family:system-ui,sans-serif;margin:2rem auto;max-width:72rem}</style>"
    "<h1>Order within a block</h1>"
)
_COLOURS: Final = {
    Ordering.CONTINUOUS: "#7f7f7f",
    Ordering.CANCELS_FIRST: "#1f77b4",
    Ordering.AUCTION: "#2ca02c",
}
_PANELS: Final = (
    ("picked_off", "makers lost to fast traders, basis points of what they traded"),
    ("makers_earned", "makers earned, fees apart, basis points"),
    ("takers_paid", "market orders paid beyond the fair price, basis points"),
    ("fast_share", "fast traders' part of what makers traded"),
)


def write_page(file: Path, compared: Comparison) -> None:
    """Write the plots to ``file``. Raises ``OSError``."""
    setting = compared.setting
    text = (
        f"<p>The same {len(compared.seeds)} tapes of {setting.seconds:g} s through each rule."
        f" {setting.fast} fast traders hear of a new price after {setting.fast_ms:g} ms, makers"
        f" after {setting.slow_ms:g} ms. Bars are 95 % intervals over the seeds; a fill is judged"
        f" {compared.horizon_s:g} s later.</p>"
    )
    body = _figure(compared).to_html(full_html=False, include_plotlyjs=True)
    file.write_text(_HEAD + text + body, encoding="utf-8")


def _figure(compared: Comparison) -> Any:
    # Plotly takes half a second to load, which only a report is worth.
    from plotly.subplots import make_subplots  # type: ignore[import-untyped]  # noqa: PLC0415

    titles = tuple(title for _, title in _PANELS)
    figure = make_subplots(rows=len(_PANELS), cols=1, shared_xaxes=True, subplot_titles=titles)
    for ordering, colour in _COLOURS.items():
        rows = [row for row in compared.rows if row.ordering is ordering]
        for place, (name, _) in enumerate(_PANELS, start=1):
            figure.add_bar(
                x=[f"{row.block_ms} ms" for row in rows],
                y=[row.figures[name].mean for row in rows],
                error_y={"array": [row.figures[name].half_width for row in rows]},
                name=ordering.value.replace("_", " "),
                legendgroup=ordering.value,
                showlegend=place == 1,
                marker_color=colour,
                row=place,
                col=1,
            )
    figure.update_xaxes(title_text="length of a block", row=len(_PANELS), col=1)
    figure.update_layout(height=1_100, barmode="group")
    return figure
