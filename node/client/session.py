"""A connection to the exchange that mends itself: requests, subscriptions, local books.

One WebSocket and one task, inside the caller's ``async with``. When the connection breaks, what was
asked and not answered fails with ``ConnectionLost``; sending the same signed action again is safe,
because its nonce lets it happen once. The connection is made anew with a growing pause, the private
feed is logged into again and every subscription renewed: where the server still knows what was told
meanwhile it tells that, else it starts over with a snapshot; a subscription that it refuses ends
alone (``channels``). The same is done, and logged, after a message that cannot be read: no server
may end its client by one.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

import aiohttp
import msgspec
import structlog

from node.client.channels import HEARTBEAT_S, Channels, is_final
from node.client.clock import NodeClock
from node.client.errors import UNREADABLE, ConnectionLost, refusals
from node.client.fee_limit import FeeLimit
from node.client.fills import Fills
from node.client.hello import MESSAGE_BYTES_MAX, greeted, in_time, introduction, node_url
from node.client.local_account import LocalAccount
from node.client.local_book import LocalBook
from node.client.local_orders import LocalOrders
from node.client.nonces import Nonces
from node.client.pinned import NOTHING_PINNED, Pinned
from node.client.receipts import receipt_from_body
from node.client.requests import Requests
from node.client.rest_calls import REST_S, call
from node.client.retry import reconnect_pause_s
from node.client.subscription import Ended, Handler, Message, Subscription
from node.client.wallet import Wallet
from node.codec.eip712 import Signing
from node.codec.json_actions import action_to_json, preview_to_json
from node.codec.receipts import verify_receipt
from node.types.blocks import Domain
from node.types.commands import NewOrder, SignedAction
from node.types.errors import IntegrityError, PlimsollError, Unavailable, WrongChain
from node.types.ids import Address, hex_from_address
from node.types.rules import Rules
from node.types.units import Money

Kept = TypeVar("Kept", LocalAccount, LocalBook, LocalOrders)

_log = structlog.get_logger(__name__)


class Session:
    """A connected client; made by ``connect``."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        url: str,
        rules: Rules,
        domain: Domain,
        sequencer: Address,
    ) -> None:
        """Use ``connect`` instead: it learns rules, domain and sequencer from the server."""
        self.rules = rules
        self.domain = domain
        self.sequencer = sequencer
        self._first = Pinned.of(domain, sequencer)
        self.signing = Signing(domain, rules)
        self.fee_limit = FeeLimit(rules.fees)
        self.clock = NodeClock()
        self.connections = 0
        self._http = http
        self._url = url
        self._requests = Requests()
        self._channels = Channels(self.start, self._hang_up)
        self._wallet: Wallet | None = None
        self._presence = True
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._challenge = b""
        self._ready = asyncio.Event()
        self._chance = random.Random()  # noqa: S311 - it spreads pauses, and guards nothing

    def wallet(
        self,
        secret: bytes,
        *,
        first_nonce: int = 1,
        account: Address | None = None,
        nonces: Nonces | None = None,
    ) -> Wallet:
        """Return a wallet for the key's own account on this exchange, or for ``account``.

        What it pays for work at most goes with the last price heard of (``follow_fees``).
        ``nonces`` is where they come from (None: they count up from ``first_nonce``).
        """
        return Wallet(secret, self.signing, account, first_nonce, self.fee_limit, nonces)

    async def next_nonce(self, account: Address, signer: Address | None = None) -> int:
        """Return a nonce above every one that ``signer`` (else the account's own key) has used."""
        shown = await self.get(f"/account/{hex_from_address(account)}")
        return int(shown["nonces"].get(hex_from_address(signer or account), 0)) + 1

    def verify_receipt(self, body: Message) -> bool:
        """Return whether ``sequencer`` signed the receipt in ``body``.

        Unless it is ``pinned`` that is whom the node itself named, against which nothing is proved
        then. ``body`` is an action's result or the answer to ``GET /receipts/{sequence}``; only the
        latter proves the action's place too. That its id is the digest of the action that was
        meant is the caller's to compare. Raises ``MalformedMessage`` if there is no receipt in it.
        """
        return verify_receipt(receipt_from_body(body), self.sequencer, self.domain)

    async def get(self, path: str) -> Message:
        """Return the body of ``GET path``. Raises the server's error or ``ConnectionLost``."""
        return await call(self._http, self._url, path)

    async def post(self, path: str, body: Message) -> Message:
        """Return the answer to ``POST path``. Raises the server's error or ``ConnectionLost``."""
        return await call(self._http, self._url, path, body)

    async def preview(
        self, account: Address, order: NewOrder, *, max_fee: Money | None = None
    ) -> Message:
        """Return what ``order`` of ``account`` would come to now; nothing is signed or placed.

        It pays ``max_fee`` at most for a unit of work (None: what that costs). Raises as ``post``.
        """
        return await self.post("/preview", preview_to_json(account, order, max_fee, self.rules))

    async def send(self, action: SignedAction, *, deadline_ms: int | None = None) -> Message:
        """Send a signed action and return its result. Raises what the server refused it with.

        What the server has not begun ``deadline_ms`` milliseconds after it came is not executed,
        and fails with ``DeadlineExceeded`` (None: there is no such limit).
        """
        return await self.start("action", action_to_json(action, self.rules), deadline_ms)

    async def request(self, method: str, params: Message) -> Message:
        """Return the result of ``method``. Raises the server's error or ``ConnectionLost``."""
        return await self.start(method, params)

    def start(
        self, method: str, params: Message, deadline_ms: int | None = None
    ) -> "asyncio.Future[Message]":
        """Send a request without waiting; return the future of its result.

        What is started in one turn of the event loop leaves in one write. ``deadline_ms`` is for
        actions and oracle rounds (``send``). Raises ``ConnectionLost`` while there is no
        connection.
        """
        if self._socket is None or self._socket.closed:
            # Its reader may not have noticed yet. Were it still called ready, whoever asks again
            # as soon as it is would ask for ever, and never let the reader have its turn.
            self._ready.clear()
            raise ConnectionLost(method=method)
        return self._requests.add(method, params, deadline_ms)

    async def subscribe(
        self,
        channel: str,
        handler: Handler,
        *,
        market: str = "",
        interval: str = "",
        ended: Ended | None = None,
    ) -> Subscription:
        """Let ``handler`` see every message of a channel, over reconnections too.

        None of a chain comes twice or out of turn: what is missing is asked for first. A snapshot
        in between means that more was missed than the server still knows. Many may hear a channel;
        a handler that hears it already begins anew. If the server refuses to renew it, or the
        handler raises, ``ended`` is told so, and nothing more comes; everything else goes on.
        """
        return await self._channels.add(channel, market, interval, handler, ended)

    async def follow(
        self, channel: str, reader: Handler, *, market: str = "", ended: Ended | None = None
    ) -> Subscription:
        """Subscribe for a ``reader`` that knows the channel; return once it has read a message.

        What it cannot read is the server's fault, and the connection is made anew. Raises
        ``SubscriptionEnded`` where that brings no first message.
        """
        return await self._channels.follow(channel, market, reader, ended)

    async def login(self, wallet: Wallet, *, presence: bool = True) -> None:
        """Open the private feed of the wallet's account; done again after each reconnection.

        Without ``presence`` it only reads, and keeps no order that goes with the last connection.
        """
        self._wallet, self._presence = wallet, presence
        await self._log_in()

    async def follow_fees(self) -> None:
        """Let the wallets' limits follow the price of work, from the one of now on."""
        await self.follow("fee", self.fee_limit.told)

    async def follow_clock(self) -> None:
        """Let ``clock`` go by the node's, as it tells it now and over each connection anew."""
        self.clock.followed = True
        await self._learn_time()

    async def follow_book(self, market: str) -> LocalBook:
        """Return a book that follows the feed; whatever does not fit is asked for again."""
        return await self._kept("book", LocalBook(market), market)

    async def follow_orders(self, market: str) -> LocalOrders:
        """Return a book, order by order, that follows the feed likewise."""
        return await self._kept("orders", LocalOrders(market), market)

    async def follow_account(self) -> LocalAccount:
        """Return the account that is logged in, as it follows its feed; see ``login``."""
        return await self._kept("account", LocalAccount())

    async def follow_fills(self) -> Fills:
        """Return orders and fills of the account from now on; see ``Fills.missed``."""
        fills = Fills(self.get)
        account = await self.follow("account", fills.account, ended=fills.end)
        try:
            await self.follow("finality", fills.finality, ended=fills.end)
        except BaseException:
            self._channels.drop(account)
            raise
        return fills

    @property
    def connected(self) -> bool:
        """Return whether there is a connection, with every subscription renewed."""
        return self._ready.is_set()

    async def ready(self) -> None:
        """Return as soon as there is a connection, with every subscription renewed."""
        await self._ready.wait()

    async def run(self) -> None:
        """Connect, and connect again, until cancelled.

        Raises ``WrongChain`` if a hello names another rollup or another sequencer than the first.
        """
        lost = 0
        try:
            while True:
                lost += 1
                try:
                    async with self._http.ws_connect(
                        self._url + "/ws", max_msg_size=MESSAGE_BYTES_MAX, heartbeat=HEARTBEAT_S
                    ) as socket:
                        await self._serve(socket)
                        if self._ready.is_set():
                            lost = 1
                except ConnectionLost:
                    _log.warning("server_unreadable", url=self._url, exc_info=True)
                except (aiohttp.ClientError, OSError, TimeoutError):
                    pass
                finally:
                    self._disconnected()
                await asyncio.sleep(reconnect_pause_s(lost, self._chance.random()))
        finally:
            self._channels.close()

    async def _serve(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Speak over one connection until it ends. Raises ``ConnectionLost`` if it is garbled."""
        hello = await greeted(socket)
        if hello is None:
            return
        self._first.require(hello.domain, hello.sequencer, self.rules)
        self._challenge = hello.challenge
        self._socket = socket
        self.connections += 1
        async with asyncio.TaskGroup() as group:
            writer = group.create_task(self._requests.write_to(socket))
            keeper = group.create_task(self.clock.keep(self.start))
            renewal = group.create_task(self._renew(socket))
            garbled = await self._read(socket)
            writer.cancel()
            keeper.cancel()
            renewal.cancel()
        if garbled is not None:
            raise ConnectionLost(detail=repr(garbled)) from garbled

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> Exception | None:
        """Take in what comes until the end; return what a message raised that cannot be read."""
        async for message in socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                try:
                    self._take(msgspec.json.decode(message.data))
                except UNREADABLE as fault:
                    return fault
        return None

    async def _renew(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Log in and subscribe as before; then start over each channel that falls behind."""
        try:
            if self.clock.followed:
                await self._learn_time()
            await self._log_in_again()
            await self._channels.renew()
            self._ready.set()
            await self._channels.mend()
        except (Unavailable, IntegrityError):
            # What the server has no time for now is asked again over a new connection.
            await socket.close()

    async def _kept(self, channel: str, kept: Kept, market: str = "") -> Kept:
        """Let ``kept`` follow a channel, and know whether anyone tells it how things stand."""
        told = await self.follow(channel, kept.apply, market=market, ended=kept.end)
        kept.is_told = lambda: told.current
        return kept

    async def _log_in_again(self) -> None:
        """Log in as before, if anyone did. Raises ``Unavailable``."""
        try:
            if self._wallet is not None:
                await self._log_in()
        except PlimsollError as refusal:
            if not is_final(refusal):
                raise
            # Such as an agent's whose time is over: all but the private feed goes on.
            _log.warning("login_refused", url=self._url, exc_info=True)
            self._wallet = None
            self._channels.end("account", refusal)

    async def _hang_up(self) -> None:
        if self._socket is not None:
            await self._socket.close()

    async def _log_in(self) -> None:
        assert self._wallet is not None
        proof = "0x" + self._wallet.login(self._challenge).hex()
        account = hex_from_address(self._wallet.account)
        told = {"account": account, "signature": proof, "presence": self._presence}
        await self._channels.in_time("login", self.start("login", told))

    async def _learn_time(self) -> None:
        await self._channels.in_time("ping", self.clock.ask(self.start))

    def _take(self, message: Message) -> None:
        if "id" not in message:
            self._channels.take(message)
            return
        answer = self._requests.take(message)
        if answer is None:
            return
        future, told = answer
        if isinstance(told, PlimsollError):
            future.set_exception(told)
        else:
            self._channels.answered(future, told)
            future.set_result(told)
        for refusal in refusals(told):
            self.fee_limit.refused(refusal)

    def _disconnected(self) -> None:
        self._socket = None
        self._ready.clear()
        self._channels.disconnected()
        self._requests.lose()


@asynccontextmanager
async def connect(
    url: str, *, rest_s: float = REST_S, pinned: Pinned = NOTHING_PINNED
) -> AsyncIterator[Session]:
    """Connect to the node at ``url`` (``http://host:port``) and learn its rules and its domain.

    ``pinned`` is what is known of the exchange; of the rest the node's word is taken. The answer to
    a request over REST, or to that for a connection, must be there in ``rest_s``.
    Raises ``ConnectionLost`` if no node answers there at first, within ``ANSWER_S`` for each of two
    connections; later losses are mended. Raises ``WrongChain`` where the node differs from what is
    ``pinned``, and as soon as another rollup or another sequencer answers than at first, and
    ``ConfigInvalid`` for what is no address of a node.
    """
    url = node_url(url)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=rest_s)) as http:
        rules, hello = await introduction(http, url, pinned)
        session = Session(http, url, rules, hello.domain, hello.sequencer)
        failed: Exception | None = None
        try:
            async with asyncio.TaskGroup() as group:
                running = group.create_task(session.run())
                try:
                    await in_time(session.ready(), url)
                    yield session
                except Exception as error:  # noqa: BLE001 - raised again below
                    # Left to the group it would reach the caller wrapped: no `except` would fit.
                    failed = error
                finally:
                    running.cancel()
        except* WrongChain as wrong:
            failed = wrong.exceptions[0]
        if failed is not None:
            raise failed
