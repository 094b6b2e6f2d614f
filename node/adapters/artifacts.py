"""The compiled contracts, as contracts/compile.js leaves them beside the package folder."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from node.types.errors import ArtifactUnreadable

ARTIFACTS = Path(__file__).resolve().parents[2] / "contracts" / "artifacts"


WORD_BYTES = 32


class Artifact(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """What a client needs of a contract: its interface, the code that creates it, and what is left.

    ``deployed_bytecode`` holds zeros where its constructor puts the ``immutables``: a word at each
    of these places.
    """

    abi: list[dict[str, Any]]
    bytecode: str
    deployed_bytecode: str
    immutables: dict[str, list[int]]

    def runtime(self, values: Mapping[str, bytes]) -> bytes:
        """Return the code that stands on L1 where the immutables are ``values``, padded to words.

        Raises ``KeyError`` where one of them is not given.
        """
        code = bytearray.fromhex(self.deployed_bytecode.removeprefix("0x"))
        for name, places in self.immutables.items():
            word = values[name].rjust(WORD_BYTES, b"\0")
            for place in places:
                code[place : place + WORD_BYTES] = word
        return bytes(code)


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
