"""Which exchange a node serves: a new one is deployed once, and only where that can be noted."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from node.adapters.data_folder import reserved, stored_identity
from node.adapters.deployment import Deployment
from node.adapters.identity import Identity
from node.app import exchange
from node.app.config import read_config
from node.app.exchange import find_or_deploy
from node.types.blocks import Domain
from node.types.errors import DataLocked, PathUnusable, SetupError

CONFIG = read_config(Path(__file__).resolve().parents[3] / "configs" / "devnet.toml")
CHAIN_ID = 31_337
SECRET = b"\7" * 32
NEW = Domain(CHAIN_ID, b"\2" * 20)
DEPLOYMENT = Deployment("0x" + "01" * 20, "0x" + "02" * 20, "0x" + "03" * 20, 7)


async def find(data: Path) -> tuple[Domain, bool]:
    return await find_or_deploy(msgspec.structs.replace(CONFIG, data=data), CHAIN_ID, SECRET)


@pytest.fixture
def paid(monkeypatch: pytest.MonkeyPatch) -> list[Deployment]:
    """Give what was deployed so far; nothing is in fact."""
    made: list[Deployment] = []

    async def deploy(*_: object, **__: object) -> Deployment:
        made.append(DEPLOYMENT)
        # Others have their turn while L1 works.
        await asyncio.sleep(0)
        return DEPLOYMENT

    monkeypatch.setattr(exchange, "deploy", deploy)
    return made


async def test_a_new_exchange_is_noted_before_anyone_asks_for_it(
    tmp_path: Path, paid: list[Deployment]
) -> None:
    data = tmp_path / "deep" / "data"
    assert await find(data) == (NEW, True)
    assert stored_identity(data) == Identity.of(NEW, CONFIG.rules)
    assert await find(data) == (NEW, False)
    assert len(paid) == 1


async def test_nothing_is_paid_for_where_it_cannot_be_noted(
    tmp_path: Path, paid: list[Deployment]
) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(PathUnusable):
        await find(tmp_path / "file" / "data")
    with reserved(tmp_path / "data"), pytest.raises(DataLocked):
        await find(tmp_path / "data")
    assert not paid


async def test_of_two_starts_on_one_fresh_folder_one_deploys(
    tmp_path: Path, paid: list[Deployment]
) -> None:
    found = await asyncio.gather(find(tmp_path), find(tmp_path), return_exceptions=True)
    assert found[0] == (NEW, True)
    assert isinstance(found[1], DataLocked)
    assert await find(tmp_path) == (NEW, False)
    assert len(paid) == 1


async def test_what_a_file_system_leaves_in_a_folder_is_no_log(
    tmp_path: Path, paid: list[Deployment]
) -> None:
    (tmp_path / "journal" / "lost+found").mkdir(parents=True)
    (tmp_path / "journal" / ".gitkeep").touch()
    assert await find(tmp_path) == (NEW, True)
    assert len(paid) == 1


@pytest.mark.parametrize(
    "name",
    [f"journal/{1:020d}.journal", f"batches/{0:012d}.batch", f"snapshots/{7:020d}.snapshot"],
)
async def test_no_exchange_is_paid_for_over_the_data_of_another(
    name: str, tmp_path: Path, paid: list[Deployment]
) -> None:
    assert await find(tmp_path) == (NEW, True)
    held = tmp_path / name
    held.parent.mkdir()
    held.write_bytes(b"log")
    (tmp_path / "identity.json").unlink()
    with pytest.raises(SetupError) as refused:
        await find(tmp_path)
    assert refused.value.file == str(tmp_path / "identity.json")
    assert str(held) in refused.value.detail
    assert "--rollup" in refused.value.detail
    assert len(paid) == 1
    assert stored_identity(tmp_path) is None


async def test_empty_folders_are_nobody_s_data(tmp_path: Path, paid: list[Deployment]) -> None:
    for name in ("journal", "batches", "snapshots"):
        (tmp_path / name).mkdir()
    assert await find(tmp_path) == (NEW, True)
    assert len(paid) == 1
