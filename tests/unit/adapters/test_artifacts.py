"""The artifacts in the repository are readable and belong to the contracts that we name."""

import pytest

from node.adapters.artifacts import load_artifact
from node.types.errors import ArtifactUnreadable


@pytest.mark.parametrize(
    ("name", "function"),
    [("TestToken", "faucet"), ("Rollup", "postBatch"), ("Inbox", "claim")],
)
def test_an_artifact_holds_interface_and_code(name: str, function: str) -> None:
    artifact = load_artifact(name)
    assert function in {item.get("name") for item in artifact.abi}
    assert len(bytes.fromhex(artifact.bytecode.removeprefix("0x"))) > 1_000


@pytest.mark.parametrize(
    ("name", "immutables"),
    [
        ("TestToken", set()),
        ("Rollup", {"sequencer", "finalityBlocks", "rulesHash", "genesisRoot", "inbox"}),
        ("Inbox", {"rollup", "token"}),
    ],
)
def test_an_artifact_tells_where_its_immutables_stand(name: str, immutables: set[str]) -> None:
    artifact = load_artifact(name)
    bare = bytes.fromhex(artifact.deployed_bytecode.removeprefix("0x"))
    assert set(artifact.immutables) == immutables
    filled = artifact.runtime(dict.fromkeys(immutables, b"\xee" * 20))
    words = [filled[at : at + 32] for places in artifact.immutables.values() for at in places]
    assert set(words) <= {bytes(12) + b"\xee" * 20}
    assert len(filled) == len(bare)
    assert sum(new != old for new, old in zip(filled, bare, strict=True)) == 20 * len(words)


def test_an_unknown_contract_is_named() -> None:
    with pytest.raises(ArtifactUnreadable) as caught:
        load_artifact("Treasury")
    assert caught.value.name == "Treasury"
