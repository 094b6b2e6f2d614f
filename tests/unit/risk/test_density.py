"""The quantile of the liquidations to come is what counting position by position says."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.risk.book import Holding, RiskBook, fails_maintenance
from node.risk.config import RiskConfig
from node.risk.density import band_of, crossings_within
from node.risk.processor import RiskProcessor
from node.risk.scan_index import ScanIndex
from node.risk.trigger import CrossingIndex, TriggerIndex
from tests.property.test_trigger_index import INDICES, MARKS, POSITIONS, holdings_of
from tests.unit.risk.risk_cases import (
    NS_PER_MS,
    START_MS,
    block,
    mark,
    market_rules,
    position,
    rules,
)

RULES = market_rules()
PRICE = 6_000_000
ROUND = (block(1), mark(PRICE))


def filled(index: CrossingIndex, holdings: list[Holding]) -> CrossingIndex:
    for holding in holdings:
        index.add(holding)
    return index


@given(POSITIONS, MARKS, INDICES, st.floats(0, 2))
def test_what_is_counted_is_what_fails_at_either_end(
    drawn: list[tuple[int, int, int, int]], price: int, funding: int, band: float
) -> None:
    holdings = holdings_of(drawn)
    ends = (max(1, math.floor(price * math.exp(-band))), math.ceil(price * math.exp(band)))
    failing = [
        sum(fails_maintenance(RULES, holding, end, funding) for holding in holdings) for end in ends
    ]
    for index in (TriggerIndex(), ScanIndex()):
        assert crossings_within(filled(index, holdings), price, funding, band) == max(failing)


def test_the_band_is_left_as_seldom_as_it_says() -> None:
    share, steps, paths = 0.1, 100, 2_000
    band, step = band_of(0.001, 1.0, share), 0.001 / math.sqrt(steps)
    draw = random.Random(20_251_010)
    left = 0
    for _ in range(paths):
        at, farthest = 0.0, 0.0
        for _ in range(steps):
            at += draw.gauss(0, step)
            farthest = max(farthest, abs(at))
        left += farthest > band
    # Paths are looked at in steps, and two sides are counted as if both could be left: below it.
    assert 0.5 * share < left / paths <= share


def test_the_band_grows_with_the_root_of_time() -> None:
    assert band_of(0.002, 4.0, 0.01) == pytest.approx(4 * band_of(0.001, 1.0, 0.01))


def test_a_processor_looks_ahead_at_each_round() -> None:
    # One long whose trigger lies 0.1 % below the mark, one that lies 5 % below.
    near = position(1, 100, PRICE, 100 * PRICE * 11 // 1_000)
    far = position(2, 100, PRICE, 100 * PRICE * 6 // 100)
    holding = Holding(near, RULES)
    assert 0 < holding.log_distance(PRICE, 0) < 0.002
    config = RiskConfig(volatility_prior=0.01)
    processor = RiskProcessor(RiskBook.from_positions(rules(), (near, far)), config)
    assert processor.expected == 0
    processor.on_events(ROUND, START_MS * NS_PER_MS)
    assert processor.expected == 1
    nothing = RiskProcessor(
        RiskBook.from_positions(rules(), (near, far)), RiskConfig(reserve_window_ms=0)
    )
    nothing.on_events(ROUND, START_MS * NS_PER_MS)
    assert nothing.expected == 0
