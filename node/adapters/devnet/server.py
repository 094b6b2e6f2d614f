"""JSON-RPC over HTTP, and the clock that mines.

All work on the chain runs in one thread, in the order in which requests arrive; the event loop
only reads and writes sockets, so a call that takes py-evm a second delays answers, never a
connection.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, TypeVar

import msgspec
from aiohttp import web

from node.adapters.devnet.devnet import Devnet
from node.adapters.devnet.methods import call_method
from node.adapters.devnet.rpc_errors import INTERNAL_ERROR, INVALID_REQUEST, PARSE_ERROR, RpcError
from node.adapters.devnet.settings import DevnetSettings
from node.types.errors import AddressUnavailable

BODY_BYTES_MAX: Final = 4 * 1024 * 1024
BATCH_MAX: Final = 100
BRACKETS_MAX: Final = 5_000
Result = TypeVar("Result")

log = logging.getLogger("plimsoll.devnet")


async def serve_devnet(
    host: str, port: int, settings: DevnetSettings, announce: Callable[[str], None]
) -> None:
    """Serve a new chain until cancelled. Port 0 picks a free one.

    ``announce`` is given the URL once it answers. Raises ``AddressUnavailable``.
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="evm") as evm_thread:
        # Two that begin in the same second are two chains all the same: their blocks say so.
        devnet = Devnet(settings, time.time, entropy=secrets.randbits(63))
        server = DevnetServer(devnet, evm_thread)
        runner = web.AppRunner(server.application(), access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await _listen(runner, host, port)
            announce(f"http://{host}:{runner.addresses[0][1]}")
            await server.mine_on_time()
        finally:
            await runner.cleanup()


async def _listen(runner: web.AppRunner, host: str, port: int) -> None:
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        raise AddressUnavailable(host=host, port=port, detail=error.strerror) from error


class DevnetServer:
    """Answers requests and keeps the time between blocks."""

    def __init__(self, devnet: Devnet, evm_thread: ThreadPoolExecutor) -> None:
        self._devnet = devnet
        self._evm_thread = evm_thread
        self._interval_changed = asyncio.Event()

    def application(self) -> web.Application:
        """One route: POST to the root."""
        application = web.Application(client_max_size=BODY_BYTES_MAX)
        application.router.add_post("/", self._post)
        return application

    async def mine_on_time(self) -> None:
        """Mine a block whenever the interval is over; a late block does not delay the next."""
        loop = asyncio.get_running_loop()
        due_s = loop.time() + self._devnet.interval_s
        while True:
            interval_s = self._devnet.interval_s
            try:
                async with asyncio.timeout_at(due_s if interval_s > 0 else None):
                    await self._interval_changed.wait()
                self._interval_changed.clear()
                due_s = loop.time() + self._devnet.interval_s
            except TimeoutError:
                await self._on_evm_thread(self._devnet.mine)
                due_s = max(due_s + interval_s, loop.time())

    async def _post(self, request: web.Request) -> web.Response:
        # Asking for the content type makes a browser ask for leave first, which nobody here gives.
        if request.content_type != "application/json":
            return _failure(
                RpcError(INVALID_REQUEST, "content type must be application/json"), status=415
            )
        try:
            body = _decode(await request.read())
        except web.HTTPRequestEntityTooLarge:
            return _failure(
                RpcError(INVALID_REQUEST, f"body exceeds {BODY_BYTES_MAX} bytes"), status=413
            )
        except (msgspec.DecodeError, UnicodeDecodeError):
            return _failure(RpcError(PARSE_ERROR, "parse error"))
        if isinstance(body, list) and not 1 <= len(body) <= BATCH_MAX:
            return _failure(RpcError(INVALID_REQUEST, f"a batch holds 1 to {BATCH_MAX} requests"))
        answer = await self._answer(body)
        return web.Response(body=msgspec.json.encode(answer), content_type="application/json")

    async def _answer(self, body: Any) -> Any:
        interval_before = self._devnet.interval_s
        if isinstance(body, list):
            answer: Any = [await self._on_evm_thread(partial(self._respond, one)) for one in body]
        else:
            answer = await self._on_evm_thread(partial(self._respond, body))
        if self._devnet.interval_s != interval_before:
            self._interval_changed.set()
        return answer

    def _respond(self, request: Any) -> dict[str, Any]:
        """One request, one response object: runs on the EVM's thread and never raises."""
        identifier = _identifier(request)
        try:
            name, params = _read_request(request)
            outcome: dict[str, Any] = {"result": call_method(self._devnet, name, params)}
        except RpcError as error:
            outcome = {"error": error.render()}
        except Exception as error:
            # A fault of ours must reach the client as an answer, and whoever runs us as a trace.
            log.exception("request failed")
            outcome = {
                "error": RpcError(
                    INTERNAL_ERROR, f"internal error: {type(error).__name__}"
                ).render()
            }
        return {"jsonrpc": "2.0", "id": identifier, **outcome}

    async def _on_evm_thread(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._evm_thread, work)


def _decode(body: bytes) -> Any:
    """The JSON value of a body. Raises msgspec.DecodeError or UnicodeDecodeError.

    py-evm raises Python's recursion limit to 100,000, beyond what the C stack carries, so a body of
    nested brackets would end the process inside the decoder. Their number bounds their depth.
    """
    if body.count(b"[") + body.count(b"{") > BRACKETS_MAX:
        raise msgspec.DecodeError("too many arrays and objects")
    return msgspec.json.decode(body)


def _identifier(request: Any) -> str | int | float | None:
    """The id to answer under; null where the request has none that JSON-RPC allows."""
    given = request.get("id") if isinstance(request, dict) else None
    return given if isinstance(given, str | int | float) else None


def _read_request(request: Any) -> tuple[str, list[Any]]:
    if not isinstance(request, dict):
        raise RpcError(INVALID_REQUEST, "a request is an object")
    name, params = request.get("method"), request.get("params", [])
    if not isinstance(name, str):
        raise RpcError(INVALID_REQUEST, "a request names its method")
    if not isinstance(params, list):
        raise RpcError(INVALID_REQUEST, "params is an array")
    return name, params


def _failure(error: RpcError, status: int = 200) -> web.Response:
    answer = {"jsonrpc": "2.0", "id": None, "error": error.render()}
    return web.Response(
        body=msgspec.json.encode(answer), content_type="application/json", status=status
    )
