"""A server that speaks the protocol and accepts whatever comes, and may hang up."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from aiohttp import WSMsgType, web

from node.codec.json_markets import rules_to_json
from tests.examples import DOMAIN, RULES

HELLO = {
    "channel": "hello",
    "version": 1,
    "challenge": "0x" + "00" * 32,
    "chain_id": DOMAIN.chain_id,
    "rollup": "0x" + DOMAIN.rollup.hex(),
    "sequencer": "0x" + "11" * 20,
    "markets": [],
}


class FakeNode:
    """Hangs up on the sender of every ``hang_up_each``-th action, before it answers (0: never)."""

    def __init__(self, hang_up_each: int = 0) -> None:
        self.actions: list[dict[str, Any]] = []
        self.rounds: list[dict[str, Any]] = []
        self.connections = 0
        self.hang_up_each = hang_up_each

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Give the server's address."""
        app = web.Application()
        app.add_routes(
            [
                web.get("/rules", self._rules),
                web.get("/account/{address}", self._account),
                web.get("/ws", self._talk),
            ]
        )
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            host, port = runner.addresses[0][:2]
            yield f"http://{host}:{port}"
        finally:
            await runner.cleanup()

    async def _rules(self, _: web.Request) -> web.Response:
        return web.json_response(rules_to_json(RULES))

    async def _account(self, _: web.Request) -> web.Response:
        return web.json_response({"seq": 1, "nonces": {}, "orders": []})

    async def _talk(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.connections += 1
        await socket.send_json(HELLO)
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                break
            body = msgspec.json.decode(message.data)
            if body["method"] == "action":
                self.actions.append(body["params"])
                if self.hang_up_each and len(self.actions) % self.hang_up_each == 0:
                    break
            else:
                self.rounds.append(body["params"])
            await socket.send_json({"id": body["id"], "result": {"results": [{"status": "done"}]}})
            if body["params"].get("channel") == "fee":
                await socket.send_json({"channel": "fee", "price": "0"})
        await socket.close()
        return socket
