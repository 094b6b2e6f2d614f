"""What `plimsoll ordering` writes, and what it refuses."""

from pathlib import Path

import msgspec
from typer.testing import CliRunner

from node.app.cli import app
from node.simulation.ordering.compare import Comparison
from node.types.errors import ConfigInvalid
from node.types.rules import Ordering


def test_a_comparison_tells_every_ordering_its_seeds_and_its_plots(tmp_path: Path) -> None:
    json, page = tmp_path / "ordering.json", tmp_path / "ordering.html"
    options = ["--seeds", "2", "--seconds", "2", "--block-ms", "50"]
    files = ["--json", str(json), "--report", str(page)]
    result = CliRunner().invoke(app, ["ordering", *options, *files])
    assert result.exit_code == 0, result.output
    assert "seeds 1, 2" in result.output
    compared = msgspec.json.decode(json.read_bytes(), type=Comparison)
    assert [row.ordering for row in compared.rows] == list(Ordering)
    assert {row.block_ms for row in compared.rows} == {50}
    assert compared.seeds == [1, 2]
    assert "plotly" in page.read_text(encoding="utf-8").lower()


def test_a_block_without_length_is_refused() -> None:
    result = CliRunner().invoke(app, ["ordering", "--block-ms", "0"])
    assert isinstance(result.exception, ConfigInvalid)
