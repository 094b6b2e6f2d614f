"""The ceilings, by hand where a hand can reach, else by the relation that defines them."""

import math
from collections.abc import Callable

import pytest

from node.planner.laws import (
    BatchOnChain,
    LoopStage,
    journal_limit_per_s,
    loop_limit_per_s,
    node_limit,
    pool_limit_per_s,
    settlement_limit_per_s,
)

BATCH = BatchOnChain(
    items=2_000, gas=5e6, bytes=120_000, block_gas=30e6, block_bytes=780_000, fixed_gas=2e5
)


def test_stages_of_one_loop_add_their_costs() -> None:
    stages = [LoopStage(1, 100e-6), LoopStage(2, 50e-6)]
    assert loop_limit_per_s(stages) == pytest.approx(5_000)


def test_a_loop_without_work_has_no_limit() -> None:
    assert loop_limit_per_s([]) == math.inf


def test_a_group_shares_one_fsync() -> None:
    assert journal_limit_per_s(64, 200e-6) == pytest.approx(320_000)
    assert journal_limit_per_s(64, 200e-6, 3.125e-6) == pytest.approx(160_000)


def test_workers_add_up() -> None:
    assert pool_limit_per_s(2, 40e-6) == pytest.approx(50_000)
    assert pool_limit_per_s(2, 0.0) == math.inf


@pytest.mark.parametrize(
    ("in_flight", "inclusion", "expected"),
    [
        (3, 1.0, 3 / 12 * 2_000),  # what may be unconfirmed binds
        (100, 1.0, 6 / 12 * 2_000),  # six batches fit the gas of a block
        (3, 0.1, 3 / 120 * 2_000),  # one block in ten takes them
        (100, 0.1, 6 / 120 * 2_000),
        (0, 1.0, 0.0),
        (3, 0.0, 0.0),
    ],
)
def test_settlement_is_bound_by_little_or_by_room(
    in_flight: int, inclusion: float, expected: float
) -> None:
    assert settlement_limit_per_s(BATCH, in_flight, 12.0, inclusion) == pytest.approx(expected)


def test_a_batch_that_fits_no_block_settles_nothing() -> None:
    large = BatchOnChain(items=1, gas=31e6, bytes=1, block_gas=30e6, block_bytes=10, fixed_gas=2e5)
    assert settlement_limit_per_s(large, 5, 12.0, 1.0) == 0


def test_the_node_is_bound_by_its_dearest_resource() -> None:
    limit = node_limit({"loop": 4_000, "journal": 300_000, "workers": 25_000, "l1": 1_000})
    assert (limit.per_s, limit.bottleneck) == (1_000, "l1")
    assert (limit.next_per_s, limit.next_bottleneck) == (4_000, "loop")
    assert node_limit({"loop": 5.0}).next_bottleneck is None


@pytest.mark.parametrize(
    "fault",
    [
        lambda: loop_limit_per_s([LoopStage(-1, 1)]),
        lambda: journal_limit_per_s(0, 1),
        lambda: pool_limit_per_s(0, 1),
        lambda: settlement_limit_per_s(BATCH, 1, 0, 1.0),
        lambda: settlement_limit_per_s(BATCH, -1, 12, 1.0),
        lambda: node_limit({}),
        lambda: node_limit({"loop": math.nan}),
    ],
)
def test_what_no_node_can_have_is_refused(fault: Callable[[], object]) -> None:
    with pytest.raises(ValueError):
        fault()
