"""The clocks that followed a random log know what clocks that read its state would know."""

import pytest

from node.transition.orders import open_orders
from node.transition.state import State
from node.triggers.due import DueBook, Proposal
from node.triggers.seed import due_book_of
from node.types.commands import OracleRound, TriggerOrder
from node.types.durable import DurableBlock
from node.types.events import MarkMoved, OrderAmended
from node.types.ids import EVERY_MARKET, MarketId
from node.types.rules import Rules
from node.types.units import Millis, Ticks
from tests.property.random_log import ACCOUNTS, AGENTS, DOMAIN, MIXED, RULES
from tests.property.test_mirrors import blocks_of, durable

GRACE_MS, RETRY_MS = 1_000, 10**9
ALL = 10**6


def ends(book: DueBook, state: State) -> list[tuple[int, set[Proposal]]]:
    """Return what is proposed at each time at which something of ``state`` ends."""
    times = {
        order.good_till
        for account in state.accounts.values()
        for order in open_orders(account, EVERY_MARKET)
    } | {account.switch_at for account in state.accounts.values()}
    moments = [near for time in sorted(times - {Millis(0)}) for near in (time - 1, time)]
    return [(moment, set(book.proposals(Millis(moment), ALL))) for moment in moments]


def arrivals(book: DueBook, state: State) -> list[set[Proposal]]:
    """Return who arrives as the mark rises past each price that somebody waits for, and falls."""
    put_back(book)
    prices = {
        waiting.trigger_price
        for account in state.accounts.values()
        for waiting in account.waiting.values()
    }
    rising = sorted({near for one in prices for near in (one - 1, one, one + 1)})
    told: list[set[Proposal]] = []
    for course in (rising, rising[::-1]):
        for price in course:
            book.take(moved(state, price))
            told.append(set(book.proposals(Millis(0), ALL)))
        for proposal in set[Proposal]().union(*told):
            assert isinstance(proposal, TriggerOrder)
            book.not_met(proposal)
    return told


def put_back(book: DueBook) -> None:
    """Let those wait on whom the mark has met already; a book made of a state knows of none."""
    for proposal in book.proposals(Millis(0), ALL):
        assert isinstance(proposal, TriggerOrder)
        book.not_met(proposal)


def moved(state: State, price: int) -> DurableBlock:
    """Return a block that moves every mark to ``price``."""
    time = Millis(state.time)
    events = [MarkMoved(MarketId(one.market_id), Ticks(price), time) for one in state.markets]
    return durable(state, [OracleRound(time, ())], [tuple(events)])


@pytest.mark.parametrize("rules", [RULES, MIXED], ids=lambda rules: rules.name)
@pytest.mark.parametrize("count", [100, 120, 140])
def test_clocks_that_followed_a_log_are_those_of_its_state(rules: Rules, count: int) -> None:
    state = State.genesis(rules, DOMAIN)
    book, kinds = due_book_of(state, GRACE_MS, RETRY_MS), set()
    for account in (*ACCOUNTS, *AGENTS):
        book.returned(account)
    for block in blocks_of(count, state, count):
        book.take(block)
        kinds |= {
            (bool(event.trigger_price), bool(event.good_till), event.resting)
            for events in block.events
            for event in events
            if isinstance(event, OrderAmended)
        }
    fresh = due_book_of(state, GRACE_MS, RETRY_MS)
    assert len(book) == len(fresh) > 0
    assert arrivals(book, state) == arrivals(fresh, state)
    assert ends(book, state) == ends(fresh, state)
    # Amended were orders that wait and that rest, with an end and without, in place and not.
    assert len(kinds) == 6
