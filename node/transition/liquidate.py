"""Liquidate: anyone may ask, the exact check decides here.

In order, and each only as far as the one before did not suffice:

1. The position's resting orders are cancelled: their reserves return to the account's free
   collateral. Those that wait for a trigger wait on.
2. Just enough of it is closed into the book to have its initial margin again, no worse than its own
   bankruptcy price and inside the price band. A fee on that goes to the insurance fund, out of what
   the closed lots leave of their share of the equity: a position that is solvent must not become
   bankrupt by being closed, or whoever meets it could make it so by the size of his bid.
3. If it is bankrupt at the mark, the insurance fund stands behind it: the close may go as far as
   the fund reaches, though not further beyond the mark than the maintenance margin, and the fund
   pays, at once, what the closed lots cost beyond their share of the margin. What it does not pay
   now it would promise to the next one as well.
4. If not even the fund could bear the rest at the mark, the rest is auto-deleveraged: handed to the
   opposing positions that gained most, at the price where margin and fund are just used up.

The account loses the position's margin and not one unit more.
"""

from node.margin.fill import Effect
from node.margin.liquidation import closing_size, liquidation_fee, worst_price
from node.margin.position import NO_MONEY, Position, maintenance_margin
from node.matching.book import Order
from node.matching.match import crosses
from node.transition.account import Account
from node.transition.deleverage import can_deleverage, deleverage
from node.transition.effects import Effects
from node.transition.orders import remove_order, resting_orders
from node.transition.state import Market, State
from node.transition.trade import Trade
from node.types.commands import Liquidate, Side
from node.types.errors import (
    LiquidationStalled,
    NoPosition,
    NotLiquidatable,
    UnknownAccount,
    UnknownMarket,
)
from node.types.events import CancelReason, Liquidated
from node.types.ids import NO_CLIENT_ID, OrderId
from node.types.units import Lots, Money


class Liquidation(Trade):
    """The judge of a liquidation's crossing: the taker pays no fee and draws on nothing."""

    __slots__ = ("closed_value",)

    def __init__(self, effects: Effects, market: Market, account: Account, order: Order) -> None:
        super().__init__(effects, market, account, order, NO_MONEY)
        self.closed_value = 0

    def _taker_effect(self, lots: int, price: int) -> Effect:
        position, index = self._position, self._market.funding_index
        size = position.size
        removed = position.entry * -lots // size
        realized = -lots * price - removed
        margin = position.margin - position.owed_funding(index) + realized
        self.closed_value += abs(lots) * price
        return Effect(size + lots, position.entry - removed, margin, self._account.free, NO_MONEY)


def liquidate(effects: Effects, command: Liquidate) -> None:
    """Reduce a position that fails its maintenance margin.

    Raises ``NotLiquidatable`` with the equity and the requirement, or ``LiquidationStalled`` where
    nothing at all can be done now.
    """
    state = effects.state
    market, account, position = _find(state, command)
    equity = position.equity(market.mark, market.funding_index)
    required = maintenance_margin(market.rules, position.size, market.mark)
    if equity >= required:
        raise NotLiquidatable(equity=equity, required=required)
    order = _closing_order(state, market, position, equity)
    orders = resting_orders(account, market.market_id)
    hopeless = equity + state.insurance < 0 and can_deleverage(state, market, position)
    if not (orders or hopeless or crosses(market.book, order)):
        raise LiquidationStalled(price=order.price, size=order.remaining)
    for resting in orders:
        remove_order(effects, resting, CancelReason.LIQUIDATION)
    wanted, place = order.remaining, len(effects.events)
    size, settled = position.size, position.margin - position.owed_funding(market.funding_index)
    liquidation = Liquidation(effects, market, account, order)
    liquidation.run(state.rules.limits.fills_per_order)
    shortfall = _cover(state, position, size, settled)
    # Of the rest, rounded up, so in its favour.
    share = -(-equity * position.size // size)
    fee = _charge(state, market, account, position, liquidation.closed_value, share)
    if position.size and position.equity(market.mark, market.funding_index) + state.insurance < 0:
        shortfall = Money(shortfall + deleverage(effects, market, position))
    effects.events.insert(
        place,
        Liquidated(
            account.address,
            market.market_id,
            Lots(wanted - order.remaining),
            Lots(position.size),
            fee,
            shortfall,
        ),
    )
    effects.account_changed(account)
    effects.position_changed(position)


def _find(state: State, command: Liquidate) -> tuple[Market, Account, Position]:
    if not 1 <= command.market <= len(state.markets):
        raise UnknownMarket(market=command.market)
    market = state.market(command.market)
    account = state.accounts.get(command.account)
    if account is None:
        raise UnknownAccount(account=command.account)
    position = account.positions.get(command.market)
    if position is None or not position.size:
        raise NoPosition(market=command.market)
    return market, account, position


def _closing_order(state: State, market: Market, position: Position, equity: int) -> Order:
    size = closing_size(market.rules, position.size, equity, market.mark)
    price = worst_price(market.rules, position, market.funding_index, market.mark, state.insurance)
    side = Side.SELL if position.size > 0 else Side.BUY
    return Order(
        OrderId(0),
        0,
        NO_CLIENT_ID,
        position.account,
        market.market_id,
        side,
        price,
        size,
        size,
        reduce_only=True,
    )


def _charge(
    state: State, market: Market, account: Account, position: Position, value: int, share: int
) -> Money:
    """Take the liquidation fee out of what is left; what a full close leaves is the account's.

    ``share`` is what the lots that stay had of the equity before.
    """
    equity = position.equity(market.mark, market.funding_index)
    left = min(equity, equity - share)
    fee = liquidation_fee(market.rules, value, position.margin, left)
    position.margin -= fee
    state.insurance += fee
    if not position.size and position.margin > 0:
        account.free += position.margin
        position.margin = 0
    return fee


def _cover(state: State, position: Position, size: int, settled: int) -> Money:
    """Let the insurance fund pay what the closed lots took of the margin of those that stay.

    Before, the position had ``size`` lots and the margin ``settled``, of which each lot has an
    equal share: what stays of it is rounded down, against the position.
    """
    lacking = settled * position.size // size - position.margin
    if position.size == size or lacking <= 0:
        return NO_MONEY
    assert lacking <= state.insurance, "the limit price let the fund be overdrawn"
    state.insurance -= lacking
    position.margin += lacking
    return Money(lacking)
