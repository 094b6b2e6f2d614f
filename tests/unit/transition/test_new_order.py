"""Every reason for which a new order is turned away, with the values that it names."""

import msgspec
import pytest

from node.types.commands import NewOrder, OrderType
from node.types.errors import (
    DuplicateClientId,
    GroupFull,
    InsufficientCollateral,
    MarkStale,
    NotionalTooSmall,
    PlimsollError,
    PositionTooLarge,
    PriceOutsideBand,
    SizeInvalid,
    TooManyOpenOrders,
    UnknownMarket,
)
from node.types.units import UINT64_MAX
from tests.examples import ALICE, BOB, CAROL, DOLLAR, RULES
from tests.unit.transition.exchange import BUY, COIN, ETH, SELL, Exchange, order, stop

IOC = OrderType.IOC


@pytest.fixture
def exchange() -> Exchange:
    """Return an exchange in which Bob is long one coin, from Alice."""
    exchange = Exchange()
    for person in (ALICE, BOB):
        exchange.fund(person, 300_000)
    exchange.trade(BOB, ALICE, COIN, 100_00)
    return exchange


@pytest.mark.parametrize(
    ("new", "error", "values"),
    [
        (order(BUY, COIN, 100_00, market=0), UnknownMarket, {"market": 0}),
        (order(BUY, COIN, 100_00, market=3), UnknownMarket, {"market": 3}),
        (order(BUY, 0, 100_00), SizeInvalid, {"size": 0, "limit": 10_000_000}),
        (order(BUY, 10_000_001, 100_00), SizeInvalid, {"size": 10_000_001, "limit": 10_000_000}),
        (order(BUY, 99, 100_00), NotionalTooSmall, {"notional": 990_000, "minimum": DOLLAR}),
        (
            order(BUY, COIN, 120_01),
            PriceOutsideBand,
            {"price": 120_01, "low": 80_00, "high": 120_00},
        ),
        (
            order(SELL, COIN, 79_99, reduce_only=True),
            PriceOutsideBand,
            {"price": 79_99, "low": 80_00, "high": 120_00},
        ),
        (
            order(BUY, COIN, UINT64_MAX),
            PriceOutsideBand,
            {"price": UINT64_MAX, "low": 80_00, "high": 120_00},
        ),
        (
            order(BUY, 10_000_000, 100_00),
            PositionTooLarge,
            {"size": 10_000_000 + COIN, "limit": 10_000_000},
        ),
    ],
)
def test_a_broken_rule_is_named(
    exchange: Exchange, new: NewOrder, error: type[PlimsollError], values: dict[str, object]
) -> None:
    assert exchange.refused(exchange.orders(BOB, new), error) == values


@pytest.mark.parametrize("price", [80_00, 120_00])
def test_the_edges_of_the_band_belong_to_it(exchange: Exchange, price: int) -> None:
    exchange.place(BOB, order(BUY if price < 100_00 else SELL, COIN, price))


def test_the_least_notional_and_the_largest_size_are_taken(exchange: Exchange) -> None:
    exchange.place(BOB, order(BUY, 100, 100_00))
    exchange.place(ALICE, order(BUY, 10_000_000, 80_00))


def test_a_market_without_a_mark_opens_nothing() -> None:
    exchange = Exchange(mark=0)
    exchange.fund(BOB, 1_000)
    early = exchange.orders(BOB, order(BUY, COIN, 100_00))
    assert exchange.refused(early, MarkStale) == {"market": 1, "limit": 60_000}


def test_a_stale_mark_stops_opening_and_never_reducing(exchange: Exchange) -> None:
    exchange.wait(60_000)
    exchange.place(ALICE, order(BUY, COIN, 99_00))
    exchange.wait(1)
    late = exchange.orders(BOB, order(SELL, COIN, 99_00))
    assert exchange.refused(late, MarkStale) == {"market": 1, "age_ms": 60_001, "limit": 60_000}
    exchange.place(BOB, order(SELL, COIN, 99_00, IOC, reduce_only=True))
    assert exchange.position(BOB).size == 0


def test_free_collateral_must_cover_the_reserve_to_the_unit() -> None:
    exchange = Exchange()
    exchange.fund(CAROL, 10)
    required = 9_950_000 + 49_750
    exchange.place(CAROL, order(BUY, 9_950, 100_00))
    assert exchange.account(CAROL).reserved == required
    more = exchange.orders(CAROL, order(BUY, 9_950, 100_00))
    assert exchange.refused(more, InsufficientCollateral) == {
        "required": required,
        "free": 10 * DOLLAR - required,
        "buffer": 0,
    }


def test_an_order_reserves_at_the_bracket_that_it_may_lead_to() -> None:
    exchange = Exchange()
    exchange.fund(CAROL, 100_000)
    exchange.place(CAROL, order(BUY, 100 * COIN, 100_00))
    assert exchange.account(CAROL).reserved == (1_000 + 5) * DOLLAR
    exchange.do(exchange.cancel_all(CAROL))
    exchange.place(CAROL, order(BUY, 100 * COIN + 1, 100_00))
    value = 100_00 * (100 * COIN + 1)
    assert exchange.account(CAROL).reserved == value // 5 + -(-value * 5 // 10_000)


def test_an_order_that_only_closes_reserves_nothing(exchange: Exchange) -> None:
    exchange.place(BOB, order(SELL, COIN, 101_00))
    assert exchange.account(BOB).reserved == 0
    exchange.place(BOB, order(SELL, COIN, 102_00))
    assert exchange.account(BOB).reserved == 10_200_000 + 51_000


def test_an_order_that_flips_reserves_for_what_it_opens(exchange: Exchange) -> None:
    exchange.place(BOB, order(SELL, 3 * COIN, 101_00))
    assert exchange.account(BOB).reserved == 20_200_000 + 101_000


def test_client_ids_are_unique_among_the_orders_of_one_account(exchange: Exchange) -> None:
    first = exchange.place(BOB, order(BUY, COIN, 90_00, client_id=UINT64_MAX))
    again = exchange.orders(BOB, order(BUY, COIN, 91_00, client_id=UINT64_MAX, market=ETH))
    values = {"client_id": UINT64_MAX, "order_id": first}
    assert exchange.refused(again, DuplicateClientId) == values
    exchange.place(ALICE, order(BUY, COIN, 91_00, client_id=UINT64_MAX))
    exchange.do(exchange.cancel_all(BOB))
    assert exchange.refused(again, DuplicateClientId) == values


def test_the_last_open_order_is_taken_and_one_more_is_not() -> None:
    limits = msgspec.structs.replace(RULES.limits, open_orders_per_account=2)
    exchange = Exchange(msgspec.structs.replace(RULES, limits=limits))
    exchange.fund(BOB, 1_000)
    exchange.place(BOB, order(BUY, COIN, 90_00), order(BUY, COIN, 91_00, market=ETH))
    third = exchange.orders(BOB, order(BUY, COIN, 92_00))
    assert exchange.refused(third, TooManyOpenOrders) == {"limit": 2}
    assert len(exchange.account(BOB).orders) == 2


@pytest.mark.parametrize("kind", [IOC, OrderType.FOK, OrderType.MARKET])
def test_what_can_only_take_needs_no_room_among_the_open_orders(kind: OrderType) -> None:
    """A maker with as many quotes and stops as there may be gets out of a crash all the same."""
    limits = msgspec.structs.replace(RULES.limits, open_orders_per_account=2)
    exchange = Exchange(msgspec.structs.replace(RULES, limits=limits))
    for person in (ALICE, BOB):
        exchange.fund(person, 1_000)
    exchange.trade(BOB, ALICE, COIN, 100_00)
    exchange.place(ALICE, order(BUY, COIN, 95_00))
    quote = order(BUY, COIN, 90_00, group=7)
    exchange.do(exchange.orders(BOB, quote, stop(SELL, COIN, 84_00, 85_00, group=7)))
    closing = order(SELL, COIN, 94_00, kind, reduce_only=True)
    third = exchange.orders(BOB, msgspec.structs.replace(closing, group=7))
    assert exchange.refused(third, GroupFull) == {"group": 7}
    exchange.place(BOB, closing)
    assert exchange.fills() == [(95_00, COIN)]
    waits = stop(SELL, COIN, 80_00, 85_00, kind)
    assert exchange.refused(exchange.orders(BOB, waits), TooManyOpenOrders) == {"limit": 2}
