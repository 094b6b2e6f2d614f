"""What a person sees of a replay under way."""

import asyncio
import io

import pytest
from rich.console import Console

from node.simulation.replay import watch
from node.simulation.replay.outcomes import Outcomes
from node.simulation.replay.watch import Watch


class FakeDriver:
    def __init__(self) -> None:
        self.phase = "aftermath"
        self.outcomes = Outcomes()
        for _ in range(12_345):
            self.outcomes.sent(orders=5, cancels=5, due_ns=0, now_ns=0)
        self.outcomes.accept({"results": []}, 0, 17_000_000)


async def shown(console: Console, seconds: float) -> str:
    watching = Watch(console, FakeDriver(), 15_000)  # type: ignore[arg-type]
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(watching.run(), seconds)
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


async def test_a_bar_fits_the_narrowest_terminal() -> None:
    text = await shown(Console(file=io.StringIO(), width=80, force_terminal=True), 0.1)
    for part in ("aftermath", "━", "61,725 orders", "0 refused", "p99", "17 ms"):
        assert part in text
    assert "…" not in text


async def test_elsewhere_it_is_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "LINE_PAUSE_S", 0.02)
    text = await shown(Console(file=io.StringIO(), width=140), 0.1)
    lines = text.splitlines()
    assert len(lines) >= 2
    assert lines[0].startswith("aftermath")
    assert "12,344 in flight" in lines[0]
    assert "\x1b" not in text
