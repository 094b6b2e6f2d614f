"""Hostile clients against a node, while honest ones go on; and what must be left of the node after.

A node that has been under siege must hold exactly the state that its honest commands alone lead to,
have answered every honest request, and have given back its memory and its connections.
"""

import asyncio
import ctypes
import resource
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import msgspec

from node.codec.json_actions import action_to_json
from node.codec.json_rounds import round_to_json
from node.ingress.config import IngressConfig
from node.transition.apply import apply
from node.transition.state import State
from node.transition.tree.tree import StateTree
from node.types.commands import (
    ApproveAgent,
    CancelAll,
    CancelOrder,
    NewOrder,
    OpenBlock,
    OrderType,
    PlaceOrders,
    Side,
    SignedAction,
    Withdraw,
)
from node.types.events import Rejected
from node.types.ids import EVERY_MARKET, Address, ClientOrderId
from node.types.units import Lots, Millis, Money, Ticks
from tests.examples import (
    ALICE,
    CAROL,
    DAVE,
    DOMAIN,
    MALLORY,
    RULES,
    START_MS,
    Person,
    oracle_round,
    signed,
)
from tests.integration.api_node import (
    BLANK,
    BTC,
    PRICE,
    SIGNING,
    ApiNode,
    Body,
    Talker,
    talking_to,
)
from tests.integration.hostile import Hostile

MARKER_ID: Final = 7_777_777
MARKER: Final = b'"id":%d' % MARKER_ID
PATIENCE_S: Final = 60
WIDE_OPEN: Final = IngressConfig(
    messages_per_s=1_000_000, message_burst=1_000_000, flood_factor=1_000, costly_per_s=10_000
)
"""So that every message is looked at, and none is refused for coming too soon."""


async def hostile_seeds(node: ApiNode) -> list[Any]:
    """Return actions and a round none of which can apply: replayed, forged, expired, a stranger's.

    What Alice signed has been executed, so that its nonces are used.
    """
    used = [node.order(ALICE, Side.BUY, PRICE - 500, client_id=5), _bulk(node)]
    async with talking_to(node) as talker:
        for body in used:
            assert "result" in await talker.call("action", body)
        wipe = node.action(CancelAll(*BLANK, EVERY_MARKET), ALICE)
        assert "result" in await talker.call("action", wipe)
    forged = {**node.order(ALICE, Side.BUY, PRICE), "signature": "0x" + "11" * 64 + "00"}
    later, earlier = Millis(START_MS + 60_000), Millis(START_MS - 1)
    head = (ALICE.address, ALICE.address)
    strangers: tuple[SignedAction, ...] = (
        signed(Withdraw(*head, 10**6, earlier, b"", Money(1)), ALICE, SIGNING),
        signed(ApproveAgent(*head, 1, later, b"", MALLORY.address, later), MALLORY, SIGNING),
        signed(
            PlaceOrders(DAVE.address, DAVE.address, 1, later, b"", (), (_order(),)), DAVE, SIGNING
        ),
    )
    return [*used, wipe, forged, *map(_body, strangers), _round_by(MALLORY)]


def enveloped(bodies: list[Any]) -> list[Any]:
    """Return ``bodies`` as requests over a socket, and requests that change nothing."""
    actions = [{"id": n, "method": "action", "params": body} for n, body in enumerate(bodies)]
    login = {"account": "0x" + ALICE.address.hex(), "signature": "0x" + "12" * 64 + "01"}
    return [
        *actions,
        {"id": 1, "method": "oracle_round", "params": bodies[-1], "deadline_ms": 5},
        {"id": 2, "method": "login", "params": login},
        {"id": 3, "method": "subscribe", "params": {"channel": "book", "market": "BTC-PERP"}},
        {"id": 4, "method": "subscribe", "params": {"channel": "account"}},
        {"id": 5, "method": "unsubscribe", "params": {"channel": "trades", "market": "ETH-PERP"}},
        {"id": 6, "method": "ping"},
    ]


class HonestClient:
    """Places and cancels, over and over; ``served`` of ``asked`` requests were done as asked."""

    def __init__(self, node: ApiNode) -> None:
        self._node = node
        self.asked = self.served = 0
        self.waits_ms: list[float] = []

    async def run(self, stop: asyncio.Event) -> None:
        """Go on until ``stop`` is set; the last order is cancelled as well."""
        async with talking_to(self._node) as talker:
            number = 0
            while not stop.is_set():
                number += 1
                order = self._node.order(CAROL, Side.BUY, PRICE - 1_000, client_id=number)
                await self._ask(talker, order, "resting")
                cancel = PlaceOrders(*BLANK, (CancelOrder(client_id=ClientOrderId(number)),), ())
                await self._ask(talker, self._node.action(cancel, CAROL), "cancelled")
                # The journal stands in memory: what honest clients do is all that grows.
                await asyncio.sleep(0.05)

    async def _ask(self, talker: Talker, body: Body, wanted: str) -> None:
        self.asked += 1
        started = perf_counter()
        async with asyncio.timeout(PATIENCE_S):
            answer = await talker.call("action", body)
        self.waits_ms.append(1_000 * (perf_counter() - started))
        assert "result" in answer, answer
        self.served += answer["result"]["results"][0]["status"] == wanted


class Listener(asyncio.Protocol):
    """A raw connection: counts what comes, and sees markers and the end."""

    def __init__(self, marker: bytes) -> None:
        self._marker = marker
        self._tail = b""
        self.markers = 0
        self.ended = False
        self._news = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        """Count the markers; keep no more than could be the beginning of one."""
        seen = self._tail + data
        self.markers += seen.count(self._marker)
        self._tail = seen[-len(self._marker) + 1 :]
        self._news.set()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's form
        """Note the end."""
        self.ended = True
        self._news.set()

    async def until(self, markers: int, silence_s: float) -> None:
        """Wait for so many markers, for the end, or until nothing has come for ``silence_s``."""
        while self.markers < markers and not self.ended:
            self._news.clear()
            try:
                async with asyncio.timeout(silence_s):
                    await self._news.wait()
            except TimeoutError:
                return


async def send_and_wait(
    node: ApiNode, data: bytes, marker: bytes, count: int, silence_s: float
) -> Listener:
    """Send ``data`` over a connection of its own and wait until it is answered, or cut off."""
    loop = asyncio.get_running_loop()
    transport, listener = await loop.create_connection(
        lambda: Listener(marker), "127.0.0.1", node.server.port
    )
    try:
        transport.write(data)
        await listener.until(count, silence_s)
    finally:
        transport.abort()
    return listener


class Report(msgspec.Struct, frozen=True):
    """What a siege was like. ``messages`` were read by the node, at least so many.

    ``rss`` is in MiB; memory that was never given back to the allocator shows there.
    """

    messages: int
    connections: int
    seconds: float
    rss_before: float
    rss_after: float
    rss_most: float
    root_before: str
    root_after: str
    honest_asked: int
    honest_served: int
    honest_p99_ms: float


Assault = Callable[[ApiNode, Hostile], Awaitable[int]]
"""Sends a number of messages over one connection, and returns how many."""


async def besiege(node: ApiNode, assault: Assault, hostile: Hostile, messages: int) -> Report:
    """Send ``messages`` hostile messages, then hold the node to what its honest commands made."""
    root_before, rss_before = root_of(node.state), rss_mib()
    honest, stop = HonestClient(node), asyncio.Event()
    honest_run = asyncio.create_task(honest.run(stop))
    started, sent, connections = perf_counter(), 0, 0
    # An honest message that the node read meanwhile was counted with the others.
    while sent - honest.asked < messages:
        assert not honest_run.done(), honest_run.exception()
        sent += await assault(node, hostile)
        connections += 1
    seconds = perf_counter() - started
    stop.set()
    await honest_run
    require_honest_state(node)
    return Report(
        messages=sent - honest.asked,
        connections=connections,
        seconds=round(seconds, 1),
        rss_before=rss_before,
        rss_after=rss_mib(),
        rss_most=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        root_before=root_before.hex(),
        root_after=root_of(node.state).hex(),
        honest_asked=honest.asked,
        honest_served=honest.served,
        honest_p99_ms=round(sorted(honest.waits_ms)[len(honest.waits_ms) * 99 // 100], 1),
    )


def require_honest_state(node: ApiNode) -> None:
    """Check that the journal holds nothing hostile, and that the state is what the journal makes.

    Alice and Carol signed all that may stand there; a nonce of either stands there once.
    """
    twin = State.genesis(RULES, DOMAIN)
    actions: set[tuple[Address, int]] = set()
    for place, block in enumerate(node.journal.blocks):
        for command in block.commands:
            assert not isinstance(apply(twin, command)[0], Rejected)
            if isinstance(command, SignedAction):
                assert command.account in {ALICE.address, CAROL.address}, command
                assert command.signer == command.account
                assert (command.account, command.nonce) not in actions
                actions.add((command.account, command.nonce))
            else:
                assert isinstance(command, OpenBlock) or place < node.funding_blocks, command
    assert root_of(twin) == root_of(node.state)


def root_of(state: State) -> bytes:
    """Return the root of ``state``."""
    return StateTree.build(dict(state.leaves())).root


def rss_mib() -> float:
    """Return the resident memory of this process: the node's, and its clients'.

    Without what is free and the allocator keeps: the clients' own buffers, made and freed a million
    times in the same heap, would count for more than all that anybody holds.
    """
    with suppress(AttributeError):  # Not every C library has it.
        ctypes.CDLL(None).malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return round(pages * resource.getpagesize() / (1 << 20), 1)


def _body(action: SignedAction) -> Any:
    return action_to_json(action, RULES)


def _round_by(person: Person) -> Body:
    round_ = oracle_round(Millis(START_MS + 1), (Ticks(1), Ticks(1)), SIGNING)
    reports = tuple(msgspec.structs.replace(one, reporter=person.address) for one in round_.reports)
    return round_to_json(msgspec.structs.replace(round_, reports=reports), RULES)


def _bulk(node: ApiNode) -> Body:
    orders = tuple(_order(PRICE - 600 - n) for n in range(3))
    return node.action(PlaceOrders(*BLANK, (), orders), ALICE)


def _order(price: int = PRICE) -> NewOrder:
    return NewOrder(BTC, Side.BUY, OrderType.GTC, Ticks(price), Lots(100))
