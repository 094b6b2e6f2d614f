"""Whatever is offered, in whatever order, every lane conserves and everyone hears exactly once."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from node.codec.receipts import BlockSigning
from node.sequencer.builder import Builder
from node.sequencer.service import Sequencer, SequencerLimits
from node.types.blocks import GENESIS_PARENT
from node.types.durable import Executed, Outcome
from node.types.errors import PlimsollError, Shed, Unavailable
from node.types.events import Rejected
from node.types.lanes import Lane
from node.types.units import Money
from tests.unit.sequencer.surroundings import HandClock, MemoryJournal, TestKey
from tests.unit.sequencer.toy_machine import DOMAIN, Ledger, apply, name_of, pay

_submit = st.tuples(
    st.just("submit"), st.sampled_from(Lane), st.integers(0, 30), st.sampled_from([0, 5])
)
_steps = st.lists(
    st.one_of(_submit, _submit, st.sampled_from([("yield",), ("close",), ("open",)])), max_size=120
)


@given(_steps, st.integers(1, 6), st.integers(1, 8))
def test_in_is_out_held_and_refused(
    steps: list[tuple[object, ...]], lane_limit: int, block_work: int
) -> None:
    asyncio.run(_play(steps, lane_limit, block_work))


async def _play(steps: list[tuple[object, ...]], lane_limit: int, block_work: int) -> None:
    journal = MemoryJournal()
    sequencer = Sequencer(
        Builder(Ledger(), apply, name_of, GENESIS_PARENT),
        journal,
        TestKey(),
        BlockSigning(DOMAIN),
        HandClock(),
        SequencerLimits(dict.fromkeys(Lane, lane_limit), block_work=block_work),
        (),
    )
    task = asyncio.create_task(sequencer.run())
    heard: list[list[Outcome | PlimsollError]] = []
    refused = 0
    for step in steps:
        match step:
            case ("submit", Lane() as lane, int() as index, int() as amount):
                answers: list[Outcome | PlimsollError] = []
                command = pay(index, Money(amount))
                try:
                    sequencer.offer(command, name_of(command), answers.append, lane)
                    heard.append(answers)
                except Unavailable:
                    refused += 1
            case ("yield",):
                await asyncio.sleep(0)
            case ("close",):
                sequencer.close_gate("test")
            case _:
                sequencer.open_gate()
        assert all(stage.conserved() for stage in sequencer.stages)
    sequencer.stop()
    await task
    assert all(stage.conserved() and stage.held() == 0 for stage in sequencer.stages)
    assert all(len(answers) == 1 for answers in heard)
    assert all(isinstance(answers[0], Executed | Rejected | Shed) for answers in heard)
    executed = {id(a.durable.block): 0 for (a,) in heard if isinstance(a, Executed)}
    assert len(executed) == len(journal.blocks)
