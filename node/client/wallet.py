"""Signing: a key, the account it acts for, and nonces that are safe under concurrency."""

from collections.abc import Callable
from typing import Final, TypeVar

import msgspec

from node.client.nonces import CountedNonces, Nonces
from node.codec.eip712 import Signing
from node.codec.signatures import address_of_private, sign
from node.types.commands import (
    AdjustMargin,
    AmendOrder,
    ApproveAgent,
    CancelAll,
    CancelOrder,
    NewOrder,
    PlaceOrders,
    SetSwitch,
    Withdraw,
)
from node.types.ids import EVERY_MARKET, Address, MarketId
from node.types.units import Millis, Money

NO_MONEY: Final = Money(0)
NEVER: Final = Millis(0)


def pay_nothing() -> Money:
    """Return the limit of a wallet on an exchange that charges nothing."""
    return NO_MONEY


A = TypeVar("A", PlaceOrders, CancelAll, AdjustMargin, Withdraw, ApproveAgent, SetSwitch)


class Wallet:
    """Makes signed actions for one account with one key.

    Each nonce is taken once, in the order of the calls; actions may then travel and arrive in any
    order. An agent's wallet names the owner's ``account`` and has nonces of its own.
    """

    def __init__(
        self,
        secret: bytes,
        signing: Signing,
        account: Address | None = None,
        first_nonce: int = 1,
        limit: Callable[[], Money] = pay_nothing,
        nonces: Nonces | None = None,
    ) -> None:
        """Sign with the 32-byte ``secret``, for its own account or for ``account`` as its agent.

        ``limit`` tells what to pay for a unit of work at most, where an action does not say.
        ``nonces`` is where they come from (None: they count up from ``first_nonce``).
        """
        self._limit = limit
        self._secret = secret
        self._signing = signing
        self.nonces: Nonces = CountedNonces(first_nonce) if nonces is None else nonces
        self.signer = address_of_private(secret)
        self.account = self.signer if account is None else account

    def place(
        self,
        orders: tuple[NewOrder, ...] = (),
        cancels: tuple[CancelOrder, ...] = (),
        *,
        amends: tuple[AmendOrder, ...] = (),
        expires: Millis,
        max_fee: Money | None = None,
    ) -> PlaceOrders:
        """Return an action with up to 100 items: first cancels, then amends, then orders.

        ``max_fee`` is the most to pay for a unit of work (None: the wallet's own limit). What only
        cancels or reduces is free and signs 0. Whether an amend does, or an order that waits with a
        position to reduce, the wallet cannot know.
        """
        if max_fee is None:
            may_cost = amends or any(not one.reduce_only or one.trigger for one in orders)
            max_fee = self._limit() if may_cost else NO_MONEY
        return self._signed(PlaceOrders(*self._head(expires), cancels, orders, max_fee, amends))

    def cancel_all(self, market: MarketId = EVERY_MARKET, *, expires: Millis) -> CancelAll:
        """Return an action that cancels all open orders of ``market`` (0: of every market)."""
        return self._signed(CancelAll(*self._head(expires), market))

    def adjust_margin(self, market: MarketId, amount: Money, *, expires: Millis) -> AdjustMargin:
        """Return an action that moves ``amount`` into the position's margin (negative: back)."""
        return self._signed(AdjustMargin(*self._head(expires), market, amount))

    def withdraw(self, amount: Money, *, expires: Millis) -> Withdraw:
        """Return an action that opens a withdrawal; the account's own key must sign it."""
        return self._signed(Withdraw(*self._head(expires), amount))

    def approve_agent(self, agent: Address, until: Millis, *, expires: Millis) -> ApproveAgent:
        """Return an action that lets ``agent`` act until ``until``; past: revokes it.

        0 does so with what reduces risk, so no closed gate and no load keeps it waiting.
        """
        return self._signed(ApproveAgent(*self._head(expires), agent, until))

    def set_switch(
        self, cancel_at: Millis = NEVER, *, on_disconnect: bool = False, expires: Millis
    ) -> SetSwitch:
        """Return an action that cancels all orders at ``cancel_at``, or if the connection ends.

        It replaces what was set before; without both the switch is off.
        """
        return self._signed(SetSwitch(*self._head(expires), cancel_at, on_disconnect))

    def renewed(self, action: A) -> A:
        """Return ``action`` under a new nonce, signed again; both of them could be executed."""
        return self._signed(
            msgspec.structs.replace(action, nonce=self.nonces.take(), signature=b"")
        )

    def login(self, challenge: bytes) -> bytes:
        """Return the signature that opens the account's private feed on one connection."""
        return sign(self._secret, self._signing.login_digest(self.account, challenge))

    def _head(self, expires: Millis) -> tuple[Address, Address, int, Millis, bytes]:
        return self.account, self.signer, self.nonces.take(), expires, b""

    def _signed(self, action: A) -> A:
        signature = sign(self._secret, self._signing.digest(action))
        return msgspec.structs.replace(action, signature=signature)
