"""What a command of the command line pays or signs for where the node lies about its exchange."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
import pytest
import pytest_asyncio
from aiohttp import web

from node.codec.json_markets import rules_to_json
from node.types.errors import WrongChain
from node.types.rules import Rules, decode_rules
from tests.integration.daemon import Child, Daemon, ask_chain, chain_process, plimsoll_here

pytestmark = pytest.mark.asyncio(loop_scope="module")

EXIT_SETUP = 2
OTHER = "0x" + "77" * 20

Lies = dict[str, Any]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def exchange(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Daemon]:
    """An honest node, on a chain that everybody knows."""
    folder = tmp_path_factory.mktemp("exchange")
    async with chain_process("py-evm") as chain, Daemon(folder, chain.url) as daemon:
        yield daemon


@asynccontextmanager
async def front_of(honest: Daemon, hello: Lies, rules: Lies) -> AsyncIterator[str]:
    """Give the URL of a front that passes on what ``honest`` says, but for these fields."""
    async with aiohttp.ClientSession(honest.url) as http:

        async def passed(path: str) -> dict[str, Any]:
            async with http.get(path) as answer:
                body: dict[str, Any] = await answer.json()
                return body

        async def tell_rules(_request: web.Request) -> web.Response:
            known: Rules = decode_rules((await passed("/rules"))["canonical"].encode())
            return web.json_response(rules_to_json(msgspec.structs.replace(known, **rules)))

        async def tell_stats(_request: web.Request) -> web.Response:
            return web.json_response(await passed("/stats"))

        async def introduce(request: web.Request) -> web.WebSocketResponse:
            async with http.ws_connect("/ws") as theirs:
                true_hello = await theirs.receive_json()
            socket = web.WebSocketResponse()
            await socket.prepare(request)
            await socket.send_json(true_hello | hello)
            await socket.receive()
            return socket

        front = web.Application()
        front.add_routes(
            [
                web.get("/rules", tell_rules),
                web.get("/stats", tell_stats),
                web.get("/ws", introduce),
            ]
        )
        runner = web.AppRunner(front, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()


async def ask(*arguments: str) -> Child:
    return await asyncio.to_thread(plimsoll_here, *arguments, "--key", "dev:5")


async def transactions_of(exchange: Daemon) -> int:
    """Return how many transactions the paying key has sent to L1."""
    address = msgspec.json.decode((await ask("keys", "show", "--json")).output)["address"]
    return int(await ask_chain(exchange.rpc, "eth_getTransactionCount", address, "latest"), 16)


@pytest.mark.parametrize(
    ("hello", "rules", "field"),
    [({"sequencer": OTHER}, {}, "sequencer"), ({}, {"name": "others"}, "rules")],
)
@pytest.mark.parametrize("command", [("deposit", "1", "--faucet"), ("withdraw", "1")])
async def test_nothing_is_paid_where_l1_knows_another_sequencer_or_other_rules(
    exchange: Daemon, command: tuple[str, ...], hello: Lies, rules: Lies, field: str
) -> None:
    before = await transactions_of(exchange)
    async with front_of(exchange, hello, rules) as url:
        told = await ask(*command, "--node", url, "--rpc", exchange.rpc)
    assert told.code == EXIT_SETUP, told.errors
    assert f"error {WrongChain.code}: WrongChain(field={field}, " in told.errors
    assert "to do: see that --node, --rpc and --rollup are of one exchange" in told.errors
    assert await transactions_of(exchange) == before


async def test_a_rollup_that_is_known_is_held_against_the_node_and_told_before_it_is_paid(
    exchange: Daemon,
) -> None:
    where = ("--node", exchange.url, "--rpc", exchange.rpc)
    deposit = ("deposit", "1", "--faucet", *where, "--rollup")
    before = await transactions_of(exchange)
    told = await ask(*deposit, OTHER)
    assert told.code == EXIT_SETUP
    assert "WrongChain(field=rollup, expected=" + OTHER in told.errors
    assert await transactions_of(exchange) == before
    paid = await ask(*deposit, exchange.rollup, "--json")
    assert paid.code == 0, paid.errors
    assert msgspec.json.decode(paid.output)["rollup"] == exchange.rollup
    assert paid.errors.startswith(f"paying into the rollup {exchange.rollup}\nfaucet:")
