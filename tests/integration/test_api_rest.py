"""The REST routes of a node with a real state and a real sequencer."""

import asyncio
from collections.abc import Iterator

import aiohttp
import msgspec
import pytest

from node.adapters.http.config import HttpConfig
from node.codec.json_rounds import round_to_json
from node.ingress.config import IngressConfig
from node.types.commands import Side
from node.types.units import Millis, Ticks
from tests.examples import ALICE, DOMAIN, RULES, START_MS, oracle_round
from tests.integration.api_node import PRICE, SIGNING, running_node
from tests.integration.api_sockets import get, post, settled, until


async def test_rest_takes_the_same_bodies() -> None:
    async with running_node() as node:
        status, placed = await post(node.url, "/action", node.order(ALICE, Side.BUY, PRICE))
        assert (status, placed["results"][0]["status"]) == (200, "resting")
        later = oracle_round(Millis(START_MS + 1), (Ticks(510_000), Ticks(20_100)), SIGNING)
        status, moved = await post(node.url, "/oracle_round", round_to_json(later, RULES))
        assert (status, moved["results"][0]["status"]) == (200, "done")
        await settled(node)
        book = await get(node.url, "/book/BTC-PERP?depth=5")
        assert book["bids"] == [["5000", "0.01"]]
        orders = await get(node.url, f"/orders/0x{ALICE.address.hex()}")
        assert orders["orders"][0]["side"] == "buy"
        block = await get(node.url, f"/blocks/{placed['block']}")
        assert block["ids"][placed["index"]] == placed["id"]
        assert len((await get(node.url, "/markets"))["markets"]) == 2
        assert (await get(node.url, "/rules"))["digest"] == "0x" + RULES.digest().hex()
        assert (await get(node.url, "/withdrawals/1"))["batch"] == 7


async def test_rules_tell_what_a_signature_names_as_the_hello_does() -> None:
    async with running_node() as node, aiohttp.ClientSession() as session:
        async with session.ws_connect(node.url + "/ws") as socket:
            hello = await socket.receive_json()
        told = await get(node.url, "/rules")
    assert (told["chain_id"], told["rollup"]) == (DOMAIN.chain_id, "0x" + DOMAIN.rollup.hex())
    for name in ("chain_id", "rollup", "sequencer"):
        assert told[name] == hello[name]


async def test_a_page_of_an_origin_that_is_let_in_reads_every_answer() -> None:
    ours, theirs = "https://desk.example", "https://evil.example"
    config = HttpConfig(origins=(ours,))
    async with running_node(config) as node, aiohttp.ClientSession(node.url) as session:

        async def ask(method: str, path: str, **headers: str) -> tuple[int, dict[str, str]]:
            async with session.request(method, path, headers=headers) as response:
                shared = [name for name in response.headers if name.startswith("Access-Control-")]
                return response.status, {name: response.headers[name] for name in shared}

        shown = {"Access-Control-Allow-Origin": ours, "Access-Control-Expose-Headers": "*"}
        asked = {"Access-Control-Request-Method": "POST"}
        for path, status in (("/markets", 200), ("/book/NONE", 400), ("/none", 404), ("/", 200)):
            assert await ask("GET", path, Origin=ours) == (status, shown)
            assert await ask("GET", path, Origin=theirs) == (403, {})
            assert await ask("GET", path) == (status, {})
        status, told = await ask("OPTIONS", "/action", Origin=ours, **asked)
        assert (status, told) == (204, shown | told)
        assert told["Access-Control-Allow-Methods"] == "GET, POST"
        assert told["Access-Control-Allow-Headers"] == "Content-Type"
        assert await ask("OPTIONS", "/action", Origin=theirs, **asked) == (403, {})
        assert await ask("OPTIONS", "/action", Origin=ours) == (405, shown)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "name"),
    [
        ("POST", "/action", b"{", 400, "MalformedMessage"),
        ("POST", "/action", b"\xff\xfe", 400, "MalformedMessage"),
        ("POST", "/action", b"x" * 70_000, 413, "OversizedMessage"),
        ("POST", "/oracle_round", b"{}", 400, "MalformedMessage"),
        ("GET", "/action", b"", 405, "MalformedMessage"),
        ("GET", "/nothing", b"", 404, "NotFound"),
        ("GET", "/book/DOGE", b"", 400, "UnknownMarket"),
        ("GET", "/book/BTC-PERP?depth=0", b"", 400, "MalformedMessage"),
        ("GET", "/book/BTC-PERP?depth=many", b"", 400, "MalformedMessage"),
        ("GET", "/account/0x12", b"", 400, "MalformedAddress"),
        ("GET", "/receipts/999", b"", 404, "NotFound"),
        ("GET", "/receipts/-1", b"", 400, "MalformedMessage"),
        ("GET", "/blocks/999", b"", 404, "NotFound"),
        ("GET", "/finality/999", b"", 404, "NotFound"),
        ("GET", "/withdrawals/2", b"", 404, "NotFound"),
    ],
)
async def test_rest_errors_are_typed(
    method: str, path: str, body: bytes, status: int, name: str
) -> None:
    async with (
        running_node() as node,
        aiohttp.ClientSession() as session,
        session.request(method, node.url + path, data=body or None) as response,
    ):
        answer = msgspec.json.decode(await response.read())
        assert (response.status, answer["error"]["name"]) == (status, name)


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/action?deadline=50", "deadline_ms"),
        ("/oracle_round?deadline=50", "deadline_ms"),
        ("/preview?deadline_ms=50", "nothing"),
        ("/book/BTC-PERP?limit=5", "depth"),
        ("/trades?market=BTC-PERP&depth=5", "limit, market"),
        ("/candles?market=BTC-PERP&interval=1m&since=5", "interval, limit, market"),
        ("/rules?market=BTC-PERP", "nothing"),
        ("/orders/0x12?market=BTC-PERP", "nothing"),
        ("/withdrawals/1?account=0x12", "nothing"),
        ("/fee?market=BTC-PERP", "nothing"),
        ("/load?stage=loop", "nothing"),
        ("/openapi.json?v=1", "nothing"),
        ("/book/BTC-PERP?depth=5&depth=7", "depth"),
        ("/action?deadline_ms=3600000&deadline_ms=1", "deadline_ms"),
    ],
)
async def test_a_name_that_means_nothing_in_a_query_is_refused(path: str, allowed: str) -> None:
    asking = "POST" if path.startswith(("/action", "/oracle", "/preview")) else "GET"
    async with (
        running_node() as node,
        aiohttp.ClientSession() as session,
        session.request(asking, node.url + path) as response,
    ):
        error = msgspec.json.decode(await response.read())["error"]
    name = path.partition("?")[2].rpartition("&")[2].partition("=")[0]
    assert (response.status, error["name"]) == (400, "MalformedMessage")
    assert error["values"] == {"detail": f"allowed: {allowed}, each once", "text": name}


async def test_operators_are_answered_whatever_else_their_query_says() -> None:
    async with running_node() as node:
        assert (await get(node.url, "/health?probe=1"))["status"] == "ok"


@pytest.mark.parametrize("given", ["0", "3600001", "9" * 30, "-1", "soon", ""])
async def test_a_deadline_out_of_range_is_told_the_range(given: str) -> None:
    async with running_node() as node:
        order = node.order(ALICE, Side.BUY, PRICE)
        status, answer = await post(node.url, f"/action?deadline_ms={given}", order)
        detail = "deadline_ms is an integer from 1 to 3600000"
        values = {"detail": detail, "text": given}
        assert (status, answer["error"]["values"]) == (400, values)
        assert (await post(node.url, "/action?deadline_ms=3600000", order))[0] == 200


async def test_operators_are_answered() -> None:
    async with running_node() as node, aiohttp.ClientSession() as session:
        assert (await get(node.url, "/health"))["status"] == "ok"
        node.faults = ["chain away"]
        async with session.get(f"{node.url}/health") as response:
            assert response.status == 503
            assert (await response.json())["reasons"] == ["chain away"]
        assert await get(node.url, "/stats") == {"stages": 9}
        async with session.get(f"{node.url}/metrics") as response:
            assert response.content_type == "text/plain"
            assert await response.read() == b"plimsoll_up 1\n"


async def test_all_rest_requests_share_one_allowance() -> None:
    limits = IngressConfig(messages_per_s=1, message_burst=2)
    async with running_node(ingress=limits) as node:
        statuses = [(await post(node.url, "/action", {}))[0] for _ in range(3)]
        assert statuses == [400, 400, 429]
        assert node.ingress.stage.refused == {"MalformedMessage": 2, "RateLimited": 1}


async def test_oracle_rounds_over_rest_have_an_allowance_of_their_own() -> None:
    async with running_node(ingress=IngressConfig(costly_per_s=1)) as node:
        statuses = [(await post(node.url, "/oracle_round", {}))[0] for _ in range(2)]
        assert statuses == [400, 429]
        assert (await post(node.url, "/action", {}))[0] == 400


async def test_a_stop_waits_for_a_rest_request_and_refuses_the_next() -> None:
    async with running_node() as node:
        node.gate.held = []
        order = node.order(ALICE, Side.BUY, PRICE)
        first = asyncio.create_task(post(node.url, "/action", order))
        await until(lambda: bool(node.gate.held))
        node.door.stop()
        status, late = await post(node.url, "/action", order)
        assert (status, late["error"]["name"]) == (503, "ShuttingDown")
        stopping = asyncio.create_task(node.server.stop())
        await asyncio.sleep(0.02)
        assert not stopping.done()
        node.gate.release()
        assert (await first)[0] == 200
        await stopping


async def test_a_fault_of_ours_ends_with_its_request_and_shows_nothing() -> None:
    async with running_node() as node, aiohttp.ClientSession() as session:

        def broken() -> Iterator[str]:
            raise RuntimeError("a secret")
            yield ""

        node.faults = broken()
        async with session.get(f"{node.url}/health") as response:
            assert response.status == 500
            assert "secret" not in await response.text()
        assert await get(node.url, "/stats") == {"stages": 9}
