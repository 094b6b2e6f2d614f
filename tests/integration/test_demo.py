"""The demo, end to end, on a flow of a few seconds."""

import io
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from node.simulation.demo.command import DemoOptions, demo
from node.simulation.demo.summary import Expected, faults
from node.simulation.interruption import INTERRUPTED
from tests.integration.daemon import SOURCE, command_line

BUNDLED = SOURCE / "configs" / "flows" / "demo.toml"
EXPECTED = Expected(orders=2_000, liquidations=5)


@pytest.fixture
def brief_flow(tmp_path: Path) -> Path:
    """The bundled flow with short phases; the crash falls as deep, within a second."""
    file = tmp_path / "brief.toml"
    lines = BUNDLED.read_text(encoding="utf-8").splitlines()
    brief = ["seconds = 1" if line.startswith("seconds") else line for line in lines]
    file.write_text("\n".join(brief), encoding="utf-8")
    return file


@pytest.mark.slow  # A chain, a node and a verifier have to start one after the other.
def test_three_witnesses_agree_and_a_person_can_read_it(brief_flow: Path, tmp_path: Path) -> None:
    out, said = tmp_path / "out", io.StringIO()
    options = DemoOptions(out=out, flow=brief_flow, block_time_s=0.2, expected=EXPECTED)
    assert demo(options, Console(file=said, width=100)) == 0, said.getvalue()
    summary = msgspec.json.decode((out / "summary.json").read_bytes())
    assert faults(summary, EXPECTED) == []
    assert len(set(summary["roots"].values())) == 1
    assert summary["commands"]["accepted"] > 0
    assert summary["clients"]["lost"] == 0
    assert summary["money"]["deposits"] == 982_000_000_000
    assert {"devnet.log", "node.log", "verifier.log"} <= {file.name for file in out.iterdir()}
    assert said.getvalue().splitlines()[-2].startswith("OK")


@pytest.mark.lengthy
def test_an_interrupted_demo_leaves_nothing_running(brief_flow: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = subprocess.Popen(
        [sys.executable, "-m", "node", "demo", "--out", str(out), "--flow", str(brief_flow)],
        cwd=SOURCE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        # Shells let what they run in the background ignore interrupts, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    )
    try:
        deadline = time.monotonic() + 40
        while not (out / "ready.json").exists():
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == INTERRUPTED
    finally:
        process.kill()
        process.communicate()
    assert [pid for pid in running() if str(out) in command_line(pid)] == []


def running() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
