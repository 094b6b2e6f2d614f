"""The command: what it measures it writes, what it cannot use it names whole."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner

from node.app.cli import app, calibrate
from node.app.cli.calibration_table import tables_of
from node.capacity.telemetry import Telemetry
from node.client.errors import ConnectionLost
from node.planner.calibration_file import decode_calibration, read_calibration
from node.planner.hawkes import Hawkes
from node.types.errors import ConfigInvalid, MeasurementInvalid
from tests.unit.planner.telemetry_examples import EMPTY, KINDS, Node, reads_of

NODE = Node()
RUNNER = CliRunner()


class Session:
    """Answers with one read after the other; None: the node is away."""

    def __init__(self, reads: list[Telemetry | None]) -> None:
        self._reads = iter(reads)
        self._last: Telemetry | None = None

    async def get(self, path: str) -> Any:
        assert path == "/telemetry"
        read = next(self._reads, self._last)
        if read is None:
            raise ConnectionLost(path=path)
        self._last = read
        return msgspec.json.decode(msgspec.json.encode(read))


def answering(monkeypatch: pytest.MonkeyPatch, reads: list[Telemetry | None]) -> None:
    @contextlib.asynccontextmanager
    async def connect(_url: str) -> AsyncIterator[Session]:
        yield Session(reads)

    monkeypatch.setattr(calibrate, "connect", connect)


def reads(rates: list[float], seed: int, node: Node = NODE) -> list[Telemetry | None]:
    return [*reads_of(node, rates, np.random.default_rng(seed))]


def run(*arguments: str) -> str:
    result = RUNNER.invoke(app, ["calibrate", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def refused(*arguments: str) -> list[str]:
    with pytest.raises((ConfigInvalid, MeasurementInvalid)) as raised:
        RUNNER.invoke(app, ["calibrate", *arguments], catch_exceptions=False)
    return [fault.partition(":")[0] for fault in raised.value.faults]


def tape(folder: Path) -> Path:
    process = Hawkes(np.array([3.0]), np.array([[[0.4]]]), np.array([12.0]))
    times, _ = process.draw(100.0, np.random.default_rng(1))
    rows = []
    for number, time in enumerate(times.tolist()):
        op = "cancel" if number % 3 == 2 else "new"
        order = f"cancel,{number - 1},,,,," if op == "cancel" else f"new,{number},buy,100,2,gtc,"
        rows.append(f"{int(time * 1e9)},{order}\n")
    file = folder / "flow.csv"
    file.write_text("time_ns,op,id,side,price,size,tif,account\n" + "".join(rows))
    return file


def test_a_node_is_measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    answering(monkeypatch, reads(np.linspace(100, 800, 11).tolist(), 1))
    out = tmp_path / "node.json"
    shown = run("--node", "http://node", "--seconds", "1", "--interval", "0.1", "--out", str(out))
    found = read_calibration(out)
    assert found.source.windows >= 8
    law = found.service("transition", "place")
    assert law is not None
    assert law.mean_s == pytest.approx(KINDS[0].service_s, rel=0.05)
    for title in ("Measured from", "Service times", "Sums of parts", "L1", "Flow"):
        assert title in shown


def test_both_sources_are_one_calibration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    answering(monkeypatch, reads(np.linspace(100, 800, 11).tolist(), 2))
    options = ("--seconds", "1", "--interval", "0.1", "--json")
    arguments = ("calibrate", "--node", "http://node", "--tape", str(tape(tmp_path)), *options)
    # The calibration is all that is printed, so that it can be piped on.
    found = decode_calibration(RUNNER.invoke(app, arguments).stdout.encode())
    assert found.source.what == "both"
    assert found.source.tape == "flow.csv"
    assert found.services
    assert found.flow is not None
    assert found.flow.cancel_ratio == pytest.approx(0.5, abs=0.01)
    assert found.flow.arrivals is not None
    assert found.flow.arrivals.kinds == ("place", "cancel")
    titles = {table.title for table in tables_of(found)}
    assert {"Arrivals", "Service times"} <= titles


def test_watching_tells_a_change_and_survives_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    slower = Node(
        kinds=(msgspec.structs.replace(KINDS[0], service_s=80e-6), *KINDS[1:]),
    )
    before = reads_of(NODE, [400.0, 600.0] * 5, np.random.default_rng(3))
    after = reads_of(slower, [400.0, 600.0] * 6, np.random.default_rng(4), first=before[-1])[1:]
    young = msgspec.structs.replace(EMPTY, at_ns=after[-1].at_ns + 1, window_ns=1)
    answering(monkeypatch, [*before, *after, None, young])
    options = ("--seconds", "2.6", "--interval", "0.1", "--windows", "8", "--watch")
    result = RUNNER.invoke(app, ["calibrate", "--node", "http://node", *options])
    assert "changed: transition place" in result.stderr
    assert "the node was restarted" in result.stderr
    assert "1 restarts" in result.stderr


def test_a_node_without_load_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, reads([0.0] * 11, 5))
    assert refused("--node", "http://node", "--seconds", "1", "--interval", "0.1") == ["kinds"]


def test_all_slips_are_told_before_anything_is_done() -> None:
    assert refused() == ["node, tape"]
    options = ("--seconds", "0", "--interval", "0", "--load-max", "7", "--run-length", "1")
    assert refused("--watch", "--windows", "1", "--first", "0", *options) == [
        "seconds",
        "interval",
        "load-max",
        "windows",
        "run-length",
        "first",
        "node, tape",
        "watch",
    ]
    assert refused("--node", "http://node", "--seconds", "5") == ["seconds"]
