"""The page in a real browser: it loads, moves under load, outlives its node, and stays itself."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final, Literal

import msgspec
import pytest
import pytest_asyncio
from playwright.async_api import Browser, ViewportSize

from tests.integration.browser import IN_CHROMIUM, LAPTOP, PHONE, Window, chromium, window_on
from tests.integration.daemon import node_on_chain
from tests.integration.load import load_on
from tests.integration.made_up_load import (
    HOSTILE,
    LANES,
    busy,
    in_an_outage,
    over_its_line,
    quiet,
    telling,
)

# All tests share one browser, and so one event loop: it takes longer to start than a node.
pytestmark = [IN_CHROMIUM, pytest.mark.asyncio(loop_scope="module")]

SCREENS: Final[tuple[tuple[ViewportSize, Literal["light", "dark"]], ...]] = (
    (LAPTOP, "light"),
    (PHONE, "dark"),
    (PHONE, "light"),
    (LAPTOP, "dark"),
)

STROKES: Final = (
    "[...document.querySelectorAll('#chart-delay .scatterlayer path.js-line')]"
    ".map((line) => getComputedStyle(line).stroke)"
)

BROKEN_WORDS = """[...document.querySelectorAll('.facts small')].flatMap((remark) => {
  const texts = document.createTreeWalker(remark, NodeFilter.SHOW_TEXT), broken = [];
  while (texts.nextNode()) {
    for (const { 0: word, index } of texts.currentNode.data.matchAll(/\\S+/g)) {
      const range = document.createRange();
      range.setStart(texts.currentNode, index);
      range.setEnd(texts.currentNode, index + word.length);
      if (range.getClientRects().length > 1) broken.push(word);
    }
  }
  return broken;
})"""
"""Words that begin on one line and end on the next."""

SEA = "document.getElementById('sea').style.transform"

REFUSED = "net::ERR_CONNECTION_REFUSED"
"""What Chromium itself prints when nobody listens: no script can keep it from that."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


async def test_the_page_moves_under_load_and_outlives_its_node(
    browser: Browser, tmp_path: Path
) -> None:
    async with (
        node_on_chain(tmp_path, "py-evm") as (daemon, chain),
        load_on(daemon.url, chain.url, pause_s=0.01) as load,
        window_on(browser, daemon.url) as window,
    ):
        await window.until_state("live")
        afloat = await window.evaluate(SEA)
        assert await window.text("#measured") == "–"
        async with load.running():
            await load.until_acknowledged(150)
            await window.until(f"{SEA} !== '{afloat}'")
            await window.until("document.getElementById('bottleneck').textContent !== '–'")
            await window.page.locator("#chart-rate").scroll_into_view_if_needed()
            await window.until("document.querySelector('#chart-rate .scatterlayer path') !== null")
        assert "/s of " in await window.text("#carried")
        assert await window.evaluate("document.querySelectorAll('.stage').length") >= 8
        assert await window.text("#gate") == "Takes new risk"
        assert window.complaints == []

        await daemon.stop()
        await window.until_state("lost")
        assert await window.text("#notice-title") == "The node is lost."
        assert await window.text("#bottleneck") != "–"
        await daemon.start()
        await window.until_state("live")
        await window.until(
            "document.getElementById('notice-title').textContent === 'The node was restarted.'"
        )
        # While it was away each attempt to come back fails, and Chromium says so.
        assert [said for said in window.complaints if REFUSED not in said] == []
        assert all("/ws'" in said for said in window.complaints)


async def test_every_state_fits_every_screen(browser: Browser) -> None:
    async with telling(lambda _: quiet(), 0.05) as node, window_on(browser, node.url) as window:
        await window.until_state("live")
        assert await window.text("#freeboard") == "–"
        for unreadable in ("null", "undefined", "NaN"):
            assert unreadable not in await window.text("body")
        for size, scheme in SCREENS:
            await window.page.set_viewport_size(size)
            await window.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            node.tell = lambda moment: busy(moment, 0.42)
            await window.until("document.title.startsWith('58')")
            await fits(window)
            assert await window.text("#gate") == "Takes new risk"
            node.tell = over_its_line
            await window.until("document.getElementById('load').classList.contains('over')")
            await fits(window)
            assert await window.evaluate("document.getAnimations().length") == 0
        assert await window.text("#freeboard") == "−18 %"
        assert await window.text("#gate") == "▲ Refuses new risk: backlog"
        # Names come from the node and are shown as they are, never as markup.
        assert f"▲ {HOSTILE} is stale" in await window.text("#stale")
        assert HOSTILE in await window.text("#refusals")
        assert await window.evaluate("document.images.length") == 0
        assert window.complaints == []


async def fits(window: Window) -> None:
    """Nothing is wider than the screen, and the line and the first figures are on it."""
    # The charts follow a new width a moment later.
    await window.until("document.documentElement.scrollWidth <= innerWidth")
    for selector in ("#freeboard", ".mark circle", "#link"):
        box = await window.page.locator(selector).first.bounding_box()
        assert box is not None
        width, height = await window.evaluate("[innerWidth, innerHeight]")
        assert 0 <= box["x"] <= box["x"] + box["width"] <= width
        assert 0 <= box["y"] <= box["y"] + box["height"] <= height


async def test_an_l1_that_takes_nothing_is_the_bottleneck_and_drains_nothing(
    browser: Browser,
) -> None:
    async with telling(in_an_outage, 0.05) as node, window_on(browser, node.url) as window:
        await window.until("document.title.startsWith('0')")
        assert await window.text("#bottleneck") == "L1"
        assert await window.text("#bottleneck-law") == "takes nothing now: l1_outage"
        settlement = window.page.locator("#stage-rows tr", has_text="settlement")
        cells = (await settlement.inner_text()).split("\t")
        assert {"not now", "0\u202f/s"} <= set(cells)
        assert await window.page.locator(".stage.over.first h3").all_inner_texts() == ["settlement"]
        body = await window.text("body")
        assert not [word for word in ("null", "undefined", "NaN", "∞") if word in body]
        assert window.complaints == []


async def test_every_chart_moves_on(browser: Browser) -> None:
    async with telling(busy, 0.05) as node, window_on(browser, node.url) as window:
        await window.page.set_viewport_size({"width": 1366, "height": 2_000})
        for chart in ("rate", "delay", "backlog", "fee"):
            times = f"document.querySelector('#chart-{chart} .xaxislayer-above')?.textContent"
            await window.until(times)
            await window.until(f"{times} !== '{await window.evaluate(times)}'")


async def test_each_lane_has_a_colour_of_its_own_in_a_chart_a_screen_further_down(
    browser: Browser,
) -> None:
    async with telling(busy, 0.05) as node, window_on(browser, node.url) as window:
        charts = "document.querySelectorAll('.chart .scatterlayer').length"
        await window.until(f"scrollY === 0 && {charts} === 4")
        found: list[list[str]] = []
        for scheme in ("light", "dark"):
            await window.page.emulate_media(color_scheme=scheme)
            await window.until(f"{STROKES}[0] !== '{found[0][0] if found else ''}'")
            found.append(await window.evaluate(STROKES))
        assert [len(set(strokes)) for strokes in found] == [len(LANES)] * 2
        assert window.complaints == []


async def test_only_the_commonest_refusals_stand_there_until_one_asks_for_all(
    browser: Browser,
) -> None:
    causes = {f"Cause{number}": 100 - number for number in range(12)}
    story = msgspec.structs.replace(busy(0), refusals=causes)
    async with telling(lambda _: story, 0.05) as node, window_on(browser, node.url) as window:
        await window.until_state("live")
        shown = window.page.locator("#refusals-title ~ * li:visible")
        more = window.page.locator("#refusals-more")
        assert await more.inner_text() == "and 7 more"
        assert await shown.count() == 5
        await more.press("Enter")
        assert await shown.count() == len(causes)
        assert await shown.last.locator("span").get_attribute("title") == "cause11"
        node.tell = lambda _: msgspec.structs.replace(story, refusals={**causes, "Cause12": 7})
        await window.until("document.getElementById('refusals-more').textContent === 'and 8 more'")
        assert await shown.count() == len(causes) + 1
        node.tell = busy
        await window.until("document.getElementById('refusals-rest').hidden")
        assert await shown.count() == 3


async def test_who_knows_no_knee_is_told_what_finds_one(browser: Browser) -> None:
    async with telling(lambda _: quiet(), 0.05) as node, window_on(browser, node.url) as window:
        await window.until_state("live")
        assert "plimsoll plan --verify" in await window.text(".facts")
        assert "plimsoll ramp --node … --data" in await window.text(".facts")
        await window.page.set_viewport_size(PHONE)
        assert await window.evaluate(BROKEN_WORDS) == []
        node.tell = busy
        await window.until("document.getElementById('measured').textContent !== '–'")
        assert "plimsoll" not in await window.text(".facts")
        for remark in ("#predicted-range", "#measured-at"):
            assert (await window.text(remark)).endswith(", mix single")


async def test_the_page_works_without_a_mouse_and_tells_of_silence(browser: Browser) -> None:
    async with telling(busy, 0.05) as node, window_on(browser, node.url) as window:
        await window.until_state("live")
        await window.page.keyboard.press("Tab")
        assert await window.evaluate("document.activeElement.className") == "skip"
        await window.page.keyboard.press("Enter")
        assert await window.evaluate("document.activeElement.id") == "load"
        labels = await window.evaluate(
            "[...document.querySelectorAll('.stage')].map((stage) => stage.ariaLabel)"
        )
        assert all("of its line" in label for label in labels)
        # It hangs: the connection stands, and nothing comes any more.
        node.step_s = 60
        await window.until_state("silent")
        assert await window.text("#notice-title") == "The node says nothing."
        await node.stop()
        await window.until_state("lost")
        await node.start(int(node.url.rpartition(":")[2]))
        node.step_s = 0.05
        await window.page.focus("#retry")
        await window.page.keyboard.press("Enter")
        await window.until_state("live")


async def test_a_refusal_is_asked_again_and_what_is_shown_is_old_meanwhile(
    browser: Browser,
) -> None:
    async with telling(busy, 0.05) as node, window_on(browser, node.url) as window:
        await window.until_state("live")
        await node.stop()
        await window.until_state("lost")
        node.refuses = True
        await node.start(int(node.url.rpartition(":")[2]))
        await window.until_state("refused")
        told = await window.text("#notice-text")
        assert "rate limited" in told
        assert "What is shown is from" in told
        assert await window.evaluate("document.title") == "Refused · Plimsoll"
        grey = "getComputedStyle(document.querySelector('main')).filter"
        assert "grayscale" in await window.evaluate(grey)
        # It does not pass for lost, nor for new, while it asks again.
        link = "document.getElementById('link-text').textContent"
        await window.until(f"{link} === 'Refused, trying again'")
        assert await window.page.is_visible("#retry")
        node.refuses = False
        await window.until_state("live")
        assert "grayscale" not in await window.evaluate(grey)
