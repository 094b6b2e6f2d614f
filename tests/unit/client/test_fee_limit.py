"""What a wallet signs for work at most follows the price, from before the first action on."""

import asyncio

import msgspec
import pytest
from aiohttp import web

from node.client.fee_limit import FeeLimit
from node.client.session import Session
from node.types.fees import FeeRules, fee_range
from node.types.units import Money
from tests.unit.client.test_session import HELLO, Behaviour, session_with
from tests.unit.client.test_session_books import until_connected_again

RULES = FeeRules()
DEAR = 5 * RULES.floor
"""Beyond what a limit reaches that was made from the floor."""


def telling(*prices: str) -> Behaviour:
    """Return a server that tells one of ``prices`` on each connection, a while after it answers."""
    left = list(prices)

    async def behave(socket: web.WebSocketResponse, _request: web.Request) -> None:
        await socket.send_str(HELLO)
        async for message in socket:
            asked = msgspec.json.decode(message.data)
            await socket.send_json({"id": asked["id"], "result": {"resumed": False}})
            if left:
                await asyncio.sleep(0.05)
                await socket.send_json({"channel": "fee", "price": left.pop(0)})

    return behave


@pytest.fixture
def limit() -> FeeLimit:
    limit = FeeLimit(RULES)
    assert limit() < DEAR
    return limit


async def follow(session: Session, limit: FeeLimit) -> None:
    await session.ready()
    session.fee_limit = limit
    await session.follow_fees()


async def test_the_first_action_is_signed_with_a_price_of_now(limit: FeeLimit) -> None:
    async with session_with(telling("0.0005")) as session:
        await follow(session, limit)
        assert limit() == fee_range(RULES, Money(DEAR), 6)[1]


async def test_a_price_that_rose_while_there_was_no_connection_is_heard_of(limit: FeeLimit) -> None:
    async with session_with(telling("0.0001", "0.0005")) as session:
        await follow(session, limit)
        assert limit() < DEAR
        assert session._socket is not None
        await session._socket.close()
        await until_connected_again(session)
        async with asyncio.timeout(5):
            while limit() < DEAR:  # noqa: ASYNC110 - nobody announces it
                await asyncio.sleep(0.005)


async def test_many_traders_follow_the_price_by_one_subscription(limit: FeeLimit) -> None:
    async with session_with(telling("0.0001")) as session:
        await follow(session, limit)
        await session.follow_fees()
        assert len(list(session._channels)) == 1
