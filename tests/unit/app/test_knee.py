"""The knee comes from a file that others write, whenever they do."""

import os
from pathlib import Path

from node.app.knee import NAME, KneeBoard, write_knee
from node.capacity.loadline import Knee, KneeRange

FIRST = Knee(KneeRange(1.0, 2.0, 3.0), measured_per_s=2.5, at_ms=10)
SECOND = Knee(measured_per_s=400.0, at_ms=20)


def test_the_board_follows_the_file(tmp_path: Path) -> None:
    board = KneeBoard(tmp_path)
    assert board.read() == Knee()
    write_knee(tmp_path, FIRST)
    assert board.read() == FIRST
    write_knee(tmp_path, SECOND)
    assert board.read() == SECOND
    (tmp_path / NAME).unlink()
    assert board.read() == Knee()


def test_a_broken_file_takes_nothing_away(tmp_path: Path) -> None:
    board = KneeBoard(tmp_path)
    write_knee(tmp_path, FIRST)
    assert board.read() == FIRST
    (tmp_path / NAME).write_bytes(b'{"predicted": 3')
    os.utime(tmp_path / NAME, ns=(1, 1))
    assert board.read() == FIRST
