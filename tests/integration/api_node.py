"""A node without chain and disk, behind its API: everything that an API test talks to."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec

from node.adapters.http.config import HttpConfig
from node.adapters.http.framing import text_frame
from node.adapters.http.history_routes import HistoryAsked
from node.adapters.http.probes import Probes
from node.adapters.http.server import HttpServer
from node.adapters.mailbox import Mailbox
from node.app.contract.documents import asyncapi_text, openapi_text
from node.app.overload import is_entitled
from node.app.work_price import FEE, fee_frame
from node.capacity.queue import BoundedQueue
from node.capacity.traffic import Traffic
from node.codec.answers import FeeQuote
from node.codec.commands import command_id
from node.codec.eip712 import Signing
from node.codec.json_actions import action_to_json
from node.codec.receipts import BlockSigning
from node.codec.signatures import sign
from node.ingress.account_limits import AccountLimits
from node.ingress.admission import Admitter
from node.ingress.config import IngressConfig
from node.ingress.door import Door, surroundings
from node.ingress.presence import Presence
from node.ingress.service import Ingress
from node.ingress.turnstile import Turnstile
from node.ports.admission import ORDINARY, Admitted, Passage
from node.ports.terms import free_terms
from node.publisher.accounts import Accounts
from node.publisher.books import Books
from node.publisher.config import PublisherConfig
from node.publisher.feeds import Feeds
from node.publisher.marks import Marks
from node.publisher.preview import Previewer
from node.publisher.results import ResultWriter
from node.publisher.service import Publisher
from node.publisher.views import Exchange, PublicViews, WithdrawalProof
from node.sequencer.builder import Builder
from node.sequencer.service import Sequencer, SequencerLimits
from node.transition.apply import apply
from node.transition.state import State
from node.transition.tree.proofs import Proof
from node.types.blocks import GENESIS_PARENT
from node.types.commands import (
    Deposit,
    NewOrder,
    OrderType,
    PlaceOrders,
    Side,
    SignedAction,
)
from node.types.durable import DurableBlock
from node.types.errors import CommandRejected, NotFound, PlimsollError
from node.types.ids import NO_ADDRESS, Address, ClientOrderId, MarketId, Sequence
from node.types.lanes import Lane
from node.types.units import Lots, Millis, Money, Ticks
from tests.examples import (
    ALICE,
    BOB,
    CAROL,
    DOLLAR,
    DOMAIN,
    RULES,
    START_MS,
    Person,
    oracle_round,
    signed,
)
from tests.integration.conformance import messages
from tests.integration.kept_history import KeptHistory
from tests.unit.sequencer.surroundings import MemoryJournal, TestKey

BTC = MarketId(1)
PRICE = 500_000
CHALLENGE = bytes(range(32))
SIGNING = Signing(DOMAIN, RULES)
WAIT_S = 5

Body = dict[str, Any]


class StillClock:
    """Measures real time, but always stamps the same, ``ahead_ms`` behind the start."""

    ahead_ms = 0

    def now_ns(self) -> int:
        return int(asyncio.get_running_loop().time() * 1e9)

    def now_ms(self) -> Millis:
        return Millis(START_MS + self.ahead_ms)


def is_ahead(at: int, by_ms: int) -> bool:
    """Return whether a client whose clock goes on from the still one meant ``by_ms`` by ``at``."""
    return 0 <= at - START_MS - by_ms < WAIT_S * 1_000


class InlineGate:
    """A gate without processes: it answers in the next turn of the loop, unless it is held."""

    def __init__(self) -> None:
        self._admitter = Admitter(DOMAIN, RULES)
        self.held: list[tuple[bytes, Callable[[Admitted | PlimsollError], None]]] | None = None

    def submit(
        self,
        raw: bytes,
        answer: Callable[[Admitted | PlimsollError], None],
        passage: Passage = ORDINARY,  # noqa: ARG002
    ) -> None:
        if self.held is not None:
            self.held.append((raw, answer))
        else:
            asyncio.get_running_loop().call_soon(self._answer, raw, answer)

    async def admit(self, raw: bytes) -> Admitted:
        return self._admitter.admit(raw)

    def release(self) -> None:
        held, self.held = self.held or [], None
        for raw, answer in held:
            self._answer(raw, answer)

    def _answer(self, raw: bytes, answer: Callable[[Admitted | PlimsollError], None]) -> None:
        try:
            answer(self._admitter.admit(raw))
        except CommandRejected as error:
            answer(error)


def quote_of(price: str) -> FeeQuote:
    return FeeQuote(price, "0", price, {"1": price, "5": price, "30": price}, None, {})


class ApiNode:
    """The stations, wired as the app wires them; work costs ``price``, as the node tells it."""

    price = "0"

    def __init__(
        self,
        http: HttpConfig,
        ingress: IngressConfig,
        lane_limit: int,
        history: KeptHistory | None = None,
    ) -> None:
        self.clock = clock = StillClock()
        self.entered: list[Address] = []
        self.left: list[Address] = []
        self.state = State.genesis(RULES, DOMAIN)
        self.gate = InlineGate()
        self.journal = MemoryJournal()
        self.history = history
        self.funding_blocks = 0
        self.mailbox: Mailbox[DurableBlock] = Mailbox(BoundedQueue("publisher", 64))
        self.sequencer = Sequencer(
            Builder(
                self.state, apply, lambda command: command_id(command, SIGNING), GENESIS_PARENT
            ),
            self.journal,
            TestKey(),
            BlockSigning(DOMAIN),
            clock,
            SequencerLimits(lanes=dict.fromkeys(Lane, lane_limit)),
            [self.mailbox, *([] if history is None else [history])],
        )
        zero = Sequence(0)
        self.feeds = Feeds(RULES, Books(2), Accounts(RULES.limits), Marks(zero), text_frame, zero)
        self.publisher = Publisher(self.feeds, self.mailbox, clock, PublisherConfig(), zero)
        self.publisher.add_source(FEE, lambda: fee_frame(quote_of(self.price)))
        self.ingress = Ingress(
            self.gate, self.sequencer, ResultWriter(RULES).write, SIGNING, RULES, clock,
            AccountLimits(ingress, lambda action: is_entitled(self.state, action)),
            Turnstile(self.sequencer.late, 100_000_000),
        )  # fmt: skip
        self.door = Door(
            surroundings(
                self.ingress, self.publisher, SIGNING, clock, ingress, RULES, DOMAIN,
                TestKey().address, Presence(self.entered.append, self.left.append),
            ),
            lambda: CHALLENGE,
        )  # fmt: skip
        views = PublicViews(
            Exchange(RULES, DOMAIN, TestKey().address),
            self.feeds,
            self.publisher.history,
            lambda: self.publisher.cursors,
            lambda: self.publisher.last_sequence,
            withdrawal_proof,
            Previewer(self.state, clock, free_terms).preview,
            self.publisher.told,
        )
        self.faults: Iterable[str] = ()
        self.traffic = Traffic()
        asked = None if history is None else HistoryAsked(history, RULES, 1_000)
        self.server = HttpServer(
            http, self.door, views, self._probes(), self.traffic, history=asked
        )
        self._nonces = {ALICE: 0, BOB: 0, CAROL: 0}

    def _probes(self) -> Probes:
        return Probes(
            lambda: self.faults,
            lambda: {"stages": 9},
            lambda: b"plimsoll_up 1\n",
            lambda: {"rate_per_s": 0},
            self.traffic.read,
            lambda: {"price": "0.0001"},
            openapi_text,
            asyncapi_text,
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"

    def next_nonce(self, person: Person) -> int:
        self._nonces[person] += 1
        return self._nonces[person]

    def action(self, action: SignedAction, person: Person) -> Body:
        """Return the body of ``action`` with the person's next nonce and signature."""
        named = msgspec.structs.replace(
            action,
            account=person.address,
            nonce=self.next_nonce(person),
            expires=Millis(START_MS + 60_000),
        )
        return action_to_json(signed(named, person, SIGNING), RULES)

    def order(self, person: Person, side: Side, price: int, size: int = 100, **more: Any) -> Body:
        """Return the body of an action with one order."""
        new = NewOrder(
            BTC,
            side,
            more.get("kind", OrderType.GTC),
            Ticks(price),
            Lots(size),
            client_id=ClientOrderId(more.get("client_id", 0)),
        )
        return self.action(PlaceOrders(*BLANK, (), (new,)), person)

    async def fund(self) -> None:
        """Give three people money, and the markets their first marks."""
        for index, person in enumerate((ALICE, BOB, CAROL)):
            deposit = Deposit(index, person.address, Money(100_000 * DOLLAR))
            await self.sequencer.submit(deposit, command_id(deposit, SIGNING))
        first = oracle_round(START_MS, (Ticks(PRICE), Ticks(20_000)), SIGNING)
        await self.sequencer.submit(first, command_id(first, SIGNING))
        self.funding_blocks = len(self.journal.blocks)


BLANK = (NO_ADDRESS, NO_ADDRESS, 0, Millis(0), b"")
"""The head of an action that ``ApiNode.action`` will fill in."""


async def withdrawal_proof(withdrawal_id: int) -> WithdrawalProof:
    if withdrawal_id != 1:
        raise NotFound(withdrawal=withdrawal_id)
    return WithdrawalProof(7, Proof(bytes(32), b"leaf", (3,), (bytes(32),)))


@asynccontextmanager
async def running_node(
    http: HttpConfig | None = None,
    ingress: IngressConfig | None = None,
    lane_limit: int = 1_000,
    *,
    funded: bool = True,
    history: KeptHistory | None = None,
) -> AsyncIterator[ApiNode]:
    """Run a funded node; at the end every counter must conserve.

    One that is not ``funded`` has an empty log: a test may make up the blocks that it tells of.
    """
    base = http or HttpConfig()
    node = ApiNode(
        msgspec.structs.replace(base, port=0), ingress or IngressConfig(), lane_limit, history
    )
    await node.server.start()
    running = [
        asyncio.create_task(work)
        for work in (node.sequencer.run(), node.publisher.run(), node.server.run())
    ]
    try:
        if funded:
            await node.fund()
        yield node
        await node.server.stop()
        assert node.ingress.stage.conserved()
        assert all(stage.conserved() for stage in node.sequencer.stages)
        assert node.publisher.subscribers == 0
    finally:
        await node.server.stop()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


class Talker:
    """A WebSocket client that keeps answers and pushes apart.

    Whatever it reads must conform to the AsyncAPI document.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.pushes: list[Body] = []
        self._ids = 0
        self._asked: dict[int, str] = {}

    async def read(self) -> Body:
        """Return the next message, whatever it is."""
        message = await self.socket.receive(timeout=WAIT_S)
        assert message.type is aiohttp.WSMsgType.TEXT, (message, self.socket.close_code)
        body: Body = msgspec.json.decode(message.data)
        messages().check_spoken(body, self._asked.get(body.get("id") or 0))
        return body

    async def push(self, channel: str) -> Body:
        """Return the next push of ``channel``; others wait."""
        while True:
            for place, body in enumerate(self.pushes):
                if body["channel"] == channel:
                    return self.pushes.pop(place)
            self.pushes.append(await self.read())

    async def call(self, method: str, params: Any = None) -> Body:
        """Send a request and return its answer."""
        self._ids += 1
        self._asked[self._ids] = method
        request = {"id": self._ids, "method": method}
        if params is not None:
            request["params"] = params
        await self.socket.send_str(msgspec.json.encode(request).decode())
        return await self.answer(self._ids)

    async def send(self, request: int, method: str) -> None:
        """Send a request that needs nothing, and wait for no answer."""
        self._asked[request] = method
        await self.socket.send_json({"id": request, "method": method})

    async def call_late(self, request: int, order: Body) -> Body:
        """Send an action under the id ``request`` and return its answer."""
        self._asked[request] = "action"
        text = msgspec.json.encode({"id": request, "method": "action", "params": order})
        await self.socket.send_str(text.decode())
        return await self.answer(request)

    async def raw(self, text: str) -> Body:
        """Send ``text`` as it is and return what is answered."""
        await self.socket.send_str(text)
        return await self.answer(None)

    async def answer(self, request: int | None) -> Body:
        while True:
            body = await self.read()
            if "channel" in body:
                self.pushes.append(body)
                continue
            if request is not None:
                assert body["id"] == request
            return body

    async def login(
        self, person: Person, account: Person | None = None, *, presence: bool = True
    ) -> Body:
        """Prove to be ``person``, for ``account``."""
        address = (account or person).address
        signature = sign(person.key, SIGNING.login_digest(address, CHALLENGE))
        params = {"account": "0x" + address.hex(), "signature": "0x" + signature.hex()}
        return await self.call("login", params if presence else {**params, "presence": False})


@asynccontextmanager
async def talking_to(node: ApiNode) -> AsyncIterator[Talker]:
    """Connect, and take the greeting."""
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{node.url}/ws") as socket:
        talker = Talker(socket)
        hello = await talker.read()
        assert hello["channel"] == "hello"
        talker.pushes.append(hello)
        yield talker
