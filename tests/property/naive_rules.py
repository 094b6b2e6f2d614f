"""The arithmetic of margin, fees and funding as docs/PROTOCOL.md and ARCHITECTURE.md write it down.

Every quotient is an exact fraction, rounded by name. Nothing here is shared with ``node.margin``.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor, isqrt

from node.types.fees import FeeRules
from node.types.rules import MarketRules, StalenessRules

ONE = 1_000_000
SQUARE_ONE = 10**15 * 2**24
"""A variance of 1 over 1 ms, in squared millionths: see PROTOCOL.md, section 8."""
DAY_THIRD_MS = 8 * 3_600_000
CARRY_ONE = 10**9


def up(numerator: int, denominator: int) -> int:
    """Return the quotient, rounded toward plus infinity."""
    return ceil(Fraction(numerator, denominator))


def down(numerator: int, denominator: int) -> int:
    """Return the quotient, rounded toward minus infinity."""
    return floor(Fraction(numerator, denominator))


def share(rate: int, lots: int, price: int) -> int:
    """Return ``rate`` millionths of the value of ``lots`` at ``price``, rounded up."""
    return up(abs(lots) * price * rate, ONE)


def initial_rate(rules: MarketRules, size: int, buffer: int) -> int:
    """Return the initial rate of a position of ``size`` lots, the buffer included."""
    return bracket_rates(rules, size)[0] + buffer


def maintenance_rate(rules: MarketRules, size: int) -> int:
    """Return the maintenance rate of a position of ``size`` lots."""
    return bracket_rates(rules, size)[1]


def bracket_rates(rules: MarketRules, size: int) -> tuple[int, int]:
    """Return initial and maintenance rate: of the last bracket where ``size`` is beyond all."""
    fitting = [one for one in rules.brackets if abs(size) <= one.max_size] or [rules.brackets[-1]]
    return fitting[0].initial, fitting[0].maintenance


def reserve(rules: MarketRules, price: int, opening: int, exposure: int, buffer: int) -> int:
    """Return what an order holds back that opens ``opening`` lots and may lead to ``exposure``."""
    if opening <= 0:
        return 0
    dearer = max(rules.maker_fee, rules.taker_fee)
    margin = share(initial_rate(rules, exposure, buffer), opening, price)
    return margin + share(dearer, opening, price)


def band(rules: MarketRules, mark: int) -> tuple[int, int]:
    """Return the lowest and the highest limit price; (0, 0) where there is no mark."""
    if not mark:
        return 0, 0
    low = up(mark * (ONE - rules.price_band), ONE)
    return max(1, low), down(mark * (ONE + rules.price_band), ONE)


@dataclass
class Holding:
    """What one account has of a market, its funding settled, and its free money."""

    size: int
    entry: int
    margin: int
    free: int

    def equity(self, mark: int) -> int:
        """Return what the position is worth at ``mark``."""
        return self.margin + self.size * mark - self.entry


@dataclass(frozen=True)
class Fill:
    """``lots`` (signed, + bought) at ``price``, for a fee of ``fee_rate`` millionths."""

    lots: int
    price: int
    fee_rate: int


def after_fill(
    rules: MarketRules, before: Holding, mark: int, fill: Fill, buffer: int
) -> tuple[Holding, int] | None:
    """Return what the fill leaves and its fee; None where the account cannot bear it."""
    now = Holding(before.size, before.entry, before.margin, before.free)
    fee = share(fill.fee_rate, fill.lots, fill.price)
    closing = 0
    if before.size * fill.lots < 0:
        closing = min(abs(fill.lots), abs(before.size)) * (1 if fill.lots > 0 else -1)
    opening = fill.lots - closing
    fee_closing = share(fill.fee_rate, closing, fill.price)
    if closing and not _close(rules, now, mark, closing, fill.price, fee_closing, buffer):
        return None
    if opening and not _open(rules, now, mark, opening, fill.price, fee - fee_closing, buffer):
        return None
    return now, fee


def _close(
    rules: MarketRules, now: Holding, mark: int, lots: int, price: int, fee: int, buffer: int
) -> bool:
    whole, equity, margin = abs(now.size), now.equity(mark), now.margin
    removed = down(now.entry * abs(lots), whole)
    now.size += lots
    now.entry -= removed
    now.margin -= lots * price + removed + fee
    if not now.size:
        now.free, now.margin, left = now.free + now.margin, 0, now.margin
        return left >= 0
    left, rest = abs(now.size), now.equity(mark)
    worse = Fraction(rest, left) < Fraction(equity, whole)
    if rest < share(maintenance_rate(rules, left), left, mark) and (rest < 0 or worse):
        return False
    beyond_share = now.margin - up(margin * left, whole)
    beyond_initial = rest - share(initial_rate(rules, left, buffer), left, mark)
    released = max(0, min(beyond_share, beyond_initial))
    now.margin -= released
    now.free += released
    return True


def _open(
    rules: MarketRules, now: Holding, mark: int, lots: int, price: int, fee: int, buffer: int
) -> bool:
    now.size += lots
    now.entry += lots * price
    if abs(now.size) > rules.max_size:
        return False
    rate = initial_rate(rules, now.size, buffer)
    lacking = share(rate, now.size, mark) - now.equity(mark)
    added = max(share(rate, lots, price), lacking)
    now.margin += added
    now.free -= added + fee
    return now.free >= 0


def buffer_of(rules: MarketRules, variance: int, age_ms: int) -> tuple[int, bool]:
    """Return the buffer for data of this age, and whether they are too old to open anything on."""
    deviations, thinnest = rules.staleness.deviations, rules.brackets[0].maintenance
    square = Fraction(deviations**2 * variance * age_ms, SQUARE_ONE)
    buffer = isqrt(floor(square))
    while buffer**2 < square:
        buffer += 1
    return min(buffer, thinnest), buffer > thinnest


def age_limit(rules: MarketRules, variance: int) -> int | None:
    """Return the age in milliseconds past which nothing is opened; None where any age will do."""
    spread = rules.staleness.deviations**2 * variance
    return down(rules.brackets[0].maintenance ** 2 * SQUARE_ONE, spread) if spread else None


def next_variance(
    rules: StalenessRules, variance: int, anchor: int, mark: int, elapsed_ms: int
) -> int:
    """Return the variance once the mark has moved from ``anchor`` to ``mark``."""
    squared_return = Fraction((mark - anchor) ** 2, anchor**2)
    mean = (variance * rules.window_ms + squared_return * SQUARE_ONE) / (
        rules.window_ms + elapsed_ms
    )
    low, high = (edge**2 * 2**24 for edge in (rules.volatility_floor, rules.volatility_ceiling))
    return min(max(ceil(mean), low), high)


def premium(rules: MarketRules, bid: int, ask: int, mark: int) -> int:
    """Return the premium of the middle over the mark in half ticks, held inside the cap."""
    cap = down(2 * mark * rules.funding_cap, ONE)
    return sorted((-cap, bid + ask - 2 * mark, cap))[1]


def funding(rules: MarketRules, total: int, samples: int, carry: int) -> tuple[int, int]:
    """Return by how much the index moves, and what is carried on (billionths)."""
    rate = Fraction(0)
    if samples:
        rate = Fraction(total * rules.funding_interval_ms, 2 * samples * DAY_THIRD_MS)
    whole = carry + floor(rate * CARRY_ONE)
    move = floor(Fraction(whole, CARRY_ONE))
    return move, whole - move * CARRY_ONE


def closing_size(rules: MarketRules, size: int, equity: int, mark: int) -> int:
    """Return the lots to close at the mark so that the rest has its initial margin again."""
    whole = abs(size)
    initial = bracket_rates(rules, whole)[0]
    gain = (initial - rules.liquidation_fee) * mark
    if equity <= 0 or gain <= 0:
        return whole
    needed = up(initial * whole * mark - equity * ONE, gain)
    if needed >= whole or (whole - needed) * mark < rules.min_notional:
        return whole
    return max(1, needed)


def prices_of_work(rules: FeeRules, fee: int, moves: int) -> tuple[int, int]:
    """Return the lowest and the highest price of work that ``moves`` moves away from ``fee``."""
    low = high = fee
    for _ in range(min(moves, 256)):
        low = down(low * ONE, ONE + rules.change)
        high = up(high * (ONE + rules.change), ONE)
    return max(low, rules.floor), min(high, rules.ceiling)
