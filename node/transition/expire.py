"""What of an account has run out is cancelled: single orders, or all of them at its switch's time.

Anyone may ask; nothing is cancelled a moment early. Until someone asks, an order whose time is over
stands in the book, and trades no more (``node.matching.match``).
"""

from node.transition.effects import Effects
from node.transition.orders import cancel_order, open_orders
from node.types.commands import Expire
from node.types.errors import NothingExpired, UnknownAccount
from node.types.events import CancelReason, SwitchChanged
from node.types.ids import EVERY_MARKET
from node.types.units import Millis


def expire(effects: Effects, command: Expire) -> None:
    """Cancel what has run out, oldest first. Raises ``UnknownAccount`` or ``NothingExpired``.

    A switch that has done its work is off. What the account wants when it disconnects stays so.
    """
    state = effects.state
    account = state.accounts.get(command.account)
    if account is None:
        raise UnknownAccount(account=command.account)
    orders = open_orders(account, EVERY_MARKET)
    switched = 0 < account.switch_at <= state.time
    reason = CancelReason.SWITCH if switched else CancelReason.EXPIRED
    if not switched:
        orders = [order for order in orders if 0 < order.good_till <= state.time]
        if not orders:
            raise NothingExpired(account=command.account)
    for order in orders:
        cancel_order(effects, order, reason)
    if switched:
        account.switch_at = Millis(0)
        effects.nonce_used(account)
        effects.events.append(
            SwitchChanged(account.address, Millis(0), account.switch_on_disconnect)
        )
