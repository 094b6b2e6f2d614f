"""The service under load: strangers, those who are put out, and those who come too late."""

import asyncio

import pytest

from node.sequencer.insight import Insight
from node.types.commands import CancelAll
from node.types.durable import Executed, Outcome
from node.types.errors import DeadlineExceeded, PlimsollError, Shed
from node.types.ids import EVERY_MARKET, Address
from node.types.lanes import Lane
from node.types.units import Millis
from tests.unit.sequencer.test_service import Bench, running
from tests.unit.sequencer.toy_machine import ALICE, name_of, pay


def cancel(whose: Address, nonce: int) -> CancelAll:
    return CancelAll(whose, whose, nonce, Millis(1 << 50), b"", EVERY_MARKET)


async def test_strangers_wait_last_and_share_one_place() -> None:
    bench = Bench(insight=Insight(may_act=lambda action: action.account == ALICE))
    for number in range(40):
        stranger = Address(number.to_bytes(20, "big"))
        bench.sequencer.submit(cancel(stranger, number), b"s%d" % number)
    bench.sequencer.submit(cancel(ALICE, 1), b"a")
    system, liquidation, reducing, resting, taking = bench.sequencer.stages[:5]
    assert [stage.depth for stage in (system, liquidation, resting)] == [0, 0, 0]
    assert (reducing.depth, taking.depth) == (1, 40)
    lanes = bench.sequencer._lanes
    assert lanes._lines[Lane.TAKING].queue.keys == 1


async def test_whoever_is_put_out_hears_it_at_once_and_may_ask_again() -> None:
    bench = Bench(lane_limit=1)
    resting = bench.sequencer.submit(cancel(ALICE, 0), b"r", Lane.RESTING)
    for number in range(1, 4):
        bench.sequencer.submit(cancel(ALICE, number), b"%d" % number)
    with pytest.raises(Shed):
        await resting
    assert bench.sequencer.shed == {"evicted": 1}
    bench.assert_conserved()
    # It is no longer in flight: the same action is refused anew, not joined to what is gone.
    with pytest.raises(Shed):
        bench.sequencer.submit(cancel(ALICE, 0), b"r", Lane.RESTING)


async def test_who_asks_again_with_more_patience_keeps_it_alive() -> None:
    bench = Bench()
    heard: list[Outcome | PlimsollError] = []
    bench.sequencer.offer(pay(1), name_of(pay(1)), heard.append, None, 5)
    bench.sequencer.offer(pay(1), name_of(pay(1)), heard.append, None, 1 << 60)
    bench.clock.ns = 1_000
    async with running(bench):
        await bench.pay(2)
    assert [type(outcome) for outcome in heard] == [Executed, Executed]


async def test_a_block_of_nothing_but_what_came_too_late_is_no_block() -> None:
    bench = Bench()
    heard: list[Outcome | PlimsollError] = []
    bench.sequencer.offer(pay(1), name_of(pay(1)), heard.append, None, 5)
    bench.clock.ns = 1_000
    async with running(bench):
        await asyncio.sleep(0)
    assert [type(outcome) for outcome in heard] == [DeadlineExceeded]
    assert bench.journal.blocks == []
    assert bench.sequencer.expired == 1


async def test_blocks_stay_as_they_are_while_the_machine_runs_something_else() -> None:
    # The clock goes on while the thread stands: it was preempted for ten seconds in each block.
    bench = Bench(insight=Insight(busy_ns=lambda: 0))
    before = bench.sequencer.block_work
    now_ns = bench.clock.now_ns

    def preempted() -> int:
        bench.clock.ns += 10_000_000_000
        return now_ns()

    bench.clock.now_ns = preempted  # type: ignore[method-assign]
    async with running(bench):
        for number in range(3):
            await bench.pay(number)
    assert bench.sequencer.block_work >= before


async def test_a_block_leaves_room_for_the_liquidations_that_may_come_up() -> None:
    bench = Bench(block_work=100, lane_limit=200, insight=Insight(reserve_work=lambda: 30))
    outcomes = [bench.pay(index, lane=Lane.TAKING) for index in range(100)]
    async with running(bench):
        await asyncio.gather(*outcomes)
    assert len(bench.journal.blocks[0].commands) - 1 == 70
