"""The trigger index finds exactly what a full scan in exact integers finds, on any book.

Sizes, prices and margins are drawn up to the protocol's limits as well as from tiny ranges, where
equity and requirement meet within a unit and every rounding shows.
"""

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from node.risk.book import Holding, MarketView, RiskBook, fails_maintenance
from node.risk.config import RiskConfig
from node.risk.processor import RiskProcessor
from node.risk.scan import Columns, scan
from node.risk.trigger import TriggerIndex
from node.types.events import Event, PositionChanged
from node.types.units import Lots, Money
from tests.unit.risk.risk_cases import (
    MARKET,
    NS_PER_MS,
    START_MS,
    address,
    block,
    funding,
    mark,
    market_rules,
    position,
    rules,
)

RULES = market_rules()

TINY = st.integers(-40, 40)
SIZES = (TINY | st.integers(-(2**40), 2**40)).filter(bool)
ENTRIES = st.integers(-3_000, 3_000) | st.integers(-(2**80), 2**80)
MARGINS = st.integers(-200, 2_000) | st.integers(-(2**60), 2**80)
INDICES = TINY | st.integers(-(2**40), 2**40)
MARKS = st.integers(1, 120) | st.integers(1, 2**40)
POSITIONS = st.lists(st.tuples(SIZES, ENTRIES, MARGINS, INDICES), max_size=30)


def holdings_of(drawn: Sequence[tuple[int, int, int, int]]) -> list[Holding]:
    return [
        Holding(
            PositionChanged(
                account=address(number),
                market=MARKET,
                size=Lots(size),
                entry=Money(entry),
                margin=Money(margin),
                funding=index,
            ),
            RULES,
        )
        for number, (size, entry, margin, index) in enumerate(drawn)
    ]


@given(POSITIONS, MARKS, INDICES)
def test_index_and_scan_and_rule_agree(
    drawn: list[tuple[int, int, int, int]], price: int, index: int
) -> None:
    holdings = holdings_of(drawn)
    trigger = TriggerIndex()
    for holding in holdings:
        trigger.add(holding)
    exact = {h.account for h in holdings if fails_maintenance(RULES, h, price, index)}
    found = list(trigger.crossed(price, index))
    assert len(found) == len(set(found))
    assert set(found) == exact
    assert {h.account for h in holdings if h.is_crossed(price, index)} == exact
    assert {h.account for h in scan(RULES, Columns(holdings), price, index)} == exact


@given(SIZES, MARKS, INDICES, INDICES, st.integers(-2, 2))
def test_they_agree_within_a_unit_of_the_requirement(
    size: int, price: int, index: int, settled: int, surplus: int
) -> None:
    """The margin is chosen so that equity misses or meets the requirement by ``surplus``."""
    rate = RULES.bracket(Lots(abs(size))).maintenance
    required = -(-abs(size) * price * rate // 1_000_000)
    margin = required + size * (index - settled) + surplus
    holding = Holding(position(1, size, price, margin, funding=settled), RULES)
    trigger = TriggerIndex()
    trigger.add(holding)
    assert fails_maintenance(RULES, holding, price, index) == (surplus < 0)
    assert bool(list(trigger.crossed(price, index))) == (surplus < 0)
    assert bool(scan(RULES, Columns([holding]), price, index)) == (surplus < 0)


class ProcessorAgainstScan(RuleBasedStateMachine):
    """Random events; the open cases must be what a scan of a naive mirror finds, at every block."""

    @initialize()
    def start(self) -> None:
        self.processor = RiskProcessor(RiskBook(rules()), RiskConfig(audit_per_round=3))
        self.view = MarketView(MARKET, RULES)
        self.number = 0

    def feed(self, *events: Event) -> None:
        self.number += 1
        now_ns = (START_MS + self.number * 1_000) * NS_PER_MS
        self.processor.on_events([block(self.number), *events], now_ns)

    @rule(price=st.integers(1, 150))
    def move_mark(self, price: int) -> None:
        self.view.mark = price
        self.feed(mark(price, START_MS + self.number * 1_000))

    @rule(index=TINY)
    def move_funding(self, index: int) -> None:
        self.view.funding = index
        self.feed(funding(index))

    @rule(
        number=st.integers(1, 12),
        size=TINY,
        price=st.integers(1, 150),
        margin=st.integers(0, 500),
        settled=TINY,
    )
    def change(self, number: int, size: int, price: int, margin: int, settled: int) -> None:
        event = position(number, size, price, margin, funding=settled)
        self.view.replace(event)
        self.feed(event)

    @invariant()
    def cases_are_what_a_scan_finds(self) -> None:
        held = list(self.view.holdings.values())
        failing = scan(RULES, Columns(held), self.view.mark, self.view.funding)
        expected = {holding.account for holding in failing} if self.view.mark else set()
        watch = self.processor._watches[MARKET]
        assert set(watch.cases) == expected
        index = watch._index
        assert isinstance(index, TriggerIndex)
        assert len(index) == len(held)
        report = self.processor.report()
        assert report.audit_misses == 0
        assert report.positions == len(held)
        if self.view.mark:
            # Every position has exactly one place in the schedule, or gets one at the next round.
            scheduled = set(watch.schedule._seats)
            assert scheduled | set(watch._unplaced) >= set(self.view.holdings)
            assert scheduled - set(watch._unplaced) <= set(self.view.holdings)
            assert sum(tier.members for tier in report.tiers) == len(scheduled)
        assert report.late + report.found_by_wake <= report.round_crossings <= report.crossings


TestProcessorAgainstScan = ProcessorAgainstScan.TestCase
TestProcessorAgainstScan.settings = settings(max_examples=40)
