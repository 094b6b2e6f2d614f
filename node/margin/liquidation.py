"""How much of a failing position is closed, how far it may trade, and what it pays for that."""

from node.margin.position import Position, maintenance_margin
from node.types.rules import MarketRules
from node.types.units import PPM_ONE, Lots, Money, Ticks


def closing_size(rules: MarketRules, size: int, equity: int, mark: int) -> Lots:
    """Return how many lots to close so that the rest has its initial margin again.

    Closing s of |q| lots at the mark P with fee rate f leaves equity E - f*s*P, and is to reach
    i*(|q| - s)*P, with i the initial rate of the present bracket. Solved for s and rounded up:

        s = (i*|q|*P - E) / ((i - f)*P)

    All of it where equity is gone, where the fee eats the gain, or where less than the minimum
    notional would stay.
    """
    whole = abs(size)
    initial = rules.bracket(whole).initial
    gain = (initial - rules.liquidation_fee) * mark
    if equity <= 0 or gain <= 0:
        return Lots(whole)
    needed = -(-(initial * whole * mark - equity * PPM_ONE) // gain)
    if needed >= whole or (whole - needed) * mark < rules.min_notional:
        return Lots(whole)
    return Lots(max(1, needed))


def worst_price(
    rules: MarketRules, position: Position, index: int, mark: int, insurance: int
) -> Ticks:
    """Return the limit of a liquidation: its own bankruptcy price, but inside the price band.

    Only a position that is bankrupt at the mark may trade at the insurance fund's expense, and no
    further beyond the mark than its maintenance margin: as far as a liquidation in time would have
    gone. Otherwise the owner of a bankrupt position could buy the fund up with a bid far away.
    """
    equity, backing = position.equity(mark, index), 0
    if equity < 0:
        backing = min(insurance, maintenance_margin(rules, position.size, mark) - equity)
    bankruptcy = position.bankruptcy_price(index, backing)
    low, high = price_band(rules, mark)
    return Ticks(max(bankruptcy, low) if position.size > 0 else min(bankruptcy, high))


def liquidation_price(rules: MarketRules, position: Position, index: int) -> Ticks | None:
    """Return the first mark, coming from the healthy side, at which the position is liquidatable.

    The highest such price for a long, the lowest for a short; None where no price above 0 is one.
    With e an integer, e < ceil(x) is e < x, so for size q > 0, entry N, margin C after the funding
    owed up to ``index``, and rate m in millionths, C + q*P - N < ceil(q*P*m / 10^6) is

        P < (N - C) * 10^6 / (q * (10^6 - m))          and for -q
        P > (C - N) * 10^6 / (q * (10^6 + m))
    """
    size = position.size
    lacking = position.entry - position.margin + position.owed_funding(index)
    maintenance = rules.bracket(abs(size)).maintenance
    if size > 0:
        price = -(-lacking * PPM_ONE // (size * (PPM_ONE - maintenance))) - 1
        return Ticks(price) if price > 0 else None
    price = -lacking * PPM_ONE // (-size * (PPM_ONE + maintenance)) + 1
    return Ticks(max(1, price))


def price_band(rules: MarketRules, mark: int) -> tuple[Ticks, Ticks]:
    """Return the lowest and the highest limit price allowed round ``mark`` (rounded inward)."""
    low = -(-mark * (PPM_ONE - rules.price_band) // PPM_ONE)
    high = mark * (PPM_ONE + rules.price_band) // PPM_ONE
    return Ticks(max(1, low)), Ticks(high)


def liquidation_fee(rules: MarketRules, value: int, margin: int, left: int) -> Money:
    """Return the fee on a closed ``value``: rounded up, no more than the margin and what is left.

    ``left`` is what the closed lots leave over of the equity.
    """
    fee = -(-value * rules.liquidation_fee // PPM_ONE)
    return Money(max(0, min(fee, margin, left)))
