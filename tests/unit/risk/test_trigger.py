"""The index turns exactly where the rule turns, and the mirror is what the events say."""

import pytest

from node.risk.book import Holding, RiskBook, fails_maintenance
from node.risk.trigger import TriggerIndex
from node.types.ids import MarketId
from tests.unit.risk.risk_cases import (
    MARKET,
    address,
    funding,
    mark,
    market_rules,
    position,
    rules,
    view_of,
)

RULES = market_rules()


def index_of(*holdings: Holding) -> TriggerIndex:
    index = TriggerIndex()
    for holding in holdings:
        index.add(holding)
    return index


def first_failing_mark(holding: Holding, marks: range, index: int = 0) -> int | None:
    return next((m for m in marks if fails_maintenance(RULES, holding, m, index)), None)


@pytest.mark.parametrize("size", [1, 7, 999, -1, -7, -999, 5_000, -123_457])
@pytest.mark.parametrize("margin", [4_123_456, 20_000_001])
def test_the_index_turns_at_the_very_tick_at_which_the_rule_turns(size: int, margin: int) -> None:
    event = position(1, size, 60_000_00, margin * abs(size) // 10)
    holding = Holding(event, RULES)
    ticks = range(6_000_000, 0, -1) if size > 0 else range(6_000_000, 12_000_000)
    # A binary search for the turn would assume what is to be shown; stride, then look closely.
    coarse = first_failing_mark(holding, ticks[::997])
    assert coarse is not None
    near = (
        range(coarse + 1_000, coarse - 1_000, -1) if size > 0 else range(coarse - 1_000, coarse + 1)
    )
    turn = first_failing_mark(holding, near)
    assert turn is not None
    before = turn + 1 if size > 0 else turn - 1
    index = index_of(holding)
    assert list(index.crossed(turn, 0)) == [address(1)]
    assert list(index.crossed(before, 0)) == []
    assert holding.log_distance(turn, 0) <= 1e-9
    assert holding.log_distance(before, 0) >= -1e-9


def test_funding_moves_the_trigger_of_longs_and_shorts_apart() -> None:
    long, short = (Holding(position(n, s, 100, 10_00), RULES) for n, s in ((1, 100), (2, -100)))
    index = index_of(long, short)
    assert list(index.crossed(100, 0)) == []
    assert list(index.crossed(100, 10)) == [address(1)]
    assert list(index.crossed(100, -10)) == [address(2)]
    assert fails_maintenance(RULES, long, 100, 10)
    assert fails_maintenance(RULES, short, 100, -10)


def test_the_deepest_comes_first_and_nothing_else_comes() -> None:
    holdings = [Holding(position(n, 100, 1_000, n * 1_000), RULES) for n in range(1, 50)]
    index = index_of(*holdings)
    crossed = list(index.crossed(900, 0))
    assert crossed == [address(n) for n in range(1, len(crossed) + 1)]
    assert 1 < len(crossed) < 49
    assert all(
        fails_maintenance(RULES, holding, 900, 0) == (holding.account in crossed)
        for holding in holdings
    )


def test_a_discarded_position_is_found_no_more() -> None:
    first, second = (Holding(position(n, 100, 1_000, 1), RULES) for n in (1, 2))
    index = index_of(first, second)
    index.discard(first)
    assert list(index.crossed(900, 0)) == [address(2)]
    index.discard(second)
    assert list(index.crossed(900, 0)) == []
    assert len(index) == 0


def test_a_position_of_larger_size_is_held_to_the_rate_of_its_bracket() -> None:
    small, large = (
        Holding(position(1, 1_000, 100, 0), RULES),
        Holding(position(2, 1_001, 100, 0), RULES),
    )
    assert (small.maintenance, large.maintenance) == (10_000, 25_000)


def test_a_long_that_is_paid_for_has_no_trigger_and_is_never_crossed() -> None:
    holding = Holding(position(1, 10, 100, 1_000), RULES)
    assert holding.log_distance(1, 0) == float("inf")
    assert list(index_of(holding).crossed(1, 0)) == []


def test_a_short_beyond_help_is_crossed_at_every_price() -> None:
    holding = Holding(position(1, -10, 100, -2_000), RULES)
    assert holding.log_distance(1, 0) == float("-inf")
    assert list(index_of(holding).crossed(1, 0)) == [address(1)]


def test_a_mirror_is_seeded_from_events_in_any_order() -> None:
    book = RiskBook.from_positions(
        rules(2),
        [mark(500, 7), position(1, 10, 100, 5), funding(3, MarketId(2)), position(2, 0, 0, 0)],
    )
    first, second = book.views
    assert (first.mark, first.mark_time, first.funding) == (500, 7, 0)
    assert (second.mark, second.funding, second.holdings) == (0, 3, {})
    assert list(first.holdings) == [address(1)]


def test_a_replaced_position_tells_what_was_before() -> None:
    view = view_of(position(1, 10, 100, 5))
    before, after = view.replace(position(1, -20, 100, 6))
    assert before is not None
    assert after is not None
    assert (before.size, after.size) == (10, -20)
    gone, nothing = view.replace(position(1, 0, 0, 0))
    assert gone is after
    assert nothing is None
    assert view.holdings == {}
    assert view.market == MARKET
