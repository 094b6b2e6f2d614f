"""What somebody with several accounts and no manners would try."""

from node.types.commands import OrderType
from node.types.errors import (
    LiquidationStalled,
    NotionalTooSmall,
    PriceOutsideBand,
)
from node.types.events import Liquidated
from node.types.units import UINT64_MAX
from tests.examples import ALICE, BOB, DOLLAR, MALLORY
from tests.unit.transition.exchange import BUY, COIN, SELL, Exchange, order

GTC, IOC, FOK, MARKET = OrderType.GTC, OrderType.IOC, OrderType.FOK, OrderType.MARKET


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
