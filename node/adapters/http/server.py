"""The server: WebSocket connections, REST routes and the page on one port."""

import asyncio
import logging
import socket
from collections.abc import Callable
from itertools import count

from aiohttp import WSMsgType, web

from node.adapters.http.body_deadline import body_deadline
from node.adapters.http.config import HttpConfig
from node.adapters.http.connection import Connection, Crowd, at_work, connection_of, seated
from node.adapters.http.history_routes import HistoryAsked
from node.adapters.http.origin_guard import origin_guard, origin_sharing
from node.adapters.http.page_files import Page
from node.adapters.http.probes import Probes
from node.adapters.http.rest import Rest, error_response, errors_as_json
from node.adapters.http.turns import Turns, in_turn
from node.adapters.http.wire import WebSocketWire
from node.capacity.traffic import Traffic
from node.ports.api import Api, Conversation, Faucet, Views
from node.types.errors import (
    AddressUnavailable,
    MalformedMessage,
    OversizedMessage,
    ShuttingDown,
)

_HARD_FACTOR = 4
"""A message up to so many times too long is read and refused; past it the connection is closed."""

_DRAIN_STEP_S = 0.005

AT_ONCE = 64
"""What one client says in so many messages is heard before others have their turn. A single read of
its socket may hold ten thousand, and as many pings, which would be a tenth of a second."""

_UNHEARD = logging.getLogger("node.http.unheard")
_UNHEARD.setLevel(logging.CRITICAL + 1)
"""Whoever sends what is no HTTP is told so. A line of our log for each would let him fill the disk;
what goes wrong inside of a handler is logged by ``errors_as_json``."""

_DATA = (WSMsgType.TEXT, WSMsgType.BINARY)
_CONTROL = (WSMsgType.PING, WSMsgType.PONG)


def require_free(config: HttpConfig) -> None:
    """Return where the address can be listened on.

    A node asks before it deploys a contract or makes a folder, so that a port which another program
    has leaves nothing behind. Raises ``AddressUnavailable``.
    """
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    try:
        with socket.create_server((config.host, config.port), family=family):
            pass
    except OSError as error:
        raise AddressUnavailable(
            host=config.host, port=config.port, detail=error.strerror or str(error)
        ) from error


class HttpServer:
    """Serves ``api`` and ``views``. ``start``, then ``run`` until cancelled, then ``stop``."""

    def __init__(
        self,
        config: HttpConfig,
        api: Api,
        views: Views,
        probes: Probes,
        traffic: Traffic,
        faucet: Faucet | None = None,
        history: HistoryAsked | None = None,
    ) -> None:
        """``faucet`` is what a devnet's node gives test money from."""
        self._config = config
        self._api = api
        self._traffic = traffic
        self.crowd = Crowd(config)
        self._conversations: dict[WebSocketWire, Conversation] = {}
        self._turns = Turns()
        self._stopping = False
        # Without compression a frame is the same for everyone, and costs no time.
        application = web.Application(
            middlewares=[
                in_turn(self._turns),
                errors_as_json,
                seated(self.crowd),
                origin_guard(config),
                body_deadline(config.keepalive_s),
                at_work,
            ],
            client_max_size=config.message_bytes,
        )
        application.on_response_prepare.append(origin_sharing(config))
        application.router.add_get("/ws", self._serve)
        self._rest = Rest(api, views, probes, faucet)
        self._rest.add_to(application)
        if history is not None:
            history.add_to(application)
        Page().add_to(application)
        self._runner = web.AppRunner(application, shutdown_timeout=config.close_timeout_s)
        self._listener: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """Return the port that the server listens on; it must have been started."""
        assert self._listener is not None
        return int(self._listener.sockets[0].getsockname()[1])

    @property
    def connections(self) -> int:
        """Return the number of open WebSocket connections."""
        return len(self._conversations)

    async def start(self) -> None:
        """Listen. Raises ``AddressUnavailable`` when the address cannot be had."""
        host, port = self._config.host, self._config.port
        await self._runner.setup()
        server = self._runner.server
        assert server is not None
        try:
            self._listener = await asyncio.get_running_loop().create_server(
                lambda: Connection(self.crowd, server, _UNHEARD), host, port
            )
        except OSError as error:
            await self._runner.cleanup()
            raise AddressUnavailable(host=host, port=port, detail=error.strerror) from error

    async def run(self) -> None:
        """Cut those who have stopped reading and review the others, until cancelled."""
        while True:
            await asyncio.sleep(self._config.write_timeout_s)
            for wire, conversation in tuple(self._conversations.items()):
                wire.check_progress()
                conversation.review()

    async def stop(self) -> None:
        """Take no more connections, wait for answers in flight, say goodbye and close.

        Whoever stands behind ``api`` must be refusing new requests by now, and still answering.
        """
        self._stopping = True
        if self._listener is not None:
            self._listener.close()
        await self._until(lambda: not self._in_flight(), self._config.drain_timeout_s)
        for wire in tuple(self._conversations):
            wire.close(ShuttingDown())
        await self._until(lambda: not self._conversations, self._config.close_timeout_s)
        await self._runner.cleanup()

    def _in_flight(self) -> int:
        talking = sum(conversation.in_flight for conversation in self._conversations.values())
        return talking + self._rest.in_flight

    @staticmethod
    async def _until(reached: Callable[[], bool], timeout_s: float) -> None:
        """Wait for a condition that nobody announces; it is reached once, at the end."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        while not reached() and loop.time() < deadline:  # noqa: ASYNC110 - many may reach it
            await asyncio.sleep(_DRAIN_STEP_S)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        config = self._config
        if self._stopping:
            return error_response(ShuttingDown())
        socket = web.WebSocketResponse(
            # A client's close may be the answer to ours, which is not answered again.
            autoclose=False,
            compress=False,
            # Pings cost like any message, so they are counted like any.
            autoping=False,
            max_msg_size=_HARD_FACTOR * config.message_bytes,
            heartbeat=config.heartbeat_s,
            timeout=config.close_timeout_s,
        )
        if not socket.can_prepare(request):
            raise MalformedMessage(detail="no handshake of a WebSocket", method=request.method)
        connection = connection_of(request)
        connection.become_socket()
        await socket.prepare(request)
        transport = request.transport
        if transport is None:  # The client has gone during the handshake.
            return socket
        wire = WebSocketWire(transport, config, self._traffic)
        conversation = self._conversations[wire] = self._api.open(wire, request.remote or "")
        try:
            conversation.begin()
            await self._receive(socket, wire, conversation, connection.address)
        finally:
            del self._conversations[wire]
            conversation.end()
            if wire.closing:
                # Both have said goodbye; a second one of ours would be a breach of the protocol.
                transport.close()
            wire.gone()
            connection.end_socket()
        return socket

    async def _receive(
        self,
        socket: web.WebSocketResponse,
        wire: WebSocketWire,
        conversation: Conversation,
        address: str,
    ) -> None:
        """Hand on what the client sends until it closes, or is gone."""
        limit, turns = self._config.message_bytes, self._turns
        allowed, turn = 0, turns.number
        for heard in count(1):
            message = await socket.receive()
            if not heard % AT_ONCE:
                await asyncio.sleep(0)
            if not allowed or turn != turns.number:
                allowed, turn = await turns.take(address), turns.number
            allowed -= 1
            if wire.closing and message.type in _DATA:
                # We have said goodbye: what still comes in is not heard.
                continue
            if message.type is WSMsgType.TEXT:
                self._traffic.came(len(message.data))
                if len(message.data) > limit:
                    conversation.refuse(OversizedMessage(limit=limit, length=len(message.data)))
                else:
                    conversation.receive(message.data)
            elif message.type is WSMsgType.BINARY:
                conversation.refuse(MalformedMessage(detail="messages are text frames"))
            elif message.type in _CONTROL:
                if conversation.touch() and message.type is WSMsgType.PING:
                    wire.pong(message.data)
            else:
                return
