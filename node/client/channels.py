"""What a session is subscribed to: asked for, handed on, renewed, and ended where it is refused.

A connection that is new asks again for every channel, each from where it stands. What the server
refuses for good ends alone; what it has no time for at all is asked for over yet another connection
(``Unavailable`` goes to whoever holds the connection); a rate that is used up is waited for, as
long as it takes, while the others are asked for.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

import structlog

from node.client.errors import ConnectionLost
from node.client.retry import retry_after_s
from node.client.subscription import Ended, Handler, Message, Subscription
from node.types.errors import (
    IntegrityError,
    Overloaded,
    PlimsollError,
    RateLimited,
    SinceAhead,
    Unavailable,
)

ANSWER_S: Final = 10.0
FIRST_PAUSE_S: Final = 0.025
LONGEST_PAUSE_S: Final = 4.0
_DOUBLINGS_MAX: Final = 10
"""From the shortest pause to beyond the longest: higher powers would only overflow."""

_UNFIT_MIN: Final = 2
"""Of so many snapshots in a row that did not fit, the next is asked for after a pause."""

Start = Callable[[str, Message], "asyncio.Future[Message]"]
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
        self._named: dict[_Name, Subscription] = {}
        self._asking: dict[asyncio.Future[Message], Subscription] = {}
        self._outdated: asyncio.Queue[_Attempt] = asyncio.Queue()
        self._chance = random.Random()  # noqa: S311 - it spreads pauses, and guards nothing

    async def add(
        self, channel: str, market: str, interval: str, handler: Handler, ended: Ended | None
    ) -> Subscription:
        """Ask for a channel for the first time. Raises the server's error or ``ConnectionLost``."""
        name = (channel, market, interval)
        params = {"channel": channel, "market": market, "interval": interval}
        given = {key: text for key, text in params.items() if text}
        subscription = self._named[name] = Subscription(given, handler, ended)
        try:
            await self._ask(subscription)
        except ConnectionLost:
            # Not refused: the next connection asks for it.
            raise
        except PlimsollError:
            # The caller knows that it has none, and asks again if it wants one.
            self._forget(subscription)
            raise
        return subscription

    def __iter__(self) -> Iterator[Subscription]:
        """Yield every subscription that has not ended."""
        yield from tuple(self._named.values())

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
        for name, subscription in list(self._named.items()):
            if name[0] == channel:
                self._end(subscription, refusal)

    def take(self, message: Message) -> None:
        """Hand on a message of a channel; raises what its reader raises."""
        channel, market, interval = (
            message.get(key, "") for key in ("channel", "market", "interval")
        )
        known = self._named.get((channel, market, interval))
        if known is None or not known.take(message):
            return
        if known.unfit < _UNFIT_MIN:
            self._outdated.put_nowait((known, 1))
            return
        if known.unfit == _UNFIT_MIN:
            # No loss on the way does this twice: the server, or this client, counts otherwise.
            _log.warning("snapshots_unfit", channel=channel, market=market)
        self._ask_later(known.unfit - _UNFIT_MIN + 1, (known, 1))

    def answered(self, future: "asyncio.Future[Message]", result: Message) -> None:
        """Take in the result of a request, if it was one of these.

        Now, not when whoever waits has its turn: the messages that follow rest on it.
        """
        subscription = self._asking.get(future)
        if subscription is not None:
            subscription.answered(result)

    async def in_time(self, method: str, answer: "asyncio.Future[Message]") -> None:
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
            self._end(subscription, refusal)
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

    def _end(self, subscription: Subscription, refusal: PlimsollError) -> None:
        self._forget(subscription)
        subscription.end(refusal)
        _log.warning("subscription_ended", error=str(subscription.error), refusal=str(refusal))

    def _forget(self, subscription: Subscription) -> None:
        self._named = {
            name: known for name, known in self._named.items() if known is not subscription
        }
