"""The stored vectors replay, from their leaves alone, to the same events, leaves and root."""

import json
from typing import Any

import pytest

from node.codec.commands import decode_command
from node.transition import invariants
from node.transition.apply import apply
from node.transition.state import State
from node.transition.tree.tree import StateTree
from node.types import commands
from node.types.rules import decode_rules
from tests.examples import DOMAIN
from tests.vectors.catalogue import CASES
from tests.vectors.make import FOLDER, leaves_of, named, path_of, vector_of

KINDS = {
    "place_orders": commands.PlaceOrders,
    "cancel_all": commands.CancelAll,
    "adjust_margin": commands.AdjustMargin,
    "withdraw": commands.Withdraw,
    "approve_agent": commands.ApproveAgent,
    "open_block": commands.OpenBlock,
    "deposit": commands.Deposit,
    "oracle_round": commands.OracleRound,
    "settle_funding": commands.SettleFunding,
    "liquidate": commands.Liquidate,
    "set_switch": commands.SetSwitch,
    "expire": commands.Expire,
    "trigger_order": commands.TriggerOrder,
    "disconnected": commands.Disconnected,
    "uncross": commands.Uncross,
}


def stored(name: str) -> dict[str, Any]:
    vector: dict[str, Any] = json.loads(path_of(name).read_text(encoding="utf-8"))
    return vector


@pytest.mark.parametrize("name", CASES)
def test_a_vector_replays(name: str) -> None:
    vector = stored(name)
    rules = decode_rules(json.dumps(vector["rules"]).encode())
    leaves = [
        (bytes.fromhex(key[2:]), bytes.fromhex(value[2:])) for key, value in vector["pre"].items()
    ]
    state = State.from_leaves(rules, DOMAIN, leaves)
    assert leaves_of(state) == vector["pre"]
    tree = StateTree.build(dict(leaves))
    state.drain_changes()
    for encoded in vector.get("before", ()):
        apply(state, decode_command(bytes.fromhex(encoded[2:])))
    command = decode_command(bytes.fromhex(vector["encoded"][2:]))
    assert named(command) == vector["command"]
    assert named(apply(state, command)) == vector["events"]
    assert leaves_of(state) == vector["post"]
    assert "0x" + StateTree.build(dict(state.leaves())).root.hex() == vector["root"]
    # While orders wait for an auction their reserves stand in no leaf, and nothing is drained.
    if not state.gathering:
        changed = tree.update(state.drain_changes())
        assert "0x" + changed.root.hex() == vector["root"], "a changed leaf was not told of"
    invariants.check(state)


@pytest.mark.parametrize("name", CASES)
def test_a_vector_is_what_its_case_makes(name: str) -> None:
    assert vector_of(CASES[name]) == stored(name)


def test_every_kind_of_command_has_vectors_and_each_stands_in_its_folder() -> None:
    written = {
        f"{path.parent.name}/{path.stem}" for kind in KINDS for path in (FOLDER / kind).glob("*")
    }
    assert written == set(CASES)
    for name in CASES:
        assert stored(name)["command"]["type"] == KINDS[name.split("/")[0]].__name__
    assert set(KINDS.values()) == set(commands.Command.__args__)
