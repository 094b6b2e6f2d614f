"""The compiled contracts, as contracts/compile.js leaves them beside the package folder."""

from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from node.types.errors import ArtifactUnreadable

ARTIFACTS = Path(__file__).resolve().parents[2] / "contracts" / "artifacts"


class Artifact(msgspec.Struct, frozen=True, gc=False):
    """What a client needs of a contract: its interface and the code that creates it."""

    abi: list[dict[str, Any]]
    bytecode: str


@cache
def load_artifact(name: str) -> Artifact:
    """The artifact of the contract ``name`` (TestToken, Rollup, Inbox).

    Raises ArtifactUnreadable outside of a source checkout, or when the file is not an artifact.
    """
    path = ARTIFACTS / f"{name}.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=Artifact)
    except (OSError, msgspec.DecodeError) as error:
        raise ArtifactUnreadable(name=name, path=str(path), detail=str(error)) from error
