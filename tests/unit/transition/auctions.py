"""A small exchange whose first market is one of auctions, and the shortest way through them."""

import msgspec

from node.types.commands import (
    NewOrder,
    Uncross,
)
from node.types.events import (
    CancelReason,
    OrderCancelled,
    Uncrossed,
)
from node.types.ids import OrderId
from node.types.rules import Limits, Ordering, Rules
from tests.examples import ALICE, BOB, CAROL, DAVE, RULES, Person
from tests.unit.transition.exchange import BTC, Exchange

EVERYONE = (ALICE, BOB, CAROL, DAVE)


def auction_rules(**limits: int) -> Rules:
    """Return rules whose first market is one of auctions; the second stays as it is."""
    first, second = RULES.markets
    return msgspec.structs.replace(
        RULES,
        markets=(msgspec.structs.replace(first, ordering=Ordering.AUCTION), second),
        limits=msgspec.structs.replace(Limits(), **limits),
    )


def exchange_of(**limits: int) -> Exchange:
    exchange = Exchange(auction_rules(**limits))
    for person in EVERYONE:
        exchange.fund(person, 10_000)
    return exchange


def uncross(exchange: Exchange) -> tuple[int, int]:
    """End the auction, and open the next block; return (price, size) of it."""
    exchange.do(Uncross(BTC))
    events = exchange.events
    assert isinstance(events[0], Uncrossed)
    assert not exchange.state.closing()
    exchange.state.drain_changes()
    exchange.wait(10)
    exchange.events = events
    return events[0].price, events[0].size


def rest(exchange: Exchange, person: Person, *orders: NewOrder) -> OrderId:
    """Let orders rest that meet nobody."""
    order_id = exchange.place(person, *orders)
    assert uncross(exchange) == (0, 0)
    return order_id


def reasons(exchange: Exchange) -> list[tuple[int, CancelReason, bool]]:
    told = exchange.told(OrderCancelled)
    return [(event.remaining, event.reason, event.resting) for event in told]
