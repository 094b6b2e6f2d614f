"""A real Chromium without a window, and everything that it complains about."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest
from playwright.async_api import (
    Browser,
    ConsoleMessage,
    Page,
    Request,
    ViewportSize,
    async_playwright,
)

from tests.integration.daemon import POLL_S, WITHIN_S

CHROMIUM: Final = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)

IN_CHROMIUM = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium on the path: apt-get install chromium"
)

FLAGS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


LAPTOP: Final = ViewportSize(width=1366, height=768)
PHONE: Final = ViewportSize(width=390, height=844)


class Window:
    """An open page; ``complaints`` are console errors and warnings, exceptions, failed requests."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(f"exception: {error}"))
        page.on("requestfailed", self._failed)

    async def until(self, condition: str) -> None:
        """Wait until a JavaScript expression is true."""
        # Playwright's own way evaluates a text inside of the page, which the page's policy forbids.
        async with asyncio.timeout(WITHIN_S):
            while not await self.page.evaluate(condition):  # noqa: ASYNC110 - it happens there
                await asyncio.sleep(POLL_S)

    async def until_state(self, state: str) -> None:
        """Wait until the page says that its link to the node is in this state."""
        await self.until(f"document.body.dataset.state === '{state}'")

    async def text(self, selector: str) -> str:
        """Return the text of an element as it is seen, with plain spaces."""
        text = await self.page.inner_text(selector)
        return text.replace("\u202f", " ")

    async def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression."""
        return await self.page.evaluate(expression)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text}")

    def _failed(self, request: Request) -> None:
        self.complaints.append(f"failed: {request.url} {request.failure}")


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Start the browser."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def window_on(browser: Browser, url: str) -> AsyncIterator[Window]:
    """Open ``url`` on a laptop's screen, with nothing remembered of earlier windows."""
    page = await browser.new_page(viewport=LAPTOP)
    window = Window(page)
    try:
        await page.goto(url, wait_until="domcontentloaded")
        yield window
    finally:
        await page.close()
