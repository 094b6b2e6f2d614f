"""The REST routes: the same bodies as over WebSocket, one request at a time.

====================================  ==========================================================
POST /action, /oracle_round           answered once the block is durable; ?deadline_ms=
POST /preview                         what would become of an order that nobody has signed
POST /faucet                          test money, on a devnet
GET  /markets /rules                  what the exchange allows
GET  /book/{symbol}?depth=            the book as it stands
GET  /trades?market=&limit=           the last trades, the oldest first
GET  /candles?market=&interval=       the last candles; &limit=
GET  /account/{a} /orders/{a}         public: all of it can be rebuilt from L1
GET  /receipts/{sequence}             with the ids that follow, to check it without us
GET  /blocks/{number}                 head and ids
GET  /finality/{sequence}             accepted, sealed, posted, safe or final
GET  /withdrawals/{id}                the proof that claims it on L1
GET  /health /stats /metrics          for operators
GET  /load /telemetry                 the load line, and the counters behind it
GET  /fee                             the price of work, and how high it can be soon
GET  /openapi.json /asyncapi.json     all of this, for programs (``node.app.contract``)
====================================  ==========================================================

Any other name in a query is refused, but to operators, whose probes add names of their own. What
has been stands in ``node.adapters.http.history_routes``.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from time import perf_counter_ns
from typing import Final

import msgspec
import structlog
from aiohttp import web

from node.adapters.http.probes import Probes
from node.adapters.http.query import refuse_unknown
from node.adapters.http.rationed import Rationed
from node.adapters.prometheus import CONTENT_TYPE
from node.capacity.share import Share, work_within
from node.codec.answers import ErrorBody, HealthAnswer
from node.codec.json_errors import encode_error
from node.ports.api import (
    BOOK_DEPTH,
    BOOK_DEPTH_MAX,
    DEADLINE_MS_MAX,
    SUCCESS,
    Answer,
    Api,
    Budget,
    Faucet,
    Meter,
    Views,
)
from node.types.errors import (
    ForeignOrigin,
    MalformedMessage,
    NotFound,
    OversizedMessage,
    PlimsollError,
    RateLimited,
    Unavailable,
    UnknownHost,
)
from node.types.ids import Address, address_from_hex
from node.types.units import UINT64_MAX

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Take = Callable[[bytes, Answer, str, int | None, Meter], None]

LIMIT_MAX = 1_000
_LIMIT = 100

_QUERIES: Final[Mapping[str, tuple[str, ...]]] = {
    "/book/{symbol}": ("depth",),
    "/trades": ("market", "limit"),
    "/candles": ("market", "interval", "limit"),
}
"""The names in the queries of the views that have any."""

_STATUS_OF_CODE = {
    OversizedMessage.code: 413,
    RateLimited.code: 429,
    NotFound.code: 404,
    ForeignOrigin.code: 403,
    UnknownHost.code: 421,
}

_COME_BACK = (429, 503)
"""The statuses that may bear a ``Retry-After``."""

_read_error = msgspec.json.Decoder(ErrorBody).decode

_log = structlog.get_logger(__name__)


def status_of(code: int) -> int:
    """Return the HTTP status that goes with an error's code."""
    status = _STATUS_OF_CODE.get(code)
    if status is not None:
        return status
    return {1: 400, 2: 503}.get(code // 1000, 500)


def json_response(
    body: bytes, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Return a response that holds the JSON text ``body``."""
    return web.Response(body=body, status=status, headers=headers, content_type="application/json")


def error_response(
    error: PlimsollError, status: int | None = None, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Return the response that tells of ``error``."""
    chosen = status_of(error.code) if status is None else status
    return failure(encode_error(error), chosen, headers or {})


def failure(error: bytes, status: int, headers: Mapping[str, str]) -> web.Response:
    """Return the response that holds the JSON text ``error``; it says when to come back."""
    if status in _COME_BACK:
        wait_ms = _read_error(error).values.get("retry_after_ms")
        if isinstance(wait_ms, int):
            headers = {**headers, "Retry-After": str(-(-wait_ms // 1_000))}
    return json_response(b'{"error":%b}' % error, status, headers)


def budget_headers(budget: Budget) -> dict[str, str]:
    """Return the headers that tell what is left of an account's budget."""
    return {
        "X-RateLimit-Budget": budget.name,
        "X-RateLimit-Limit": str(budget.limit),
        "X-RateLimit-Used": str(budget.used),
        "X-RateLimit-Remaining": str(budget.remaining),
        "X-RateLimit-Reset-Ms": str(budget.reset_ms),
    }


class Rest:
    """Handlers of the routes; ``in_flight`` are the requests that wait for a block."""

    def __init__(
        self, api: Api, views: Views, probes: Probes, faucet: Faucet | None = None
    ) -> None:
        self._faucet = faucet
        self._previews = Share("previews")
        self._api = api
        self._views = views
        self._probes = probes
        self._told_stats = Rationed(lambda: msgspec.json.encode(probes.stats()), perf_counter_ns)
        self._told_metrics = Rationed(probes.metrics, perf_counter_ns)
        self._told_load = Rationed(lambda: msgspec.json.encode(probes.load()), perf_counter_ns)
        self._told_telemetry = Rationed(
            lambda: msgspec.json.encode(probes.telemetry()), perf_counter_ns
        )
        self.in_flight = 0

    def add_to(self, application: web.Application) -> None:
        """Add every route to ``application``."""
        views = self._views
        application.router.add_post("/action", self._asking(self._api.action))
        application.router.add_post("/oracle_round", self._asking(self._api.oracle_round))
        application.router.add_post("/preview", self._preview)
        application.router.add_post("/faucet", self._pour)
        for path, view in (
            ("/markets", lambda _: views.markets()),
            ("/rules", lambda _: views.rules()),
            ("/book/{symbol}", lambda ask: views.book(ask.match_info["symbol"], _depth(ask))),
            ("/trades", lambda ask: views.trades(_text(ask, "market"), _limit(ask))),
            ("/candles", lambda ask: _candles(views, ask)),
            ("/account/{address}", lambda ask: views.account(_address(ask))),
            ("/orders/{address}", lambda ask: views.orders(_address(ask))),
            ("/receipts/{sequence}", lambda ask: views.receipt(_number(ask, "sequence"))),
            ("/blocks/{number}", lambda ask: views.block(_number(ask, "number"))),
            ("/finality/{sequence}", lambda ask: views.finality(_number(ask, "sequence"))),
            ("/openapi.json", lambda _: self._probes.openapi()),
            ("/asyncapi.json", lambda _: self._probes.asyncapi()),
        ):
            application.router.add_get(path, self._viewing(view, _QUERIES.get(path, ())))
        application.router.add_get("/withdrawals/{id}", self._withdrawal)
        application.router.add_get("/health", self._health)
        application.router.add_get("/stats", self._stats)
        application.router.add_get("/metrics", self._metrics)
        application.router.add_get("/load", self._load)
        application.router.add_get("/telemetry", self._telemetry)
        application.router.add_get("/fee", self._fee)

    def _asking(self, take: Take) -> Handler:
        async def handle(request: web.Request) -> web.Response:
            deadline_ms = _deadline_ms(request)
            raw = await request.read()
            future: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()

            def answer(code: int, body: bytes) -> None:
                if not future.done():  # The one who asked has gone.
                    future.set_result((code, body))

            self.in_flight += 1
            headers: dict[str, str] = {}
            try:
                take(
                    raw,
                    answer,
                    request.remote or "",
                    deadline_ms,
                    lambda budget: headers.update(budget_headers(budget)),
                )
                code, body = await future
            finally:
                self.in_flight -= 1
            if code == SUCCESS:
                return json_response(body, headers=headers)
            return failure(body, status_of(code), headers)

        return handle

    def _viewing(self, view: Callable[[web.Request], bytes], names: tuple[str, ...]) -> Handler:
        async def handle(request: web.Request) -> web.Response:
            refuse_unknown(request.query, names)
            return json_response(self._api.read(request.remote or "", lambda: view(request)))

        return handle

    async def _preview(self, request: web.Request) -> web.Response:
        refuse_unknown(request.query, ())
        raw = await request.read()
        self._api.spend(request.remote or "")
        previews = (self._previews,)
        answer = work_within(previews, lambda: self._views.preview(raw), perf_counter_ns)
        self.in_flight += 1
        try:
            return json_response(await answer)
        finally:
            self.in_flight -= 1

    async def _withdrawal(self, request: web.Request) -> web.Response:
        refuse_unknown(request.query, ())
        withdrawal_id = _number(request, "id")
        self._api.spend(request.remote or "")
        return json_response(await self._views.withdrawal(withdrawal_id))

    async def _pour(self, request: web.Request) -> web.Response:
        if self._faucet is None:
            raise NotFound(path=request.path)
        refuse_unknown(request.query, ())
        raw = await request.read()
        self._api.spend(request.remote or "")
        return json_response(await self._faucet.pour(raw, request.remote or ""))

    async def _health(self, _request: web.Request) -> web.Response:
        reasons = tuple(self._probes.faults())
        body = HealthAnswer("unavailable" if reasons else "ok", reasons)
        return json_response(msgspec.json.encode(body), 503 if reasons else 200)

    async def _stats(self, _request: web.Request) -> web.Response:
        return json_response(self._told_stats())

    async def _load(self, request: web.Request) -> web.Response:
        refuse_unknown(request.query, ())
        return json_response(self._told_load())

    async def _fee(self, request: web.Request) -> web.Response:
        refuse_unknown(request.query, ())
        return json_response(msgspec.json.encode(self._probes.fee()))

    async def _telemetry(self, _request: web.Request) -> web.Response:
        return json_response(self._told_telemetry())

    async def _metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=self._told_metrics(), headers={"Content-Type": CONTENT_TYPE})


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer every failure with an error of the tree; nothing of ours is shown but its name."""
    try:
        return await handler(request)
    except PlimsollError as error:
        return error_response(error)
    except web.HTTPRequestEntityTooLarge:
        return error_response(OversizedMessage(limit=request.client_max_size))
    except web.RequestPayloadError as error:
        # The body cannot be read to its end: a broken chunk, or what is not packed as it says.
        return error_response(MalformedMessage(detail=str(error.args[:1]), method=request.method))
    except web.HTTPException as error:
        fault = NotFound(path=request.path[:200]) if error.status == 404 else None
        refused = fault or MalformedMessage(detail=error.reason, method=request.method)
        allowed = error.headers.get("Allow")
        return error_response(refused, error.status, {"Allow": allowed} if allowed else None)
    except ConnectionError:
        # The reader has gone in the middle of an answer; aiohttp knows what to do.
        raise
    # Whatever a handler of ours did wrong ends with this one request.
    except Exception:  # noqa: BLE001
        _log.exception("request_failed", path=request.path)
        return error_response(Unavailable(cause="internal"), 500)


def _candles(views: Views, request: web.Request) -> bytes:
    symbol, interval = _text(request, "market"), _text(request, "interval")
    return views.candles(symbol, interval, _limit(request))


def _text(request: web.Request, name: str) -> str:
    text = request.query.get(name)
    if text is None:
        raise MalformedMessage(detail=f"{name} is missing")
    return text


def _limit(request: web.Request) -> int:
    text = request.query.get("limit")
    return _LIMIT if text is None else _integer("limit", text, LIMIT_MAX)


def _address(request: web.Request) -> Address:
    return address_from_hex(request.match_info["address"])


def _number(request: web.Request, name: str) -> int:
    return _integer(name, request.match_info[name], UINT64_MAX)


def _depth(request: web.Request) -> int:
    text = request.query.get("depth")
    return BOOK_DEPTH if text is None else _integer("depth", text, BOOK_DEPTH_MAX)


def _deadline_ms(request: web.Request) -> int | None:
    refuse_unknown(request.query, ("deadline_ms",))
    text = request.query.get("deadline_ms")
    return None if text is None else _integer("deadline_ms", text, DEADLINE_MS_MAX)


def _integer(name: str, text: str, high: int) -> int:
    if text.isascii() and text.isdecimal() and len(text) <= 20 and 0 < int(text) <= high:
        return int(text)
    raise MalformedMessage(detail=f"{name} is an integer from 1 to {high}", text=text[:40])
