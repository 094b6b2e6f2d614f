"""The comparison of two Pythons finds what differs, and passes where nothing does."""

import sys
from pathlib import Path

import pytest

from tests.simulation import cross_version
from tests.simulation.cross_version import (
    Recording,
    compare,
    execute,
    execute_as_other,
    main,
    record,
)


@pytest.fixture(scope="module")
def recording() -> Recording:
    return record()


def test_an_interpreter_agrees_with_itself(
    recording: Recording, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([sys.executable]) == 0
    batches = sum(map(len, recording.values()))
    assert capsys.readouterr().out.splitlines()[-1] == f"{batches} passed, 0 failed"


def test_a_python_that_computes_something_else_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    python = tmp_path / "python"
    python.write_text("""#!/bin/sh\necho '["3.99.0", {"calm": ["00"]}]'\n""", "utf-8")
    python.chmod(0o700)
    assert main([str(python)]) == 1
    said = capsys.readouterr()
    assert said.out.splitlines()[-1] == "0 passed, 1 failed"
    assert f"seed {cross_version.SEED}: calm, batch 0: " in said.err


def test_the_first_difference_is_named(recording: Recording) -> None:
    roots = execute(recording)
    changed = {temper: list(found) for temper, found in roots.items()}
    changed["crashes"][1] = "other"
    count, difference = compare(roots, changed)
    assert count == len(roots["calm"]) + 1
    assert difference == f"crashes, batch 1: {roots['crashes'][1]} here, other there"
    cut = {**roots, "long": roots["long"][:-1]}
    assert compare(roots, cut)[0] == sum(map(len, roots.values())) - 1


def test_a_batch_that_another_python_cannot_execute_has_its_place(recording: Recording) -> None:
    batches = recording["calm"]
    roots = execute_as_other({"calm": [batches[0], batches[2]]})["calm"]
    assert roots[0] == execute({"calm": batches[:1]})["calm"][0]
    assert roots[1].startswith("StateDiverged(")
    assert len(roots) == 2
