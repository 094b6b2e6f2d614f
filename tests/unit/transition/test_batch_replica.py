"""Sealing: what is decoded again is what is executed, and the trees behind stay provable."""

import msgspec
import pytest

from node.codec.batch import BatchLimits, decode_batch
from node.codec.l1_gas import ROOT_BYTES
from node.transition import batch_replica
from node.transition.batch_replica import BatchReplica
from node.transition.leaves import withdrawal_key, withdrawal_value
from node.transition.replay import Replica
from node.transition.tree.proofs import verify_membership
from node.types.blocks import Block
from node.types.errors import NotFound, StateDiverged
from node.types.units import Money
from tests.examples import DAVE, DOLLAR, DOMAIN, RULES
from tests.unit.transition.example_log import example_log

LOG = example_log()


def fresh(trees_kept: int = 10) -> BatchReplica:
    return BatchReplica(Replica.genesis(RULES, DOMAIN), 0, trees_kept)


def pieces(size: int) -> list[list[Block]]:
    return [LOG.blocks[start : start + size] for start in range(0, len(LOG.blocks), size)]


def test_headers_chain_and_count() -> None:
    replica = fresh()
    genesis = replica.root
    batches = [replica.seal(blocks, "age") for blocks in pieces(10)]
    headers = [batch.header for batch in batches]
    assert [header.index for header in headers] == list(range(len(batches)))
    assert [header.previous_root for header in headers] == [
        genesis,
        *(header.new_root for header in headers[:-1]),
    ]
    assert headers[0].first_sequence == 1
    assert headers[-1].last_sequence == len(LOG.commands)
    assert headers[-1].inbox_cursor == len(LOG.deposits)
    commands = [command for batch in batches for command in decode_batch(batch.data)]
    assert tuple(commands) == LOG.commands
    assert batches[-1].last_hash == LOG.blocks[-1].hash


def test_a_whole_log_in_one_batch_has_its_roots_on_the_way() -> None:
    header = fresh().seal(LOG.blocks, "request").header
    stretches = Replica.genesis(RULES, DOMAIN).execute(LOG.commands)
    assert header.roots == tuple(stretch.root for stretch in stretches[:-1])
    assert header.new_root == stretches[-1].root


def test_a_single_block_is_sealed_however_many_bytes_it_has() -> None:
    batch = fresh().seal(LOG.blocks[:3], "bytes", bytes_max=1)
    assert batch.header.last_sequence == LOG.blocks[0].last_sequence
    assert batch.last_hash == LOG.blocks[0].hash


def test_what_is_too_much_is_cut_in_proportion() -> None:
    several = LOG.blocks[:40]
    whole = fresh().seal(several, "bytes")
    size = len(whole.data) + ROOT_BYTES * len(whole.header.roots)
    limit = size * 9 // 20
    part = fresh().seal(several, "bytes", limit)
    # Half of it would be too much as well, and a quarter fills 56 %.
    assert 0.7 * limit < len(part.data) + ROOT_BYTES * len(part.header.roots) <= limit


@pytest.mark.parametrize("interval", [1, 7])
def test_intermediate_roots_count_to_the_bytes_of_a_batch(interval: int) -> None:
    rules = msgspec.structs.replace(RULES, root_interval=interval)
    several = LOG.blocks[:12]
    whole = BatchReplica(Replica.genesis(rules, DOMAIN), 0, 2).seal(several, "bytes")
    roots_bytes = ROOT_BYTES * len(whole.header.roots)
    assert roots_bytes
    limit = len(whole.data) + roots_bytes - 1
    part = BatchReplica(Replica.genesis(rules, DOMAIN), 0, 2).seal(several, "bytes", limit)
    assert part.header.last_sequence < whole.header.last_sequence
    assert len(part.data) + ROOT_BYTES * len(part.header.roots) <= limit


def test_a_batch_unpacks_to_no_more_than_a_decoder_takes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small = BatchLimits(commands=40)
    monkeypatch.setattr(batch_replica, "decode_batch", lambda data: decode_batch(data, small))
    batch = fresh().seal(LOG.blocks, "bytes")
    assert 1 < batch.header.last_sequence <= 40
    assert len(decode_batch(batch.data)) == batch.header.last_sequence


def test_a_missing_block_is_refused() -> None:
    with pytest.raises(StateDiverged) as caught:
        fresh().seal([LOG.blocks[0], LOG.blocks[2]], "age")
    assert caught.value.where == "block order"
    assert caught.value.sequence == LOG.blocks[2].first_sequence
    assert caught.value.expected == LOG.blocks[1].first_sequence


def test_a_block_that_did_something_else_is_refused() -> None:
    blocks = [*LOG.blocks[:5], msgspec.structs.replace(LOG.blocks[5], changes=bytes(32))]
    with pytest.raises(StateDiverged) as caught:
        fresh().seal(blocks, "age")
    assert (caught.value.where, caught.value.number) == ("block", LOG.blocks[5].number)


def test_a_sealed_batch_replays_and_a_changed_one_does_not() -> None:
    batch = fresh().seal(LOG.blocks[:20], "age")
    copy = fresh()
    copy.replay(batch)
    assert (copy.root, copy.next_index) == (batch.header.new_root, 1)
    changed = msgspec.structs.replace(
        batch, header=msgspec.structs.replace(batch.header, new_root=bytes(32))
    )
    with pytest.raises(StateDiverged) as caught:
        fresh().replay(changed)
    assert caught.value.index == 0


def test_a_withdrawal_is_provable_in_every_later_batch_that_is_kept() -> None:
    replica = fresh(trees_kept=3)
    batches = [replica.seal(blocks, "age") for blocks in pieces(5)]
    last = batches[-1].header
    key = withdrawal_key(1)
    proof = replica.shelf.prove(last.index, key)
    value = withdrawal_value(DAVE.address, Money(75 * DOLLAR))
    verify_membership(last.new_root, key, value, proof)
    with pytest.raises(NotFound):
        replica.shelf.prove(last.index - 1, key)
    assert len(replica.shelf) == 3
    with pytest.raises(NotFound):
        replica.shelf.prove(last.index - 3, key)


def test_trees_before_a_final_batch_are_let_go() -> None:
    replica = fresh()
    for blocks in pieces(16):
        replica.seal(blocks, "age")
    replica.shelf.forget_below(2)
    assert [index in replica.shelf for index in range(4)] == [False, False, True, True]


def test_the_end_of_the_newest_final_batch_stays_however_long_no_later_one_is_final() -> None:
    replica = fresh(trees_kept=3)
    batches = [replica.seal(blocks, "age") for blocks in pieces(7)[:2]]
    assert replica.shelf.pin(1) == 1
    batches += [replica.seal(blocks, "age") for blocks in pieces(7)[2:]]
    last = batches[-1].header.index
    assert last >= 5
    kept = [index for index in range(last + 1) if index in replica.shelf]
    assert kept == [1, last - 1, last]
    assert replica.shelf.pin(last) == last
    replica.shelf.forget_below(last)
    assert (len(replica.shelf), last in replica.shelf) == (1, True)


def test_where_the_end_of_a_final_batch_has_gone_an_older_final_one_stays_pinned() -> None:
    replica = fresh(trees_kept=3)
    replica.keep_start(0, bytes(32))
    for blocks in pieces(7):
        replica.seal(blocks, "age")
    assert replica.shelf.pin(1) == -1
    replica.shelf.forget_below(1)
    assert -1 in replica.shelf
