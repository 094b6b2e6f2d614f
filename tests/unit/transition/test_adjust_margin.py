"""Margin goes in freely, and comes out only while initial margin stays."""

import pytest

from node.types.errors import (
    AmountInvalid,
    InsufficientCollateral,
    InsufficientMargin,
    MarkStale,
    NoPosition,
    NotLiquidatable,
    UnknownMarket,
)
from node.types.events import BalanceChanged, PositionChanged
from tests.examples import ALICE, BOB, CAROL, DOLLAR
from tests.unit.transition.exchange import BUY, COIN, ETH, Exchange, order


@pytest.fixture
def exchange() -> Exchange:
    """Return an exchange in which Bob is long ten coins from 100, with initial margin."""
    exchange = Exchange()
    for person in (ALICE, BOB, CAROL):
        exchange.fund(person, 1_000)
    exchange.trade(BOB, ALICE, 10 * COIN, 100_00)
    return exchange


def test_margin_moves_from_free_collateral_and_back(exchange: Exchange) -> None:
    free = exchange.account(BOB).free
    exchange.do(exchange.adjust(BOB, 50 * DOLLAR))
    (balance,), (position,) = exchange.told(BalanceChanged), exchange.told(PositionChanged)
    assert (balance.free, position.margin) == (free - 50 * DOLLAR, 150 * DOLLAR)
    exchange.do(exchange.adjust(BOB, -50 * DOLLAR))
    assert exchange.account(BOB).free == free


def test_what_is_no_adjustment_is_refused(exchange: Exchange) -> None:
    nowhere = exchange.adjust(BOB, 1, market=3)
    assert exchange.refused(nowhere, UnknownMarket) == {"market": 3}
    assert exchange.refused(exchange.adjust(BOB, 1, market=0), UnknownMarket) == {"market": 0}
    assert exchange.refused(exchange.adjust(BOB, 0), AmountInvalid) == {"amount": 0}
    assert exchange.refused(exchange.adjust(BOB, 1, ETH), NoPosition) == {"market": ETH}
    exchange.place(CAROL, order(BUY, COIN, 99_00))
    assert exchange.refused(exchange.adjust(CAROL, 1), NoPosition) == {"market": 1}
    free = exchange.account(BOB).free
    values = {"required": free + 1, "free": free}
    assert exchange.refused(exchange.adjust(BOB, free + 1), InsufficientCollateral) == values
    exchange.do(exchange.adjust(BOB, free))


def test_initial_margin_stays_to_the_unit(exchange: Exchange) -> None:
    exchange.do(exchange.adjust(BOB, 7))
    values = {"equity": 100 * DOLLAR - 1, "required": 100 * DOLLAR, "buffer": 0}
    assert exchange.refused(exchange.adjust(BOB, -8), InsufficientMargin) == values
    exchange.do(exchange.adjust(BOB, -7))


def test_profit_on_paper_is_no_margin(exchange: Exchange) -> None:
    """At 150 the equity is 600 and 150 are needed; yet only the 100 put in can come out."""
    exchange.mark(150_00)
    more = exchange.adjust(BOB, -100 * DOLLAR - 1)
    values = {"equity": 500 * DOLLAR - 1, "required": 500 * DOLLAR, "buffer": 0}
    assert exchange.refused(more, InsufficientMargin) == values
    exchange.do(exchange.adjust(BOB, -100 * DOLLAR))
    assert exchange.position(BOB).margin == 0


def test_more_than_there_is_is_told_the_requirement(exchange: Exchange) -> None:
    """Who asks for too much by far is told what is needed, not what he asked for."""
    more = exchange.adjust(BOB, -100_000 * DOLLAR)
    values = {"equity": -99_900 * DOLLAR, "required": 100 * DOLLAR, "buffer": 0}
    assert exchange.refused(more, InsufficientMargin) == values


def test_margin_that_funding_has_taken_does_not_come_out(exchange: Exchange) -> None:
    """Of the hundred put in forty are owed; at 150 the equity is 560, and 150 are needed."""
    exchange.mark(150_00)
    exchange.market.funding_index += 400
    more = exchange.adjust(BOB, -60 * DOLLAR - 1)
    values = {"equity": 500 * DOLLAR - 1, "required": 500 * DOLLAR, "buffer": 0}
    assert exchange.refused(more, InsufficientMargin) == values
    exchange.do(exchange.adjust(BOB, -60 * DOLLAR))
    left = exchange.position(BOB)
    assert left.margin == left.owed_funding(exchange.market.funding_index) == 40 * DOLLAR


def test_owed_funding_counts_before_it_is_settled(exchange: Exchange) -> None:
    exchange.do(exchange.adjust(BOB, 30 * DOLLAR))
    exchange.market.funding_index += 100
    values = {"equity": 100 * DOLLAR - 1, "required": 100 * DOLLAR, "buffer": 0}
    refused = exchange.refused(exchange.adjust(BOB, -20 * DOLLAR - 1), InsufficientMargin)
    assert refused == values
    exchange.do(exchange.adjust(BOB, -20 * DOLLAR))


def test_a_stale_mark_lets_margin_in_and_not_out(exchange: Exchange) -> None:
    exchange.do(exchange.adjust(BOB, 10 * DOLLAR))
    exchange.wait(60_001)
    values = {"market": 1, "age_ms": 60_001, "limit": 60_000}
    assert exchange.refused(exchange.adjust(BOB, -1), MarkStale) == values
    exchange.do(exchange.adjust(BOB, 1))


def test_taking_margin_out_does_not_make_a_position_fail(exchange: Exchange) -> None:
    exchange.mark(110_00)
    exchange.do(exchange.adjust(BOB, -90 * DOLLAR))
    exchange.refused(exchange.liquidate(BOB), NotLiquidatable)


def test_margin_put_in_saves_a_failing_position(exchange: Exchange) -> None:
    exchange.mark(94_00)
    exchange.do(exchange.adjust(BOB, 7 * DOLLAR))
    values = {"equity": 47 * DOLLAR, "required": 47 * DOLLAR}
    assert exchange.refused(exchange.liquidate(BOB), NotLiquidatable) == values
