"""The verifier where contracts, rules or the last root are not what they should be."""

import msgspec
import pytest

from node.types.commands import OpenBlock
from node.verifier.rebuild import NO_BATCH
from node.verifier.verdict import Difference, Fault
from tests.examples import RULES
from tests.unit.verifier.example_chain import ExampleChain


@pytest.fixture
def chain() -> ExampleChain:
    return ExampleChain()


def difference(chain: ExampleChain) -> Difference:
    found = chain.verdict().difference
    assert found is not None
    return found


def test_a_root_that_the_contract_does_not_have_is_a_contradiction(chain: ExampleChain) -> None:
    """Logs and views may come from different backends; claims are paid against the views."""
    chain.root = bytes(32)
    found = difference(chain)
    assert (found.fault, found.batch) == (Fault.CONTRADICTION, chain.count - 1)
    assert found.found == "0x" + bytes(32).hex()


def test_foreign_contracts_are_named_before_all_else(chain: ExampleChain) -> None:
    chain.facts = msgspec.structs.replace(chain.facts, foreign=("Inbox at 0x66",))
    found = difference(chain)
    assert (found.fault, found.found) == (Fault.CONTRACT, "Inbox at 0x66")


@pytest.mark.parametrize(
    ("canonical", "other"),
    [
        (b'"quorum":2', b'"quorum":3,"quorum":2'),
        (b'"quorum":2', b'"quoru\\u006d":3,"quorum":2'),
        (b'"quorum":2', b'"quorum": 2'),
        (RULES.encode()[1:30], RULES.encode()[1:30] + b" "),
    ],
)
def test_rules_that_read_two_ways_are_refused(
    chain: ExampleChain, canonical: bytes, other: bytes
) -> None:
    rules = chain.facts.rules
    assert canonical in rules
    chain.facts = msgspec.structs.replace(chain.facts, rules=rules.replace(canonical, other, 1))
    found = difference(chain)
    assert (found.fault, found.batch) == (Fault.GENESIS, NO_BATCH)


def test_rules_that_are_no_text_are_a_difference(chain: ExampleChain) -> None:
    chain.facts = msgspec.structs.replace(chain.facts, rules=b'{"name":"\xff\xfe"}')
    assert difference(chain).fault is Fault.GENESIS


@pytest.mark.parametrize("at_end", [False, True])
def test_a_block_that_holds_nothing_is_refused(chain: ExampleChain, *, at_end: bool) -> None:
    """A thousand bytes of them would cost a verifier seconds."""
    commands = chain.commands(3)
    places = [place for place, one in enumerate(commands) if isinstance(one, OpenBlock)]
    last = commands[places[-1]]
    assert isinstance(last, OpenBlock)
    if at_end:
        empty = msgspec.structs.replace(last, number=last.number + 1)
        chain.change_commands(3, lambda commands: commands.append(empty))
    else:
        later = msgspec.structs.replace(last, number=last.number + 1)
        chain.change_commands(3, lambda commands: commands.insert(places[-1] + 1, later))
    header = chain.posted[3].header
    chain.change_header(3, last_sequence=header.last_sequence + 1)
    found = difference(chain)
    assert (found.fault, found.batch) == (Fault.DATA, 3)
    assert "nothing but its opening" in found.found
