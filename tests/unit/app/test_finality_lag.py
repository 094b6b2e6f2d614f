"""The lag that blocks state: never less than the truth, and bounded whatever L1 does."""

import random

import pytest

from node.app.finality_lag import ENTRIES_MAX, GRAIN_MS, FinalityLag
from node.types.blocks import Block
from node.types.commands import OpenBlock
from node.types.durable import DurableBlock
from node.types.ids import NO_HASH, Sequence
from node.types.units import Millis


def block(sequence: int, time: int) -> DurableBlock:
    """Return a block of one command at ``time``."""
    one = Block(
        sequence, Millis(time), Sequence(sequence), (OpenBlock(sequence, Millis(time)),),
        (NO_HASH,), NO_HASH, NO_HASH, b"", NO_HASH,
    )  # fmt: skip
    return DurableBlock(one, (), (), {})


def test_the_oldest_block_that_is_not_final_counts() -> None:
    lag = FinalityLag()
    assert lag.age(Millis(9_000)) == 0
    lag.offer(block(1, 1_000))
    lag.offer(block(2, 4_000))
    assert lag.age(Millis(9_000)) == 8_000
    lag.finalized(Sequence(1))
    assert lag.age(Millis(9_000)) == 5_000
    lag.finalized(Sequence(2))
    assert lag.age(Millis(9_000)) == 0


def test_a_clock_that_runs_back_makes_nothing_younger_than_now() -> None:
    lag = FinalityLag()
    lag.offer(block(1, 1_000))
    assert lag.age(Millis(500)) == 0


@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_true_age_or_a_grain_more(seed: int) -> None:
    draw = random.Random(seed)
    lag, times, final, time = FinalityLag(), [0], 0, 1
    for sequence in range(1, 2_000):
        time += draw.randrange(60)
        times.append(time)
        lag.offer(block(sequence, time))
        if draw.random() < 0.02:
            final = draw.randrange(final, sequence + 1)
            lag.finalized(Sequence(final))
        true = time - times[final + 1] if final < sequence else 0
        assert true <= lag.age(Millis(time)) <= true + GRAIN_MS, f"seed {seed}"


def test_an_outage_does_not_make_it_grow_and_what_ends_it_is_forgotten() -> None:
    lag = FinalityLag()
    blocks = 3 * ENTRIES_MAX
    for sequence in range(1, blocks + 1):
        lag.offer(block(sequence, sequence * GRAIN_MS))
        assert len(lag._waiting) <= ENTRIES_MAX
    now = Millis(blocks * GRAIN_MS)
    assert lag.age(now) == now - GRAIN_MS
    half = blocks // 2
    lag.finalized(Sequence(half))
    assert 0 <= lag.age(now) - (now - (half + 1) * GRAIN_MS) <= 8 * GRAIN_MS
    lag.finalized(Sequence(blocks))
    assert lag.age(now) == 0
