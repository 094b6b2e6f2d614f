"""Who may act for an account, and whether this action may be used now.

That ``signer`` really signed is established before a command enters the log (and again by every
verifier); the transition decides what that signer may do.
"""

from node.transition.account import Account
from node.transition.effects import Effects
from node.transition.nonces import NonceWindow
from node.transition.state import State
from node.types.commands import SignedAction
from node.types.errors import (
    ActionExpired,
    AgentExpired,
    ExpiryTooFar,
    OwnerRequired,
    UnknownAccount,
    WrongSigner,
)


class Authority:
    """An account, and the nonce that the action will use up once it has applied."""

    __slots__ = ("_nonce", "_window", "account")

    def __init__(self, account: Account, window: NonceWindow, nonce: int) -> None:
        self.account = account
        self._window = window
        self._nonce = nonce

    def use(self, effects: Effects) -> None:
        """Use the nonce up: the action has applied and never may again."""
        self._window.use(self._nonce, effects.state.rules.limits)
        effects.nonce_used(self.account)


def authorize(state: State, action: SignedAction, *, owner_only: bool = False) -> Authority:
    """Return the authority under which ``action`` may apply now.

    Raises ``UnknownAccount``, ``WrongSigner``, ``OwnerRequired``, ``AgentExpired``,
    ``ActionExpired``, ``ExpiryTooFar``, ``NonceUsed`` or ``NonceTooFar``.
    """
    account = state.accounts.get(action.account)
    if account is None:
        raise UnknownAccount(account=action.account)
    limits = state.rules.limits
    if action.expires <= state.time:
        raise ActionExpired(expires=action.expires, now=state.time)
    if action.expires > state.time + limits.action_lifetime_ms:
        raise ExpiryTooFar(expires=action.expires, now=state.time, limit=limits.action_lifetime_ms)
    window = _window_of(state, account, action, owner_only)
    window.check(action.nonce, limits)
    return Authority(account, window, action.nonce)


def _window_of(
    state: State, account: Account, action: SignedAction, owner_only: bool
) -> NonceWindow:
    if action.signer == account.address:
        return account.nonces
    agent = account.agents.get(action.signer)
    if agent is None:
        raise WrongSigner(account=action.account, signer=action.signer)
    if owner_only:
        raise OwnerRequired(account=action.account, signer=action.signer)
    if agent.until <= state.time:
        raise AgentExpired(signer=action.signer, expired_at=agent.until)
    return agent.nonces
