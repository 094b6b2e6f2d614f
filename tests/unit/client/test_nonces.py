"""No nonce is given out twice, by whichever task, source or process."""

import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from node.client.nonces import CountedNonces, SharedNonces
from node.types.errors import PathUnusable
from tests.architecture.sources import TOP

TAKES = 200
CHILD = """
import sys
from pathlib import Path
from node.client.nonces import SharedNonces
source = SharedNonces(Path(sys.argv[1]))
print(*(source.take() for _ in range(int(sys.argv[2]))))
"""


def test_counted_nonces_follow_each_other_and_never_go_back() -> None:
    source = CountedNonces(5)
    assert [source.take(), source.take()] == [5, 6]
    source.learn(100)
    source.learn(3)
    assert source.take() == 101


def test_two_sources_of_one_file_share_its_nonces(tmp_path: Path) -> None:
    file = tmp_path / "nonces" / "key"
    one, other = SharedNonces(file, 7), SharedNonces(file, 3)
    taken = [source.take() for _ in range(5) for source in (one, other)]
    assert taken == list(range(7, 17))
    one.learn(40)
    other.learn(20)
    assert other.take() == 41
    assert file.stat().st_mode & 0o777 == 0o600
    one.close()
    other.close()


def test_a_file_of_nonsense_begins_anew(tmp_path: Path) -> None:
    file = tmp_path / "nonces"
    file.write_text("not a number at all")
    source = SharedNonces(file, 4)
    assert source.take() == 4
    source.close()


def test_a_place_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PathUnusable):
        SharedNonces(tmp_path / "file" / "nonces")


def test_a_nonce_is_taken_while_nobody_else_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two who read at once would both return what they read."""
    source = SharedNonces(tmp_path / "nonces")
    lock = fcntl.flock

    def lock_or_fail(file: int, operation: int) -> None:
        lock(file, operation | fcntl.LOCK_NB)

    monkeypatch.setattr(fcntl, "flock", lock_or_fail)
    with source.path.open() as other:
        lock(other, fcntl.LOCK_SH)
        with pytest.raises(BlockingIOError):
            source.take()
    assert source.take() == 1
    source.close()


def test_processes_at_once_get_nonces_of_their_own(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CHILD, str(tmp_path / "nonces"), str(TAKES)]
    children = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=TOP) for _ in range(3)
    ]
    taken = [int(word) for child in children for word in child.communicate()[0].split()]
    assert sorted(taken) == list(range(1, 3 * TAKES + 1))
