"""What the age of the data asks of an account, what it closes, and what it leaves open."""

import msgspec
import pytest

from node.margin.volatility import variance_after, variance_of
from node.transition.state import State
from node.types.commands import OpenBlock, OrderType
from node.types.errors import InsufficientCollateral, InsufficientMargin, MarkStale, RiskDataTooOld
from node.types.events import CancelReason, Filled, OrderCancelled
from node.types.rules import StalenessRules
from node.types.units import Millis, Ppm
from tests.examples import ALICE, BOB, CAROL, DOLLAR, DOMAIN, RULES
from tests.unit.transition.exchange import BTC, BUY, COIN, SELL, Exchange, order

LAG_MS = 64_000
BUFFER = 2_880
"""Three deviations of 120 over 64 seconds: 3 * 120 * 8."""
LIMIT_MS = 19_290_123
"""(50_000 / (3 * 120))^2 seconds: 5 % of maintenance margin over what 3 deviations go a second."""


def lag(exchange: Exchange, lag_ms: int) -> None:
    """Open a block of the same moment that states ``lag_ms``."""
    state = exchange.state
    exchange.do(OpenBlock(state.block + 1, Millis(state.time), lag=Millis(lag_ms)))


@pytest.fixture
def exchange() -> Exchange:
    """Alice short and Bob long one coin at 100, with 100 and 1,000 dollars left or so."""
    made = Exchange()
    made.fund(ALICE, 1_000)
    made.fund(BOB, 1_000)
    made.trade(BOB, ALICE, COIN, 100_00)
    return made


def test_an_order_reserves_the_buffer_and_is_told_of_it(exchange: Exchange) -> None:
    exchange.fund(CAROL, 10)
    lag(exchange, LAG_MS)
    # 90 dollars at 10 % + 0.288 %, and 0.05 % of fee.
    required = 9 * DOLLAR + 259_200 + 45_000
    exchange.place(CAROL, order(BUY, COIN * 9 // 10, 100_00))
    assert exchange.account(CAROL).reserved == required
    more = exchange.orders(CAROL, order(BUY, COIN * 9 // 10, 100_00))
    assert exchange.refused(more, InsufficientCollateral) == {
        "required": required,
        "free": 10 * DOLLAR - required,
        "buffer": BUFFER,
    }


def test_what_is_opened_has_initial_margin_and_buffer(exchange: Exchange) -> None:
    exchange.fund(CAROL, 100)
    lag(exchange, LAG_MS)
    exchange.trade(CAROL, ALICE, COIN, 100_00)
    assert exchange.position(CAROL).margin == 10 * DOLLAR + 288_000


def test_margin_is_taken_out_down_to_the_buffer_and_no_further(exchange: Exchange) -> None:
    exchange.do(exchange.adjust(BOB, 10 * DOLLAR))
    lag(exchange, LAG_MS)
    required = 10 * DOLLAR + 288_000
    values = {"equity": required - 1, "required": required, "buffer": BUFFER}
    more = exchange.adjust(BOB, required - 20 * DOLLAR - 1)
    assert exchange.refused(more, InsufficientMargin) == values
    exchange.do(exchange.adjust(BOB, required - 20 * DOLLAR))


def test_closing_a_part_releases_no_more_than_taking_margin_out(exchange: Exchange) -> None:
    """Half is closed at 95: its share of the margin would leave the rest less than it needs."""
    exchange.do(exchange.adjust(BOB, 4_500_000))
    exchange.fund(CAROL, 1_000)
    exchange.mark(95_00)
    lag(exchange, LAG_MS)
    exchange.place(CAROL, order(BUY, COIN // 2, 95_00))
    exchange.place(BOB, order(SELL, COIN // 2, 95_00, OrderType.IOC))
    position, needed = exchange.position(BOB), 47_500_000 * (100_000 + BUFFER) // 1_000_000
    assert position.equity(95_00, 0) == needed
    more = exchange.adjust(BOB, -1)
    assert exchange.refused(more, InsufficientMargin)["required"] == needed


def test_past_the_limit_nothing_opens_and_no_margin_comes_out(exchange: Exchange) -> None:
    lag(exchange, LIMIT_MS)
    exchange.place(BOB, order(BUY, COIN, 90_00))
    lag(exchange, LIMIT_MS + 1)
    values = {"market": 1, "age_ms": LIMIT_MS + 1, "limit": LIMIT_MS}
    for kind, price in (
        (OrderType.GTC, 90_00),
        (OrderType.POST_ONLY, 90_00),
        (OrderType.IOC, 100_00),
    ):
        opening = exchange.orders(BOB, order(BUY, COIN, price, kind))
        assert exchange.refused(opening, RiskDataTooOld) == values
    assert exchange.refused(exchange.adjust(BOB, -1), RiskDataTooOld) == values


def test_past_the_limit_everything_that_reduces_goes_on(exchange: Exchange) -> None:
    resting = exchange.place(ALICE, order(BUY, COIN, 99_00))
    lag(exchange, 100 * LIMIT_MS)
    exchange.do(exchange.adjust(BOB, DOLLAR))
    # The other side of it opens nothing either here: Alice is short. A maker that opens stays
    # possible, at a buffer that has stopped growing, or nobody could get out.
    exchange.place(BOB, order(SELL, COIN // 2, 99_00, OrderType.IOC, reduce_only=True))
    assert exchange.position(BOB).size == COIN // 2
    assert any(isinstance(event, Filled) for event in exchange.events)
    exchange.do(exchange.cancel_all(ALICE))
    assert resting not in exchange.account(ALICE).orders
    exchange.do(exchange.withdraw(BOB, DOLLAR))


def test_a_maker_that_opens_pays_the_buffer_of_the_moment_or_leaves(exchange: Exchange) -> None:
    exchange.fund(CAROL, 11)
    exchange.place(CAROL, order(BUY, COIN, 100_00))
    lag(exchange, 100 * LIMIT_MS)
    exchange.do(exchange.orders(BOB, order(SELL, COIN, 99_00, OrderType.IOC, reduce_only=True)))
    (left,) = [
        event for event in exchange.events if isinstance(event, OrderCancelled) and event.resting
    ]
    assert (left.account, left.reason) == (CAROL.address, CancelReason.MARGIN)
    exchange.fund(CAROL, 10)
    lag(exchange, 0)
    exchange.place(CAROL, order(BUY, COIN, 100_00))
    lag(exchange, 100 * LIMIT_MS)
    exchange.place(BOB, order(SELL, COIN, 99_00, OrderType.IOC, reduce_only=True))
    assert exchange.position(CAROL).margin == 15 * DOLLAR, "10 % and the largest buffer, 5 %"


def test_a_liquidation_asks_for_no_buffer(exchange: Exchange) -> None:
    lag(exchange, 100 * LIMIT_MS)
    exchange.mark(94_00)
    exchange.place(ALICE, order(BUY, COIN, 94_00, reduce_only=True))
    lag(exchange, 100 * LIMIT_MS)
    exchange.do(exchange.liquidate(BOB))
    kept = exchange.position(BOB)
    assert 0 < kept.size < COIN, "as much is closed as initial margin alone asks for"


def test_no_stated_lag_is_less_than_what_the_rules_say() -> None:
    rules = msgspec.structs.replace(RULES, finality_ms=Millis(LAG_MS))
    exchange = Exchange(rules)
    for lag_ms in (0, 1, LAG_MS):
        lag(exchange, lag_ms)
        exchange.market.age(exchange.state.time, exchange.state.lag)
        assert exchange.market.buffer == BUFFER


def test_a_silent_oracle_is_told_as_such_before_the_age_of_it_all(exchange: Exchange) -> None:
    exchange.wait(60_001)
    lag(exchange, 100 * LIMIT_MS)
    opening = exchange.orders(BOB, order(BUY, COIN, 100_00))
    exchange.refused(opening, MarkStale)


def test_a_fill_or_kill_is_rehearsed_with_the_same_buffer(exchange: Exchange) -> None:
    exchange.fund(CAROL, 11)
    exchange.place(ALICE, order(SELL, COIN, 100_00))
    lag(exchange, LAG_MS)
    exchange.place(CAROL, order(BUY, COIN, 100_00, OrderType.FOK))
    assert exchange.position(CAROL).margin == 10 * DOLLAR + 288_000


def test_a_return_counts_once_a_second_has_passed() -> None:
    exchange = Exchange()
    market, rules = exchange.market, RULES.markets[0].staleness
    start = variance_of(rules.volatility_prior)
    for step in range(50):
        exchange.wait(18)
        exchange.mark(100_00 + 500 * (step % 2))
        assert market.variance == start, "fifty rounds that tremble, within a second"
    exchange.wait(49)
    exchange.mark(101_00)
    assert (market.anchor, market.anchor_time) == (101_00, exchange.state.time)
    assert market.variance == variance_after(rules, start, 100_00, 101_00, 1_000) > start


def test_the_volatility_is_rebuilt_from_the_leaves() -> None:
    exchange = Exchange()
    exchange.wait(5_000)
    exchange.mark(101_00)
    lag(exchange, LAG_MS)
    rebuilt = State.from_leaves(RULES, DOMAIN, exchange.state.leaves())
    for state in (exchange.state, rebuilt):
        state.market(BTC).require_fresh(state.time, state.lag)
    ours, theirs = exchange.market, rebuilt.market(BTC)
    assert (ours.variance, ours.anchor, ours.anchor_time) == (
        theirs.variance,
        theirs.anchor,
        theirs.anchor_time,
    )
    assert ours.buffer == theirs.buffer > BUFFER


def test_no_deviations_is_no_buffer_whatever_the_age() -> None:
    calm = msgspec.structs.replace(RULES.markets[0], staleness=StalenessRules(deviations=Ppm(0)))
    exchange = Exchange(msgspec.structs.replace(RULES, markets=(calm, calm)))
    exchange.fund(BOB, 100)
    lag(exchange, 2**40)
    exchange.place(BOB, order(BUY, COIN, 100_00))
    assert exchange.market.buffer == 0
