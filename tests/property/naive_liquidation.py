"""Liquidation and deleveraging, as the naive engine knows them."""

from fractions import Fraction
from math import ceil, floor

from node.types.commands import Side
from node.types.errors import LiquidationStalled, NotLiquidatable
from node.types.events import (
    CancelReason,
    Deleveraged,
    Liquidated,
)
from node.types.ids import Address
from node.types.units import Lots, Money
from tests.property import naive_rules as rules_of
from tests.property.naive_exchange import Exchange, Held, Listed, Open
from tests.property.naive_rules import Holding
from tests.property.naive_trade import Crossing, drop_idle, take_off

RANK_ONE = 2**20


def liquidate(exchange: Exchange, held: Held) -> None:
    """Reduce a position that fails its maintenance margin, and tell what it cost whom."""
    market, totals = exchange.markets[held.market - 1], exchange.totals
    equity = exchange.equity(held)
    rate = rules_of.maintenance_rate(market.rules, held.size)
    required = rules_of.share(rate, held.size, market.mark)
    if equity >= required:
        raise NotLiquidatable(equity=equity, required=required)
    order = _closing_order(exchange, market, held, equity, required)
    crossing = Crossing(exchange, order, 0, liquidates=True)
    own = exchange.orders_of(held.account, held.market)
    beyond_help = equity + totals.insurance < 0 and any(
        _heir(exchange, held, other) for other in _heirs(exchange, held)
    )
    if not (own or beyond_help or crossing.makers()):
        raise LiquidationStalled(price=order.price, size=order.remaining)
    for one in own:
        take_off(exchange, one, CancelReason.LIQUIDATION)
    wanted, place = order.remaining, len(exchange.events)
    lots, margin = abs(held.size), exchange.settled(held)
    crossing.run(exchange.rules.limits.fills_per_order)
    shortfall = 0
    if wanted > order.remaining:
        # Each lot has its share of the margin; the fund pays what the closed ones took beyond it.
        shares_of_rest = rules_of.down(margin * abs(held.size), lots)
        shortfall = max(0, shares_of_rest - held.margin)
        held.margin += shortfall
        totals.insurance -= shortfall
    # The fee comes out of the share of the closed lots alone.
    shares_of_rest = rules_of.up(equity * abs(held.size), lots)
    fee = _charge(exchange, market, held, crossing.closed_value, shares_of_rest)
    if held.size and exchange.equity(held) + totals.insurance < 0:
        shortfall += _deleverage(exchange, market, held)
    told = Liquidated(
        held.account, held.market, Lots(wanted - order.remaining), Lots(held.size),
        Money(fee), Money(shortfall),
    )  # fmt: skip
    exchange.events.insert(place, told)
    exchange.balance_changed(held.account)
    exchange.position_changed(held)


def _closing_order(
    exchange: Exchange, market: Listed, held: Held, equity: int, required: int
) -> Open:
    """Return the order that closes as much as is needed, at no worse than bankruptcy's price."""
    backing = min(exchange.totals.insurance, required - equity) if equity < 0 else 0
    worth = Fraction(held.entry - exchange.settled(held) - backing, held.size)
    low, high = rules_of.band(market.rules, market.mark)
    if held.size > 0:
        side, price = Side.SELL, max(0, ceil(worth), low)
    else:
        side, price = Side.BUY, min(max(0, floor(worth)), high)
    size = rules_of.closing_size(market.rules, held.size, equity, market.mark)
    return Open(0, 0, held.account, held.market, side, price, size, reduce_only=True)


def _charge(exchange: Exchange, market: Listed, held: Held, value: int, kept: int) -> int:
    """Take the fee out of what is left beyond ``kept``; a full close leaves it to the account."""
    fee = rules_of.up(value * market.rules.liquidation_fee, rules_of.ONE)
    equity = exchange.equity(held)
    fee = max(0, min(fee, held.margin, equity, equity - kept))
    held.margin -= fee
    exchange.totals.insurance += fee
    if not held.size and held.margin > 0:
        exchange.owners[held.account].free += held.margin
        held.margin = 0
    return fee


def _heirs(exchange: Exchange, bankrupt: Held) -> list[Held]:
    """Return the opposing positions that gained most on each lot, the first of them first."""

    def rank(held: Held) -> tuple[int, Address]:
        mean = rules_of.down(held.entry * RANK_ONE, held.size)
        return (mean if held.size > 0 else -mean), held.account

    opposing = [
        one
        for one in exchange.held.values()
        if one.market == bankrupt.market and one.size * bankrupt.size < 0
    ]
    return sorted(opposing, key=rank)[: exchange.rules.limits.deleverage_steps]


class _Heir:
    """What one counterparty takes over, and what it then has."""

    def __init__(self, exchange: Exchange, bankrupt: Held, other: Held) -> None:
        size, market = abs(bankrupt.size), exchange.markets[other.market - 1]
        lots = min(size, abs(other.size))
        self.lots = lots if bankrupt.size > 0 else -lots
        self.margin = rules_of.down(exchange.settled(bankrupt) * lots, size)
        self.entry = rules_of.down(bankrupt.entry * lots, size)
        self.fund = rules_of.down(exchange.totals.insurance * lots, size)
        self.value = self.entry - self.margin - self.fund
        settled = exchange.settled(other)
        removed = rules_of.down(other.entry * lots, abs(other.size))
        self.after = Holding(
            other.size + self.lots, other.entry - removed, settled - self.value - removed, 0
        )
        equity = self.after.equity(market.mark)
        self.bears = equity >= 0 and (self.after.size != 0 or self.after.margin >= 0)
        released = self.after.margin
        if self.after.size:
            kept = rules_of.up(settled * abs(self.after.size), abs(other.size))
            rate = rules_of.initial_rate(market.rules, self.after.size, 0)
            initial = rules_of.share(rate, self.after.size, market.mark)
            released = max(0, min(self.after.margin - kept, equity - initial))
        self.after.margin -= released
        self.after.free = released


def _heir(exchange: Exchange, bankrupt: Held, other: Held) -> _Heir | None:
    heir = _Heir(exchange, bankrupt, other)
    return heir if heir.bears else None


def _deleverage(exchange: Exchange, market: Listed, bankrupt: Held) -> int:
    """Hand the bankrupt position over, share by share; return what the fund paid."""
    paid = 0
    bankrupt.margin, bankrupt.funding = exchange.settled(bankrupt), market.index
    for other in _heirs(exchange, bankrupt):
        heir = _heir(exchange, bankrupt, other) if bankrupt.size else None
        if heir is None:
            continue
        after = heir.after
        other.size, other.entry, other.margin = after.size, after.entry, after.margin
        other.funding = market.index
        exchange.owners[other.account].free += after.free
        bankrupt.size -= heir.lots
        bankrupt.margin -= heir.margin
        bankrupt.entry -= heir.entry
        exchange.totals.insurance -= heir.fund
        paid += heir.fund
        exchange.balance_changed(other.account)
        exchange.position_changed(other)
        exchange.position_changed(bankrupt)
        value = heir.value if heir.lots > 0 else -heir.value
        exchange.events.append(
            Deleveraged(
                bankrupt.account, other.account, market.market_id,
                Lots(abs(heir.lots)), Money(value),
            )
        )  # fmt: skip
        if not other.size:
            drop_idle(exchange, other.account, market)
    return paid
