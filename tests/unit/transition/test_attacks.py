"""What somebody with several accounts and no manners would try."""

import msgspec
import pytest

from node.margin.position import maintenance_margin
from node.transition import invariants, rehearsal
from node.transition import state as state_module
from node.transition.apply import apply
from node.transition.open_block import TIME_MAX
from node.transition.oracle_round import MAX_MARK
from node.transition.state import Market, State
from node.types.commands import CancelOrder, OpenBlock, OrderType
from node.types.errors import (
    AmountInvalid,
    BlockOutOfOrder,
    FillOrKillUnfilled,
    InsufficientMargin,
    LiquidationStalled,
    NotionalTooSmall,
    NotLiquidatable,
    OracleRoundRefused,
    PriceOutsideBand,
)
from node.types.events import CancelReason, Liquidated, OrderCancelled
from node.types.ids import MarketId
from node.types.rules import Bracket, MarketRules
from node.types.units import UINT64_MAX, Lots, Millis, Ppm
from tests.examples import ALICE, BOB, CAROL, DOLLAR, MALLORY, RULES, Person
from tests.unit.transition.exchange import BUY, COIN, ETH, SELL, Exchange, order

IOC, MARKET = OrderType.IOC, OrderType.MARKET


def bankrupt_long(fund: int) -> Exchange:
    """Return an exchange in which Mallory's 100 coins are worth one dollar less than nothing."""
    exchange = Exchange()
    exchange.endow(fund)
    exchange.fund(MALLORY, 1_005)
    exchange.fund(BOB, 100_000)
    exchange.trade(MALLORY, BOB, 100 * COIN, 100_00)
    exchange.mark(89_99)
    assert exchange.position(MALLORY).equity(89_99, 0) == -DOLLAR
    return exchange


def test_the_insurance_fund_is_not_sold_to_the_one_who_bids_lowest() -> None:
    """Two accounts of one owner: a long that is bankrupt by a dollar, a bid far below the mark.

    Inside the price band alone, that bid would take a tenth of the position's value out of the
    fund. The fund goes no further beyond the mark than a liquidation in time would have gone.
    """
    exchange = bankrupt_long(fund=100_000)
    exchange.place(BOB, order(BUY, 100 * COIN, 80_00))
    stalled = exchange.refused(exchange.liquidate(MALLORY), LiquidationStalled)
    assert stalled == {"price": 85_50, "size": 100 * COIN}
    exchange.place(BOB, order(BUY, 100 * COIN, 85_50))
    exchange.do(exchange.liquidate(MALLORY))
    (liquidated,) = exchange.told(Liquidated)
    assert liquidated.shortfall == 450 * DOLLAR


def test_a_market_order_with_a_high_protection_price_is_no_way_to_send_dust() -> None:
    """The minimum holds at the price that the order can trade at, not at the one it names."""
    exchange = Exchange()
    exchange.fund(ALICE, 1_000)
    exchange.fund(MALLORY, 1_000)
    exchange.place(ALICE, order(SELL, COIN, 100_00))
    dust = exchange.orders(MALLORY, order(BUY, 1, UINT64_MAX, MARKET))
    values = exchange.refused(dust, NotionalTooSmall)
    assert values == {"notional": 120_00, "minimum": DOLLAR}


def test_a_market_sell_is_worth_the_mark_and_no_dust_whatever_protection_it_names() -> None:
    """Its price is the least that it takes: at two per cent below the mark, or at nothing."""
    exchange = Exchange()
    exchange.fund(ALICE, 1_000)
    exchange.fund(MALLORY, 1_000)
    exchange.place(ALICE, order(BUY, COIN, 100_00))
    for price in (0, 98_00):
        dust = exchange.orders(MALLORY, order(SELL, 99, price, MARKET))
        values = exchange.refused(dust, NotionalTooSmall)
        assert values == {"notional": 99 * 100_00, "minimum": DOLLAR}
        exchange.place(MALLORY, order(SELL, 100, price, MARKET))
        assert exchange.fills() == [(100_00, 100)]


def test_a_market_order_may_name_no_protection_at_all() -> None:
    exchange = Exchange()
    exchange.fund(ALICE, 1_000)
    exchange.fund(BOB, 1_000)
    exchange.place(ALICE, order(BUY, COIN, 99_00), order(SELL, COIN, 101_00))
    exchange.place(BOB, order(SELL, COIN // 2, 0, MARKET))
    assert exchange.fills() == [(99_00, COIN // 2)]
    exchange.place(BOB, order(BUY, COIN, UINT64_MAX, MARKET))
    assert exchange.fills() == [(101_00, COIN)]


def test_the_band_never_loosens_the_protection_of_a_market_order() -> None:
    """An ask was left behind by the mark, below the band: a buyer who said less gets nothing."""
    exchange = Exchange()
    for person in (ALICE, BOB):
        exchange.fund(person, 10_000)
    exchange.place(ALICE, order(SELL, COIN, 101_00))
    exchange.mark(150_00)
    buy = exchange.orders(BOB, order(BUY, COIN, 100_00, MARKET))
    band = {"low": 120_00, "high": 180_00}
    assert exchange.refused(buy, PriceOutsideBand) == {"price": 100_00, **band}
    sell = exchange.orders(BOB, order(SELL, COIN, UINT64_MAX, MARKET))
    assert exchange.refused(sell, PriceOutsideBand) == {"price": UINT64_MAX, **band}


def wealth(exchange: Exchange, *people: Person) -> int:
    """Return what ``people`` would have if all closed at the marks."""
    index, mark = exchange.market.funding_index, exchange.market.mark
    return sum(
        account.free + account.reserved + exchange.position(person).equity(mark, index)
        for person in people
        for account in [exchange.account(person)]
    )


@pytest.mark.parametrize("price", [80_00, 95_00, 105_00, 120_00])
@pytest.mark.parametrize("mark", [80_00, 90_00, 99_00, 110_00, 125_00])
def test_two_accounts_of_one_owner_gain_no_more_than_a_gap_and_the_maintenance_margin(
    price: int, mark: int
) -> None:
    """A trade far from the mark, a move, a liquidation into the other account's own quotes.

    What a position lacks at the new mark is the fund's risk, whoever holds the other side; beyond
    that the owner's own quotes fetch the maintenance margin at most, and nothing without a gap.
    """
    exchange = Exchange()
    exchange.endow(10_000)
    exchange.fund(MALLORY, 500)
    exchange.fund(BOB, 5_000)
    before = wealth(exchange, MALLORY, BOB)
    exchange.do(exchange.orders(MALLORY, order(SELL, 10 * COIN, price)))
    exchange.do(exchange.orders(BOB, order(BUY, 10 * COIN, price)))
    exchange.mark(mark)
    equities = [exchange.position(person).equity(mark, 0) for person in (MALLORY, BOB)]
    gap = -min(0, *equities)
    allowed = gap + maintenance_margin(RULES.markets[0], 10 * COIN, mark) if gap else 0
    low, high = exchange.market.band
    for quote in (order(BUY, 10 * COIN, low), order(SELL, 10 * COIN, high)):
        apply(exchange.state, exchange.orders(BOB, quote))
    for _ in range(3):
        for person in (MALLORY, BOB):
            apply(exchange.state, exchange.liquidate(person))
            invariants.check(exchange.state)
    assert wealth(exchange, MALLORY, BOB) - before <= allowed


@pytest.mark.parametrize("first", [1, 20, 53, 60, 99])
def test_a_solvent_position_cannot_be_made_bankrupt_by_the_size_of_the_bid_that_meets_it(
    first: int,
) -> None:
    """Two liquidations into quotes of the other account, of which the first is not the whole.

    A fee on what was closed that took all of the rest's equity would put the rest behind the fund.
    """
    exchange = Exchange()
    exchange.endow(10_000)
    for person in (MALLORY, BOB):
        exchange.fund(person, 10_000)
    exchange.trade(MALLORY, BOB, 100 * COIN, 100_00)
    exchange.mark(91_00)
    fund = exchange.state.insurance
    assert exchange.position(MALLORY).equity(91_00, 0) == 100 * DOLLAR
    for size, price in ((first, 90_00), (100 - first, 86_45)):
        exchange.place(BOB, order(BUY, size * COIN, price))
        before, lots = exchange.position(MALLORY).equity(91_00, 0), exchange.position(MALLORY).size
        apply(exchange.state, exchange.liquidate(MALLORY))
        # What stays has at least its share of what there was.
        position = exchange.position(MALLORY)
        assert position.equity(91_00, 0) * lots >= before * position.size
        invariants.check(exchange.state)
    assert exchange.state.insurance >= fund


def test_splitting_a_trade_saves_no_fee() -> None:
    fees = []
    for parts in (1, 10, 100):
        exchange = Exchange()
        for person in (ALICE, MALLORY):
            exchange.fund(person, 10_000)
        exchange.place(ALICE, order(SELL, 33_300, 100_01))
        for _ in range(parts):
            exchange.place(MALLORY, order(BUY, 33_300 // parts, 100_01, IOC))
        fees.append(exchange.state.fees)
    assert fees == sorted(fees)


def test_partial_fills_and_a_cancel_leave_nothing_reserved_and_nothing_behind() -> None:
    exchange = Exchange()
    for person in (ALICE, BOB):
        exchange.fund(person, 10_000)
    exchange.place(ALICE, order(SELL, 10_007, 100_03))
    for size in (101, 1_013, 3_001):
        reserved = exchange.account(ALICE).reserved
        exchange.place(BOB, order(BUY, size, 100_03, IOC))
        assert exchange.account(ALICE).reserved < reserved
    exchange.do(exchange.cancel_all(ALICE))
    account = exchange.account(ALICE)
    paid = sum(-(-100_03 * size * 100 // 1_000_000) for size in (101, 1_013, 3_001))
    assert account.reserved == 0
    assert account.free == 10_000 * DOLLAR - exchange.position(ALICE).margin - paid


def test_reduce_only_orders_cannot_flip_a_position_however_many_there_are() -> None:
    exchange = Exchange()
    for person in (ALICE, BOB, CAROL):
        exchange.fund(person, 10_000)
    exchange.trade(BOB, ALICE, COIN, 100_00)
    exchange.place(BOB, *[order(SELL, COIN, 100_00 + n, reduce_only=True) for n in range(5)])
    exchange.place(CAROL, order(BUY, 5 * COIN, 101_00))
    assert exchange.position(BOB).size == 0
    assert exchange.fills() == [(100_00, COIN)]
    assert exchange.book() == ([(101_00, 4 * COIN)], [])


def test_a_position_of_one_lot_is_no_free_wall_of_reduce_only_orders() -> None:
    """Such orders reserve nothing: each that cost a taker one of its steps would stop it for free.

    Bob's order may take a hundred steps; Mallory's two hundred orders stand before Alice's.
    """
    exchange = Exchange()
    for person in (ALICE, BOB, MALLORY):
        exchange.fund(person, 10_000)
    exchange.trade(MALLORY, ALICE, COIN, 100_00)
    exchange.place(MALLORY, order(SELL, COIN - 1, 99_00))
    exchange.place(BOB, order(BUY, COIN - 1, 99_00, IOC))
    for _ in range(2):
        exchange.place(MALLORY, *[order(SELL, 1, 100_00, reduce_only=True)] * 100)
    exchange.place(ALICE, order(SELL, COIN, 100_00))
    exchange.place(BOB, order(BUY, COIN + 1, 100_00, IOC))
    assert exchange.fills() == [(100_00, 1), (100_00, COIN)]
    assert not exchange.account(MALLORY).orders


def test_a_reduce_only_order_is_no_dust_unless_it_closes_everything() -> None:
    exchange = Exchange()
    for person in (ALICE, MALLORY):
        exchange.fund(person, 10_000)
    exchange.trade(MALLORY, ALICE, 150, 100_00)
    dust = exchange.orders(MALLORY, order(SELL, 99, 100_00, reduce_only=True))
    values = exchange.refused(dust, NotionalTooSmall)
    assert values == {"notional": 99 * 100_00, "minimum": DOLLAR}
    exchange.place(ALICE, order(BUY, 100, 100_00))
    exchange.place(MALLORY, order(SELL, 100, 100_00, IOC, reduce_only=True))
    assert exchange.position(MALLORY).size == 50
    exchange.place(MALLORY, order(SELL, 50, 100_00, reduce_only=True))
    assert exchange.book() == ([], [(100_00, 50)])


def test_a_fill_or_kill_that_the_book_cannot_fill_costs_no_rehearsal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Refused, it pays nothing and may be sent again at once: a hundred of them in each action.

    What the taker itself has resting does not count: it is cancelled and never traded with.
    """
    exchange = Exchange()
    for person in (ALICE, MALLORY):
        exchange.fund(person, 10_000)
    exchange.place(ALICE, order(SELL, 10 * COIN, 100_00))
    exchange.place(MALLORY, order(SELL, 10 * COIN, 100_00))
    monkeypatch.delattr(rehearsal, "Trade")
    wanted = order(BUY, 10 * COIN + 1, 110_00, OrderType.FOK)
    exchange.refused(exchange.orders(MALLORY, wanted), FillOrKillUnfilled)


def test_a_fill_or_kill_builds_no_market_but_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rehearsal costs as much with a thousand markets as with one."""
    exchange = Exchange()
    for person in (ALICE, BOB):
        exchange.fund(person, 10_000)
    exchange.place(ALICE, order(SELL, COIN, 101_00), order(SELL, COIN, 102_00, market=ETH))
    built: list[str] = []

    class Counted(Market):
        def __init__(self, market_id: MarketId, rules: MarketRules, finality_ms: Millis) -> None:
            built.append(rules.symbol)
            super().__init__(market_id, rules, finality_ms)

    monkeypatch.setattr(state_module, "Market", Counted)
    exchange.place(BOB, order(BUY, COIN, 102_00, OrderType.FOK, market=ETH))
    assert exchange.fills() == [(102_00, COIN)]
    assert built == [exchange.state.rules.market(ETH).symbol]


def test_dust_is_withdrawn_only_with_the_last_of_an_account() -> None:
    """A withdrawal is kept for ever: a million of them must not be had for a dollar.

    What a position or an order holds back can be let go unit by unit, so while there is any the
    rest is not the last.
    """
    exchange = Exchange()
    for person in (ALICE, MALLORY):
        exchange.fund(person, 100)
    exchange.trade(MALLORY, ALICE, COIN, 100_00)
    exchange.do(exchange.adjust(MALLORY, exchange.account(MALLORY).free))
    exchange.do(exchange.adjust(MALLORY, -1))
    dust = {"amount": 1, "minimum": DOLLAR}
    assert exchange.refused(exchange.withdraw(MALLORY, 1), AmountInvalid) == dust
    exchange.place(ALICE, order(BUY, COIN, 100_00))
    exchange.place(MALLORY, order(SELL, COIN, 100_00, IOC, reduce_only=True))
    last = exchange.account(MALLORY).free - 50 * DOLLAR
    exchange.do(exchange.withdraw(MALLORY, 50 * DOLLAR))
    exchange.do(exchange.withdraw(MALLORY, last - DOLLAR // 2 - DOLLAR))
    assert exchange.refused(exchange.withdraw(MALLORY, 1), AmountInvalid) == dust
    exchange.do(exchange.withdraw(MALLORY, DOLLAR))
    held = exchange.place(MALLORY, order(BUY, 400, 99_00))
    free = exchange.account(MALLORY).free
    exchange.refused(exchange.withdraw(MALLORY, free), AmountInvalid)
    exchange.do(exchange.orders(MALLORY, cancels=(CancelOrder(held),)))
    exchange.do(exchange.withdraw(MALLORY, DOLLAR // 2))
    assert exchange.account(MALLORY).free == 0


def test_a_losing_position_cannot_be_sold_to_a_friend_below_its_worth() -> None:
    """Below maintenance, only a price that leaves the rest no worse off is a fair one."""
    exchange = Exchange()
    for person in (ALICE, BOB):
        exchange.fund(person, 10_000)
    exchange.fund(MALLORY, 1_006)
    exchange.trade(MALLORY, ALICE, 100 * COIN, 100_00)
    exchange.mark(94_00)
    exchange.place(BOB, order(BUY, 50 * COIN, 76_00))
    dump = order(SELL, 50 * COIN, 76_00, IOC, reduce_only=True)
    exchange.place(MALLORY, dump)
    (refused,) = exchange.told(OrderCancelled)
    assert (refused.remaining, refused.reason) == (50 * COIN, CancelReason.MARGIN)
    assert exchange.position(MALLORY).size == 100 * COIN


def test_margin_taken_out_is_gone_before_the_crash_and_not_after_it() -> None:
    exchange = Exchange()
    for person in (ALICE, BOB, CAROL):
        exchange.fund(person, 10_000)
    exchange.trade(BOB, ALICE, 10 * COIN, 100_00)
    exchange.do(exchange.adjust(BOB, 50 * DOLLAR))
    exchange.do(exchange.adjust(BOB, -50 * DOLLAR))
    exchange.mark(91_00)
    exchange.refused(exchange.adjust(BOB, -1), InsufficientMargin)
    free = exchange.account(BOB).free
    exchange.place(CAROL, order(BUY, 10 * COIN, 90_00))
    exchange.do(exchange.liquidate(BOB))
    assert exchange.account(BOB).free >= free


def test_rounds_held_back_through_a_silence_liquidate_nobody_at_prices_of_long_ago() -> None:
    """A quorum signed them while the price was low; it has recovered since, unheard."""
    exchange = Exchange()
    exchange.fund(BOB, 1_005)
    exchange.fund(ALICE, 100_000)
    exchange.trade(BOB, ALICE, 100 * COIN, 100_00)
    exchange.wait(1)
    fall = [exchange.round(94_99, 94_99)]
    exchange.wait(1)
    fall.append(exchange.round(94_98, 94_98))
    exchange.wait(3_600_000)
    for held_back in fall:
        exchange.refused(held_back, OracleRoundRefused)
        exchange.refused(exchange.liquidate(BOB), NotLiquidatable)


def test_the_largest_position_at_the_highest_mark_fits_every_leaf() -> None:
    """2**48 lots at 2**48 ticks, and the most money that a deposit can bring, many times."""
    biggest = msgspec.structs.replace(
        RULES.markets[0], brackets=(Bracket(Lots(2**48), Ppm(2), Ppm(1)),)
    )
    exchange = Exchange(msgspec.structs.replace(RULES, markets=(biggest,)), mark=MAX_MARK - 1)
    for person in (ALICE, BOB):
        account = exchange.state.open_account(person.address)
        account.free += 2**100
        exchange.state.deposited += 2**100
    exchange.trade(BOB, ALICE, 2**48, MAX_MARK - 1)
    leaves = dict(exchange.state.leaves())
    back = State.from_leaves(exchange.state.rules, exchange.state.domain, leaves.items())
    assert dict(back.leaves()) == leaves
    exchange.mark(1)
    exchange.do(exchange.liquidate(BOB))
    exchange.state.drain_changes()


def test_no_block_may_stand_at_a_time_that_leaves_cannot_hold() -> None:
    """Funding times lie ahead of the block: near 2**64 they would not fit their leaf."""
    exchange = Exchange(mark=0)
    for time in (UINT64_MAX, TIME_MAX + 1):
        exchange.refused(OpenBlock(2, Millis(time)), BlockOutOfOrder)
    exchange.do(OpenBlock(2, Millis(TIME_MAX)))
    exchange.do(exchange.round(100_00, 100_00))
    exchange.state.drain_changes()
