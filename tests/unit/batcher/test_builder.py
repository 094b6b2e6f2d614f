"""Blocks become candidates: whole, in order, within the limits."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.batcher.builder import BatchBuilder, BlockBytes, Candidate
from node.batcher.config import BatcherConfig
from node.batcher.policy import Load, SealCause, SealPolicy
from node.types.errors import StateDiverged
from node.types.ids import Sequence

MS = 1_000_000


def builder(**keys: int) -> BatchBuilder:
    return BatchBuilder(SealPolicy(BatcherConfig(**keys), root_interval=1_000), Sequence(1))


def block(first: int, commands: int, size: int = 100) -> BlockBytes:
    """Return a block whose data are estimated at ``size`` bytes, without experience."""
    return BlockBytes(bytes(size), 2 * size, Sequence(first), Sequence(first + commands - 1))


def test_blocks_gather_until_a_limit_is_reached() -> None:
    batch = builder(commands_max=5)
    assert batch.add(block(1, 3), 0) == []
    assert batch.load == Load(3, 200, 100)
    (closed,) = batch.add(block(4, 2), 7)
    assert (closed.first_sequence, closed.last_sequence) == (1, 5)
    assert (closed.cause, closed.since_ns) == (SealCause.COMMANDS, 0)
    assert closed.load == Load(5, 400, 200)
    assert (batch.load, batch.next_sequence) == (Load(), 6)


def test_a_block_that_would_exceed_a_limit_goes_into_the_next_batch() -> None:
    batch = builder(data_bytes_max=1_000)
    batch.add(block(1, 1, 900), 0)
    (closed,) = batch.add(block(2, 1, 200), 5)
    assert (closed.last_sequence, closed.cause) == (1, SealCause.BYTES)
    assert batch.load == Load(1, 400, 200)
    last = batch.close()
    assert last is not None
    assert (last.first_sequence, last.since_ns, last.cause) == (2, 5, SealCause.REQUEST)


def test_a_block_larger_than_a_limit_is_a_batch_of_its_own() -> None:
    batch = builder(commands_max=5)
    batch.add(block(1, 2), 0)
    closed = batch.add(block(3, 50), 0)
    assert [(one.first_sequence, one.last_sequence) for one in closed] == [(1, 2), (3, 52)]


def test_age_counts_from_the_oldest_block() -> None:
    batch = builder(age_ms_max=10)
    assert batch.wait_ns(0) is None
    assert batch.close_if_aged(10**12) is None
    batch.add(block(1, 1), 5 * MS)
    batch.add(block(2, 1), 9 * MS)
    assert batch.wait_ns(8 * MS) == 7 * MS
    assert batch.wait_ns(99 * MS) == 0
    assert batch.close_if_aged(15 * MS - 1) is None
    closed = batch.close_if_aged(15 * MS)
    assert closed is not None
    assert closed.cause is SealCause.AGE
    assert batch.close() is None


def test_a_missing_block_stops_the_batcher() -> None:
    batch = builder()
    batch.add(block(1, 3), 0)
    with pytest.raises(StateDiverged) as caught:
        batch.add(block(5, 1), 0)
    assert (caught.value.sequence, caught.value.expected) == (5, 4)


@given(
    st.lists(st.tuples(st.integers(1, 30), st.integers(1, 3_000)), max_size=60),
    st.integers(1, 40),
    st.integers(1_000, 5_000),
)
def test_nothing_is_lost_and_limits_hold(
    sizes: list[tuple[int, int]], commands_max: int, bytes_max: int
) -> None:
    batch = builder(commands_max=commands_max, data_bytes_max=bytes_max)
    closed: list[Candidate] = []
    first = 1
    for commands, size in sizes:
        closed += batch.add(block(first, commands, size), 0)
        first += commands
    rest = batch.close()
    closed += [] if rest is None else [rest]
    assert sum(len(one.blocks) for one in closed) == len(sizes)
    edges = [(one.first_sequence, one.last_sequence) for one in closed]
    assert all(low == high + 1 for (_, high), (low, _) in pairwise(edges))
    for one in closed:
        within = one.load.commands <= commands_max and one.load.encoded_bytes <= bytes_max
        assert within or len(one.blocks) == 1
