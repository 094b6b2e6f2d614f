"""Nothing that clients bring along ends in a cycle: what the collector has frozen would stay."""

import gc
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from aiohttp import web

from node.adapters.http.connection import Connection
from node.ingress.conversation import ClientConversation
from node.sequencer.submission import Submission
from node.types.commands import CancelOrder, NewOrder, OrderType, PlaceOrders, Side
from node.types.errors import CommandRejected
from node.types.ids import OrderId
from node.types.units import Lots, Money, Ticks
from tests.examples import ALICE
from tests.integration.api_node import BLANK, BTC, PRICE, ApiNode, Talker, running_node, talking_to
from tests.integration.api_sockets import gone

HELD = (Connection, ClientConversation, web.WebSocketResponse, Submission, CommandRejected)
"""What takes everything else along; the loop's own transports and the client's side may stay."""

TIMES = 5


@contextmanager
def left() -> Iterator[Counter[str]]:
    """Give, in the end, what the collector found of ``HELD``."""
    found: Counter[str] = Counter()
    gc.collect()
    gc.disable()
    try:
        yield found
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        found.update(type(one).__name__ for one in gc.garbage if isinstance(one, HELD))
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


@pytest.mark.parametrize("abruptly", [False, True])
async def test_a_connection_that_ends_leaves_nothing_behind(*, abruptly: bool) -> None:
    async with running_node() as node:
        with left() as found:
            for _ in range(TIMES):
                async with talking_to(node) as talker:
                    await talker.login(ALICE)
                    await talker.call("subscribe", {"channel": "account"})
                    await talker.call("action", node.order(ALICE, Side.BUY, PRICE))
                    if abruptly:
                        response = talker.socket._response
                        assert response.connection is not None
                        assert response.connection.transport is not None
                        response.connection.transport.abort()
                await gone(node, 0)
        assert found == Counter()


async def refused(node: ApiNode, talker: Talker, cancels: int, orders: int) -> None:
    """Send an action of which at least the cancels are refused."""
    new = NewOrder(BTC, Side.BUY, OrderType.GTC, Ticks(PRICE), Lots(100))
    unknown = tuple(CancelOrder(OrderId(9_000 + place)) for place in range(cancels))
    action = PlaceOrders(*BLANK, unknown, (new,) * orders, Money(10**9))
    await talker.call("action", node.action(action, ALICE))


async def test_what_is_refused_leaves_nothing_behind() -> None:
    async with running_node() as node, talking_to(node) as talker:
        with left() as found:
            for _ in range(TIMES):
                await refused(node, talker, 1, 0)
                await refused(node, talker, 2, 0)
                await refused(node, talker, 1, 1)
                await talker.call("action", {"no": "action"})
        assert found == Counter()
