"""A whole node on a devnet, held against the documents of its API from both sides.

Requests are drawn from the OpenAPI document, right and wrong, by schemathesis: none may end in a
fault of the node's, and every answer must be one that the document allows. The seed is fixed.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import hypothesis
import msgspec
import pytest
import requests
import schemathesis
from msgspec.structs import replace
from schemathesis.config import SchemathesisConfig
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from node.adapters.http.history_routes import TOLD
from node.app.cli.money import until_taken_in
from node.app.contract.rest_table import ENDPOINTS
from node.app.contract.socket_table import FEEDS
from node.client.ccxt_adapter import PlimsollExchange
from node.client.session import Session, connect
from node.client.wallet import Wallet
from node.codec.json_actions import action_to_json
from node.codec.json_rounds import round_to_json
from node.codec.signatures import sign
from node.simulation.keys import DevKey, dev_keys
from node.types.commands import (
    AmendOrder,
    NewOrder,
    OracleRound,
    OrderType,
    PriceReport,
    Side,
    Trigger,
)
from node.types.errors import NotFound
from node.types.ids import ClientOrderId, MarketId, OrderId, hex_from_address
from node.types.units import Lots, Millis, Money, Ticks
from tests.integration.conformance import Messages, Responses, closed_openapi
from tests.integration.daemon import WITH_HISTORY, Daemon, node_on_chain, plimsoll, swift

SEED = 20_260_728


def no_fault_of_the_node(_ctx: Any, response: Any, _case: Any) -> None:
    """Raise ``AssertionError`` for a 5xx; a deadline that the request itself set may pass."""
    if response.status_code >= 500:
        error = msgspec.json.decode(response.content)["error"]
        assert (response.status_code, error["name"]) == (503, "DeadlineExceeded"), error


CHECKS = [
    no_fault_of_the_node,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
    unsupported_method,
]
FAUCET: dict[str, Any] = {"dollars": 5_000, "per_account_s": 3_600, "per_origin_s": 0}
PRICES = (Ticks(600_000), Ticks(300_000))
ANSWER_S = 20


@asynccontextmanager
async def node(folder: Path) -> AsyncIterator[Daemon]:
    sections = swift(faucet=FAUCET, history=WITH_HISTORY)
    async with node_on_chain(folder, "py-evm", sections) as (daemon, _):
        yield daemon


# --- REST -----------------------------------------------------------------------------------------


def draw_requests(url: str, examples: int) -> Counter[str]:
    """Send ``examples`` drawn requests of each kind to each operation; count the answers."""
    schema = schemathesis.openapi.from_dict(closed_openapi(), config=SchemathesisConfig())
    schema.config.update(base_url=url)
    answers: Counter[str] = Counter()
    with requests.Session() as session:
        for result in schema.get_all_operations():
            assert isinstance(result, Ok), result
            operation = result.ok()
            for mode in schemathesis.GenerationMode:
                _send(operation, mode, examples, session, answers)
    return answers


def _send(
    operation: Any,
    mode: schemathesis.GenerationMode,
    examples: int,
    session: requests.Session,
    answers: Counter[str],
) -> None:
    takes = operation.path_parameters or operation.query or operation.body
    if mode is schemathesis.GenerationMode.NEGATIVE and not takes:
        return  # There is nothing that could be wrong.

    @hypothesis.seed(SEED)
    @hypothesis.settings(
        max_examples=examples if takes else 1,
        database=None,
        deadline=None,
        derandomize=False,
        phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    def send(case: schemathesis.Case[Any]) -> None:
        response = case.call(session=session)
        case.validate_response(response, checks=CHECKS)
        answers[f"{operation.label} {response.status_code}"] += 1

    send()


@pytest.mark.lengthy
async def test_no_drawn_request_breaks_the_contract(tmp_path: Path) -> None:
    async with node(tmp_path) as daemon:
        answers = await asyncio.to_thread(draw_requests, daemon.url, 8)
        assert (await daemon.get("/stats"))["conserved"]
    assert answers["GET /markets 200"] == 1
    assert answers["POST /action 400"] >= 8


@pytest.mark.lengthy
@pytest.mark.timeout(600)  # Thousands of requests.
async def test_no_drawn_request_breaks_the_contract_at_length(tmp_path: Path) -> None:
    async with node(tmp_path) as daemon:
        answers = await asyncio.to_thread(draw_requests, daemon.url, 150)
        assert (await daemon.get("/stats"))["conserved"]
    assert sum(answers.values()) > 1_000


def test_a_field_that_nobody_wrote_down_is_found() -> None:
    pong = {"id": 1, "result": {"time": 5}}
    Messages().check("ping.result", pong)
    for wrong in ({"time": 5, "zone": "utc"}, {"time": "5"}, {}):
        with pytest.raises(AssertionError):
            Messages().check("ping.result", {"id": 1, "result": wrong})


# --- WebSocket ------------------------------------------------------------------------------------


class Listener:
    """A WebSocket client that holds every message against the AsyncAPI document."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, spoken: Messages) -> None:
        self._socket = socket
        self._spoken = spoken
        self._asked: dict[int, str] = {}

    async def read(self) -> dict[str, Any]:
        message = await self._socket.receive(timeout=ANSWER_S)
        assert message.type is aiohttp.WSMsgType.TEXT, message
        body: dict[str, Any] = msgspec.json.decode(message.data)
        self._spoken.check_spoken(body, self._asked.get(body.get("id") or 0))
        return body

    async def call(self, method: str, params: Any) -> dict[str, Any]:
        number = len(self._asked) + 1
        self._asked[number] = method
        body = {"id": number, "method": method, "params": params}
        self._spoken.check(f"{method}.request", body)
        await self._socket.send_str(msgspec.json.encode(body).decode())
        while (answer := await self.read()).get("id") != number:
            pass
        return answer


def order(side: Side, kind: OrderType = OrderType.GTC, price: int = PRICES[0]) -> NewOrder:
    return NewOrder(MarketId(1), side, kind, Ticks(price), Lots(1_000), client_id=ClientOrderId(0))


def now() -> Millis:
    return Millis(int(time.time() * 1000))


async def fund(session: Session, keys: list[DevKey]) -> None:
    """Give each key money by the faucet, and the markets their marks."""
    deposits = block = 0
    for key in keys:
        answer = await session.post("/faucet", {"account": hex_from_address(key.address)})
        assert answer["amount"] == "5000"
        deposits, block = answer["deposits"], answer["block"]
    await until_taken_in(session.get, deposits, block)
    await session.request("oracle_round", oracle_round(session))


def oracle_round(session: Session) -> dict[str, Any]:
    prices = PRICES[: len(session.rules.markets)]
    at, reporters = now(), dev_keys("reporter", session.rules.quorum)
    digest = session.signing.report_digest(at, prices)
    reports = [PriceReport(one.address, prices, sign(one.secret, digest)) for one in reporters]
    return round_to_json(OracleRound(at, tuple(reports)), session.rules)


async def trade(session: Session, listener: Listener, owner: Wallet, other: Wallet) -> None:
    """Let ``owner`` do what makes events of many kinds; refusals of several kinds among them."""

    async def act(wallet: Wallet, *orders: NewOrder) -> dict[str, Any]:
        action = wallet.place(orders, expires=Millis(now() + 60_000), max_fee=Money(10**6))
        return await listener.call("action", action_to_json(action, session.rules))

    assert "result" in await act(other, order(Side.SELL))
    taken = await act(owner, order(Side.BUY), order(Side.BUY, price=590_000))
    assert [item["status"] for item in taken["result"]["results"]] == ["filled", "resting"]
    quote = order(Side.BUY, OrderType.POST_ONLY, 580_000)
    mixed = await act(owner, order(Side.BUY, price=1), quote)
    assert "error" in mixed["result"]["results"][0]
    assert "error" in await act(owner, order(Side.BUY, OrderType.IOC, 500_000))
    await change_orders(session, listener, owner)
    for action in (
        owner.set_switch(Millis(now() + 60_000), expires=Millis(now() + 60_000)),
        owner.adjust_margin(MarketId(1), Money(10**6), expires=Millis(now() + 60_000)),
        owner.approve_agent(other.account, Millis(now() + 60_000), expires=Millis(now() + 60_000)),
        owner.withdraw(Money(2 * 10**6), expires=Millis(now() + 60_000)),
    ):
        assert "result" in await listener.call("action", action_to_json(action, session.rules))
    cancel = owner.cancel_all(expires=Millis(now() + 60_000))
    body = action_to_json(cancel, session.rules)
    first = (await listener.call("action", body))["result"]
    assert (await listener.call("action", body))["result"] == {"repeated": True, **first}


async def change_orders(session: Session, listener: Listener, owner: Wallet) -> None:
    """Let ``owner`` amend what it has, and place an order of each further kind."""
    until = Millis(now() + 600_000)
    quote = replace(order(Side.BUY, price=570_000), client_id=ClientOrderId(7), good_till=until)
    stop = replace(
        order(Side.SELL, price=500_000), trigger=Trigger.STOP, trigger_price=Ticks(510_000)
    )
    target = replace(
        stop,
        trigger=Trigger.TAKE_PROFIT,
        trigger_price=Ticks(700_000),
        client_id=ClientOrderId(8),
    )
    pair = tuple(replace(one, reduce_only=True, group=5) for one in (stop, target))
    slide = order(Side.BUY, OrderType.SLIDE, 560_000)
    mine = AmendOrder(
        MarketId(1), Ticks(571_000), Lots(900), OrderId(0), client_id=ClientOrderId(7)
    )
    moved = AmendOrder(
        MarketId(1), target.price, target.size, OrderId(0), ClientOrderId(8), Ticks(710_000), until
    )
    statuses = []
    for orders, amends in (((quote, slide, *pair), ()), ((), (mine, moved))):
        action = owner.place(
            orders, amends=amends, expires=Millis(now() + 60_000), max_fee=Money(10**6)
        )
        answer = await listener.call("action", action_to_json(action, session.rules))
        statuses += [item["status"] for item in answer["result"]["results"]]
    assert statuses == ["resting", "resting", "waiting", "waiting", "amended", "amended"]
    # How they all stand is told to whoever comes now.
    await listener.call("subscribe", {"channel": "account"})


async def ask_everything(url: str, session: Session, owner: Wallet) -> None:
    """Ask over REST for what there is, and hold the answers against the document."""
    account, told = hex_from_address(owner.account), Responses()

    async def ask(method: str, path: str, body: Any = None) -> dict[str, Any]:
        data = None if body is None else msgspec.json.encode(body)
        async with (
            aiohttp.ClientSession() as http,
            http.request(method, url + path, data=data) as response,
        ):
            answer: dict[str, Any] = msgspec.json.decode(await response.read())
            told.check(method, path, response.status, answer)
            assert response.status == 200, answer
            return answer

    new = order(Side.BUY, price=590_000)
    action = owner.place((new,), expires=Millis(now() + 60_000), max_fee=Money(10**6))
    body = action_to_json(action, session.rules)
    await ask("post", "/preview", {"account": account, "order": body["orders"][0]})
    done = await ask("post", "/action", body)
    await until_shown(session, done["sequence"])
    for path in (
        *(f"/history/{table.name}" for table in TOLD),
        *("/trades?market=BTC-PERP", "/candles?market=BTC-PERP&interval=1m&limit=5"),
        *("/markets", "/rules", "/book/BTC-PERP", "/book/BTC-PERP?depth=1", "/fee", "/load"),
        *("/telemetry", "/stats", "/health", "/openapi.json", "/asyncapi.json"),
        *(f"/account/{account}", f"/orders/{account}", f"/blocks/{done['block']}"),
        *(f"/receipts/{done['sequence']}", f"/finality/{done['sequence']}"),
    ):
        await ask("get", path)
    # A withdrawal's proof waits for L1, and the faucet has been asked before.
    answered = {path for _, path in told.seen} | {"/withdrawals/{id}", "/faucet", "/metrics"}
    assert answered | {"/oracle_round"} == {endpoint.path for endpoint in ENDPOINTS}


async def look_back(url: str, key: DevKey) -> None:
    """Ask by CCXT's methods for what was before the connection, and at once for what it did."""
    async with PlimsollExchange({"url": url, "privateKey": key.secret.hex()}) as adapter:
        trades = await adapter.fetch_my_trades("BTC-PERP")
        assert len({one["id"] for one in trades}) == len(trades) > 0
        assert (await adapter.fetch_order(trades[0]["order"]))["filled"] >= trades[0]["amount"]
        [deposit] = await adapter.fetch_deposits()
        assert (deposit["status"], deposit["amount"] > 0) == ("ok", True)
        before = await adapter.fetch_canceled_orders("BTC-PERP")
        placed = await adapter.create_order("BTC-PERP", "limit", "buy", 0.01, 59_000)
        await adapter.cancel_order(placed["id"])
        after = await adapter.fetch_canceled_orders("BTC-PERP")
        assert [one["id"] for one in after] == [*(one["id"] for one in before), placed["id"]]


async def until_shown(session: Session, sequence: int) -> None:
    """Wait until the node's publisher has come to a command."""
    async with asyncio.timeout(ANSWER_S):
        while True:
            try:
                await session.get(f"/finality/{sequence}")
            except NotFound:
                await asyncio.sleep(0.02)
            else:
                return


async def test_everything_that_is_said_is_documented(tmp_path: Path) -> None:
    keys, spoken = dev_keys("contract", 2), Messages()
    async with node(tmp_path) as daemon, connect(daemon.url) as session:
        await fund(session, keys)
        owner, other = (session.wallet(key.secret) for key in keys)
        address = hex_from_address(owner.account)
        async with aiohttp.ClientSession() as http, http.ws_connect(f"{daemon.url}/ws") as socket:
            listener = Listener(socket, spoken)
            hello = await listener.read()
            assert "error" in await listener.call("subscribe", {"channel": "account"})
            challenge = bytes.fromhex(hello["challenge"][2:])
            login = {"account": address, "signature": "0x" + owner.login(challenge).hex()}
            assert "result" in await listener.call("login", login)
            for channel in ("marks", "blocks", "finality", "account", "load", "fee"):
                await listener.call("subscribe", {"channel": channel})
            for channel in ("book", "orders", "bbo", "trades"):
                await listener.call("subscribe", {"channel": channel, "market": "BTC-PERP"})
            candles = {"channel": "candles", "market": "BTC-PERP", "interval": "1m"}
            await listener.call("subscribe", candles)
            await trade(session, listener, owner, other)
            told = (await listener.call("limits", {}))["result"]
            assert (told["adding"]["name"], told["reducing"]["name"]) == ("adding", "reducing")
            await listener.call("oracle_round", oracle_round(session))
            await listener.call("ping", {})
            await listener.call("unsubscribe", {"channel": "marks"})
            await ask_everything(daemon.url, session, owner)
            await look_back(daemon.url, keys[0])
            while not {"hello", *(feed.name for feed in FEEDS)} <= spoken.seen:
                await listener.read()


@pytest.mark.lengthy
async def test_the_faucet_pays_in_on_l1_once(tmp_path: Path) -> None:
    account = hex_from_address(dev_keys("contract", 1)[0].address)
    async with node(tmp_path) as daemon:
        told = await plimsoll("faucet", account, "--node", daemon.url)
        assert told.code == 0, told.errors
        assert "free collateral: 5000" in told.output
        body = msgspec.json.encode({"account": account})
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"{daemon.url}/faucet", data=body) as response,
        ):
            assert response.status == 429
            assert 0 < int(response.headers["Retry-After"]) <= FAUCET["per_account_s"]
            assert (await response.json())["error"]["values"]["of"] == "faucet_account"
