"""What ends a block, on the true state: one auction may do another's work."""

import msgspec

from node.sequencer.builder import Builder
from node.sequencer.submission import Submission
from node.transition.apply import apply
from node.types.blocks import GENESIS_PARENT
from node.types.commands import Command, OrderType, Uncross
from node.types.events import CancelReason, OrderCancelled
from node.types.hashing import keccak256
from node.types.rules import Ordering
from node.types.units import Millis
from tests.examples import ALICE, BOB, RULES
from tests.unit.transition.exchange import BUY, COIN, ETH, Exchange, order


def name_of(command: Command) -> bytes:
    return keccak256(repr(command).encode())


def test_an_auction_that_empties_another_one_does_not_end_the_exchange() -> None:
    """The order that takes nothing goes, and its partner with it: all that the other one had."""
    auctions = tuple(
        msgspec.structs.replace(market, ordering=Ordering.AUCTION) for market in RULES.markets
    )
    exchange = Exchange(msgspec.structs.replace(RULES, markets=auctions))
    for person in (ALICE, BOB):
        exchange.fund(person, 10_000)
    pair = exchange.orders(
        ALICE,
        order(BUY, COIN, 99_00, OrderType.IOC, group=7),
        order(BUY, COIN, 99_00, market=ETH, group=7),
    )
    builder = Builder(exchange.state, apply, name_of, GENESIS_PARENT)
    submission = Submission(pair, name_of(pair), lambda _: None)
    exchange.state.drain_changes()
    draft = builder.build([submission], Millis(exchange.state.time))
    assert draft.unsigned is not None
    commands = draft.unsigned.block.commands
    assert [type(one) for one in commands].count(Uncross) == 1
    told = [event for events in draft.unsigned.events for event in events]
    reasons = {event.reason for event in told if isinstance(event, OrderCancelled)}
    assert reasons == {CancelReason.IMMEDIATE_REMAINDER, CancelReason.ONE_CANCELS_OTHER}
