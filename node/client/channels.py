"""What a session is subscribed to: asked for, handed on, renewed, and ended where it is refused.

A connection that is new asks again for every channel, each from where it stands. What the server
refuses for good ends alone; what it has no time for at all is asked for over yet another connection
(``Unavailable`` goes to whoever holds the connection); a rate that is used up is waited for, as
long as it takes, while the others are asked for.

Any number of handlers hear one channel, each by a subscription of its own with a snapshot of its
own: what the server tells again for one of them, the others have already and drop.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any, Final

import structlog

from node.client.errors import ConnectionLost
from node.client.retry import retry_after_s
from node.client.subscription import Ended, Handler, HandlerFailed, Message, Subscription
from node.types.errors import (
    IntegrityError,
    Overloaded,
    PlimsollError,
    RateLimited,
    SinceAhead,
    Unavailable,
)

ANSWER_S: Final = 10.0
HEARTBEAT_S: Final = 6.0
"""After so long without a byte the server is asked whether it is there; after half of that more
without one it is not. The timers may be a second late."""
FIRST_PAUSE_S: Final = 0.025
LONGEST_PAUSE_S: Final = 4.0
_DOUBLINGS_MAX: Final = 10
"""From the shortest pause to beyond the longest: higher powers would only overflow."""

_UNFIT_MIN: Final = 2
"""Of so many snapshots in a row that did not fit, the next is asked for after a pause."""

Start = Callable[[str, Message], "asyncio.Future[Message]"]
_KEYS: Final = ("channel", "market", "interval")
_Name = tuple[str, str, str]
_Attempt = tuple[Subscription, int]
"""What is to be asked for, and for which time (from 1)."""

_log = structlog.get_logger(__name__)


def is_final(refusal: PlimsollError) -> bool:
    """Return whether a subscription that was refused so would be refused again.

    One code may mean both: the queue that a connection shares with its other requests empties, the
    number of its subscriptions does not.
    """
    if isinstance(refusal, Overloaded):
        return refusal.values.get("queue") == "subscriptions"
    return not isinstance(refusal, Unavailable | IntegrityError)


def pause(made: int, chance: float, least_s: float = 0.0) -> float:
    """Return how many seconds to wait after attempt ``made`` (from 1) that brought nothing.

    The server names the moment at which one request would fit (``least_s``), and the same one to
    everybody who was refused with it. So the pause doubles, and up to its whole length is added by
    ``chance`` (0 … 1): those who lost their connections together do not come back together for
    ever.
    """
    first = max(least_s, FIRST_PAUSE_S)
    return min(first * 2.0 ** min(made - 1, _DOUBLINGS_MAX), LONGEST_PAUSE_S) * (1 + chance)


class Channels:
    """The subscriptions of one session, over all its connections."""

    def __init__(self, start: Start, hang_up: Callable[[], Awaitable[None]]) -> None:
        """``start`` sends a request, ``hang_up`` closes the connection."""
        self._start = start
        self._hang_up = hang_up
        self._named: dict[_Name, list[Subscription]] = {}
        self._asking: dict[asyncio.Future[Message], Subscription] = {}
        self._outdated: asyncio.Queue[_Attempt] = asyncio.Queue()
        self._chance = random.Random()  # noqa: S311 - it spreads pauses, and guards nothing

    async def add(
        self,
        channel: str,
        market: str,
        interval: str,
        handler: Handler,
        ended: Ended | None,
        *,
        own: bool = False,
    ) -> Subscription:
        """Ask for a channel; for a handler that hears it already, to begin anew.

        Raises the server's error or ``ConnectionLost``: then all is as it was before.
        """
        name = (channel, market, interval)
        of_name = self._named.get(name, [])
        subscription = next((known for known in of_name if known.handler == handler), None)
        if subscription is None:
            subscription = Subscription(_params_of(name), handler, ended, own=own)
            self._named[name] = [*of_name, subscription]
        else:
            subscription.ended = ended
            subscription.start_over()
        subscription.holders += 1
        try:
            await self._ask(subscription)
        except PlimsollError:
            # The caller knows that it has none, and asks again if it wants one.
            self._let_go(subscription)
            raise
        except asyncio.CancelledError:
            self.drop(subscription)
            raise
        return subscription

    async def follow(
        self, channel: str, market: str, reader: Handler, ended: Ended | None
    ) -> Subscription:
        """Add a reader of this client, and wait until it has read a message.

        Raises as ``add``, and ``SubscriptionEnded``.
        """
        subscription = await self.add(channel, market, "", reader, ended, own=True)
        try:
            await subscription.heard.wait()
        except asyncio.CancelledError:
            self.drop(subscription)
            raise
        if subscription.error is not None:
            raise subscription.error
        return subscription

    def drop(self, subscription: Subscription) -> None:
        """Take back one ``add``; tell the server where nobody hears the channel any more."""
        self._let_go(subscription)
        self._unsubscribe(subscription)

    def __iter__(self) -> Iterator[Subscription]:
        """Yield every subscription that has not ended."""
        yield from [known for of_name in self._named.values() for known in of_name]

    async def renew(self) -> None:
        """Ask for every channel over a new connection. Raises ``Unavailable``."""
        left = set(self)
        for subscription in self:
            self._outdated.put_nowait((subscription, 1))
        while left:
            left.discard(await self._mend_one())

    async def mend(self) -> None:
        """Start over each channel that falls behind, for ever. Raises ``Unavailable``."""
        while True:
            await self._mend_one()

    def end(self, channel: str, refusal: PlimsollError) -> None:
        """End every subscription of ``channel``, for ``refusal``."""
        for name, of_name in list(self._named.items()):
            if name[0] == channel:
                for subscription in of_name:
                    self._end_refused(subscription, refusal)

    def take(self, message: Message) -> None:
        """Hand on a message of a channel; raises what a reader of this client raises.

        A caller's handler that raises ends its own subscription and nothing else.
        """
        for known in self._named.get(_name_of(message), ()):
            try:
                if known.take(message):
                    self._start_over(known)
            except HandlerFailed as failed:
                self._end(known, failed.__cause__, fault=repr(failed.__cause__))
                self._unsubscribe(known)

    def answered(self, future: "asyncio.Future[Message]", result: Message) -> None:
        """Take in the result of a request, if it was one of these.

        Now, not when whoever waits has its turn: the messages that follow rest on it.
        """
        subscription = self._asking.get(future)
        if subscription is not None:
            subscription.answered(result)

    async def in_time(self, method: str, answer: Awaitable[object]) -> None:
        """Wait for ``answer``. Raises the server's error, or ``ConnectionLost`` for its silence."""
        try:
            async with asyncio.timeout(ANSWER_S):
                await answer
        except TimeoutError as silence:
            # What was asked may have been lost, or its answer: a new connection begins clean.
            await self._hang_up()
            raise ConnectionLost(method=method, waited_s=ANSWER_S) from silence

    def disconnected(self) -> None:
        """Forget what fell behind on the connection that is gone: a new one asks for everything."""
        self._outdated = asyncio.Queue()
        for subscription in self:
            subscription.current = False

    def close(self) -> None:
        """Let nobody wait for a first message any more: there will be no further connection.

        No ``ended`` is told: all ends with the session, and who holds that learns why.
        """
        for subscription in self:
            subscription.ended = None
            subscription.end(ConnectionLost())

    async def _mend_one(self) -> Subscription | None:
        """Ask for the next channel that waits for it; return it if it need not be asked for again.

        It was granted before; where it no longer is, it ends and nothing else.
        """
        subscription, made = await self._outdated.get()
        if subscription not in self:
            return subscription
        try:
            await self._ask(subscription)
        except RateLimited as refusal:
            self._ask_later(made, (subscription, made + 1), retry_after_s(refusal))
            return None
        except PlimsollError as refusal:
            if not is_final(refusal):
                raise
            self._end_refused(subscription, refusal)
        return subscription

    def _ask_later(self, made: int, again: _Attempt, least_s: float = 0.0) -> None:
        """Put ``again`` at the end of the queue after a pause: those behind it do not wait for it.

        What comes back after the connection has ended finds the queue of that one, and nobody.
        """
        wait_s = pause(made, self._chance.random(), least_s)
        asyncio.get_running_loop().call_later(wait_s, self._outdated.put_nowait, again)

    async def _ask(self, subscription: Subscription) -> None:
        """Ask for a channel, to go on where it stands. Raises the server's error or its silence."""
        subscription.asked = True
        answer = self._start("subscribe", subscription.params)
        self._asking[answer] = subscription
        try:
            await self.in_time("subscribe", answer)
        except SinceAhead:
            # Another past than the one that was followed: only what stands there is true.
            subscription.start_over()
            await self._ask(subscription)
        finally:
            self._asking.pop(answer, None)

    def _start_over(self, subscription: Subscription) -> None:
        """Let a subscription that does not fit be asked for; after the second time, later."""
        if subscription.unfit < _UNFIT_MIN:
            self._outdated.put_nowait((subscription, 1))
            return
        if subscription.unfit == _UNFIT_MIN:
            # No loss on the way does this twice: the server, or this client, counts otherwise.
            _log.warning("snapshots_unfit", **subscription.params)
        self._ask_later(subscription.unfit - _UNFIT_MIN + 1, (subscription, 1))

    def _end_refused(self, subscription: Subscription, refusal: PlimsollError) -> None:
        self._end(subscription, refusal, refusal=refusal.values.get("code", refusal.code))

    def _end(self, subscription: Subscription, cause: BaseException | None, **why: Any) -> None:
        self._forget(subscription)
        try:
            subscription.end(cause, **why)
        except Exception:  # noqa: BLE001 - who is told of the end of one must not end them all
            _log.warning("ended_failed", **subscription.params, exc_info=True)
        _log.warning("subscription_ended", error=str(subscription.error), exc_info=cause)

    def _let_go(self, subscription: Subscription) -> None:
        """Let one who asked for it hold it no more."""
        # Nobody waits for the answer any more that would say so.
        subscription.asked = False
        subscription.holders -= 1
        if not subscription.holders:
            self._forget(subscription)

    def _forget(self, subscription: Subscription) -> None:
        named = {
            name: [known for known in of_name if known is not subscription]
            for name, of_name in self._named.items()
        }
        self._named = {name: of_name for name, of_name in named.items() if of_name}

    def _unsubscribe(self, subscription: Subscription) -> None:
        """Tell the server that nobody hears a channel any more, where that is so."""
        name = _name_of(subscription.params)
        if name not in self._named:
            # Without a connection there is nothing to end, and nobody waits for the answer.
            with suppress(ConnectionLost):
                self._start("unsubscribe", _params_of(name)).cancel()


def _name_of(named: Message) -> _Name:
    return named.get("channel", ""), named.get("market", ""), named.get("interval", "")


def _params_of(name: _Name) -> Message:
    """Return what the server is asked with for the channel ``name``."""
    return {key: text for key, text in zip(_KEYS, name, strict=True) if text}
