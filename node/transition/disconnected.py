"""The last connection of an account has ended: its orders go, if it asked for that."""

from node.transition.effects import Effects
from node.transition.orders import cancel_order, open_orders
from node.types.commands import Disconnected
from node.types.errors import NothingToCancel, SwitchNotSet, UnknownAccount
from node.types.events import CancelReason
from node.types.ids import EVERY_MARKET


def disconnected(effects: Effects, command: Disconnected) -> None:
    """Cancel all open orders of the account, oldest first; the switch stays set for the next time.

    Raises ``UnknownAccount``, ``SwitchNotSet`` or ``NothingToCancel``.
    """
    account = effects.state.accounts.get(command.account)
    if account is None:
        raise UnknownAccount(account=command.account)
    if not account.switch_on_disconnect:
        raise SwitchNotSet(account=command.account)
    orders = open_orders(account, EVERY_MARKET)
    if not orders:
        raise NothingToCancel(market=EVERY_MARKET)
    for order in orders:
        cancel_order(effects, order, CancelReason.DISCONNECTED)
