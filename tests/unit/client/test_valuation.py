"""A client's own sums about a position are those of the exchange, to the last unit."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.client.valuation import liquidation_price, value
from node.margin.position import Position, maintenance_margin
from node.types.ids import MarketId
from node.types.units import Ticks, decimal_from_units
from tests.examples import ALICE, DOLLAR, RULES

MARKET = RULES.markets[0]
LARGEST = MARKET.max_size


def shown(size: int, entry: int, margin: int) -> dict[str, Any]:
    return {
        "market": MARKET.symbol,
        "size": decimal_from_units(size, MARKET.lot_decimals),
        "entry": decimal_from_units(entry, 6),
        "margin": decimal_from_units(margin, 6),
        "funding": "-0.00002",
    }


def fails(size: int, entry: int, margin: int, price: int) -> bool:
    position = Position(ALICE.address, MarketId(1))
    position.size, position.entry, position.margin = size, entry, margin
    return position.equity(price, 0) < maintenance_margin(MARKET, size, price)


def test_a_long_that_lost_is_told_with_every_figure() -> None:
    # 1 BTC at 60,000.00, a margin of 6,000; the mark fell by 1,000.
    told = value(shown(10_000, 60_000 * DOLLAR, 6_000 * DOLLAR), RULES, Ticks(5_900_000), -20)
    assert told.long
    assert told.funding == 0
    assert told.entry_price == 6_000_000
    assert told.notional == 59_000 * DOLLAR
    assert told.unrealized == -1_000 * DOLLAR
    assert told.equity == 5_000 * DOLLAR
    assert told.initial == 5_900 * DOLLAR
    assert told.maintenance == 2_950 * DOLLAR
    assert told.margin_ratio == Decimal("0.59")
    assert told.leverage == Decimal(59) / 6
    # 54,000 / 0.95, and the tick below it fails first.
    assert told.liquidation == 5_684_210


def test_a_short_without_equity_is_past_its_ratio() -> None:
    told = value(shown(-10_000, -60_000 * DOLLAR, 100 * DOLLAR), RULES, Ticks(6_200_000), -20)
    assert not told.long
    assert told.equity == -1_900 * DOLLAR
    assert told.margin_ratio == Decimal("Infinity")


def test_a_long_that_its_margin_covers_whole_has_no_liquidation_price() -> None:
    assert liquidation_price(MARKET, 10_000, 60_000 * DOLLAR, 70_000 * DOLLAR) is None


@given(
    size=st.integers(1, LARGEST),
    price=st.integers(1, 10_000_000),
    rate=st.integers(1, 1_500_000),
    long=st.booleans(),
)
def test_the_liquidation_price_is_the_first_that_the_exchange_would_act_on(
    size: int, price: int, rate: int, *, long: bool
) -> None:
    entry = size * price
    margin = entry * rate // 1_000_000
    signed_size, signed_entry = (size, entry) if long else (-size, -entry)
    found = liquidation_price(MARKET, signed_size, signed_entry, margin)
    if found is None:
        assert long
        assert not fails(signed_size, signed_entry, margin, 1)
        return
    assert fails(signed_size, signed_entry, margin, found)
    assert not fails(signed_size, signed_entry, margin, found + 1 if long else found - 1)


def test_a_short_that_owes_more_than_it_was_sold_for_fails_at_any_price() -> None:
    assert liquidation_price(MARKET, -10_000, -10_000 * 100, -10_000 * 1_000) == 1


def test_a_market_that_is_not_there_is_an_error() -> None:
    with pytest.raises(KeyError):
        value(shown(1, 1, 1) | {"market": "DOGE-PERP"}, RULES, Ticks(1), 0)


@given(
    size=st.integers(-LARGEST, LARGEST).filter(bool),
    price=st.integers(1, 10_000_000),
    mark=st.integers(1, 10_000_000),
    settled=st.integers(-(10**7), 10**7),
    index=st.integers(-(10**7), 10**7),
)
def test_equity_and_liquidation_count_the_funding_that_is_not_settled_yet(
    size: int, price: int, mark: int, settled: int, index: int
) -> None:
    position = Position(ALICE.address, MarketId(1))
    position.size, position.entry, position.funding = size, size * price, settled
    position.margin = abs(size) * price // 10
    account = shown(size, position.entry, position.margin)
    account["funding"] = decimal_from_units(settled, 6)
    told = value(account, RULES, Ticks(mark), index)
    assert told.funding == -position.owed_funding(index)
    assert told.equity == position.equity(mark, index)
    found = told.liquidation
    if found is not None:
        better = found + 1 if size > 0 else found - 1
        assert position.equity(found, index) < maintenance_margin(MARKET, size, found)
        if better:
            assert position.equity(better, index) >= maintenance_margin(MARKET, size, better)
    else:
        assert size > 0
