"""A client in the node's own process: only the socket between the two is left out."""

import asyncio
from typing import Any

import aiohttp
import msgspec

from node.app.node import Node
from node.client.session import Session
from node.types.errors import PlimsollError
from node.types.ids import address_from_hex


class DirectSession(Session):
    """One connection's worth of requests, from an address of its own."""

    def __init__(self, node: Node, http: aiohttp.ClientSession, address: str) -> None:
        """Speak to ``node``; ``http`` is never used."""
        base = node.base
        super().__init__(http, "", base.rules, base.domain, base.signer.address)
        self._views = node.views
        self._conversation = node.door.open(_Wire(self), address)
        self._conversation.begin()

    async def get(self, path: str) -> dict[str, Any]:
        """Return the body of ``GET /account/{address}``, all that funding asks for."""
        account = address_from_hex(path.removeprefix("/account/"))
        body: dict[str, Any] = msgspec.json.decode(self._views.account(account))
        return body

    def start(
        self, method: str, params: dict[str, Any], deadline_ms: int | None = None
    ) -> "asyncio.Future[dict[str, Any]]":
        """Hand in a request; return the future of its result."""
        future = self._requests.add(method, params, deadline_ms)
        for frame in self._requests.frames():
            # Taken in on a turn of its own, as a message from a socket is.
            asyncio.get_running_loop().call_soon(self._conversation.receive, frame.decode())
        return future

    def answered(self, message: dict[str, Any]) -> None:
        """Take in an answer."""
        self._take(message)

    def lost(self, error: PlimsollError) -> None:
        """Be hung up on: whoever waits hears that the connection is lost."""
        self._requests.lose(code=error.code)


class _Wire:
    """The way back to a session, as the node sees it; feeds were not asked for."""

    def __init__(self, session: DirectSession) -> None:
        self._session = session

    @property
    def behind(self) -> bool:
        return False

    def send(self, body: bytes) -> None:
        message = msgspec.json.decode(body)
        if "id" in message:
            self._session.answered(message)

    def push(self, frame: bytes) -> None:
        pass

    def close(self, error: PlimsollError) -> None:
        self._session.lost(error)
