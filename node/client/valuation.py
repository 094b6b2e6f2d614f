"""What a position is worth at a mark, and where it would be liquidated; in exact integers.

Stated here a second time on purpose, from the public rules and the public account alone: a client
need not believe the node. With signed size q, signed entry value N, margin C, mark P, and funding
index F, which was F0 when the position was last settled:

    equity = C + q·P − N − q·(F − F0)      liquidated where equity < ⌈ |q|·P·maintenance / 10^6 ⌉
"""

from decimal import Decimal
from typing import Any

import msgspec

from node.types.rules import MarketRules, Rules
from node.types.units import (
    MONEY_DECIMALS,
    PPM_ONE,
    Lots,
    Money,
    Ticks,
    part_rounded_up,
    units_from_decimal,
)


class Valued(msgspec.Struct, frozen=True, gc=False):
    """A position at ``mark``; money in millionths, ``size`` in lots with its sign.

    ``entry_price`` is in ticks, and not an integer as a rule. ``liquidation`` is the first tick, on
    the way of the mark against the position, at which it may be liquidated; None where there is no
    such price above zero. ``funding`` is what it is owed since it was last settled (negative: what
    it owes), which is not in its margin yet.
    """

    market: str
    size: int
    entry: Money
    margin: Money
    funding: Money
    mark: Ticks
    entry_price: Decimal
    notional: Money
    unrealized: Money
    equity: Money
    initial: Money
    maintenance: Money
    liquidation: Ticks | None

    @property
    def long(self) -> bool:
        """Return whether it gains when the mark rises."""
        return self.size > 0

    @property
    def margin_ratio(self) -> Decimal:
        """Return maintenance / equity: at 1 it is liquidated; infinite where nothing is left."""
        if self.equity <= 0:
            return Decimal("Infinity")
        return Decimal(self.maintenance) / Decimal(self.equity)

    @property
    def leverage(self) -> Decimal:
        """Return notional / margin."""
        return Decimal(self.notional) / Decimal(self.margin) if self.margin else Decimal(0)


def value(position: dict[str, Any], rules: Rules, mark: Ticks, index: int) -> Valued:
    """Return what ``position``, as the node shows it in an account, is worth at ``mark``.

    ``index`` is the funding index now, in money for each lot.
    """
    market = market_called(position["market"], rules)
    size = units_from_decimal(position["size"], market.lot_decimals)
    entry = units_from_decimal(position["entry"], MONEY_DECIMALS)
    margin = units_from_decimal(position["margin"], MONEY_DECIMALS)
    funding = -size * (index - units_from_decimal(position["funding"], MONEY_DECIMALS))
    worth = abs(size) * mark
    bracket = market.bracket(abs(size))
    unrealized = size * mark - entry
    return Valued(
        market=market.symbol,
        size=size,
        entry=Money(entry),
        margin=Money(margin),
        funding=Money(funding),
        mark=mark,
        entry_price=Decimal(entry) / Decimal(size),
        notional=Money(worth),
        unrealized=Money(unrealized),
        equity=Money(margin + funding + unrealized),
        initial=Money(part_rounded_up(worth, bracket.initial, PPM_ONE)),
        maintenance=Money(part_rounded_up(worth, bracket.maintenance, PPM_ONE)),
        liquidation=liquidation_price(market, size, entry, margin + funding),
    )


def liquidation_price(market: MarketRules, size: int, entry: int, margin: int) -> Ticks | None:
    """Return the first price, against the position, that fails maintenance; None: there is none.

    ``margin`` is what it would be were funding settled. The requirement's rounding moves no price:
    a whole number is below one that was rounded up where it is below that one itself.
    """
    rate = market.bracket(abs(size)).maintenance
    # A long fails below (N − C) / (q·(1 − m)), a short above (C − N) / (|q|·(1 + m)), and one that
    # owes more than it was sold for at any price; m is in millionths.
    lacking, each_tick = (entry - margin) * PPM_ONE, size * PPM_ONE - abs(size) * rate
    price = -(-lacking // each_tick) - 1 if size > 0 else max(lacking // each_tick + 1, 1)
    return Ticks(price) if price > 0 else None


def market_called(symbol: str, rules: Rules) -> MarketRules:
    """Return the rules of the market called ``symbol``. Raises ``KeyError``."""
    for market in rules.markets:
        if market.symbol == symbol:
            return market
    raise KeyError(symbol)


def ticks_of(price: str, market: MarketRules) -> Ticks:
    """Return a price as the node writes it in ticks. Raises ``MalformedNumber``."""
    return Ticks(units_from_decimal(price, market.tick_decimals))


def lots_of(size: str, market: MarketRules) -> Lots:
    """Return a size as the node writes it in lots. Raises ``MalformedNumber``."""
    return Lots(units_from_decimal(size, market.lot_decimals))
