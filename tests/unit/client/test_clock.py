"""Times count by the node's clock, as far as one's own bears it out."""

import asyncio
from contextlib import suppress

import msgspec
import pytest
from aiohttp import web

from node.client import clock as clock_module
from node.client.clock import AHEAD_MS_MAX, NodeClock
from node.client.errors import ClockApart
from node.client.nonces import CountedNonces
from node.client.subscription import Message
from node.client.switch import armed
from node.client.trader import Trader
from node.client.wallet import Wallet
from node.types.units import Millis
from tests.examples import ALICE, START_MS
from tests.unit.client.test_session import HELLO, WRONG_SIGNER, Behaviour, session_with
from tests.unit.client.test_session_books import until_connected_again
from tests.unit.client.test_switch import Node
from tests.unit.client.test_trader import SIGNING


class Elapsed:
    """Tells how many seconds have passed: each answer takes ``takes_s``."""

    def __init__(self, takes_s: float = 0.0) -> None:
        self.now_s = 0.0
        self.takes_s = takes_s

    def __call__(self) -> float:
        return self.now_s

    def start(self, told: object) -> "asyncio.Future[Message]":
        self.now_s += self.takes_s
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        answer.set_result({} if told is None else {"time": told})
        return answer


async def clock_told(told: object, takes_s: float = 0.0) -> tuple[NodeClock, Elapsed]:
    elapsed = Elapsed(takes_s)
    clock = NodeClock(elapsed)
    await clock.ask(lambda _method, _params: elapsed.start(told))
    return clock, elapsed


async def test_ones_own_clock_counts_until_the_node_has_told_its_own() -> None:
    assert NodeClock().now_ms(START_MS) == START_MS


@pytest.mark.parametrize("skew", [0, -90_000, -20_000, 600_000, 8 * 86_400_000])
async def test_the_nodes_clock_counts_and_goes_on_by_itself(skew: int) -> None:
    clock, elapsed = await clock_told(START_MS)
    own = Millis(START_MS + skew)
    assert clock.now_ms(own) == START_MS
    elapsed.now_s += 1.5
    assert clock.now_ms(own) == START_MS + 1_500


async def test_half_of_what_the_answer_took_is_counted_as_its_way_back() -> None:
    clock, _ = await clock_told(START_MS, takes_s=0.4)
    assert clock.now_ms(START_MS) == START_MS + 200


async def test_a_node_far_ahead_makes_no_signature_live_longer() -> None:
    clock, elapsed = await clock_told(START_MS + AHEAD_MS_MAX)
    assert clock.now_ms(START_MS) == START_MS + AHEAD_MS_MAX
    elapsed.now_s += 0.001
    with pytest.raises(ClockApart, match="Clock") as apart:
        clock.now_ms(START_MS)
    assert apart.value.values == {"ahead_ms": AHEAD_MS_MAX + 1, "limit": AHEAD_MS_MAX}


@pytest.mark.parametrize("told", [None, "1", 1.5, True, -1, 1 << 64, [START_MS]])
async def test_what_is_no_time_teaches_nothing(told: object) -> None:
    clock, _ = await clock_told(told)
    assert clock.now_ms(START_MS) == START_MS


async def test_a_node_that_keeps_its_time_to_itself_is_none_the_worse() -> None:
    async def refuse(socket: web.WebSocketResponse, _request: web.Request) -> None:
        await socket.send_str(HELLO)
        async for message in socket:
            asked = msgspec.json.decode(message.data)
            await socket.send_json({"id": asked["id"], "error": WRONG_SIGNER})

    async with session_with(refuse) as session:
        await session.ready()
        await session.follow_clock()
        assert session.clock.now_ms(START_MS) == START_MS
        assert session._socket is not None
        await session._socket.close()
        await until_connected_again(session)


def trader_at(node: Node, own: int) -> Trader:
    wallet = Wallet(ALICE.key, SIGNING, nonces=CountedNonces())
    return Trader(node, wallet, now_ms=lambda: Millis(own), seed=1)  # type: ignore[arg-type]


@pytest.mark.parametrize("skew", [-90_000, -20_000, 600_000])
async def test_what_a_trader_signs_counts_from_the_nodes_clock(skew: int) -> None:
    node = Node()
    node.clock, _ = await clock_told(START_MS)
    trader = trader_at(node, START_MS + skew)
    assert trader.now_ms() == START_MS
    assert 60_000 <= trader.expires() - START_MS < 61_000
    async with armed(trader, 15.0):
        assert node.switch["cancel_at"] == START_MS + 15_000


async def test_a_trader_whose_own_clock_is_far_behind_signs_nothing() -> None:
    node = Node()
    node.clock, _ = await clock_told(START_MS)
    with pytest.raises(ClockApart):
        await trader_at(node, START_MS - AHEAD_MS_MAX - 1).cancel_all()
    assert node.sequence == 0


def telling(*times: int) -> Behaviour:
    """Return a server that tells these times, the last one ever after."""
    left = list(times)

    async def behave(socket: web.WebSocketResponse, _request: web.Request) -> None:
        await socket.send_str(HELLO)
        async for message in socket:
            asked = msgspec.json.decode(message.data)
            told = left.pop(0) if len(left) > 1 else left[0]
            await socket.send_json({"id": asked["id"], "result": {"time": told}})

    return behave


async def test_the_clock_is_asked_for_anew_after_each_connection() -> None:
    async with session_with(telling(START_MS, START_MS + 5_000)) as session:
        await session.ready()
        assert session.clock.now_ms(Millis(7)) == 7
        await session.follow_clock()
        assert 0 <= session.clock.now_ms(START_MS) - START_MS < 5_000
        assert session._socket is not None
        await session._socket.close()
        await until_connected_again(session)
        assert session.clock.now_ms(START_MS) >= START_MS + 5_000


async def test_the_clock_is_asked_for_again_while_a_connection_lasts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clock_module, "EVERY_S", 0.01)
    async with session_with(telling(START_MS, START_MS + 5_000)) as session:
        await session.ready()
        await session.follow_clock()
        while session.clock.now_ms(START_MS) < START_MS + 5_000:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
        assert session.connections == 1


async def test_an_answer_that_was_slow_is_asked_for_once_more_soon(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clock_module, "AGAIN_S", 0.01)
    monkeypatch.setattr(clock_module, "PROMPT_S", 0.05)
    looks: list[float] = []

    async def slow_at_first(socket: web.WebSocketResponse, _request: web.Request) -> None:
        await socket.send_str(HELLO)
        async for message in socket:
            looks.append(asyncio.get_running_loop().time())
            await asyncio.sleep(0.1 if len(looks) == 1 else 0)
            asked = msgspec.json.decode(message.data)
            await socket.send_json({"id": asked["id"], "result": {"time": START_MS + len(looks)}})

    async with session_with(slow_at_first) as session:
        await session.ready()
        await session.follow_clock()
        await asyncio.sleep(0.3)
        assert len(looks) == 2
        assert session.clock.now_ms(START_MS) - START_MS < 400


async def test_a_node_that_is_always_slow_is_asked_no_oftener(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clock_module, "AGAIN_S", 0.01)
    monkeypatch.setattr(clock_module, "PROMPT_S", 0.02)
    looks: list[bytes] = []

    async def slow(socket: web.WebSocketResponse, _request: web.Request) -> None:
        await socket.send_str(HELLO)
        async for message in socket:
            looks.append(message.data)
            await asyncio.sleep(0.05)
            asked = msgspec.json.decode(message.data)
            await socket.send_json({"id": asked["id"], "result": {"time": START_MS}})

    async with session_with(slow) as session:
        await session.ready()
        await session.follow_clock()
        await asyncio.sleep(0.4)
        assert len(looks) == 2


async def test_an_answer_that_comes_late_teaches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock_module, "EVERY_S", 0.0)
    monkeypatch.setattr(clock_module, "PROMPT_S", 0.0)
    clock, _ = await clock_told(START_MS)
    clock.followed = True
    silent: list[asyncio.Future[Message]] = []

    def start(_method: str, _params: Message) -> "asyncio.Future[Message]":
        silent.append(asyncio.get_running_loop().create_future())
        return silent[-1]

    with suppress(TimeoutError):
        async with asyncio.timeout(0.05):
            await clock.keep(start)
    assert len(silent) > 1
    assert clock.now_ms(START_MS) == START_MS
