"""The loop takes blocks, hands proposals in, and loses none when the lane is full."""

import asyncio

import pytest

from node.adapters.mailbox import Mailbox
from node.capacity.queue import BoundedQueue
from node.risk.balancer import Balancer
from node.risk.book import RiskBook
from node.risk.config import ShardKind
from node.risk.fleet import RiskFleet
from node.risk.placement import Move
from node.risk.report import RiskReport
from node.risk.service import RiskService
from node.risk.shard import LocalShard, ShardSession, parcels_of
from node.types.blocks import Block
from node.types.commands import Liquidate
from node.types.durable import DurableBlock
from node.types.errors import Overloaded
from node.types.events import Event
from node.types.ids import Sequence
from node.types.units import Millis
from tests.unit.risk.risk_cases import (
    CONFIG,
    MARKET,
    START_MS,
    address,
    block,
    mark,
    position,
    rules,
)


class StillClock:
    def now_ns(self) -> int:
        return 1_000

    def now_ms(self) -> Millis:
        return Millis(START_MS)


class Lane:
    """A lane that is full until it is opened."""

    def __init__(self) -> None:
        self.is_open = True
        self.taken: list[Liquidate] = []
        self.hastened: list[int] = []
        self.arrived = asyncio.Event()

    def submit(self, command: Liquidate) -> None:
        if not self.is_open:
            raise Overloaded(queue="liquidation", limit=0)
        self.taken.append(command)
        self.arrived.set()

    def hasten(self) -> None:
        self.hastened.append(len(self.taken))


def durable(number: int, *events: Event) -> DurableBlock:
    return DurableBlock(
        block=Block(
            number=number,
            time=Millis(START_MS),
            first_sequence=Sequence(1),
            commands=(),
            ids=(),
            parent=b"",
            hash=b"",
            signature=b"",
            changes=b"",
        ),
        events=((block(number, START_MS),), events),
        links=(),
        leaves={},
    )


async def station(lane: Lane) -> tuple[RiskService, Mailbox[DurableBlock], RiskFleet]:
    mailbox: Mailbox[DurableBlock] = Mailbox(BoundedQueue("risk", 16))
    book, clock = RiskBook(rules()), StillClock()
    fleet = RiskFleet(
        [LocalShard(ShardSession(rules(), CONFIG, ShardKind.INLINE))],
        {MARKET: 0},
        lambda markets: parcels_of(book, CONFIG, markets),
        CONFIG,
        clock,
    )
    await fleet.start()
    balancer = Balancer(fleet, CONFIG, clock)
    return RiskService(fleet, balancer, mailbox, lane.submit, lane.hasten, clock, 2), mailbox, fleet


async def report_of(fleet: RiskFleet) -> RiskReport:
    # The clock stands still, so that the figures would never be old enough.
    await fleet._refresh()
    return fleet.report()


async def test_blocks_become_proposals_until_it_is_cancelled() -> None:
    lane = Lane()
    service, mailbox, _ = await station(lane)
    task = asyncio.create_task(service.run())
    mailbox.offer(durable(1, position(1, 100, 1_000, 0)), 0)
    mailbox.offer(durable(2, mark(999)), 0)
    await asyncio.wait_for(lane.arrived.wait(), 5)
    assert [command.account for command in lane.taken] == [address(1)]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_turn_takes_its_limit_and_counts_its_work() -> None:
    service, mailbox, fleet = await station(Lane())
    for number in range(3):
        mailbox.offer(durable(number, mark(1_000 + number, START_MS + number)), 0)
    assert await service.turn() == 2
    assert (await report_of(fleet)).rounds == 2
    assert await service.turn() == 1
    assert mailbox.stage.service.count == mailbox.stage.done == 3
    assert mailbox.stage.conserved()


class Listening(Balancer):
    """Is always asked, and moves nothing."""

    due = True

    def plan(self, waiting_blocks: int) -> tuple[Move, ...]:
        self.told = (waiting_blocks, self._fleet.blocks)
        return ()


async def test_the_balancer_is_told_how_many_blocks_wait() -> None:
    service, mailbox, fleet = await station(Lane())
    balancer = Listening(fleet, CONFIG, StillClock())
    service._balancer = balancer
    for number in range(5):
        mailbox.offer(durable(number, mark(1_000 + number, START_MS + number)), 0)
    await service.turn()
    assert balancer.told == (3, 2)


async def test_all_that_a_turn_proposes_is_hastened_together() -> None:
    lane = Lane()
    service, mailbox, _ = await station(lane)
    mailbox.offer(durable(1, position(1, 100, 1_000, 0), position(2, 100, 1_000, 0)), 0)
    await service.turn()
    assert lane.hastened == []
    mailbox.offer(durable(2, mark(999)), 0)
    await service.turn()
    assert (len(lane.taken), lane.hastened) == (2, [2])


async def test_what_a_full_lane_refused_is_handed_in_when_it_is_open() -> None:
    lane = Lane()
    service, mailbox, fleet = await station(lane)
    lane.is_open = False
    mailbox.offer(durable(1, position(1, 100, 1_000, 0), mark(999)), 0)
    await service.turn()
    assert (lane.taken, (await report_of(fleet)).refused) == ([], 1)
    lane.is_open = True
    mailbox.offer(durable(2), 0)
    await service.turn()
    assert [command.account for command in lane.taken] == [address(1)]
