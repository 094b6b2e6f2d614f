"""Signing and sending for one account: many tasks at once, each action executed at most once.

    Trader.place ─▶ nonce, signature ─▶ room in the nonce window ─▶ Session.send
                        ▲                                                │
                        │ NonceUsed, or another sender's result, and it  │
                        │ cannot have been this action                   │
                        └────────────────────────────────────────────────┤
                          ConnectionLost, Overloaded, Shed, …: the same signed action, if the
                          policy says so                ◀────────────────┘

A nonce that somebody else has used is replaced and the action signed again, but only while it is
certain that it was not executed. Once an answer was lost it no longer is: the same action is sent
again if the policy says so, and what does not end with its result ends with ``OutcomeUnknown``.

Two senders with one key must never sign the very same bytes: the exchange would take the second
for a retry of the first, and each would be told that the one order is its own. So every trader's
actions expire at another millisecond of the second. Where chance gives two of them the same one, an
answer marked ``repeated`` to what was never sent before tells that it is somebody else's.
"""

import asyncio
import heapq
import random
import time
from collections.abc import Callable
from typing import Final, NoReturn, Self, TypeVar

from node.client.errors import ConnectionLost, applied
from node.client.nonces import CountedNonces, Nonces
from node.client.placed import Placed
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
    SignedAction,
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
from node.types.units import MS_PER_S, NS_PER_MS, Millis, Money

LIFETIME_MS: Final = 60_000
"""How long a signed action is good for, where nothing else is said."""

RENEWALS_MAX: Final = 16
"""How often one action gets another nonce. More means that somebody uses the key very busily."""


_TELLS_NOTHING = (ActionExpired, AgentExpired, NonceUsed, WrongSigner)
"""Refusals that come before anyone looks whether the action was executed before."""

A = TypeVar("A", PlaceOrders, CancelAll, AdjustMargin, Withdraw, ApproveAgent, SetSwitch)


class OutcomeUnknown(Unavailable):
    """An answer was lost, and nothing tells whether the action (``nonce``) was executed.

    The error's ``action`` sent again as it is (``Trader.send``) brings its result, at most once.
    """

    code = 2110
    action: SignedAction

    @classmethod
    def of(cls, action: SignedAction, answer: PlimsollError) -> Self:
        """Return the error for ``action``, to which ``answer`` is all that came."""
        unknown = cls(nonce=action.nonce, answer=answer.code)
        unknown.action = action
        return unknown


def wall_clock_ms() -> Millis:
    """Return the milliseconds since the Unix epoch."""
    return Millis(time.time_ns() // NS_PER_MS)


def was_never_sent(error: PlimsollError) -> bool:
    """Return whether a request failed because there was no connection to send it over."""
    return isinstance(error, ConnectionLost) and "method" in error.values


def _fail(action: SignedAction, error: PlimsollError, *, lost: bool) -> NoReturn:
    """Raise ``error``, or ``OutcomeUnknown`` where an answer was ``lost`` before it or by it."""
    if lost:
        raise OutcomeUnknown.of(action, error) from error
    raise error


class Trader:
    """One account's actions. All methods may be called from any number of tasks at once.

    Each returns the action's result, and raises what the node refused it with, ``ConnectionLost``
    where it was never sent, or ``OutcomeUnknown``. ``retry`` of None stands for ``usual_policy``.
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

        ``seed`` fixes the chance in the pauses between attempts, and the millisecond of the second
        at which this trader's actions expire (None: neither is fixed).
        """
        self.session = session
        self.wallet = wallet
        self.renewed = 0
        self.retried = 0
        self._own_ms = now_ms
        self.placed: Placed | None = None
        self._lifetime_ms = lifetime_ms
        self._window = session.rules.limits.nonce_window
        self._highest = 0
        self._open: list[int] = []
        self._closed: list[int] = []
        self._moved = asyncio.Event()
        self._chance = random.Random(seed)  # noqa: S311 - it spreads pauses, and guards nothing
        self._expires_at_ms = self._chance.randrange(MS_PER_S)

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
        work and the node's clock. ``nonces`` is a source that others use as well; ``now_ms`` is the
        clock of this side, and what is signed is good for ``lifetime_ms``.
        """
        source = CountedNonces() if nonces is None else nonces
        wallet = session.wallet(secret, account=account, nonces=source)
        source.learn(await session.next_nonce(wallet.account, wallet.signer) - 1)
        await session.follow_fees()
        await session.follow_clock()
        return cls(session, wallet, now_ms=now_ms, lifetime_ms=lifetime_ms)

    def now_ms(self) -> Millis:
        """Return the time that actions are dated with: the node's, as far as it has told.

        Raises ``ClockApart`` where that is too far ahead of the clock of this side (``clock``).
        """
        return self.session.clock.now_ms(self._own_ms())

    def expires(self, in_ms: int | None = None) -> Millis:
        """Return when an action that is signed now expires: ``in_ms`` from now.

        None: up to a second past its lifetime, at the same millisecond of a second each time. That
        costs a trader's neighbours in a batch up to 1.5 bytes on L1, where one of its own for each
        action would cost always as much. Raises ``ValueError`` for what the rules do not allow.
        """
        if in_ms is not None:
            most = self.session.rules.limits.action_lifetime_ms
            if not 0 < in_ms <= most:
                raise ValueError(f"expires_in_ms is {in_ms}, 1 … {most} allowed")
            return Millis(self.now_ms() + in_ms)
        after = self.now_ms() + self._lifetime_ms
        return Millis(after + (self._expires_at_ms - after) % MS_PER_S)

    async def place(
        self,
        orders: tuple[NewOrder, ...] = (),
        cancels: tuple[CancelOrder, ...] = (),
        *,
        amends: tuple[AmendOrder, ...] = (),
        max_fee: Money | None = None,
        deadline_ms: int | None = None,
        expires_in_ms: int | None = None,
        retry: RetryPolicy | None = None,
        signed: Callable[[PlaceOrders], None] | None = None,
    ) -> Message:
        """Send cancels, then amends, then orders, under one signature.

        After ``expires_in_ms`` it is void, wherever it is by then, which costs 1.5 bytes on L1
        (None: after the trader's lifetime); ``deadline_ms`` counts only what it waits in the node.
        ``signed`` is given the action before it is sent, and again one that replaces it. Of a
        single item, what it was refused with is raised; of several the result tells of each.
        """
        expires = self.expires(expires_in_ms)
        action = self.wallet.place(orders, cancels, amends=amends, expires=expires, max_fee=max_fee)
        return applied(await self._send_new(action, deadline_ms, retry, signed))

    async def preview(self, order: NewOrder, *, max_fee: Money | None = None) -> Message:
        """Return what ``order`` would come to now, as ``Session.preview`` does."""
        return await self.session.preview(self.wallet.account, order, max_fee=max_fee)

    async def cancel_all(
        self, market: MarketId = EVERY_MARKET, *, retry: RetryPolicy | None = None
    ) -> Message:
        """Cancel every open order of ``market`` (0: of every market)."""
        action = self.wallet.cancel_all(market, expires=self.expires())
        return await self._send_new(action, None, retry)

    async def adjust_margin(
        self, market: MarketId, amount: Money, *, retry: RetryPolicy | None = None
    ) -> Message:
        """Move ``amount`` into the position's margin (negative: back)."""
        action = self.wallet.adjust_margin(market, amount, expires=self.expires())
        return await self._send_new(action, None, retry)

    async def withdraw(self, amount: Money, *, retry: RetryPolicy | None = None) -> Message:
        """Open a withdrawal; the account's own key must be the one that signs."""
        action = self.wallet.withdraw(amount, expires=self.expires())
        return await self._send_new(action, None, retry)

    async def approve_agent(
        self, agent: Address, until: Millis, *, retry: RetryPolicy | None = None
    ) -> Message:
        """Let ``agent`` act until ``until``; in the past: not any more."""
        action = self.wallet.approve_agent(agent, until, expires=self.expires())
        return await self._send_new(action, None, retry)

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
        return await self._send_new(action, None, retry)

    async def send(
        self,
        action: SignedAction,
        *,
        lost: bool = False,
        deadline_ms: int | None = None,
        retry: RetryPolicy | None = None,
    ) -> Message:
        """Send ``action``, signed with this trader's key, as it is: for the first time or again.

        It is never signed anew, so it is executed once at most. With ``lost``, an earlier answer to
        it was: then it ends with its result, with why it is refused, or with ``OutcomeUnknown``.
        """
        return applied(await self._send(action, deadline_ms, retry, lost=lost))

    async def _send_new(
        self,
        action: A,
        deadline_ms: int | None,
        retry: RetryPolicy | None,
        signed: Callable[[A], None] | None = None,
    ) -> Message:
        """Send an action that nobody has sent before; under another nonce where its own is gone."""
        renewals = 0
        while True:
            if signed is not None:
                signed(action)
            try:
                return await self._send(action, deadline_ms, retry, new=True)
            except NonceUsed as error:
                # Nobody has executed this action: its nonce went to another one of the same key.
                self.wallet.nonces.learn(int(error.values.get("highest", action.nonce)))
                renewals += 1
                if renewals > RENEWALS_MAX:
                    raise
            self.renewed += 1
            action = self.wallet.renewed(action)

    async def _send(
        self,
        action: SignedAction,
        deadline_ms: int | None,
        retry: RetryPolicy | None,
        *,
        new: bool = False,
        lost: bool = False,
    ) -> Message:
        """Send ``action`` within the window of nonces, and note its orders; see ``_attempts``."""
        policy = usual_policy(action) if retry is None else retry
        # What is behind the window already is sent again, and has no room in it to lose.
        inside = self._highest - action.nonce < self._window
        if inside:
            await self._enter(action.nonce)
        placed = self.placed
        if placed is not None:
            placed.begin(action)
        try:
            result = await self._attempts(action, policy, deadline_ms, new=new, lost=lost)
        except PlimsollError as error:
            if placed is not None and not isinstance(error, OutcomeUnknown):
                placed.end(action, None)
            raise
        finally:
            if inside:
                self._leave(action.nonce)
        if placed is not None:
            placed.end(action, result)
        return result

    async def _attempts(
        self,
        action: SignedAction,
        policy: RetryPolicy,
        deadline_ms: int | None,
        *,
        new: bool,
        lost: bool,
    ) -> Message:
        """Send one and the same action until it is answered for good.

        Of a ``new`` one, raises ``NonceUsed`` only where it cannot have been executed.
        """
        ends = time.monotonic() + policy.within_s
        made = 0
        while True:
            made += 1
            try:
                result = await self.session.send(action, deadline_ms=deadline_ms)
            except _TELLS_NOTHING as error:
                _fail(action, error, lost=lost)
            except (ConnectionLost, IntegrityError) as error:
                # The node may have written it down and then been cut off; or it was never sent.
                lost = lost or not was_never_sent(error)
                failed: PlimsollError = error
            except Unavailable as error:
                if not passes(error):
                    _fail(action, error, lost=lost)
                failed = error
            else:
                if new and not lost and result.get("repeated"):
                    raise NonceUsed(nonce=action.nonce, highest=action.nonce)
                return result
            pause = policy.pause(failed, made, self._chance.random())
            if made >= policy.attempts or time.monotonic() + pause > ends:
                _fail(action, failed, lost=lost)
            self.retried += 1
            await asyncio.sleep(pause)
            if not await self._reconnected(ends):
                _fail(action, failed, lost=lost)

    async def _reconnected(self, ends: float) -> bool:
        """Wait for a connection, and return whether there was one before ``ends``."""
        try:
            async with asyncio.timeout(ends - time.monotonic()):
                await self.session.ready()
        except TimeoutError:
            return False
        return True

    async def _enter(self, nonce: int) -> None:
        """Hold ``nonce`` back while an older unanswered one would fall out of the window by it."""
        heapq.heappush(self._open, nonce)
        try:
            while nonce - self._open[0] >= self._window:
                await self._moved.wait()
        except asyncio.CancelledError:
            self._leave(nonce)
            raise
        self._highest = max(self._highest, nonce)

    def _leave(self, nonce: int) -> None:
        """Forget ``nonce``; if it was the oldest, let those go on that it held back."""
        heapq.heappush(self._closed, nonce)
        # What is closed stands in both heaps, so it is the oldest of both or waits for an older.
        while self._closed and self._closed[0] == self._open[0]:
            heapq.heappop(self._open)
            heapq.heappop(self._closed)
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()
