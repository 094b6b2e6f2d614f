"""Open a withdrawal: free collateral becomes a leaf that the owner can claim on L1."""

from node.transition.account import Account
from node.transition.authority import authorize
from node.transition.effects import Effects
from node.types.commands import Withdraw
from node.types.errors import AmountInvalid, InsufficientCollateral
from node.types.events import WithdrawalOpened


def withdraw(effects: Effects, command: Withdraw) -> None:
    """Move ``amount`` out of the exchange.

    Every withdrawal is a leaf that stays, so less than the minimum is only for the last of an
    account's money. Raises ``OwnerRequired``, ``AmountInvalid``, ``InsufficientCollateral``.
    """
    state = effects.state
    authority = authorize(state, command, owner_only=True)
    account, amount = authority.account, command.amount
    if amount <= 0:
        raise AmountInvalid(amount=amount)
    minimum = state.rules.limits.withdrawal_min
    if amount < minimum and not _is_all_there_is(account, amount):
        raise AmountInvalid(amount=amount, minimum=minimum)
    if amount > account.free:
        raise InsufficientCollateral(required=amount, free=account.free)
    withdrawal_id = state.next_withdrawal_id
    state.next_withdrawal_id += 1
    state.withdrawals[withdrawal_id] = (account.address, amount)
    state.touched.withdrawals.add(withdrawal_id)
    state.withdrawn += amount
    account.free -= amount
    effects.account_changed(account)
    effects.events.append(WithdrawalOpened(withdrawal_id, account.address, amount))
    authority.use(effects)


def _is_all_there_is(account: Account, amount: int) -> bool:
    """Return whether nothing of the account's money would be left, here or in any position."""
    positions = account.positions.values()
    return amount == account.free and not account.reserved and not any(p.size for p in positions)
