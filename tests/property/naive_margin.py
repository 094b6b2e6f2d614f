"""Isolated margin once more, in exact fractions and without a thought for speed.

A position is a pile of single lots, each with its own share of entry and margin. What the rules
round, this does not: so it says how much a rounding may have moved, and against whom.
"""

from fractions import Fraction

import msgspec

from node.types.rules import MarketRules
from node.types.units import Lots


class Holding(msgspec.Struct, frozen=True):
    """A position without rounding, its funding settled; money that left it is ``free``."""

    size: int
    entry: Fraction
    margin: Fraction
    free: Fraction

    def equity(self, mark: int) -> Fraction:
        """Return what the position is worth at ``mark``."""
        return self.margin + self.size * mark - self.entry


def required(
    rules: MarketRules, size: int, price: int, *, initial: bool, buffer: int = 0
) -> Fraction:
    """Return the initial (with its buffer) or the maintenance margin of ``size`` lots."""
    bracket = next(b for b in rules.brackets if abs(size) <= b.max_size)
    rate = bracket.initial + buffer if initial else bracket.maintenance
    return Fraction(abs(size) * price * rate, 1_000_000)


def fee(rate: int, lots: int, price: int) -> Fraction:
    """Return the fee on ``lots`` at ``price``."""
    return Fraction(abs(lots) * price * rate, 1_000_000)


def filled(
    rules: MarketRules,
    before: Holding,
    mark: int,
    lots: int,
    price: int,
    fee_rate: int,
    buffer: int = 0,
) -> Holding | None:
    """Return what a fill makes of ``before``; None where it cannot be borne."""
    same_side = before.size * lots >= 0
    closing = 0 if same_side else min(abs(lots), abs(before.size)) * (1 if lots > 0 else -1)
    after: Holding | None = before
    if closing:
        paid = fee(fee_rate, closing, price)
        after = _closed(rules, before, mark, closing, price, paid, buffer)
    opening = lots - closing
    if after is not None and opening:
        paid = fee(fee_rate, opening, price)
        after = _opened(rules, after, mark, opening, price, paid, buffer)
    return after


def _opened(
    rules: MarketRules,
    before: Holding,
    mark: int,
    lots: int,
    price: int,
    paid: Fraction,
    buffer: int,
) -> Holding | None:
    size = before.size + lots
    if abs(size) > rules.max_size:
        return None
    entry = before.entry + lots * price
    rate = Fraction(rules.bracket(Lots(abs(size))).initial + buffer, 1_000_000)
    needed = required(rules, size, mark, initial=True, buffer=buffer)
    lacking = needed - (before.margin + size * mark - entry)
    added = max(abs(lots) * price * rate, lacking)
    free = before.free - added - paid
    return Holding(size, entry, before.margin + added, free) if free >= 0 else None


def _closed(
    rules: MarketRules,
    before: Holding,
    mark: int,
    lots: int,
    price: int,
    paid: Fraction,
    buffer: int,
) -> Holding | None:
    share = Fraction(-lots, before.size)
    removed, kept = before.entry * share, before.margin * (1 - share)
    margin = before.margin - lots * price - removed - paid
    left = before.size + lots
    if not left:
        return Holding(0, Fraction(0), Fraction(0), before.free + margin) if margin >= 0 else None
    after = Holding(left, before.entry - removed, margin, before.free)
    equity = after.equity(mark)
    per_lot_before = before.equity(mark) / abs(before.size)
    if equity < required(rules, left, mark, initial=False) and (
        equity < 0 or equity / abs(left) < per_lot_before
    ):
        return None
    spare = min(margin - kept, equity - required(rules, left, mark, initial=True, buffer=buffer))
    released = max(spare, Fraction(0))
    return Holding(left, after.entry, margin - released, before.free + released)
