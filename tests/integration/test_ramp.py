"""A ramp of a real node, with small rates: everything is wired, counted and told."""

from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from node.simulation.ramp.command import RampOptions, RampTimedOut, ramp, settings_of
from node.simulation.ramp.messages import Mix
from node.simulation.ramp.ramp import RampSettings, ramp_of
from node.simulation.ramp.report import RampReport
from node.simulation.ramp.target import target_of_its_own
from node.types.errors import ConfigInvalid


@pytest.mark.lengthy
async def test_points_of_a_node_of_its_own_are_counted_on_both_sides() -> None:
    settings = RampSettings(window_s=0.5, warm_s=0.1, accounts=8, connections=2)
    async with target_of_its_own(8) as target:
        folder = target.data
        async with ramp_of(target, Mix.CANCEL, settings) as running:
            quiet = await running.measure(60.0)
            falling = await running.measure(60.0, share=0.5, wave=True)
    assert folder is not None
    assert not folder.exists()
    point = quiet.point
    assert set(point.lanes) == {"reducing", "resting", "taking"}
    for lane in point.lanes.values():
        assert lane.due == lane.done + lane.rejected + lane.refused + lane.lost
        assert not lane.lost
    # What the generator saw done within the window is what the node counted, but for its edges.
    counted = sum(k.commands for k in quiet.window.kinds if k.kind in {"place", "cancel"})
    done = sum(lane.done for lane in point.lanes.values())
    assert done > 0
    assert abs(counted - done) <= 0.5 * done + 10
    assert 0 < quiet.point.utilization["journal"] < 1
    assert quiet.generator_s > 0
    assert set(quiet.beside_s) == {"ramp", "chain"}
    assert falling.point.liquidations is not None
    assert falling.point.liquidations.proposed > 0
    assert falling.point.share == 0.5


@pytest.mark.thorough
def test_a_ramp_tells_what_it_found(tmp_path: Path) -> None:
    options = RampOptions(
        first_per_s=40.0,
        highest_per_s=40.0,
        window_s=0.3,
        accounts=4,
        connections=2,
        liquidations=False,
        json_path=tmp_path / "ramp.json",
        html_path=tmp_path / "ramp.html",
    )
    with (tmp_path / "out.txt").open("w") as out:
        assert ramp(options, Console(file=out, width=140)) == 0
    report = msgspec.json.decode((tmp_path / "ramp.json").read_bytes(), type=RampReport)
    found = report.mixes["single"]
    assert found.knee.open_ended
    assert [point.share for point in found.points] == [0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0]
    assert "single: knee at least 40/s" in (tmp_path / "out.txt").read_text()
    page = (tmp_path / "ramp.html").read_text()
    assert "Goodput over offered load" in page
    assert "<script src=" not in page


def test_a_ramp_that_lasts_too_long_is_cut(tmp_path: Path) -> None:
    with pytest.raises(RampTimedOut), (tmp_path / "out.txt").open("w") as out:
        ramp(RampOptions(within_s=1.0), Console(file=out))


def test_all_faults_of_the_options_are_told() -> None:
    options = RampOptions(first_per_s=0.0, highest_per_s=-1.0, window_s=0.0, accounts=0)
    with pytest.raises(ConfigInvalid) as refused:
        settings_of(options)
    keys = [fault.partition(":")[0] for fault in refused.value.values["faults"]]
    assert keys == ["first", "highest", "window", "accounts"]
