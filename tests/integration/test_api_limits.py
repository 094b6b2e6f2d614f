"""What the API does when there is too much: of messages, readers, connections, or time."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack

import aiohttp
import msgspec
import pytest

from node.adapters.http.config import HttpConfig
from node.adapters.http.framing import text_frame
from node.adapters.http.server import AT_ONCE
from node.adapters.http.turns import REQUEST_WORK, TURN_WORK
from node.codec.json_actions import ActionReader
from node.ingress.config import IngressConfig
from node.ports.api import Channel
from node.types.commands import PlaceOrders, Side
from node.types.errors import PlimsollError
from tests.examples import ALICE, RULES
from tests.integration.api_node import BLANK, BTC, PRICE, WAIT_S, running_node, talking_to
from tests.integration.api_sockets import get, gone, masked, settled, shake_hands, until

BOOK = {"channel": "book", "market": "BTC-PERP"}
TRADES = {"channel": "trades", "market": "BTC-PERP"}
NOISE = text_frame(b'{"channel":"noise","pad":"%b"}' % (b"x" * 8_000))


async def test_a_message_far_too_long_ends_the_connection() -> None:
    async with running_node() as node, talking_to(node) as talker:
        await talker.socket.send_str("x" * 1_000_000)
        message = await talker.socket.receive(timeout=5)
        assert message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
        assert talker.socket.close_code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG


async def test_a_slow_reader_is_cut_while_others_read_on() -> None:
    config = HttpConfig(outbox_bytes=65_536, close_timeout_s=0.2)
    async with running_node(config) as node, talking_to(node) as keen:
        reader, writer = await asyncio.open_connection("127.0.0.1", node.server.port, limit=16_384)
        try:
            await shake_hands(reader, writer)
            request = msgspec.json.encode({"id": 1, "method": "subscribe", "params": TRADES})
            writer.write(masked(request))
            await reader.readuntil(b'"snapshot"')
            await keen.call("subscribe", TRADES)
            await keen.call("subscribe", BOOK)
            last = (await keen.push("book"))["seq"]
            # Nothing of this is read by the slow one: it fills the sockets, then the outbox.
            while not node.publisher.slow_readers:
                node.publisher._subscriptions.push(Channel("trades", market=BTC), NOISE)
                assert (await keen.push("noise"))["pad"]
            assert node.publisher.slow_readers == 1
            answer = await keen.call("action", node.order(ALICE, Side.BUY, PRICE))
            assert answer["result"]["results"][0]["status"] == "resting"
            assert (await keen.push("book"))["prev_seq"] == last
            await gone(node, 1)
        finally:
            writer.close()


async def test_a_reader_who_takes_nothing_for_long_is_cut() -> None:
    config = HttpConfig(outbox_bytes=64 << 20, write_timeout_s=0.1, close_timeout_s=0.1)
    async with running_node(config) as node, talking_to(node) as keen:
        reader, writer = await asyncio.open_connection("127.0.0.1", node.server.port, limit=16_384)
        try:
            await shake_hands(reader, writer)
            writer.write(
                masked(msgspec.json.encode({"id": 1, "method": "subscribe", "params": BOOK}))
            )
            await reader.readuntil(b'"snapshot"')
            frame = b"\x81\x7f" + (1 << 20).to_bytes(8) + bytes(1 << 20)
            for _ in range(16):
                node.publisher._subscriptions.push(Channel("book", market=BTC), frame)
            await gone(node, 1)
            assert "result" in await keen.call("ping")
        finally:
            writer.close()


async def test_overload_refuses_and_loses_nothing() -> None:
    async with running_node(lane_limit=20) as node, talking_to(node) as talker:
        node.gate.held = []
        for number in range(100):
            order = node.order(ALICE, Side.BUY, PRICE - number)
            request = {"id": number, "method": "action", "params": order}
            await talker.socket.send_str(msgspec.json.encode(request).decode())
        await until(lambda: len(node.gate.held or []) == 100)
        assert node.ingress.stage.held() == 100
        assert node.ingress.stage.conserved()
        node.gate.release()
        answers = [await talker.answer(None) for _ in range(100)]
        refused = [answer for answer in answers if "error" in answer]
        assert len(refused) == 80
        assert {answer["error"]["name"] for answer in refused} == {"Overloaded"}
        assert len({answer["id"] for answer in answers}) == 100
        stage = node.ingress.stage
        assert (stage.arrived, stage.done, stage.refused) == (100, 20, {"Overloaded": 80})
        assert stage.conserved()


async def test_log_ins_and_rounds_have_an_allowance_of_their_own() -> None:
    """Each makes the node's own loop recover signatures, before it is known to be of any use."""
    for method in ("login", "oracle_round"):
        config = IngressConfig(costly_per_s=1)
        async with running_node(ingress=config) as node, talking_to(node) as talker:
            answers = [(await talker.call(method, {}))["error"] for _ in range(2)]
            assert [error["name"] for error in answers] == ["MalformedMessage", "RateLimited"]
            assert answers[1]["values"]["of"] == "costly"
            assert "result" in await talker.call("ping")


async def test_who_logs_in_again_on_one_connection_was_there_all_the_time() -> None:
    """Were it away for a moment, what its owner wants to go with him would go."""
    async with running_node() as node, talking_to(node) as talker:
        for _ in range(2):
            assert "result" in await talker.login(ALICE)
        assert (node.entered, node.left) == ([ALICE.address], [])


async def test_a_connection_that_sends_too_much_is_refused_then_closed() -> None:
    limits = IngressConfig(messages_per_s=1, message_burst=5, flood_factor=4)
    async with running_node(ingress=limits) as node, talking_to(node) as talker:
        for number in range(40):
            await talker.send(number, "ping")
        answers = [await talker.answer(None) for _ in range(21)]
        assert [("result" in answer) for answer in answers] == [True] * 5 + [False] * 16
        assert {answer["error"]["name"] for answer in answers[5:]} == {"RateLimited"}
        message = await talker.socket.receive(timeout=5)
        assert message.type is aiohttp.WSMsgType.CLOSE
        assert message.data == aiohttp.WSCloseCode.POLICY_VIOLATION


@pytest.mark.parametrize("frame", [b"\x89\x80\0\0\0\0", b"\x8a\x80\0\0\0\0"])
async def test_pings_and_pongs_count_like_any_message(frame: bytes) -> None:
    limits = IngressConfig(messages_per_s=1, message_burst=5, flood_factor=4)
    async with running_node(ingress=limits) as node:
        reader, writer = await asyncio.open_connection("127.0.0.1", node.server.port)
        await shake_hands(reader, writer)
        writer.write(frame * 21)
        async with asyncio.timeout(WAIT_S):
            told = await reader.readuntil(b"2006 RateLimited")
        assert told.count(b"\x8a\x00") == (5 if frame[0] == 0x89 else 0)
        writer.close()


async def test_a_burst_of_one_client_lets_the_others_have_their_turn() -> None:
    async with running_node() as node, talking_to(node) as talker:
        turns, heard = 0, Counter[int]()
        (conversation,) = node.server._conversations.values()

        async def others() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        refuse = conversation.refuse

        def spy(error: PlimsollError) -> None:
            heard[turns] += 1
            refuse(error)

        conversation.refuse = spy  # type: ignore[method-assign]
        waiting = asyncio.create_task(others())
        for _ in range(10 * AT_ONCE):
            await talker.socket.send_bytes(b"")
        for _ in range(10 * AT_ONCE):
            await talker.answer(None)
        waiting.cancel()
        assert sum(heard.values()) == 10 * AT_ONCE
        assert max(heard.values()) <= AT_ONCE


async def test_connections_of_one_address_are_heard_in_turns() -> None:
    async with running_node() as node:
        turns, heard = 0, Counter[int]()

        async def others() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        class Faults:
            def __iter__(self) -> Iterator[str]:
                heard[turns] += 1
                return iter(())

        node.faults = Faults()
        waiting = asyncio.create_task(others())
        pairs = [await asyncio.open_connection("127.0.0.1", node.server.port) for _ in range(150)]
        for _, writer in pairs:
            writer.write(4 * b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        for reader, writer in pairs:
            for _ in range(4):
                await reader.readuntil(b"[]}")
            writer.close()
        waiting.cancel()
        assert sum(heard.values()) == 4 * len(pairs)
        # The counter's turn may begin within one of the loop's.
        assert max(heard.values()) <= 2 * TURN_WORK // REQUEST_WORK


async def test_messages_of_one_address_are_heard_in_turns() -> None:
    async with running_node() as node, AsyncExitStack() as stack:
        talkers = [await stack.enter_async_context(talking_to(node)) for _ in range(20)]
        turns, heard = 0, Counter[int]()

        async def others() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        def count(error: PlimsollError) -> None:
            heard[turns] += 1

        for conversation in node.server._conversations.values():
            conversation.refuse = count  # type: ignore[method-assign]
        waiting = asyncio.create_task(others())
        for _ in range(2 * AT_ONCE):
            for talker in talkers:
                await talker.socket.send_bytes(b"")
        await until(lambda: sum(heard.values()) == 2 * AT_ONCE * len(talkers))
        waiting.cancel()
        assert max(heard.values()) <= 2 * TURN_WORK


async def test_the_requests_in_flight_of_one_connection_are_bounded() -> None:
    async with running_node(ingress=IngressConfig(in_flight=2)) as node, talking_to(node) as talker:
        node.gate.held = []
        for number in range(3):
            order = node.order(ALICE, Side.BUY, PRICE - number)
            request = {"id": number, "method": "action", "params": order}
            await talker.socket.send_str(msgspec.json.encode(request).decode())
        refused = await talker.answer(2)
        assert refused["error"]["values"] == {"queue": "connection", "limit": 2}
        node.gate.release()
        assert {(await talker.answer(None))["id"] for _ in range(2)} == {0, 1}
        assert "result" in await talker.call("action", node.order(ALICE, Side.BUY, PRICE - 9))


async def test_connections_are_bounded() -> None:
    limit = HttpConfig(connections=1)
    async with running_node(limit) as node, talking_to(node), aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect(f"{node.url}/ws")
        assert refused.value.status == 503


async def test_a_stop_answers_what_is_in_flight_and_says_goodbye() -> None:
    async with running_node() as node, talking_to(node) as talker:
        node.gate.held = []
        request = {"id": 1, "method": "action", "params": node.order(ALICE, Side.BUY, PRICE)}
        await talker.socket.send_str(msgspec.json.encode(request).decode())
        await until(lambda: bool(node.gate.held))
        node.door.stop()
        stopping = asyncio.create_task(node.server.stop())
        late = await talker.call_late(2, node.order(ALICE, Side.BUY, PRICE))
        assert late["error"]["name"] == "ShuttingDown"
        node.gate.release()
        assert (await talker.answer(1))["result"]["results"][0]["status"] == "resting"
        assert (await talker.answer(None))["error"]["name"] == "ShuttingDown"
        message = await talker.socket.receive(timeout=5)
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1001)
        await stopping


async def test_who_reads_too_much_waits_and_trades_on() -> None:
    async with running_node() as node, talking_to(node) as talker:
        session = node.door._peers.session_of("127.0.0.1")
        now_ns = int(asyncio.get_running_loop().time() * 1e9)
        session.read(lambda: b"", iter((now_ns, now_ns + 1_000_000_000)).__next__)
        async with aiohttp.ClientSession() as http, http.get(f"{node.url}/rules") as response:
            error = msgspec.json.decode(await response.read())["error"]
            assert (response.status, error["values"]["of"]) == (429, "reading")
            wait_ms = error["values"]["retry_after_ms"]
            assert response.headers["Retry-After"] == str(-(-wait_ms // 1_000))
        refused = (await talker.call("subscribe", BOOK))["error"]
        assert (refused["name"], refused["values"]["of"]) == ("RateLimited", "reading")
        assert node.publisher.subscribers == 0
        assert (await get(node.url, "/health"))["status"] == "ok"
        assert "result" in await talker.call("action", node.order(ALICE, Side.BUY, PRICE))


async def test_a_book_is_shown_to_a_depth() -> None:
    async with running_node() as node, talking_to(node) as talker:
        for start in (0, 60):
            orders = [
                node.order(ALICE, Side.BUY, PRICE - start - n)["orders"][0] for n in range(60)
            ]
            whole = {**node.order(ALICE, Side.BUY, PRICE), "orders": orders}
            action = ActionReader(RULES).read(msgspec.json.encode(whole))
            assert isinstance(action, PlaceOrders)
            body = node.action(PlaceOrders(*BLANK, (), action.orders), ALICE)
            assert "result" in await talker.call("action", body)
        await settled(node)
        shown = await get(node.url, "/book/BTC-PERP")
        assert len(shown["bids"]) == 100
        more = await get(node.url, "/book/BTC-PERP?depth=1000")
        assert (len(more["bids"]), more["bids"][:100]) == (120, shown["bids"])
        await talker.call("subscribe", BOOK)
        assert (await talker.push("book"))["bids"] == more["bids"]
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"{node.url}/book/BTC-PERP?depth=1001") as response,
        ):
            assert response.status == 400
