"""How much of one turn of the event loop is spent on what one address sends.

Nothing is refused here. Whoever has sent more than is heard in a turn waits for the next one, and
by then everybody else has had his: an address that floods us by hundreds of connections, with what
no other limit counts, takes what others leave. Alone it loses nothing, as its next turn comes at
once. What it sends meanwhile stays in its sockets, since aiohttp reads no further.
"""

import asyncio
from collections import deque
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Middleware

from node.adapters.http.connection import connection_of
from node.adapters.http.rest import Handler

TURN_WORK: Final = 256
"""Messages of one address in a turn of the loop: some 5 ms. A node that carries 10,000 in a second
hears that many in 25 ms, which no turn of its own takes."""

REQUEST_WORK: Final = 8
"""An HTTP request takes as long as so many messages: 150 us, most of it for its headers."""


class Turns:
    """What each address was heard with in this turn, and who waits for the next."""

    __slots__ = ("_heard", "_waiting", "number")

    def __init__(self) -> None:
        self.number = 0
        """Of the turn. What was allowed in one and not used is gone with it."""
        self._heard: dict[str, int] = {}
        self._waiting: dict[str, deque[tuple[int, asyncio.Future[int]]]] = {}

    async def take(self, address: str, work: int = 1) -> int:
        """Wait until ``address`` may be heard with ``work`` more; return that.

        Who waited with one message gets its part of the turn, as more may stand behind it, and is
        heard with no more than that before the others of its address are.
        """
        heard = self._heard.get(address, 0)
        if heard < TURN_WORK and address not in self._waiting:
            if not self._heard:  # Else the next turn is under way.
                asyncio.get_running_loop().call_soon(self._begin)
            self._heard[address] = heard + work
            return work
        granted: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(address, deque()).append((work, granted))
        return await granted

    def _begin(self) -> None:
        """Begin a turn: those who wait are heard first."""
        self.number += 1
        self._heard.clear()
        for address, waiting in tuple(self._waiting.items()):
            heard, part = 0, max(1, TURN_WORK // len(waiting))
            while waiting and heard < TURN_WORK:
                work, granted = waiting.popleft()
                if not granted.done():  # Else the client has gone.
                    granted.set_result(work if work > 1 else part)
                    heard += granted.result()
            if heard:
                self._heard[address] = heard
            if not waiting:
                del self._waiting[address]
        if self._heard:
            asyncio.get_running_loop().call_soon(self._begin)


def in_turn(turns: Turns) -> Middleware:
    """Return the middleware that lets each request wait for its turn."""

    @web.middleware
    async def at_its_turn(request: web.Request, handler: Handler) -> web.StreamResponse:
        await turns.take(connection_of(request).address, REQUEST_WORK)
        return await handler(request)

    return at_its_turn
