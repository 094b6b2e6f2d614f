"""What the page makes of single figures: what alarms, what is off the scale, what stays."""

from collections.abc import AsyncIterator
from typing import Final

import msgspec
import pytest
import pytest_asyncio
from playwright.async_api import Browser

from node.capacity.loadline import Audit, Knee, KneeRange, LoadLine
from tests.integration.browser import IN_CHROMIUM, chromium, window_on
from tests.integration.made_up_load import KNEE_PER_S, busy, in_an_outage, telling

pytestmark = [IN_CHROMIUM, pytest.mark.asyncio(loop_scope="module")]

KNEE_WORDS: Final = """[...document.querySelectorAll('.ladder text')]
  .filter((text) => text.getClientRects().length)
  .map((text) => {
    const box = text.getBBox(), to = text.getCTM(), hull = document.querySelector('.ship .hull');
    const corners = [box.x, box.x + box.width].flatMap((x) =>
      [box.y, box.y + box.height].map((y) => new DOMPoint(x, y).matrixTransform(to)));
    const back = hull.getCTM().inverse();
    const inside = corners.map((corner) => hull.isPointInFill(corner.matrixTransform(back)));
    const tone = (name) => getComputedStyle(document.documentElement).getPropertyValue(name);
    const painted = Object.assign(document.createElement('i'), { className: 'key' });
    document.body.append(painted);
    const rgb = (name) => (painted.style.color = tone(name), getComputedStyle(painted).color);
    const seen = { onHull: rgb('--paint'), onSheet: rgb('--ink') };
    painted.remove();
    const place = inside.every(Boolean) ? 'onHull' : inside.some(Boolean) ? 'across' : 'onSheet';
    return [text.textContent, getComputedStyle(text).fill === seen[place]];
  })"""
"""Each knee's words, and whether they have the colour that is legible where they stand."""

CHART: Final = "document.getElementById('chart-rate')"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


def missing(moment: float, *, late: int, misses: int) -> LoadLine:
    """Return a node whose tiers alone, or whose audit, found so many positions too late."""
    line = busy(moment, 0.42)
    assert line.risk is not None
    risk = msgspec.structs.replace(line.risk, late=late, audit=Audit(18_400, misses))
    return msgspec.structs.replace(line, risk=risk)


async def test_what_the_audit_missed_alarms_and_what_the_tiers_missed_does_not(
    browser: Browser,
) -> None:
    async with (
        telling(lambda moment: missing(moment, late=7, misses=0), 0.05) as node,
        window_on(browser, node.url) as window,
    ):
        await window.until_state("live")
        assert await window.page.locator(":is(#strip, #risk) .bad").count() == 0
        delay = window.page.locator("#strip div", has_text="Liquidation delay")
        assert (await delay.inner_text()).endswith("since the start")
        node.tell = lambda moment: missing(moment, late=7, misses=2)
        await window.until("document.querySelector('#strip .bad') !== null")
        assert (await delay.inner_text()).endswith("▲ 2 missed at the audit")


@pytest.mark.parametrize("share", [0.7, 1.0, 1.15, 1.24, 1.8])
async def test_a_knee_is_legible_wherever_it_lies(browser: Browser, share: float) -> None:
    knee = share * KNEE_PER_S
    around = KneeRange(0.95 * knee, knee, 1.05 * knee)
    story = msgspec.structs.replace(busy(0, 0.1), knee=Knee(around, knee))
    async with telling(lambda _: story, 0.05) as node, window_on(browser, node.url) as window:
        await window.until_state("live")
        past = f" ×\u202f{share:.2f} ↑" if share > 1.2 else ""
        words = await window.evaluate(KNEE_WORDS)
        assert words == [[f"knee {which}{past}", True] for which in ("predicted", "measured")]


async def test_rows_stay_where_they_are_while_their_figures_change(browser: Browser) -> None:
    async with telling(busy, 0.05) as node, window_on(browser, node.url) as window:
        await window.until_state("live")
        await window.evaluate("void (window.held = document.querySelectorAll('dd, td, .bars b'))")
        texts = "[...held].map((cell) => cell.textContent).join()"
        await window.evaluate("getSelection().selectAllChildren(document.getElementById('lanes'))")
        before = await window.evaluate(texts)
        await window.until(f"{texts} !== {before!r}")
        assert await window.evaluate("[...held].every((cell) => cell.isConnected)")
        assert "liquidation" in await window.evaluate("getSelection().toString()")
        # Whoever is not there any more goes all the same.
        node.tell = lambda moment: msgspec.structs.replace(busy(moment), lanes=())
        await window.until("document.querySelector('#lanes tr') === null")


async def test_the_limit_is_drawn_as_it_was_and_silence_is_not_crossed(browser: Browser) -> None:
    async with telling(busy, 0.05) as node, window_on(browser, node.url) as window:
        await window.until(f"{CHART}.data !== undefined")
        node.step_s = 4.0
        await window.until_state("silent")
        assert await window.evaluate("document.title") == "Silent · Plimsoll"
        node.tell = in_an_outage
        await window.until_state("live")
        limit = f"{CHART}.data.find((trace) => trace.name === 'limit').y"
        await window.until(f"{limit}.at(-1) === 0")
        assert await window.evaluate(f"{limit}[0]") == KNEE_PER_S
        assert await window.evaluate(f"{CHART}.data[0].y.indexOf(null)") > 0
        # It was silent and not away, so this is the same run.
        assert await window.evaluate("document.getElementById('notice').hidden")
