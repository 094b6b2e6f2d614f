"""What a node's command does beside the node: signals, the ready file, the last figures."""

import asyncio
import os
import signal
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from node.app.cli import daemon
from node.app.node import Node


@pytest.fixture
def hangup() -> Iterator[None]:
    """Leave the signal of a terminal's end as it was."""
    before = signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGHUP, before)


async def told_by(number: signal.Signals, within_s: float = 5.0) -> bool:
    """Return whether a node is told to stop by a signal."""
    told = asyncio.Event()
    daemon._stop_at_signals(told.set)
    loop = asyncio.get_running_loop()
    try:
        os.kill(os.getpid(), number)
        async with asyncio.timeout(within_s):
            await told.wait()
    except TimeoutError:
        return False
    finally:
        for other in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.remove_signal_handler(other)
    return True


@pytest.mark.usefixtures("hangup")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_a_signal_stops_a_node_in_order(number: signal.Signals) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    assert await told_by(number)


@pytest.mark.usefixtures("hangup")
async def test_the_end_of_a_terminal_ends_no_node_under_nohup() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    assert not await told_by(signal.SIGHUP, 0.2)


@pytest.mark.parametrize(
    ("host", "named"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("::1", "[::1]"),
        ("fd00::5", "[fd00::5]"),
        ("0.0.0.0", "127.0.0.1"),  # noqa: S104 - it is not listened on
        ("::", "[::1]"),
        ("node.internal", "node.internal"),
    ],
)
def test_the_ready_file_names_a_url_that_can_be_asked(host: str, named: str) -> None:
    assert daemon.url_of(host, 8480) == f"http://{named}:8480"


class HangingChain:
    """L1 that takes a question and never answers it."""

    asked = 0

    async def call(self, *_: object) -> bytes:
        self.asked += 1
        await asyncio.Event().wait()
        return b""


@pytest.mark.parametrize("away", [True, False])
async def test_the_last_figures_do_not_wait_for_an_l1_that_hangs(
    away: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemon, "ROOT_WITHIN_S", 0.01)
    chain = HangingChain()
    node: Any = SimpleNamespace(
        base=SimpleNamespace(chain=chain, contracts=SimpleNamespace(rollup=bytes(20))),
        settlement=SimpleNamespace(chain_away=away),
    )
    async with asyncio.timeout(5):
        assert await daemon._l1_root(cast("Node", node)) == b""
    assert chain.asked == (0 if away else 1)
