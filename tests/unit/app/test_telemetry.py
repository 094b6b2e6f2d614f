"""Each stage is counted to what it really works with."""

import pytest

from node.app.telemetry import runs_on


@pytest.mark.parametrize(
    ("stage", "workers", "found"),
    [
        ("verification", 2, "pool"),
        ("verification", 0, "loop"),
        ("transition", 2, "loop"),
        ("journal", 0, "thread"),
        ("batcher", 1, "process"),
    ],
)
def test_a_stage_runs_where_it_is_told_to(stage: str, workers: int, found: str) -> None:
    assert runs_on(stage, workers) == found
