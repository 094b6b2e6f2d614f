"""The data folder: one process at a time, one exchange for ever."""

import errno
import fcntl
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from node.adapters.data_folder import DataFolder, reserved
from node.adapters.journal_segment import EMPTY, segment_path, segment_start
from node.types.errors import DataLocked, SetupError, WrongChain
from node.types.ids import Sequence
from tests.unit.adapters.blocks_for_disk import IDENTITY, OTHER


def test_a_new_folder_is_made_and_found_again(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "data"
    with DataFolder(path, IDENTITY) as folder:
        assert folder.journal.is_dir()
        assert folder.snapshots.is_dir()
        assert folder.batches.is_dir()
    with DataFolder(path, IDENTITY) as again:
        assert again.identity == IDENTITY


def test_a_second_user_is_refused_until_the_first_is_done(tmp_path: Path) -> None:
    first = DataFolder(tmp_path, IDENTITY)
    with pytest.raises(DataLocked) as refusal:
        DataFolder(tmp_path, IDENTITY)
    assert refusal.value.path == str(tmp_path)
    first.close()
    first.close()
    DataFolder(tmp_path, IDENTITY).close()


def test_a_lock_file_that_is_deleted_or_replaced_lets_nobody_in(tmp_path: Path) -> None:
    with DataFolder(tmp_path, IDENTITY) as folder:
        (tmp_path / "lock").unlink()
        with pytest.raises(DataLocked):
            DataFolder(tmp_path, IDENTITY)
        # As a backup brings one back.
        (tmp_path / "lock.restored").touch()
        (tmp_path / "lock.restored").rename(tmp_path / "lock")
        with pytest.raises(DataLocked), reserved(tmp_path):
            pass
        assert folder.identity == IDENTITY
    DataFolder(tmp_path, IDENTITY).close()


def test_an_older_node_that_looks_at_the_lock_file_alone_keeps_a_newer_one_out_and_is_kept_out(
    tmp_path: Path,
) -> None:
    (tmp_path / "lock").touch()
    with (tmp_path / "lock").open("r+") as older:
        fcntl.flock(older, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with pytest.raises(DataLocked):
            DataFolder(tmp_path, IDENTITY)
    with (
        DataFolder(tmp_path, IDENTITY),
        (tmp_path / "lock").open("r+") as late,
        pytest.raises(BlockingIOError),
    ):
        fcntl.flock(late, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_where_folders_cannot_be_locked_the_file_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = fcntl.flock

    def lock_files(descriptor: int, how: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        lock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", lock_files)
    with DataFolder(tmp_path, IDENTITY), pytest.raises(DataLocked):
        DataFolder(tmp_path, IDENTITY)
    DataFolder(tmp_path, IDENTITY).close()


def test_a_child_does_not_keep_the_folder_of_a_dead_parent(tmp_path: Path) -> None:
    code = (
        "import os, subprocess, sys; from pathlib import Path;"
        "from node.adapters.data_folder import DataFolder;"
        "from tests.unit.adapters.blocks_for_disk import IDENTITY;"
        "folder = DataFolder(Path(sys.argv[1]), IDENTITY);"
        "child = subprocess.Popen(['sleep', '60'], stdout=subprocess.DEVNULL, close_fds=False);"
        "print(child.pid, flush=True); os._exit(9)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], check=False, stdout=subprocess.PIPE
    )
    try:
        DataFolder(tmp_path, IDENTITY).close()
    finally:
        os.kill(int(done.stdout), signal.SIGKILL)


def test_the_lock_dies_with_the_process(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path;"
        "from node.adapters.data_folder import DataFolder;"
        "from tests.unit.adapters.blocks_for_disk import IDENTITY;"
        "folder = DataFolder(Path(sys.argv[1]), IDENTITY); os._exit(9)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert done.returncode == 9
    DataFolder(tmp_path, IDENTITY).close()


def test_a_folder_whose_identity_is_lost_is_not_given_away_from_its_log(tmp_path: Path) -> None:
    with DataFolder(tmp_path, IDENTITY) as folder:
        journal = folder.journal
    (tmp_path / "identity.json").unlink()
    segment_path(journal, Sequence(1)).write_bytes(segment_start(IDENTITY, EMPTY))
    with pytest.raises(WrongChain) as refusal:
        DataFolder(tmp_path, OTHER)
    assert refusal.value.values["field"] == "chain_id"
    assert not (tmp_path / "identity.json").exists()
    DataFolder(tmp_path, IDENTITY).close()
    assert (tmp_path / "identity.json").exists()


@pytest.mark.parametrize(
    ("field", "value"), [("chain_id", 1), ("rollup", bytes(20)), ("rules", bytes(32))]
)
def test_another_exchange_is_refused_and_the_lock_let_go(
    tmp_path: Path, field: str, value: object
) -> None:
    DataFolder(tmp_path, IDENTITY).close()
    with pytest.raises(WrongChain) as refusal:
        DataFolder(tmp_path, msgspec.structs.replace(IDENTITY, **{field: value}))
    assert (refusal.value.field, refusal.value.found) == (field, getattr(IDENTITY, field))
    DataFolder(tmp_path, IDENTITY).close()


@pytest.mark.parametrize("text", ["", "{}", '{"chain_id":1,"rollup":"0xzz","rules":"0x"}'])
def test_an_identity_that_cannot_be_read_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "identity.json").write_text(text)
    with pytest.raises(SetupError) as refusal:
        DataFolder(tmp_path, OTHER)
    assert refusal.value.file == str(tmp_path / "identity.json")
