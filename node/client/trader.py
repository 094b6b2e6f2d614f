"""Signing and sending for one account: many tasks at once, each action executed at most once.

    Trader.place ─▶ nonce, signature ─▶ room in the nonce window ─▶ Session.send
                        ▲                                                │
                        │ NonceUsed, and it cannot have been this action │
                        └────────────────────────────────────────────────┤
                          ConnectionLost, Overloaded, Shed, …: the same signed action, if the
                          policy says so                ◀────────────────┘

A nonce that somebody else has used is replaced and the action signed again, but only while it is
certain that it was not executed. Once an answer was lost it no longer is: the same action is sent
again, and if its nonce then turns out to be used, ``OutcomeUnknown`` says so.
"""

import asyncio
import heapq
import random
import time
from collections.abc import Callable
from typing import Final, TypeVar

from node.client.errors import ConnectionLost
from node.client.nonces import CountedNonces, Nonces
from node.client.retry import RetryPolicy, passes, usual_policy
from node.client.session import Session
from node.client.subscription import Message
from node.client.wallet import NEVER, Wallet
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
from node.types.errors import (
    ActionExpired,
    AgentExpired,
    IntegrityError,
    NonceUsed,
    PlimsollError,
    Unavailable,
    WrongSigner,
)
from node.types.ids import EVERY_MARKET, Address, MarketId
from node.types.units import Millis, Money

LIFETIME_MS: Final = 60_000
"""How long a signed action is good for, where nothing else is said."""

RENEWALS_MAX: Final = 16
"""How often one action gets another nonce. More means that somebody uses the key very busily."""

_MS_PER_S: Final = 1_000

_TELLS_NOTHING = (ActionExpired, AgentExpired, NonceUsed, WrongSigner)
"""Refusals that come before anyone looks whether the action was executed before."""

A = TypeVar("A", PlaceOrders, CancelAll, AdjustMargin, Withdraw, ApproveAgent, SetSwitch)


class OutcomeUnknown(Unavailable):
    """An answer was lost, and asking again cannot tell whether the action (``nonce``) was executed.

    The account's open orders, positions and balances tell what is.
    """

    code = 2110


def wall_clock_ms() -> Millis:
    """Return the milliseconds since the Unix epoch."""
    return Millis(time.time_ns() // 1_000_000)


def was_never_sent(error: PlimsollError) -> bool:
    """Return whether a request failed because there was no connection to send it over."""
    return isinstance(error, ConnectionLost) and "method" in error.values


class Trader:
    """One account's actions. All methods may be called from any number of tasks at once.

    Each returns the action's result, and raises what the node refused it with, ``ConnectionLost``
    where the policy does not send it again, or ``OutcomeUnknown``. ``retry`` of None stands for
    ``usual_policy``.
    """

    def __init__(
        self,
        session: Session,
        wallet: Wallet,
        *,
        now_ms: Callable[[], Millis] = wall_clock_ms,
        lifetime_ms: int = LIFETIME_MS,
        seed: int | None = None,
    ) -> None:
        """Send what ``wallet`` signs over ``session``; ``open`` makes both ends meet.

        ``seed`` fixes the chance in the pauses between attempts (None: it is not fixed).
        """
        self.session = session
        self.wallet = wallet
        self.renewed = 0
        self.retried = 0
        self._now_ms = now_ms
        self._lifetime_ms = lifetime_ms
        self._window = session.rules.limits.nonce_window
        self._open: list[int] = []
        self._closed: set[int] = set()
        self._moved = asyncio.Event()
        self._chance = random.Random(seed)  # noqa: S311 - it spreads pauses, and guards nothing

    @classmethod
    async def open(
        cls,
        session: Session,
        secret: bytes,
        account: Address | None = None,
        *,
        nonces: Nonces | None = None,
        now_ms: Callable[[], Millis] = wall_clock_ms,
        lifetime_ms: int = LIFETIME_MS,
    ) -> "Trader":
        """Return a trader for the key's own account, or for ``account`` as its agent.

        It begins above every nonce that the node has seen of the key, and follows the price of
        work. ``nonces`` is a source that others use as well; actions are dated with ``now_ms`` and
        good for ``lifetime_ms``.
        """
        source = CountedNonces() if nonces is None else nonces
        wallet = session.wallet(secret, account=account, nonces=source)
        source.learn(await session.next_nonce(wallet.account, wallet.signer) - 1)
        await session.follow_fees()
        return cls(session, wallet, now_ms=now_ms, lifetime_ms=lifetime_ms)

    def expires(self) -> Millis:
        """Return when an action that is signed now expires, a whole second (it costs L1 less)."""
        after = self._now_ms() + self._lifetime_ms
        return Millis(-(-after // _MS_PER_S) * _MS_PER_S)

    async def place(
        self,
        orders: tuple[NewOrder, ...] = (),
        cancels: tuple[CancelOrder, ...] = (),
        *,
        amends: tuple[AmendOrder, ...] = (),
        max_fee: Money | None = None,
        deadline_ms: int | None = None,
        retry: RetryPolicy | None = None,
    ) -> Message:
        """Send cancels, then amends, then orders, under one signature."""
        action = self.wallet.place(
            orders, cancels, amends=amends, expires=self.expires(), max_fee=max_fee
        )
        return await self.send(action, deadline_ms=deadline_ms, retry=retry)

    async def cancel_all(
        self, market: MarketId = EVERY_MARKET, *, retry: RetryPolicy | None = None
    ) -> Message:
        """Cancel every open order of ``market`` (0: of every market)."""
        return await self.send(self.wallet.cancel_all(market, expires=self.expires()), retry=retry)

    async def adjust_margin(
        self, market: MarketId, amount: Money, *, retry: RetryPolicy | None = None
    ) -> Message:
        """Move ``amount`` into the position's margin (negative: back)."""
        action = self.wallet.adjust_margin(market, amount, expires=self.expires())
        return await self.send(action, retry=retry)

    async def withdraw(self, amount: Money, *, retry: RetryPolicy | None = None) -> Message:
        """Open a withdrawal; the account's own key must be the one that signs."""
        return await self.send(self.wallet.withdraw(amount, expires=self.expires()), retry=retry)

    async def approve_agent(
        self, agent: Address, until: Millis, *, retry: RetryPolicy | None = None
    ) -> Message:
        """Let ``agent`` act until ``until``; in the past: not any more."""
        action = self.wallet.approve_agent(agent, until, expires=self.expires())
        return await self.send(action, retry=retry)

    async def set_switch(
        self,
        cancel_at: Millis = NEVER,
        *,
        on_disconnect: bool = False,
        retry: RetryPolicy | None = None,
    ) -> Message:
        """Let all orders go at ``cancel_at``, or with the last connection; neither: off."""
        action = self.wallet.set_switch(
            cancel_at, on_disconnect=on_disconnect, expires=self.expires()
        )
        return await self.send(action, retry=retry)

    async def send(
        self, action: A, *, deadline_ms: int | None = None, retry: RetryPolicy | None = None
    ) -> Message:
        """Send ``action``, which this trader's wallet signed; see the class."""
        policy = usual_policy(action) if retry is None else retry
        renewals = 0
        while True:
            nonce = action.nonce
            await self._enter(nonce)
            try:
                return await self._attempts(action, policy, deadline_ms)
            except NonceUsed as error:
                # Nobody has executed this action: its nonce went to another one of the same key.
                self.wallet.nonces.learn(int(error.values.get("highest", action.nonce)))
                renewals += 1
                if renewals > RENEWALS_MAX:
                    raise
            finally:
                self._leave(nonce)
            self.renewed += 1
            action = self.wallet.renewed(action)

    async def _attempts(self, action: A, policy: RetryPolicy, deadline_ms: int | None) -> Message:
        """Send one and the same action until it is answered for good.

        Raises ``NonceUsed`` only where the action cannot have been executed.
        """
        ends = time.monotonic() + policy.within_s
        lost = False
        made = 0
        while True:
            made += 1
            try:
                return await self.session.send(action, deadline_ms=deadline_ms)
            except _TELLS_NOTHING as error:
                if lost:
                    raise OutcomeUnknown(nonce=action.nonce, answer=error.code) from error
                raise
            except (ConnectionLost, IntegrityError) as error:
                # The node may have written it down and then been cut off; or it was never sent.
                lost = lost or not was_never_sent(error)
                failed: PlimsollError = error
            except Unavailable as error:
                if lost and not passes(error):
                    raise OutcomeUnknown(nonce=action.nonce, answer=error.code) from error
                if not passes(error):
                    raise
                failed = error
            pause = policy.pause(failed, made, self._chance.random())
            if made >= policy.attempts or time.monotonic() + pause > ends:
                if lost and made > 1:
                    raise OutcomeUnknown(nonce=action.nonce, answer=failed.code) from failed
                raise failed
            self.retried += 1
            await asyncio.sleep(pause)
            await self._reconnected(ends, failed)

    async def _reconnected(self, ends: float, failed: PlimsollError) -> None:
        """Wait for a connection until ``ends``; raise ``failed`` if there is none by then."""
        try:
            async with asyncio.timeout(ends - time.monotonic()):
                await self.session.ready()
        except TimeoutError:
            raise failed from None

    async def _enter(self, nonce: int) -> None:
        """Hold ``nonce`` back while an older unanswered one would fall out of the window by it."""
        heapq.heappush(self._open, nonce)
        try:
            while nonce - self._open[0] >= self._window:
                await self._moved.wait()
        except asyncio.CancelledError:
            self._leave(nonce)
            raise

    def _leave(self, nonce: int) -> None:
        """Forget ``nonce``; if it was the oldest, let those go on that it held back."""
        self._closed.add(nonce)
        while self._open and self._open[0] in self._closed:
            self._closed.discard(heapq.heappop(self._open))
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()
