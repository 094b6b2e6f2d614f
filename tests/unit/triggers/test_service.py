"""The loop hands proposals in, hears what became of them, and loses none for want of room."""

from node.adapters.mailbox import Mailbox
from node.capacity.queue import BoundedQueue
from node.ports.intake import Deliver
from node.triggers.config import TriggersConfig
from node.triggers.due import DueBook, Proposal
from node.triggers.service import TriggerService
from node.types.commands import TriggerOrder
from node.types.durable import DurableBlock, Executed
from node.types.errors import AuctionFull, NotTriggered, Overloaded, UnknownOrder
from node.types.events import Rejected
from node.types.ids import OrderId
from node.types.lanes import Lane
from node.types.units import Millis
from tests.examples import ALICE, START_MS
from tests.unit.triggers.trigger_cases import (
    BTC,
    accepted,
    durable,
    limit,
    marked,
    placed,
    rested,
    stop,
    switched,
    trigger_set,
)

CONFIG = TriggersConfig(reconnect_grace_ms=500, retry_ms=100)


class HandClock:
    def __init__(self) -> None:
        self.ms = START_MS

    def now_ns(self) -> int:
        return self.ms * 1_000_000

    def now_ms(self) -> Millis:
        return Millis(self.ms)


class Desk:
    """The service between a mailbox and a sequencer that decides when it is told to."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.mailbox: Mailbox[DurableBlock] = Mailbox(BoundedQueue("triggers", 16))
        self.is_open = True
        self.offers: list[tuple[Proposal, Lane, Deliver]] = []
        book = DueBook([BTC], CONFIG.reconnect_grace_ms, CONFIG.retry_ms)
        self.service = TriggerService(book, self.mailbox, self._submit, self.clock, CONFIG)

    def bring(self, *blocks: DurableBlock) -> None:
        for block in blocks:
            self.mailbox.offer(block, self.clock.now_ns())
        self.service.turn()

    def pass_ms(self, passed: int) -> None:
        self.clock.ms = Millis(self.clock.ms + passed)
        self.service.turn()

    @property
    def proposed(self) -> list[Proposal]:
        return [proposal for proposal, _, _ in self.offers]

    def _submit(self, proposal: Proposal, lane: Lane, deliver: Deliver) -> None:
        if not self.is_open:
            raise Overloaded(queue="lane_reducing", limit=0)
        self.offers.append((proposal, lane, deliver))


def with_stop() -> Desk:
    desk, order = Desk(), stop(100)
    desk.bring(durable(placed(order, events=(trigger_set(7, order),)), marked(100)))
    return desk


def test_a_met_stop_is_handed_in_once() -> None:
    desk = with_stop()
    desk.service.turn()
    assert desk.proposed == [TriggerOrder(ALICE.address, OrderId(7))]


def test_a_stop_that_the_transition_refused_comes_again_with_the_next_mark() -> None:
    desk = with_stop()
    desk.offers[0][2](Rejected(NotTriggered.code, "NotTriggered", {}))
    desk.service.turn()
    assert len(desk.offers) == 1
    desk.bring(durable(marked(101)))
    assert len(desk.offers) == 2


def test_a_stop_that_an_auction_had_no_room_for_comes_again_without_a_mark() -> None:
    desk = with_stop()
    desk.offers[0][2](Rejected(AuctionFull.code, "AuctionFull", {}))
    desk.service.turn()
    assert len(desk.offers) == 1
    desk.pass_ms(CONFIG.retry_ms)
    assert desk.proposed == [TriggerOrder(ALICE.address, OrderId(7))] * 2
    assert desk.service.refused == 1


def test_a_stop_that_is_not_known_any_more_does_not_come_again() -> None:
    desk = with_stop()
    desk.offers[0][2](Rejected(UnknownOrder.code, "UnknownOrder", {}))
    desk.bring(durable(marked(101)))
    assert len(desk.offers) == 1


def test_an_accepted_proposal_needs_nothing_more() -> None:
    desk = with_stop()
    desk.offers[0][2](Executed(durable(marked(100)), 1))
    desk.bring(durable(marked(101)))
    assert len(desk.offers) == 1
    assert desk.service.refused == 0


def test_an_expiry_that_found_no_room_is_handed_in_again() -> None:
    desk, order = Desk(), limit(START_MS + 1_000)
    desk.bring(durable(placed(order, events=(accepted(7, order), rested(7)))))
    desk.is_open = False
    desk.pass_ms(1_000)
    desk.is_open = True
    desk.pass_ms(CONFIG.retry_ms - 1)
    assert desk.offers == []
    desk.pass_ms(1)
    assert len(desk.offers) == 1
    desk.offers[0][2](Overloaded(queue="lane_reducing", limit=0))
    desk.pass_ms(CONFIG.retry_ms)
    assert len(desk.offers) == 2


def test_an_account_that_stays_away_is_disconnected() -> None:
    desk = Desk()
    desk.bring(durable(switched(0, on_disconnect=True)))
    desk.service.connected(ALICE.address)
    desk.service.disconnected(ALICE.address)
    desk.pass_ms(CONFIG.reconnect_grace_ms - 1)
    assert desk.offers == []
    desk.pass_ms(1)
    assert [lane for _, lane, _ in desk.offers] == [Lane.REDUCING]
