"""The replica: stretches and their roots, and what it says when two executions part."""

import msgspec
import pytest

from node.transition.replay import Replica
from node.transition.tree.tree import StateTree
from node.types.commands import OpenBlock, OracleRound
from node.types.errors import BatchMalformed, StateDiverged
from tests.examples import DOMAIN, RULES
from tests.unit.transition.example_log import example_log

LOG = example_log()
CHANGES = {block.number: block.changes for block in LOG.blocks}


def replica() -> Replica:
    return Replica.genesis(RULES, DOMAIN)


def test_the_genesis_root_is_that_of_the_leaves_of_the_empty_state() -> None:
    start = replica()
    assert start.root == StateTree.build(dict(start.state.leaves())).root


def test_the_last_root_is_that_of_all_leaves() -> None:
    copy = replica()
    stretches = copy.execute(LOG.commands, CHANGES)
    assert copy.state.sequence == len(LOG.commands)
    assert stretches[-1].root == StateTree.build(dict(LOG.state.leaves())).root == copy.root


def test_stretches_end_with_the_first_block_past_the_interval() -> None:
    ends = {block.last_sequence for block in LOG.blocks}
    stretches = replica().execute(LOG.commands)
    assert [one.first_sequence for one in stretches] == [
        1,
        *(one.last_sequence + 1 for one in stretches[:-1]),
    ]
    for one in stretches[:-1]:
        inner = [end for end in ends if one.first_sequence <= end < one.last_sequence]
        assert one.last_sequence in ends
        assert one.last_sequence - one.first_sequence + 1 >= RULES.root_interval
        assert all(end - one.first_sequence + 1 < RULES.root_interval for end in inner)


def test_a_log_that_ends_at_an_interval_has_no_empty_stretch() -> None:
    rules = msgspec.structs.replace(RULES, root_interval=1)
    log = example_log(rules=rules)
    stretches = Replica.genesis(rules, DOMAIN).execute(log.commands)
    assert [one.last_sequence for one in stretches] == [block.last_sequence for block in log.blocks]


def test_another_digest_names_block_and_sequence() -> None:
    block = LOG.blocks[9]
    wrong = CHANGES | {block.number: bytes(32)}
    with pytest.raises(StateDiverged) as caught:
        replica().execute(LOG.commands, wrong)
    assert caught.value.where == "block"
    assert caught.value.number == block.number
    assert caught.value.first_sequence == block.first_sequence
    assert caught.value.found == block.changes


def test_a_block_without_a_digest_diverges() -> None:
    missing = {number: digest for number, digest in CHANGES.items() if number != 3}
    with pytest.raises(StateDiverged) as caught:
        replica().execute(LOG.commands, missing)
    assert (caught.value.number, caught.value.expected) == (3, None)


def test_a_rejected_command_is_named() -> None:
    place = next(i for i, command in enumerate(LOG.commands) if isinstance(command, OracleRound))
    twice = (*LOG.commands[: place + 1], *LOG.commands[place:])
    with pytest.raises(StateDiverged) as caught:
        replica().execute(twice)
    assert caught.value.where == "command"
    assert caught.value.sequence == place + 2
    assert caught.value.error == "OracleRoundRefused"


def test_a_log_must_begin_with_a_block() -> None:
    assert isinstance(LOG.commands[0], OpenBlock)
    with pytest.raises(BatchMalformed):
        replica().execute(LOG.commands[1:])


def test_leaves_are_enough_to_go_on() -> None:
    half = len(LOG.blocks) // 2
    first = replica()
    first.execute([command for block in LOG.blocks[:half] for command in block.commands])
    rest = [command for block in LOG.blocks[half:] for command in block.commands]
    restored = Replica.from_leaves(RULES, DOMAIN, first.tree.items())
    assert restored.root == first.root
    assert restored.execute(rest, CHANGES) == first.execute(rest, CHANGES)
