"""What the API promises beside its bodies: who signed, what is left, what would happen."""

import asyncio
from typing import Any

import aiohttp
import msgspec
import pytest

from node.codec.eip712 import Signing
from node.codec.json_actions import ActionReader, action_to_json
from node.codec.signatures import recover, sign
from node.ingress.config import IngressConfig
from node.types.blocks import Block, Domain
from node.types.commands import CancelAll, CancelOrder, OrderType, PlaceOrders, Side
from node.types.ids import EVERY_MARKET, MarketId, OrderId
from node.types.units import MONEY_DECIMALS, Millis, units_from_decimal
from tests.examples import ALICE, BOB, MALLORY, RULES, START_MS, signed
from tests.integration.api_node import (
    BLANK,
    CHALLENGE,
    PRICE,
    SIGNING,
    ApiNode,
    Body,
    running_node,
    talking_to,
)
from tests.integration.api_sockets import post, settled, until

ELSEWHERE = Signing(Domain(1, bytes(20)), RULES)
TIGHT = IngressConfig(adding_per_s=1, adding_burst=1_100, reducing_per_s=1, reducing_burst=2_200)


def misread(body: Body) -> tuple[str, str]:
    """Return the digest that the node computes of ``body``, and whom the signature then names."""
    action = ActionReader(RULES).read(msgspec.json.encode(body))
    digest = SIGNING.digest(action)
    return "0x" + digest.hex(), "0x" + recover(digest, action.signature).hex()


def for_another_chain(node: ApiNode) -> Body:
    """Return an order of Alice's, signed by her for another exchange."""
    action = PlaceOrders(
        ALICE.address, ALICE.address, node.next_nonce(ALICE), Millis(START_MS + 60_000), b"",
        (CancelOrder(OrderId(7)),), (),
    )  # fmt: skip
    return action_to_json(signed(action, ALICE, ELSEWHERE), RULES)


async def answers(node: ApiNode, body: Body) -> list[Body]:
    """Return the errors that REST and WebSocket answer ``body`` with."""
    async with talking_to(node) as talker:
        _, by_rest = await post(node.url, "/action", body)
        by_socket = await talker.call("action", body)
        return [by_rest["error"], by_socket["error"]]


async def test_a_wrong_signer_is_told_digest_and_address() -> None:
    async with running_node() as node:
        body = for_another_chain(node)
        digest, signer = misread(body)
        for error in await answers(node, body):
            assert error["name"] == "WrongSigner"
            assert (error["values"]["digest"], error["values"]["signer"]) == (digest, signer)
            assert error["values"]["account"] == "0x" + ALICE.address.hex()


async def test_so_is_who_signs_for_an_account_that_is_none() -> None:
    async with running_node() as node:
        action = CancelAll(
            MALLORY.address, MALLORY.address, 1, Millis(START_MS + 60_000), b"", EVERY_MARKET
        )
        body = action_to_json(signed(action, MALLORY, SIGNING), RULES)
        for error in await answers(node, body):
            assert error["name"] == "UnknownAccount"
            assert error["values"]["signer"] == "0x" + MALLORY.address.hex()
            assert error["values"]["digest"] == misread(body)[0]


async def test_a_signature_of_nobody_is_told_the_digest() -> None:
    async with running_node() as node:
        body = {**node.order(ALICE, Side.BUY, PRICE), "signature": "0x" + "ff" * 65}
        whole = {**body, "signature": "0x" + "00" * 65}
        digest = SIGNING.digest(ActionReader(RULES).read(msgspec.json.encode(whole)))
        for error in await answers(node, body):
            assert error["name"] == "BadSignature"
            assert error["values"]["digest"] == "0x" + digest.hex()


@pytest.mark.parametrize("signature", [sign(MALLORY.key, bytes(32)), b"\xff" * 65])
async def test_a_log_in_that_fails_tells_what_should_have_been_signed(signature: bytes) -> None:
    async with running_node() as node, talking_to(node) as talker:
        params = {"account": "0x" + ALICE.address.hex(), "signature": "0x" + signature.hex()}
        values = (await talker.call("login", params))["error"]["values"]
        digest = SIGNING.login_digest(ALICE.address, CHALLENGE)
        assert values["digest"] == "0x" + digest.hex()
        if "signer" in values:
            assert values["signer"] == "0x" + recover(digest, signature).hex()


# --- budgets --------------------------------------------------------------------------------------


async def send(node: ApiNode, body: Body) -> tuple[int, dict[str, str], Body]:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{node.url}/action", data=msgspec.json.encode(body)) as response,
    ):
        return response.status, dict(response.headers), msgspec.json.decode(await response.read())


async def test_rest_tells_what_is_left_of_the_budget() -> None:
    async with running_node() as node:
        status, headers, _ = await send(node, node.order(ALICE, Side.BUY, PRICE))
        assert status == 200
        assert headers["X-RateLimit-Budget"] == "adding"
        assert (headers["X-RateLimit-Limit"], headers["X-RateLimit-Used"]) == ("100000", "1")
        assert headers["X-RateLimit-Remaining"] == "99999"
        assert headers["X-RateLimit-Reset-Ms"] == "1"
        _, headers, _ = await send(node, node.action(CancelAll(*BLANK, EVERY_MARKET), ALICE))
        assert headers["X-RateLimit-Budget"] == "reducing"


def bulk(node: ApiNode, count: int) -> Body:
    order = OrderType.POST_ONLY
    bodies = [node.order(ALICE, Side.BUY, PRICE - 100, kind=order)["orders"][0]]
    reader = ActionReader(RULES)
    whole = {**node.order(ALICE, Side.BUY, PRICE), "orders": bodies * count}
    action = reader.read(msgspec.json.encode(whole))
    assert isinstance(action, PlaceOrders)
    return node.action(PlaceOrders(*BLANK, (), action.orders), ALICE)


async def test_an_account_that_asks_for_too_much_is_refused_and_can_still_cancel() -> None:
    async with running_node(ingress=TIGHT) as node:
        for _ in range(11):
            assert (await send(node, bulk(node, 99)))[0] != 429
        status, headers, body = await send(node, bulk(node, 14))
        assert status == 429
        error = body["error"]
        assert (error["name"], error["values"]["of"]) == ("RateLimited", "account_adding")
        assert 0 < error["values"]["retry_after_ms"] <= 3_000
        assert headers["Retry-After"] == str(-(-error["values"]["retry_after_ms"] // 1_000))
        assert int(headers["X-RateLimit-Remaining"]) >= 11
        # What reduces has a budget of its own, and so has everyone else.
        cancel = node.action(CancelAll(*BLANK, EVERY_MARKET), ALICE)
        assert (await send(node, cancel))[0] == 200
        assert (await send(node, node.order(BOB, Side.BUY, PRICE)))[0] == 200
        adding = node.ingress.limits.adding
        assert (adding.charged, adding.refused) == (1_090, 14)


async def test_nobody_drains_the_budget_of_another() -> None:
    async with running_node(ingress=TIGHT) as node, talking_to(node) as talker:
        used = node.order(ALICE, Side.BUY, PRICE)
        assert (await send(node, used))[0] == 200
        for _ in range(150):
            # An old action, read on L1 and sent again; and one in her name, signed by a stranger.
            assert (await talker.call("action", used))["result"]["repeated"]
            forged = PlaceOrders(
                ALICE.address, MALLORY.address, 50, Millis(START_MS + 60_000), b"",
                (CancelOrder(OrderId(7)),), (),
            )  # fmt: skip
            body = action_to_json(signed(forged, MALLORY, SIGNING), RULES)
            assert (await talker.call("action", body))["error"]["name"] == "WrongSigner"
        await talker.login(ALICE)
        told = (await talker.call("limits", {}))["result"]
        assert told["account"] == "0x" + ALICE.address.hex()
        assert told["adding"]["used"] <= 1
        assert told["reducing"]["used"] == 0


async def test_limits_are_told_to_whom_they_concern() -> None:
    async with running_node() as node, talking_to(node) as talker:
        assert (await talker.call("limits", {}))["error"]["name"] == "LoginRequired"


# --- previews -------------------------------------------------------------------------------------


def money(text: str) -> int:
    return units_from_decimal(text, MONEY_DECIMALS)


def preview_of(person: Any, **order: Any) -> Body:
    body = {"market": "BTC-PERP", "side": "buy", "type": "gtc", "price": "5000", "size": "0.01"}
    return {"account": "0x" + person.address.hex(), "order": {**body, **order}}


async def test_a_preview_tells_what_the_order_then_does() -> None:
    async with running_node() as node:
        await post(node.url, "/action", node.order(BOB, Side.SELL, PRICE, 60))
        await settled(node)
        before = node.state.sequence
        status, told = await post(node.url, "/preview", preview_of(ALICE))
        assert (status, node.state.sequence) == (200, before)
        assert told["error"] is None
        assert told["fills"] == [{"price": "5000", "size": "0.006"}]
        _, done = await post(node.url, "/action", node.order(ALICE, Side.BUY, PRICE, 100))
        assert told["result"] == done["results"][0]
        account = node.state.accounts[ALICE.address]
        assert money(told["free"]) == account.free
        assert money(told["reserved"]) == account.reserved
        held = account.positions[MarketId(1)]
        assert money(told["position"]["margin"]) == held.margin
        # 10 % margin and 5 % maintenance, bought at the mark: some 5 % below.
        assert 4_700 < float(told["position"]["liquidation_price"]) < 4_760


async def test_a_preview_is_held_back_until_what_it_rests_on_is_durable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running_node() as node:
        await settled(node)
        release, append = asyncio.Event(), node.journal.append

        async def slow(block: Block) -> None:
            await release.wait()
            await append(block)

        monkeypatch.setattr(node.journal, "append", slow)
        durable = node.publisher.last_sequence
        resting = node.order(BOB, Side.SELL, PRICE, 60)
        sent = asyncio.create_task(post(node.url, "/action", resting))
        await until(lambda: node.state.sequence > durable)
        asked = asyncio.create_task(post(node.url, "/preview", preview_of(ALICE)))
        await asyncio.sleep(0.05)
        assert not asked.done()
        release.set()
        _, told = await asked
        assert told["fills"] == [{"price": "5000", "size": "0.006"}]
        assert durable < told["sequence"] <= node.publisher.last_sequence
        await sent


async def test_a_preview_tells_the_error() -> None:
    async with running_node() as node:
        _, told = await post(node.url, "/preview", preview_of(ALICE, price="9000"))
        assert told["error"]["name"] == "PriceOutsideBand"
        assert (told["result"], told["position"], told["reserved"]) == (None, None, "0")


@pytest.mark.parametrize(
    ("body", "status", "name"),
    [
        (preview_of(ALICE, market="DOGE"), 400, "UnknownMarket"),
        (preview_of(ALICE, price="1e9"), 400, "MalformedNumber"),
        (preview_of(MALLORY), 400, "UnknownAccount"),
        ({**preview_of(ALICE), "nonce": 1}, 400, "MalformedMessage"),
        ({"account": "0x12", "order": preview_of(ALICE)["order"]}, 400, "MalformedAddress"),
    ],
)
async def test_a_preview_that_cannot_be_is_refused(body: Body, status: int, name: str) -> None:
    async with running_node() as node:
        answered, answer = await post(node.url, "/preview", body)
        assert (answered, answer["error"]["name"]) == (status, name)


async def test_previews_are_costly_requests_of_their_address() -> None:
    async with running_node(ingress=IngressConfig(costly_per_s=1)) as node:
        assert (await post(node.url, "/preview", preview_of(ALICE)))[0] == 200
        status, refused = await post(node.url, "/preview", preview_of(ALICE))
        assert (status, refused["error"]["values"]["of"]) == (429, "costly")


async def test_a_node_without_a_faucet_has_no_such_path() -> None:
    async with running_node() as node:
        status, answer = await post(node.url, "/faucet", {"account": "0x" + "11" * 20})
        assert (status, answer["error"]["name"]) == (404, "NotFound")


async def test_the_documents_are_served() -> None:
    async with running_node() as node, aiohttp.ClientSession() as session:
        for path, key in (("/openapi.json", "openapi"), ("/asyncapi.json", "asyncapi")):
            async with session.get(node.url + path) as response:
                assert response.status == 200
                assert (await response.json())[key].startswith("3.")


async def test_a_method_that_is_not_allowed_tells_which_are() -> None:
    async with (
        running_node() as node,
        aiohttp.ClientSession() as session,
        session.get(f"{node.url}/action") as response,
    ):
        assert (response.status, response.headers["Allow"]) == (405, "POST")
