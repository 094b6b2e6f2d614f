"""Move collateral into a position's margin, or back out of it."""

from node.margin.position import Position, initial_margin
from node.transition.authority import authorize
from node.transition.effects import Effects
from node.transition.state import Market, State
from node.types.commands import AdjustMargin
from node.types.errors import (
    AmountInvalid,
    InsufficientCollateral,
    InsufficientMargin,
    NoPosition,
    UnknownMarket,
)


def adjust_margin(effects: Effects, command: AdjustMargin) -> None:
    """Add ``amount`` to the position's margin, or take it out where it is negative.

    What is taken out leaves the initial margin with its buffer at a fresh mark, and no less than
    the profit on paper, which is not to be had before the position is closed. Raises
    ``NoPosition``, ``InsufficientCollateral``, ``InsufficientMargin``, ``MarkStale``,
    ``RiskDataTooOld``.
    """
    state = effects.state
    authority = authorize(state, command)
    account, amount = authority.account, command.amount
    if not 1 <= command.market <= len(state.markets):
        raise UnknownMarket(market=command.market)
    if not amount:
        raise AmountInvalid(amount=amount)
    position = account.positions.get(command.market)
    if position is None or not position.size:
        raise NoPosition(market=command.market)
    if amount > account.free:
        raise InsufficientCollateral(required=amount, free=account.free)
    if amount < 0:
        _check_removal(state, state.market(command.market), position, -amount)
    account.free -= amount
    position.margin += amount
    effects.account_changed(account)
    effects.position_changed(position)
    authority.use(effects)


def _check_removal(state: State, market: Market, position: Position, amount: int) -> None:
    market.require_fresh(state.time, state.lag)
    equity = position.equity(market.mark, market.funding_index)
    settled = position.margin - position.owed_funding(market.funding_index)
    needed = initial_margin(market.rules, position.size, market.mark, market.buffer)
    required = max(needed, equity - settled)
    if equity - amount < required:
        raise InsufficientMargin(equity=equity - amount, required=required, buffer=market.buffer)
