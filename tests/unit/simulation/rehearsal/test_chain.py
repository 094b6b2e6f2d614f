"""L1 under a script: how much of what waits a block takes, and what gas is said to cost."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from node.adapters.devnet.settings import GWEI
from node.codec.l1_gas import HEADER_BYTES
from node.simulation.rehearsal.chain import SimulatedL1
from node.simulation.rehearsal.script import Costs, Fault, Script
from node.simulation.rehearsal.virtual_loop import VirtualClock, VirtualLoop
from tests.unit.adapters.devnet.devnet_examples import ALICE, signed

FULL_BYTES = 1_000


def script_with(*faults: Fault, **fields: Any) -> Script:
    values: dict[str, Any] = {
        "block_s": 12.0,
        "inclusion": 1.0,
        "finality_blocks": 64,
        "block_batches": 2.5,
        "batch_items": 100.0,
        "batch_overhead": 0.1,
        "gas_price_gwei": 20.0,
        "long_share": 1.0,
        "leverage": (),
        **fields,
    }
    return Script(
        name="chain",
        step_s=1.0,
        rate=(1.0,) * 100,
        price=(1.0,) * 101,
        oracle=(True,) * 100,
        oracle_s=1.0,
        faults=faults,
        costs=Costs(1e-4, 1e-4, 1e-4),
        seed=1,
        **values,
    )


def waiting_after_each_block(
    script: Script, data_bytes: int, blocks: int, begin: Callable[[SimulatedL1], None]
) -> list[int]:
    """Return how many of ten batches still wait after each block."""

    async def play(l1: SimulatedL1) -> list[int]:
        left = []
        mining = asyncio.ensure_future(l1.run())
        await asyncio.sleep(0)
        data = bytes(HEADER_BYTES + data_bytes)
        for nonce in range(10):
            fields = {"data": data, "gas": 100_000, "maxFeePerGas": 1_000 * GWEI}
            l1.devnet.send_raw_transaction(signed(ALICE, nonce, **fields))
        begin(l1)
        for _ in range(blocks):
            await asyncio.sleep(script.block_s)
            await asyncio.sleep(0.01)
            left.append(len(l1.devnet.pool))
        mining.cancel()
        return left

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, VirtualLoop)
        l1 = SimulatedL1(script, VirtualClock(loop, 1_700_000_000_000), FULL_BYTES)
        return runner.run(play(l1))


def test_a_block_takes_the_full_batches_that_it_has_room_for() -> None:
    assert waiting_after_each_block(script_with(), 1_000, 3, SimulatedL1.begin) == [8, 6, 4]


def test_an_empty_batch_takes_its_overhead_and_a_half_empty_one_in_between() -> None:
    assert waiting_after_each_block(script_with(), 500, 2, SimulatedL1.begin) == [6, 2]
    small = script_with(block_batches=0.35)
    assert waiting_after_each_block(small, 0, 2, SimulatedL1.begin) == [7, 4]


def test_a_batch_that_came_out_larger_counts_as_full() -> None:
    script = script_with(block_batches=1.0)
    assert waiting_after_each_block(script, 1_300, 2, SimulatedL1.begin) == [9, 8]


def test_a_phase_leaves_its_share_of_the_room() -> None:
    phase = Fault(0.0, 13.0, "congestion", block_share=0.4)
    assert waiting_after_each_block(script_with(phase), 1_000, 2, SimulatedL1.begin) == [9, 7]


def test_before_the_scripts_time_everything_is_taken() -> None:
    assert waiting_after_each_block(script_with(), 1_000, 1, lambda _: None) == [0]


@pytest.mark.parametrize(("factor", "gwei"), [(1.0, 20), (5.0, 100)])
def test_gas_costs_what_the_script_says(factor: float, gwei: int) -> None:
    phase = Fault(0.0, 100.0, "congestion", gas_price_factor=factor)

    async def price() -> str:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        l1 = SimulatedL1(script_with(phase), VirtualClock(loop, 1_700_000_000_000), FULL_BYTES)
        l1.begin()
        told: str = l1.answer("eth_getBlockByNumber", ["latest", False])["result"]["baseFeePerGas"]
        return told

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        assert int(runner.run(price()), 16) == gwei * GWEI
