"""How late the loop is, measured with a sleep that a test can lengthen."""

import asyncio
from collections.abc import Iterable

import pytest

from node.app.loop_lag import INTERVAL_S, LoopLag
from tests.unit.app.hand_clock import HandClock

INTERVAL_NS = int(INTERVAL_S * 1_000_000_000)


async def lags(slept_ns: Iterable[int], monkeypatch: pytest.MonkeyPatch) -> LoopLag:
    """Return what was measured while each sleep took as long as ``slept_ns`` says."""
    clock = HandClock()
    left = iter(slept_ns)

    async def sleep(delay_s: float) -> None:
        assert delay_s == INTERVAL_S
        step = next(left, None)
        if step is None:
            raise asyncio.CancelledError
        clock.ns += step

    monkeypatch.setattr(asyncio, "sleep", sleep)
    lag = LoopLag(clock)
    with pytest.raises(asyncio.CancelledError):
        await lag.run()
    return lag


async def test_only_what_a_sleep_took_too_long_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    found = await lags([INTERVAL_NS, INTERVAL_NS + 7, INTERVAL_NS + 20], monkeypatch)
    seen = found.lag_ns.snapshot()
    assert (seen.count, seen.total, seen.max) == (3, 27, 20)


async def test_a_sleep_that_ends_early_is_not_late(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = (await lags([INTERVAL_NS - 5], monkeypatch)).lag_ns.snapshot()
    assert (seen.count, seen.total) == (1, 0)
