"""Cancel every open order of an account, in one market or in all."""

from node.transition.authority import authorize
from node.transition.effects import Effects
from node.transition.orders import cancel_order, open_orders
from node.transition.phases import require_first_phase
from node.types.commands import CancelAll
from node.types.errors import NothingToCancel, UnknownMarket
from node.types.events import CancelReason


def cancel_all(effects: Effects, command: CancelAll) -> None:
    """Cancel the account's open orders, oldest first: all of them, or none.

    Raises ``NothingToCancel`` or ``OutOfPhase``.
    """
    state = effects.state
    authority = authorize(state, command)
    if not 0 <= command.market <= len(state.markets):
        raise UnknownMarket(market=command.market)
    orders = open_orders(authority.account, command.market)
    if not orders:
        raise NothingToCancel(market=command.market)
    for order in orders:
        require_first_phase(state, order, command)
    for order in orders:
        cancel_order(effects, order, CancelReason.BY_ACCOUNT)
    authority.use(effects)
