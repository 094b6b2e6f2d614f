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


def test_an_unknown_contract_is_named() -> None:
    with pytest.raises(ArtifactUnreadable) as caught:
        load_artifact("Treasury")
    assert caught.value.name == "Treasury"
