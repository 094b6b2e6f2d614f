"""What a fill does to one of its two accounts: computed first, applied only if both can bear it.

A fill first closes what it can of an opposing position, then opens with the rest.

Closing c of |q| lots at price p: the entry value of those lots leaves ``N``, the difference to p is
realized into ``C``, the fee is paid from ``C``. What then stands in ``C`` above the share of the
lots that stay is released, as far as the remainder keeps its initial margin at the mark. A close is
refused where it would eat into more than its own share of the equity while the remainder is below
maintenance: then it would be worse than the bankruptcy price, and someone else's loss.

Opening k lots at price p: the account pays from free collateral the larger of (initial margin at p)
and (whatever lifts the whole position's equity, at the mark, to its initial margin), plus the fee.
So a fill far from the mark is paid for by whoever makes it, at once.

Initial margin is the bracket's rate and the ``buffer`` for the age of the data
(``node.margin.staleness``): what opens must have both, and what is released must leave both.
"""

import msgspec

from node.margin.position import Position, initial_margin, maintenance_margin
from node.types.rules import MarketRules
from node.types.units import PPM_ONE, Money


class Effect(msgspec.Struct, gc=False):
    """The account's numbers after the fill; ``fee`` is what it paid, in all."""

    size: int
    entry: int
    margin: int
    free: int
    fee: Money


def fill_effect(  # noqa: PLR0913, PLR0917 - a fill has this many facts
    rules: MarketRules,
    position: Position,
    funding: int,
    mark: int,
    free: int,
    lots: int,
    price: int,
    fee_rate: int,
    buffer: int = 0,
) -> Effect | None:
    """Return what a fill of ``lots`` (signed: + bought) at ``price`` makes of the account.

    ``free`` is the free collateral that may be drawn upon, the order's freed reserve included.
    Returns None where the account cannot bear the fill.
    """
    fee: Money = -(-price * abs(lots) * fee_rate // PPM_ONE)  # type: ignore[assignment]  # A call.
    size = position.size
    margin = position.margin - size * (funding - position.funding)
    after = Effect(size, position.entry, margin, free, fee)
    if size == 0 or (size > 0) == (lots > 0):
        return after if _open(rules, after, mark, lots, price, fee, buffer) else None
    if abs(lots) <= abs(size):
        return after if _close(rules, after, mark, lots, price, fee, buffer) else None
    closing_fee = -(-price * abs(size) * fee_rate // PPM_ONE)
    if not _close(rules, after, mark, -size, price, closing_fee, buffer):
        return None
    opened = _open(rules, after, mark, lots + size, price, fee - closing_fee, buffer)
    return after if opened else None


def _open(
    rules: MarketRules, after: Effect, mark: int, lots: int, price: int, fee: int, buffer: int
) -> bool:
    """Add ``lots`` (signed) at ``price``; return whether free collateral pays for it."""
    after.size += lots
    after.entry += lots * price
    size = abs(after.size)
    if size > rules.max_size:
        return False
    rate = rules.bracket(size).initial + buffer
    for_fill = -(-abs(lots) * price * rate // PPM_ONE)
    equity = after.margin + after.size * mark - after.entry
    lacking = -(-size * mark * rate // PPM_ONE) - equity
    added = for_fill if for_fill > lacking else lacking
    after.margin += added
    after.free -= added + fee
    return after.free >= 0


def _close(
    rules: MarketRules, after: Effect, mark: int, lots: int, price: int, fee: int, buffer: int
) -> bool:
    """Remove ``lots`` (signed, against the size) at ``price``; return whether margin bears it."""
    size, margin = after.size, after.margin
    equity = margin + size * mark - after.entry
    removed = after.entry * -lots // size
    after.entry -= removed
    after.size = left = size + lots
    after.margin = margin - lots * price - removed - fee
    if left == 0:
        after.free += after.margin
        bearable = after.margin >= 0
        after.margin = 0
        return bearable
    left_equity = after.margin + left * mark - after.entry
    if left_equity < maintenance_margin(rules, left, mark) and (
        left_equity < 0 or left_equity * abs(size) < equity * abs(left)
    ):
        return False
    kept = -(-margin * abs(left) // abs(size))
    released = min(after.margin - kept, left_equity - initial_margin(rules, left, mark, buffer))
    if released > 0:
        after.margin -= released
        after.free += released
    return True
