"""The burdens are those of the node's own parts, on a size at which the figures say nothing."""

import asyncio
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from node.codec.batch import decode_batch, encode_batch
from node.publisher.feeds import Feeds
from node.risk.fleet import RiskFleet
from node.transition.state import State
from node.transition.tree.tree import StateTree
from node.types.commands import Action, Command, Deposit, Side, Uncross
from node.types.errors import WrongSigner
from node.types.hashing import keccak256
from node.types.ids import Address, MarketId
from node.types.units import Money
from node.verifier.verdict import Fault
from tests.benchmarks.batch_bytes import kind_of, log_of_all_kinds, measure_bytes
from tests.benchmarks.burdens import Crowd, measure_burdens
from tests.benchmarks.crowd import crowded, parts_of, replica_of
from tests.benchmarks.recovering import measure_recovery, start, write_folder
from tests.benchmarks.signed_log import SIGNING, Sequencing, SignedLog, signed_log
from tests.benchmarks.transition_tape import action_tape
from tests.benchmarks.verifying import Posted, measure_verifier, verified
from tests.examples import MALLORY, signed


@pytest.fixture(scope="module")
def log() -> SignedLog:
    """Return three blocks, of which the last two are timed: a hundred single items each."""
    return signed_log(action_tape(1, 200, 1))


def test_the_verifier_that_is_timed_checks_every_signature(log: SignedLog) -> None:
    posted = Posted(log)
    verdict, seconds = verified(posted)
    assert (verdict.ok, verdict.roots[-1]) == (True, log.root)
    assert seconds > 0
    *commands, last = decode_batch(posted.posted[-1].data)
    data = encode_batch([*commands, _forged(last)])
    posted.posted[-1] = msgspec.structs.replace(
        posted.posted[-1], data=data, data_hash=keccak256(data)
    )
    verdict, _ = verified(posted)
    assert verdict.difference is not None
    assert verdict.difference.fault is Fault.SIGNATURE


def test_the_sequencer_beside_it_checks_them_as_well(log: SignedLog) -> None:
    work = Sequencing()
    first, second, _ = log.blocks
    work.block(first.commands[1:], first.ids[1:], first.time)
    *commands, last = second.commands[1:]
    with pytest.raises(WrongSigner):
        work.block([*commands, _forged(last)], second.ids[1:], second.time)


def _forged(command: Command) -> Command:
    """Return ``command`` in its signer's name, with the signature of somebody else."""
    assert isinstance(command, Action)
    forged = signed(command, MALLORY, SIGNING).signature
    return msgspec.structs.replace(command, signature=forged)


def test_the_verifier_is_measured(log: SignedLog) -> None:
    speed, ratio = measure_verifier({1: log}, rounds=2)
    assert speed.of.startswith("202 commands")
    assert min(speed.value, ratio.value) > 0


@pytest.mark.parametrize("snapshot", [False, True])
def test_the_start_that_is_timed_comes_to_what_was_written(
    log: SignedLog, tmp_path: Path, snapshot: bool
) -> None:
    write_folder(tmp_path, log.blocks, snapshot=snapshot)
    begun = asyncio.run(start(tmp_path))
    assert begun.roots == (log.root, log.root)
    count = log.blocks[-1].last_sequence
    expected = (count, 0) if snapshot else (0, count)
    assert (begun.recovery.snapshot, begun.recovery.replayed) == expected


def test_a_start_on_less_comes_to_another_root(log: SignedLog, tmp_path: Path) -> None:
    write_folder(tmp_path, log.blocks[:-1], snapshot=False)
    begun = asyncio.run(start(tmp_path))
    assert begun.roots[0] == begun.roots[1] != log.root


def test_recovery_is_measured(log: SignedLog) -> None:
    rows = measure_recovery(log, rounds=1)
    assert [row.unit for row in rows] == ["s per million commands"] * 2 + ["ms"] * 2
    assert all(row.value > 0 for row in rows)


def test_each_kind_of_command_has_its_bytes() -> None:
    every = log_of_all_kinds(2, 2_000)
    assert {type(one) for one in every} == set(get_args(Command))
    singles, bulks = action_tape(1, 100, 1), action_tape(1, 100, 20)
    rows = {row.what: row for row in measure_bytes(singles.commands, bulks.commands, every)}
    of_all = {name for name in rows if name.startswith("batch of all kinds: ")}
    assert of_all == {f"batch of all kinds: {kind_of(one)}" for one in every}
    # Without its signatures, and a market's number is all that an auction's end says.
    assert 0 < rows["batch of all kinds: Uncross"].value < 2
    assert 1 < rows["batch of all kinds: PlaceOrders, a cancel"].value < 20
    assert rows["batch of all kinds: OracleRound"].value < 64
    bulk = rows["batch of bulks of 20: PlaceOrders, several items"]
    single = rows["batch of single items: PlaceOrders, an order"]
    assert single.value < bulk.value < 20 * single.value


def test_what_a_kind_adds_is_what_a_batch_lacks_without_it() -> None:
    # An address that nothing else names is twenty bytes, which nothing packs.
    deposits = [
        Deposit(index, Address(keccak256(bytes([index]))[:20]), Money(1)) for index in range(50)
    ]
    others = [Uncross(MarketId(1))] * 50
    rows = {row.what: row for row in measure_bytes(others, others, [*deposits, *others])}
    whole = len(encode_batch([*deposits, *others])) - len(encode_batch(others))
    assert rows["batch of all kinds: Deposit"].value == round(whole / 50, 2)
    assert whole >= 50 * 20


def test_what_a_node_holds_of_a_state_is_all_of_it() -> None:
    state = crowded(20, 2)
    feeds, _, fleet = (make() for make in parts_of(state).values())
    assert isinstance(feeds, Feeds)
    assert sum(len(one.orders) for one in feeds.accounts.by_address.values()) == 40
    assert sum(len(feeds.books.orders(MarketId(1), side)) for side in Side) == 40
    assert isinstance(fleet, RiskFleet)
    assert fleet.report().positions == 20
    copy, tree = (make() for make in replica_of(state).values())
    assert isinstance(copy, State)
    assert isinstance(tree, StateTree)
    assert tree.root == StateTree.build(dict(copy.leaves())).root


@pytest.mark.lengthy
def test_what_the_exchange_weighs_is_measured() -> None:
    rows = measure_burdens(items=200, rounds=1, crowd=Crowd(accounts=2_000, orders_each=2))
    by_name = {row.what: row for row in rows}
    assert by_name["batch"].value < by_name["MessagePack, zlib 9"].value
    held = by_name["memory of the state"]
    assert held.of == "2,000 accounts, 2,000 positions, 4,000 orders"
    own, copy = (
        by_name["memory of a node's own process"],
        by_name["memory of its replica's process"],
    )
    assert held.value < own.value
    assert by_name["memory of a node"].value == pytest.approx(own.value + copy.value)
    assert "verifier over sequencer" in by_name
    assert all(row.value >= 0 for row in rows if not row.what.startswith("batch of "))
