"""Take in the next entry of the L1 inbox."""

from node.transition.effects import Effects
from node.types.commands import Deposit
from node.types.errors import AmountInvalid, DepositOutOfOrder
from node.types.events import Deposited


def deposit(effects: Effects, command: Deposit) -> None:
    """Credit ``amount`` to ``account``, opening it. Raises ``DepositOutOfOrder``."""
    state = effects.state
    if command.index != state.inbox_cursor:
        raise DepositOutOfOrder(index=command.index, expected=state.inbox_cursor)
    if command.amount <= 0:
        raise AmountInvalid(amount=command.amount)
    account = state.open_account(command.account)
    account.free += command.amount
    state.deposited += command.amount
    state.inbox_cursor += 1
    effects.account_changed(account)
    effects.events.append(Deposited(command.index, command.account, command.amount))
