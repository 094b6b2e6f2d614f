"""A key file is read only where it holds a key that nobody else can read."""

from pathlib import Path

import pytest

from node.adapters.key_signer import read_key_file
from node.types.errors import ConfigInvalid

SECRET = bytes([7]) * 32


def key_file(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "key"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


@pytest.mark.parametrize("text", [SECRET.hex(), f"0x{SECRET.hex()}\n"])
def test_a_key_is_hexadecimal_with_or_without_a_prefix(tmp_path: Path, text: str) -> None:
    assert read_key_file(key_file(tmp_path, text), "key") == SECRET


@pytest.mark.parametrize(
    "text",
    ["", "7", SECRET.hex() + "7", SECRET.hex() + "77", SECRET.hex()[2:], "zz" * 32, "é", "00" * 32,
     "ff" * 32],
)  # fmt: skip
def test_what_is_no_key_is_refused_and_not_shown(tmp_path: Path, text: str) -> None:
    path = key_file(tmp_path, text)
    with pytest.raises(ConfigInvalid) as raised:
        read_key_file(path, "l1.key_file")
    allowed = "a private key of 64 hexadecimal digits allowed"
    assert raised.value.faults == (f"l1.key_file: {path}: {allowed}",)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(ConfigInvalid) as raised:
        read_key_file(key_file(tmp_path, SECRET.hex(), mode), "key")
    assert "chmod 600" in raised.value.faults[0]


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid) as raised:
        read_key_file(tmp_path / "absent", "key")
    assert raised.value.faults == (f"key: {tmp_path / 'absent'}: No such file or directory",)
