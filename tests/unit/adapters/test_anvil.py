"""Which anvil is taken."""

from pathlib import Path

import pytest

from node.adapters import anvil
from node.adapters.anvil import AnvilProcess, find_anvil
from node.types.errors import ChainUnavailable


@pytest.fixture
def binary(tmp_path: Path) -> Path:
    path = tmp_path / "anvil"
    path.touch(mode=0o755)
    return path


@pytest.fixture
def no_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    modules = tmp_path / "node_modules"
    monkeypatch.setattr(anvil, "MODULES", modules)
    return modules


def test_the_named_one_goes_before_all_others(binary: Path) -> None:
    assert find_anvil({"PLIMSOLL_ANVIL": str(binary), "PATH": ""}) == binary


def test_a_named_one_that_is_missing_is_not_replaced_by_another(binary: Path) -> None:
    missing = {"PLIMSOLL_ANVIL": str(binary) + "-gone", "PATH": str(binary.parent)}
    assert find_anvil(missing) is None


def test_the_installed_one_goes_before_the_path(no_modules: Path, binary: Path) -> None:
    assert find_anvil({"PATH": str(binary.parent)}) == binary
    installed = no_modules / "@foundry-rs" / "anvil-linux-amd64" / "bin" / "anvil"
    installed.parent.mkdir(parents=True)
    installed.touch()
    assert find_anvil({"PATH": str(binary.parent)}) == installed


async def test_without_any_the_error_says_so(
    no_modules: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("PLIMSOLL_ANVIL", raising=False)
    with pytest.raises(ChainUnavailable):
        async with AnvilProcess():
            pass


async def test_a_binary_that_ends_at_once_is_reported() -> None:
    with pytest.raises(ChainUnavailable):
        async with AnvilProcess(binary=Path("/bin/false")):
            pass
