"""What is not signed: blocks, deposits, oracle rounds, funding."""

import msgspec
import pytest

from node.transition.oracle_round import MAX_MARK
from node.transition.state import State
from node.types.commands import Deposit, OpenBlock, OracleRound, PriceReport, SettleFunding
from node.types.errors import (
    AmountInvalid,
    BlockOutOfOrder,
    DepositOutOfOrder,
    FundingNotDue,
    OracleRoundRefused,
    ValueOutOfRange,
)
from node.types.events import BlockOpened, Deposited, FundingMoved, MarkMoved
from node.types.ids import Address
from node.types.units import LAG_MAX, Millis, Money, Ticks
from tests.examples import ALICE, BOB, CAROL, DOLLAR, MALLORY, REPORTERS, RULES, START_MS
from tests.unit.transition.exchange import BUY, COIN, SELL, Exchange, order

HOUR = 3_600_000
NAMES = tuple(reporter.address for reporter in REPORTERS)


def report(reporter: Address, *prices: int) -> PriceReport:
    return PriceReport(reporter, tuple(Ticks(price) for price in prices), b"")


def round_of(time: int, *prices: int) -> OracleRound:
    """Return a round in which each reporter gives one of ``prices`` for both markets."""
    reports = tuple(report(name, price, price) for name, price in zip(NAMES, prices, strict=False))
    return OracleRound(Millis(time), reports)


# --- blocks and deposits --------------------------------------------------------------------------


def test_blocks_count_up_and_time_never_goes_back() -> None:
    exchange = Exchange(mark=0)
    exchange.do(OpenBlock(2, START_MS))
    assert exchange.events == (BlockOpened(2, START_MS),)
    for number, time in ((2, START_MS), (4, START_MS), (3, Millis(START_MS - 1))):
        values = exchange.refused(OpenBlock(number, time), BlockOutOfOrder)
        assert values == {"number": number, "expected": 3, "time": time, "now": START_MS}


def test_a_block_says_how_far_finality_lags_and_the_state_keeps_it() -> None:
    exchange = Exchange(mark=0)
    exchange.do(OpenBlock(2, START_MS, lag=Millis(780_000)))
    assert exchange.events == (BlockOpened(2, START_MS, lag=Millis(780_000)),)
    state = exchange.state
    assert state.lag == 780_000
    assert State.from_leaves(state.rules, state.domain, state.leaves()).lag == 780_000
    for lag in (-1, LAG_MAX + 1):
        values = exchange.refused(OpenBlock(3, START_MS, lag=Millis(lag)), ValueOutOfRange)
        assert values == {"field": "lag", "low": 0, "high": LAG_MAX}


def test_deposits_come_in_the_order_of_the_inbox() -> None:
    exchange = Exchange()
    first = Deposit(0, ALICE.address, Money(5))
    exchange.do(first)
    assert exchange.events[0] == Deposited(0, ALICE.address, Money(5))
    for index in (0, 2):
        late = Deposit(index, ALICE.address, Money(5))
        assert exchange.refused(late, DepositOutOfOrder) == {"index": index, "expected": 1}
    empty = Deposit(1, BOB.address, Money(0))
    assert exchange.refused(empty, AmountInvalid) == {"amount": 0}
    exchange.do(Deposit(1, ALICE.address, Money(6)))
    assert exchange.account(ALICE).free == 11


# --- oracle ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prices", "median"),
    [((100, 300, 200), 200), ((300, 200), 200), ((7, 7, 9), 7), ((9, 7, 9), 9)],
)
def test_the_mark_is_the_lower_median(prices: tuple[int, ...], median: int) -> None:
    exchange = Exchange(mark=0)
    exchange.do(round_of(START_MS, *prices))
    assert [event.price for event in exchange.told(MarkMoved)] == [median, median]


def test_rounds_are_monotone_and_not_far_ahead() -> None:
    exchange = Exchange(mark=0)
    stale_ms = RULES.markets[0].mark_stale_ms
    limits = {"after": START_MS - stale_ms - 1, "latest": START_MS + 2_000}
    ahead = round_of(START_MS + 2_001, 5, 5)
    values = exchange.refused(ahead, OracleRoundRefused)
    assert values == {"time": START_MS + 2_001, **limits}
    exchange.do(round_of(START_MS + 2_000, 5, 5))
    assert exchange.market.mark_age(exchange.state.time) == 0
    again = exchange.refused(round_of(START_MS + 2_000, 5, 5), OracleRoundRefused)
    assert again["after"] == START_MS + 2_000


def test_a_round_is_taken_as_long_as_its_mark_is_fresh_in_any_market() -> None:
    hasty, patient = RULES.markets
    hasty = msgspec.structs.replace(hasty, mark_stale_ms=Millis(patient.mark_stale_ms // 2))
    for markets in ((hasty, patient), (patient, hasty)):
        exchange = Exchange(msgspec.structs.replace(RULES, markets=markets), mark=0)
        exchange.wait(patient.mark_stale_ms + 1)
        now = exchange.state.time
        values = exchange.refused(round_of(START_MS, 5, 5), OracleRoundRefused)
        assert values == {"time": START_MS, "after": START_MS, "latest": now + 2_000}
        exchange.do(round_of(START_MS + 1, 5, 5))
        for market in exchange.state.markets:
            market.age(now, 0)
        assert {market.rules: market.opens for market in exchange.state.markets} == {
            hasty: False,
            patient: True,
        }


def test_a_round_has_to_be_newer_than_the_last_and_in_a_silence_than_a_stale_mark() -> None:
    exchange = Exchange(mark=0)
    exchange.do(round_of(START_MS, 5, 5))
    exchange.wait(RULES.markets[0].mark_stale_ms)
    for after in (START_MS, START_MS, START_MS + 1):
        values = exchange.refused(round_of(after, 5, 5), OracleRoundRefused)
        assert values["after"] == after
        exchange.wait(1)


@pytest.mark.parametrize(
    ("names", "values"),
    [
        (NAMES[:1], {"reporters": 1, "quorum": 2, "known": True}),
        ((), {"reporters": 0, "quorum": 2, "known": True}),
        ((NAMES[0], NAMES[0]), {"reporters": 1, "quorum": 2, "known": True}),
        ((*NAMES[:2], NAMES[1]), {"reporters": 2, "quorum": 2, "known": True}),
        ((*NAMES[:2], MALLORY.address), {"reporters": 3, "quorum": 2, "known": False}),
    ],
)
def test_a_quorum_of_different_known_reporters_is_needed(
    names: tuple[Address, ...], values: dict[str, object]
) -> None:
    exchange = Exchange(mark=0)
    reports = tuple(report(name, 5, 5) for name in names)
    assert exchange.refused(OracleRound(START_MS, reports), OracleRoundRefused) == values


@pytest.mark.parametrize("prices", [(5,), (5, 5, 5), (0, 5), (5, MAX_MARK)])
def test_each_report_has_one_sane_price_for_each_market(prices: tuple[int, ...]) -> None:
    exchange = Exchange(mark=0)
    reports = (report(NAMES[0], 5, 5), report(NAMES[1], *prices))
    values = exchange.refused(OracleRound(START_MS, reports), OracleRoundRefused)
    assert values == {"reporter": NAMES[1], "prices": list(prices)}


def test_the_highest_and_the_lowest_mark_work() -> None:
    exchange = Exchange(mark=0)
    for place, mark in enumerate((1, MAX_MARK - 1)):
        exchange.do(round_of(START_MS + place, mark, mark))
        low, high = exchange.market.band
        assert 1 <= low <= mark <= high


# --- funding --------------------------------------------------------------------------------------


def with_premium(samples: int = 1) -> Exchange:
    """Return an exchange whose book stands at 101 and 103 over a mark of 100."""
    exchange = Exchange()
    for person in (ALICE, BOB, CAROL):
        exchange.fund(person, 10_000)
    exchange.trade(BOB, CAROL, 10 * COIN, 100_00)
    exchange.place(ALICE, order(BUY, COIN, 101_00), order(SELL, COIN, 103_00))
    for _ in range(samples):
        exchange.mark(100_00)
    return exchange


def test_funding_waits_for_its_hour() -> None:
    exchange = Exchange(mark=0)
    never = {"next_at": 0, "now": START_MS}
    assert exchange.refused(SettleFunding(), FundingNotDue) == never
    exchange.mark(100_00)
    due = (START_MS // HOUR + 1) * HOUR
    exchange.wait(due - exchange.state.time - 1)
    values = {"next_at": due, "now": due - 1}
    assert exchange.refused(SettleFunding(), FundingNotDue) == values
    exchange.wait(1)
    exchange.do(SettleFunding())
    assert [event.delta for event in exchange.told(FundingMoved)] == [0, 0]
    assert exchange.market.funding_time == due + HOUR
    exchange.refused(SettleFunding(), FundingNotDue)


def test_longs_pay_the_mean_premium_held_inside_the_cap() -> None:
    """The premium is 2 %, the cap 0.75 % of 100.00: 75 ticks in eight hours, 9.375 in one."""
    exchange = with_premium()
    equity = exchange.position(BOB).equity(100_00, 0)
    exchange.wait(HOUR)
    exchange.do(SettleFunding())
    assert exchange.told(FundingMoved)[0] == FundingMoved(exchange.market.market_id, 9, 9)
    assert exchange.market.carry == 375_000_000
    index = exchange.market.funding_index
    assert exchange.position(BOB).equity(100_00, index) == equity - 9 * 10 * COIN
    assert exchange.position(CAROL).equity(100_00, index) == 100 * DOLLAR + 9 * 10 * COIN


def test_opening_or_closing_at_the_border_pays_no_unit_twice() -> None:
    """Who comes after the step owes nothing of it; who leaves after it has paid it."""
    exchange = with_premium()
    exchange.wait(HOUR)
    exchange.do(SettleFunding())
    exchange.mark(100_00)
    exchange.place(ALICE, order(BUY, 10 * COIN, 101_50))
    free = exchange.account(BOB).free
    exchange.place(BOB, order(SELL, 10 * COIN, 101_50, reduce_only=True))
    fee = 101_50 * 10 * COIN // 2_000
    assert exchange.account(BOB).free == free + (100 + 15) * DOLLAR - 9 * 10 * COIN - fee
    assert exchange.position(ALICE).owed_funding(exchange.market.funding_index) == 0
    assert exchange.position(ALICE).margin >= 10 * 10 * DOLLAR


def test_an_interval_without_a_two_sided_book_moves_nothing() -> None:
    exchange = Exchange()
    exchange.fund(ALICE, 1_000)
    exchange.place(ALICE, order(BUY, COIN, 101_00))
    exchange.mark(100_00)
    exchange.wait(HOUR)
    exchange.do(SettleFunding())
    assert exchange.told(FundingMoved)[0].delta == 0


def test_samples_of_one_interval_do_not_reach_the_next() -> None:
    exchange = with_premium(samples=3)
    assert exchange.market.premium_samples == 3
    exchange.wait(HOUR)
    exchange.do(SettleFunding())
    assert (exchange.market.premium_sum, exchange.market.premium_samples) == (0, 0)


def test_only_markets_that_are_due_move() -> None:
    exchange = Exchange()
    slow = exchange.state.market(exchange.market.market_id)
    slow.funding_time = exchange.state.time + 10 * HOUR
    exchange.wait(HOUR)
    exchange.do(SettleFunding())
    (moved,) = exchange.told(FundingMoved)
    assert moved.market == 2
    assert msgspec.structs.asdict(moved)["index"] == 0
