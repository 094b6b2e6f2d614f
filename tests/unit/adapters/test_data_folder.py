"""The data folder: one process at a time, one exchange for ever."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from node.adapters.data_folder import DataFolder
from node.types.errors import DataLocked, SetupError, WrongChain
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
