"""A connection to the exchange that mends itself: requests, subscriptions, local books.

One WebSocket and one task, inside the caller's ``async with``. When the connection breaks, what was
asked and not answered fails with ``ConnectionLost``; sending the same signed action again is safe,
because its nonce lets it happen once. The connection is made anew with a growing pause, the private
feed is logged into again and every subscription renewed, each starting over with a snapshot.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec

from node.client.errors import error_from_body
from node.client.local_book import FeedCrossed, FeedGap, LocalBook
from node.client.wallet import Wallet
from node.codec.eip712 import Signing
from node.codec.json_actions import action_to_json
from node.types.blocks import Domain
from node.types.commands import SignedAction
from node.types.errors import Unavailable, WrongChain
from node.types.ids import Address, address_from_hex, hex_from_address
from node.types.rules import Rules, decode_rules

Message = dict[str, Any]
Handler = Callable[[Message], None]

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0
MESSAGE_BYTES_MAX = 16 * 1024 * 1024


class ConnectionLost(Unavailable):
    """The connection broke before the answer came, or there is none at the moment."""

    code = 2100


class Session:
    """A connected client; made by ``connect``."""

    def __init__(self, http: aiohttp.ClientSession, url: str, rules: Rules, domain: Domain) -> None:
        """Use ``connect`` instead: it learns rules and domain from the server."""
        self.rules = rules
        self.domain = domain
        self.signing = Signing(domain, rules)
        self.connections = 0
        self._http = http
        self._url = url
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Message]] = {}
        self._channels: dict[tuple[str, str], tuple[Message, Handler]] = {}
        self._wallet: Wallet | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._challenge = b""
        self._ready = asyncio.Event()
        self._outbox: list[bytes] = []
        self._filled = asyncio.Event()

    def wallet(self, secret: bytes, *, first_nonce: int = 1) -> Wallet:
        """Return a wallet for the key's own account on this exchange."""
        return Wallet(secret, self.signing, first_nonce=first_nonce)

    async def next_nonce(self, account: Address, signer: Address | None = None) -> int:
        """Return a nonce above every one that ``signer`` (else the account's own key) has used."""
        shown = await self.get(f"/account/{hex_from_address(account)}")
        return int(shown["nonces"].get(hex_from_address(signer or account), 0)) + 1

    async def get(self, path: str) -> Message:
        """Return the body of ``GET path``. Raises the server's error or ``ConnectionLost``."""
        try:
            async with self._http.get(self._url + path) as response:
                body: Message = msgspec.json.decode(await response.read())
        except (aiohttp.ClientError, OSError) as error:
            raise ConnectionLost(path=path, detail=str(error)) from error
        if "error" in body and response.status >= 400:
            raise error_from_body(body["error"])
        return body

    async def send(self, action: SignedAction) -> Message:
        """Send a signed action and return its result. Raises what the server refused it with."""
        return await self.start("action", action_to_json(action, self.rules))

    async def request(self, method: str, params: Message) -> Message:
        """Return the result of ``method``. Raises the server's error or ``ConnectionLost``."""
        return await self.start(method, params)

    def start(self, method: str, params: Message) -> "asyncio.Future[Message]":
        """Send a request without waiting; return the future of its result.

        What is started in one turn of the event loop leaves in one write. Raises
        ``ConnectionLost`` while there is no connection.
        """
        if self._socket is None or self._socket.closed:
            raise ConnectionLost(method=method)
        request_id = next(self._ids)
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._waiting[request_id] = future
        body = {"id": request_id, "method": method, "params": params}
        self._outbox.append(msgspec.json.encode(body))
        self._filled.set()
        return future

    async def subscribe(self, channel: str, handler: Handler, *, market: str = "") -> None:
        """Let ``handler`` see every message of a channel, over reconnections too."""
        params = {"channel": channel, "market": market} if market else {"channel": channel}
        self._channels[channel, market] = (params, handler)
        await self.request("subscribe", params)

    async def login(self, wallet: Wallet) -> None:
        """Open the private feed of the wallet's account; done again after each reconnection."""
        self._wallet = wallet
        await self._log_in()

    async def follow_book(self, market: str) -> LocalBook:
        """Return a book that follows the feed; a gap or a crossed state starts it over."""
        book = LocalBook(market)
        stale = False

        def take(message: Message) -> None:
            nonlocal stale
            if stale and message["type"] != "snapshot":
                return
            try:
                book.apply(message)
                stale = False
            except (FeedGap, FeedCrossed):
                stale = True
                self.start("unsubscribe", {"channel": "book", "market": market})
                self.start("subscribe", {"channel": "book", "market": market})

        await self.subscribe("book", take, market=market)
        return book

    async def ready(self) -> None:
        """Return as soon as there is a connection, with every subscription renewed."""
        await self._ready.wait()

    async def run(self) -> None:
        """Connect, and connect again, until cancelled. Raises ``WrongChain``."""
        pause = FIRST_PAUSE_S
        while True:
            try:
                async with self._http.ws_connect(
                    self._url + "/ws", max_msg_size=MESSAGE_BYTES_MAX, heartbeat=20
                ) as socket:
                    await self._serve(socket)
                    pause = FIRST_PAUSE_S
            except (aiohttp.ClientError, OSError, TimeoutError):
                pass
            finally:
                self._disconnected()
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)

    async def _serve(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Speak over one connection until it ends."""
        greeting = await socket.receive()
        if greeting.type is not aiohttp.WSMsgType.TEXT:
            # The server went away between taking the connection and saying hello.
            return
        hello = msgspec.json.decode(greeting.data)
        found = _domain_of(hello)
        if found != self.domain:
            raise WrongChain(expected=self.domain, found=found)
        self._challenge = bytes.fromhex(hello["challenge"][2:])
        self._socket = socket
        self.connections += 1
        async with asyncio.TaskGroup() as group:
            writer = group.create_task(self._write(socket))
            renewal = group.create_task(self._renew())
            async for message in socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    self._take(msgspec.json.decode(message.data))
            writer.cancel()
            renewal.cancel()

    async def _write(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        while True:
            await self._filled.wait()
            self._filled.clear()
            frames, self._outbox = self._outbox, []
            try:
                for frame in frames:
                    await socket.send_frame(frame, aiohttp.WSMsgType.TEXT)
            except (aiohttp.ClientError, OSError):
                # The connection broke under the frame: whoever reads is about to notice.
                await socket.close()
                return

    async def _renew(self) -> None:
        """Log in and subscribe as before; what was never asked for is not asked for here."""
        try:
            if self._wallet is not None:
                await self._log_in()
            for params, _ in list(self._channels.values()):
                await self.request("subscribe", params)
        except Unavailable:
            return
        self._ready.set()

    async def _log_in(self) -> None:
        assert self._wallet is not None
        signature = self._wallet.login(self._challenge)
        account = hex_from_address(self._wallet.account)
        await self.request("login", {"account": account, "signature": "0x" + signature.hex()})

    def _take(self, message: Message) -> None:
        if "id" not in message:
            known = self._channels.get((message.get("channel", ""), message.get("market", "")))
            if known is not None:
                known[1](message)
            return
        future = self._waiting.pop(message["id"], None)
        if future is None or future.done():
            return
        if "error" in message:
            future.set_exception(error_from_body(message["error"]))
        else:
            future.set_result(message["result"])

    def _disconnected(self) -> None:
        self._socket = None
        self._ready.clear()
        self._outbox.clear()
        waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            if not future.done():
                future.set_exception(ConnectionLost())


@asynccontextmanager
async def connect(url: str) -> AsyncIterator[Session]:
    """Connect to the node at ``url`` (``http://host:port``) and learn its rules and its domain.

    Raises ``ConnectionLost`` if no node answers there at first; later losses are mended.
    """
    async with aiohttp.ClientSession() as http:
        session = await _introduced(http, url)
        failed: Exception | None = None
        async with asyncio.TaskGroup() as group:
            running = group.create_task(session.run())
            await session.ready()
            try:
                yield session
            except Exception as error:  # noqa: BLE001 - raised again below
                # Left to the group it would reach the caller wrapped, and no `except` would fit.
                failed = error
            finally:
                running.cancel()
        if failed is not None:
            raise failed


async def _introduced(http: aiohttp.ClientSession, url: str) -> Session:
    """Return a session that knows rules and domain and has no connection yet."""
    try:
        async with http.get(url + "/rules") as response:
            rules = decode_rules(msgspec.json.decode(await response.read())["canonical"].encode())
        async with http.ws_connect(url + "/ws", max_msg_size=MESSAGE_BYTES_MAX) as greeting:
            domain = _domain_of(msgspec.json.decode(await greeting.receive_str()))
    # Something else may answer there: then it is no JSON, or not this one.
    except (aiohttp.ClientError, OSError, ValueError, KeyError, TypeError) as error:
        raise ConnectionLost(node=url, detail=str(error)) from error
    return Session(http, url, rules, domain)


def _domain_of(hello: Message) -> Domain:
    return Domain(hello["chain_id"], address_from_hex(hello["rollup"]))
