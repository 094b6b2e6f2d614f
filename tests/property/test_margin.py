"""The integer rules of margin beside exact fractions: a rounding is one unit, and never a gift."""

from fractions import Fraction

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from node.margin.fill import fill_effect
from node.margin.funding import CARRY_ONE, FUNDING_PERIOD_MS, funding_step
from node.margin.liquidation import closing_size, price_band
from node.margin.position import Position, initial_margin, maintenance_margin
from node.types.ids import Address, MarketId
from node.types.units import PPM_ONE, Lots
from tests.examples import RULES
from tests.property.naive_margin import Holding, fee, filled, required

MARKET = RULES.markets[0]

# Divisions of one fill: entry removed, margin kept, two requirements, two fees, one addition.
ROUNDINGS = 7

sizes = st.one_of(st.integers(1, 50), st.integers(1, MARKET.max_size)).flatmap(
    lambda size: st.sampled_from((size, -size))
)
prices = st.one_of(st.integers(1, 20), st.integers(1, 10**6), st.integers(2**47, 2**48))
funding_indices = st.one_of(st.just(0), st.integers(-(10**7), 10**7))


@st.composite
def positions(draw: st.DrawFn) -> tuple[Position, int, int]:
    """Return a position, the funding index now and the mark; some are below maintenance."""
    position = Position(Address(bytes(20)), MarketId(1))
    mark = draw(prices)
    if draw(st.booleans()):
        position.size = draw(sizes)
        entry_price = max(1, mark * draw(st.integers(80, 120)) // 100)
        position.entry = position.size * entry_price + draw(st.integers(0, abs(position.size) - 1))
        value = abs(position.size) * mark
        position.margin = value * draw(st.integers(-10, 150)) // 100 + draw(st.integers(-2, 2))
        position.funding = draw(funding_indices)
    return position, draw(funding_indices), mark


@settings(max_examples=400)
@given(
    positions(),
    sizes,
    st.integers(-200, 200),
    st.integers(0, 10**6),
    st.sampled_from((0, 500)),
    st.one_of(st.just(0), st.integers(1, MARKET.brackets[0].maintenance)),
)
def test_a_fill_differs_from_the_exact_one_by_roundings_against_the_account(
    given_position: tuple[Position, int, int],
    lots: int,
    away: int,
    wealth: int,
    fee_rate: int,
    buffer: int,
) -> None:
    position, index, mark = given_position
    price = max(1, mark + mark * away // 1_000)
    free = wealth * abs(lots) * mark // PPM_ONE
    settled = position.margin - position.owed_funding(index)
    before = Holding(position.size, Fraction(position.entry), Fraction(settled), Fraction(free))
    exact = filled(MARKET, before, mark, lots, price, fee_rate, buffer)
    found = fill_effect(MARKET, position, index, mark, free, lots, price, fee_rate, buffer)
    if found is None or exact is None:
        # Only at the very border may they part: then a few units more or less would bring them
        # together. Entry counts by its rounding at most, so richer by that is rich enough.
        richer = Holding(
            before.size, before.entry, before.margin + ROUNDINGS, before.free + ROUNDINGS
        )
        bearable = filled(MARKET, richer, mark, lots, price, fee_rate, buffer)
        assert found is None or bearable is not None
        if exact is not None:
            poorer = Holding(
                before.size, before.entry, before.margin - ROUNDINGS, before.free - ROUNDINGS
            )
            bearable = filled(MARKET, poorer, mark, lots, price, fee_rate, buffer)
            assert (
                found is not None
                or (poorer.free < 0 or bearable is None)
                or _near_per_lot_border(before, exact, mark)
            )
        return
    assert found.size == exact.size
    assert 0 <= found.fee - fee(fee_rate, lots, price) < 1
    assert abs(found.entry - exact.entry) < 1
    assert abs(found.margin - exact.margin) <= ROUNDINGS
    worth = found.free + found.margin + found.size * mark - found.entry
    assert 0 <= exact.free + exact.equity(mark) - worth < 1, "the fee is all that may be rounded"
    assert found.free <= exact.free + 1
    assert found.free >= 0


def _near_per_lot_border(before: Holding, after: Holding, mark: int) -> bool:
    """Return whether equity per lot stays so nearly the same that the fee's rounding decides."""
    size = max(1, abs(before.size))
    difference = after.equity(mark) * size - before.equity(mark) * abs(after.size)
    return abs(difference) <= ROUNDINGS * size


@given(positions(), prices)
def test_requirements_are_rounded_up_by_less_than_a_unit(
    given_position: tuple[Position, int, int], price: int
) -> None:
    size = given_position[0].size
    for found, initial in ((initial_margin, True), (maintenance_margin, False)):
        assert 0 <= found(MARKET, size, price) - required(MARKET, size, price, initial=initial) < 1
    buffered = required(MARKET, size, price, initial=True, buffer=1_435)
    assert 0 <= initial_margin(MARKET, size, price, 1_435) - buffered < 1


@given(positions(), st.integers(0, 10**12))
def test_the_bankruptcy_price_is_the_last_that_leaves_nothing_owed(
    given_position: tuple[Position, int, int], backing: int
) -> None:
    position, index, _ = given_position
    assume(position.size)
    price = position.bankruptcy_price(index, backing)
    beyond = price - 1 if position.size > 0 else price + 1
    if position.size > 0 or price > 0:
        assert position.equity(price, index) + backing >= 0
    if price > 0 or position.size < 0:
        assert position.equity(beyond, index) + backing < 0


@given(sizes, prices, st.integers(-10, 1_000))
def test_a_partial_liquidation_at_the_mark_restores_initial_margin_and_no_more(
    size: int, mark: int, permille: int
) -> None:
    whole = abs(size)
    equity = maintenance_margin(MARKET, size, mark) * permille // 1_000 - 1
    rate = Fraction(MARKET.bracket(Lots(whole)).initial, PPM_ONE)
    cost = Fraction(MARKET.liquidation_fee, PPM_ONE) * mark

    def restores(closed: int) -> bool:
        return equity - closed * cost >= rate * (whole - closed) * mark

    closed = closing_size(MARKET, size, equity, mark)
    if closed < whole:
        assert restores(closed)
        assert closed == 1 or not restores(closed - 1)
        assert (whole - closed) * mark >= MARKET.min_notional
    else:
        largest_rest = max(0, -(-MARKET.min_notional // mark))
        enough = whole - largest_rest
        assert equity <= 0 or enough < 1 or not restores(enough)


@given(st.integers(1, 2**48))
def test_the_price_band_is_rounded_inward(mark: int) -> None:
    low, high = price_band(MARKET, mark)
    band = Fraction(MARKET.price_band, PPM_ONE)
    assert 0 <= low - mark * (1 - band) < 1 or low == 1
    assert 0 <= mark * (1 + band) - high < 1


@given(st.lists(st.tuples(st.integers(-(10**9), 10**9), st.integers(0, 50)), max_size=30))
def test_what_a_funding_step_leaves_over_comes_with_the_next(
    intervals: list[tuple[int, int]],
) -> None:
    """After any number of steps the index lags the exact sum by less than one unit of money."""
    index = carry = 0
    exact = Fraction(0)
    for premium_sum, samples in intervals:
        step, carry = funding_step(MARKET, premium_sum, samples, carry)
        index += step
        assert 0 <= carry < CARRY_ONE
        if samples:
            mean = Fraction(premium_sum, 2 * samples)
            exact += mean * Fraction(MARKET.funding_interval_ms, FUNDING_PERIOD_MS)
    assert (
        0 <= exact - (index + Fraction(carry, CARRY_ONE)) < Fraction(len(intervals) + 1, CARRY_ONE)
    )
