"""A report in a browser: light and dark, on a laptop and on a phone, with nothing cut off."""

from pathlib import Path
from typing import Literal

import pytest
from playwright.async_api import ViewportSize

from node.simulation.plots import TONES, Chapter, Panel, Trace, plots_page
from tests.integration.browser import IN_CHROMIUM, LAPTOP, PHONE, Window, chromium

pytestmark = IN_CHROMIUM

NAMES = [f"a trace with quite a long name {number}" for number in range(TONES)]
LINES = [Trace(name, [0, 1, 2], [1, 10.0 + place, None], place) for place, name in enumerate(NAMES)]
BARS = [Trace("</script> & bars", ["20 ms", "100 ms"], [1, 2], 0, bars=True, spread=[0.1, 0.2])]
CHAPTERS = [
    Chapter("What it is about.", [Panel("Lines", "seconds", "orders/s", LINES, log=True, mark=1)]),
    Chapter("More.", [Panel("Bars", "length of a block", "basis points", BARS)], "A chapter"),
]

OUTSIDE = """[...document.querySelectorAll("h1, h2, p, figcaption, .plot text")].filter(one => {
  const box = one.getBoundingClientRect();
  return box.width > 0 && (box.left < 0 || box.right > innerWidth);
}).map(one => one.textContent)"""
"""The texts that reach beyond the window."""

OVERLAPPING = """[...document.querySelectorAll(".plot")].filter(plot => {
  const legend = plot.querySelector(".legend"), drawn = plot.querySelector(".nsewdrag");
  return legend && legend.getBoundingClientRect().bottom > drawn.getBoundingClientRect().top;
}).length"""
"""How many legends reach into their plot."""


@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=["laptop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_text_of_a_report_is_seen(
    tmp_path: Path, size: ViewportSize, scheme: Literal["light", "dark"]
) -> None:
    file = tmp_path / "report.html"
    file.write_text(plots_page("a report", CHAPTERS), encoding="utf-8")
    async with chromium() as browser:
        page = await browser.new_page(viewport=size, color_scheme=scheme)
        window = Window(page)
        await page.goto(file.as_uri())
        await window.until("document.querySelectorAll('.plot .main-svg').length >= 2")
        assert await window.evaluate(OUTSIDE) == []
        assert await window.evaluate(OVERLAPPING) == 0
        assert await window.evaluate("document.documentElement.scrollWidth") == size["width"]
        shown = await window.evaluate("document.querySelectorAll('.legendtext').length")
        assert shown == len(NAMES) + len(BARS)
        paper = await window.evaluate("getComputedStyle(document.body).backgroundColor")
        assert paper == {"light": "rgb(251, 250, 247)", "dark": "rgb(18, 24, 31)"}[scheme]
        assert window.complaints == []
