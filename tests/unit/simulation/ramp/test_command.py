"""What a ramp tells and writes; one that is cut says that it is not all."""

import asyncio
import io
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.console import Console

from node.app.knee import KneeBoard, write_knee
from node.capacity.loadline import Knee as ShownKnee
from node.capacity.loadline import KneeRange
from node.simulation.ramp import command
from node.simulation.ramp.command import RampOptions, RampTimedOut, ramp, show_knee
from node.simulation.ramp.knee import Knee, KneeSearch
from node.simulation.ramp.messages import Mix
from node.simulation.ramp.points import Delays, RampPoint
from node.simulation.ramp.ramp import Progress
from node.simulation.ramp.report import Machine, RampReport, mix_report

KNEE_PER_S = 900.0
FIRST = [250.0, 500.0, 1_000.0]


def point(rate: float, share: float | None = None) -> RampPoint:
    done = rate if rate <= KNEE_PER_S else rate / 2
    delays: Delays = {"p50": 1.0, "p99": 2.0, "p999": 3.0}
    return RampPoint(rate, rate, done, delays, delays, {}, share=share)


class Running:
    """Measures at once; then, past ``points`` of them, the next one takes for ever."""

    def __init__(self, points: int) -> None:
        self._left = points

    async def find(self, search: KneeSearch, progress: Progress) -> None:
        while (rate := search.next_rate()) is not None:
            await self._spend()
            search.note(point(rate))
            progress("search", point(rate))

    async def curve(self, knee_per_s: float, progress: Progress) -> Sequence[RampPoint]:
        for share in (0.5, 1.0):
            await self._spend()
            progress("curve", point(share * knee_per_s, share))
        return [point(share * knee_per_s, share) for share in (0.5, 1.0)]

    async def _spend(self) -> None:
        if not self._left:
            await asyncio.Event().wait()
        self._left -= 1


def cut_after(
    points: list[int], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[RampReport, str, str]:
    """Return report, tables and page of a ramp of as many mixes, cut in the last of them."""
    left = iter(points)

    class Target:
        url = "http://127.0.0.1:1"

    @asynccontextmanager
    async def target_for(_: RampOptions) -> AsyncIterator[Target]:
        yield Target()

    @asynccontextmanager
    async def ramp_of(*_: Any) -> AsyncIterator[Running]:
        yield Running(next(left))

    monkeypatch.setattr(command, "target_for", target_for)
    monkeypatch.setattr(command, "ramp_of", ramp_of)
    json_path, html_path, out = folder / "ramp.json", folder / "ramp.html", io.StringIO()
    options = RampOptions(
        mixes=(Mix.SINGLE, Mix.BULK)[: len(points)],
        within_s=1.0,
        json_path=json_path,
        html_path=html_path,
    )
    with pytest.raises(RampTimedOut):
        ramp(options, Console(file=out, width=140))
    report = msgspec.json.decode(json_path.read_bytes(), type=RampReport)
    return report, out.getvalue(), html_path.read_text(encoding="utf-8")


def test_a_search_that_is_cut_tells_between_what_the_knee_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report, shown, page = cut_after([4], tmp_path, monkeypatch)
    assert report.incomplete
    found = report.mixes["single"]
    assert found.incomplete
    assert (found.knee.low, found.knee.high) == (500.0, 1_000.0)
    assert [one.wanted_per_s for one in found.search] == [*FIRST, 1_000.0]
    assert found.points == []
    for text in ("(500 carried, 1,000 not)", "incomplete"):
        assert text in shown, shown
    assert "1,000" in shown.splitlines()[-2], "the points of the search stand in for the curve's"
    assert "incomplete" in page


def test_a_mix_that_was_over_is_whole_and_the_next_has_its_curve_so_far(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = 1_000
    search = KneeSearch(command.settings_of(RampOptions()).search)
    asked = 0
    while (rate := search.next_rate()) is not None:
        search.note(point(rate))
        asked += 1
    report, shown, _ = cut_after([whole, asked + 1], tmp_path, monkeypatch)
    single, bulk = report.mixes["single"], report.mixes["bulk"]
    assert (single.incomplete, bulk.incomplete, report.incomplete) == (False, True, True)
    assert [one.share for one in single.points] == [0.5, 1.0]
    assert [one.share for one in bulk.points] == [0.5]
    assert shown.count("incomplete") == 1


def test_a_ramp_that_is_cut_before_anything_was_carried_still_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report, _, page = cut_after([0], tmp_path, monkeypatch)
    assert (report.incomplete, report.mixes) == (True, {})
    assert "incomplete" in page


@pytest.mark.parametrize("mix", [Mix.SINGLE, Mix.BULK])
def test_a_knee_stands_beside_a_prediction_of_its_own_mix_alone(mix: Mix, tmp_path: Path) -> None:
    predicted = KneeRange(2_310.0, 2_420.5, 2_533.0)
    write_knee(tmp_path, ShownKnee(predicted, 2_401.0, at_ms=1, mix="single"))
    found = mix_report(mix, Knee(KNEE_PER_S, 850.0, 950.0), [], [])
    show_knee(RampReport("", Machine.here(), {mix.value: found}), tmp_path)
    shown = KneeBoard(tmp_path).read()
    assert shown.predicted == (predicted if mix is Mix.SINGLE else None)
    assert (shown.measured_per_s, shown.mix) == (KNEE_PER_S, mix)
