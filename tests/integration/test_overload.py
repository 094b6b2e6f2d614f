"""One client floods far past what the exchange takes, and another one still leaves the market."""

import asyncio

import aiohttp
import msgspec

from node.types.commands import (
    AdjustMargin,
    CancelOrder,
    NewOrder,
    OrderType,
    PlaceOrders,
    Side,
)
from node.types.errors import DeadlineExceeded, MalformedMessage
from node.types.ids import OrderId
from node.types.lanes import Lane
from node.types.units import Lots, Money, Ticks
from tests.examples import ALICE, BOB, CAROL, DOLLAR
from tests.integration.api_node import BLANK, BTC, PRICE, ApiNode, Body, running_node, talking_to
from tests.integration.api_sockets import until

FLOOD = 400
ROUNDS = 6


def reducing(node: ApiNode, order_id: int) -> list[Body]:
    """Return three actions of Alice that make her exposure smaller, each in its own way."""
    sell = NewOrder(BTC, Side.SELL, OrderType.IOC, Ticks(PRICE - 100), Lots(5), reduce_only=True)
    return [
        node.action(PlaceOrders(*BLANK, (CancelOrder(order_id=OrderId(order_id)),), ()), ALICE),
        node.action(AdjustMargin(*BLANK, BTC, Money(DOLLAR)), ALICE),
        node.action(PlaceOrders(*BLANK, (), (sell,)), ALICE),
    ]


async def open_position(node: ApiNode) -> list[int]:
    """Give Alice a position that Carol sold to her, and resting orders; return their ids."""
    async with talking_to(node) as talker:
        await talker.call("action", node.order(CAROL, Side.SELL, PRICE, 1_000))
        bought = await talker.call("action", node.order(ALICE, Side.BUY, PRICE, 1_000))
        assert bought["result"]["results"][0]["status"] == "filled"
        # Carol stands ready to buy it back; what the flood sells does not reach her price.
        await talker.call("action", node.order(CAROL, Side.BUY, PRICE - 50, 1_000))
        answers = [
            await talker.call("action", node.order(ALICE, Side.BUY, PRICE - 1_000 - number, 10))
            for number in range(ROUNDS)
        ]
    return [answer["result"]["results"][0]["order_id"] for answer in answers]


async def test_everything_that_reduces_risk_succeeds_in_a_flood() -> None:
    async with (
        running_node(lane_limit=20) as node,
        talking_to(node) as flood,
        talking_to(node) as calm,
    ):
        resting = await open_position(node)
        refused = 0
        for order_id in resting:
            node.gate.held = []
            for number in range(FLOOD):
                body = node.order(BOB, Side.SELL, PRICE + 100 + number, 1)
                request = {"id": number, "method": "action", "params": body}
                await flood.socket.send_str(msgspec.json.encode(request).decode())
            mine = reducing(node, order_id)
            for number, body in enumerate(mine):
                request = {"id": number, "method": "action", "params": body}
                await calm.socket.send_str(msgspec.json.encode(request).decode())
            total = FLOOD + len(mine)
            await until(lambda total=total: len(node.gate.held or []) == total)  # type: ignore[misc]
            # All of it is admitted in one turn of the loop: twenty times what a lane holds.
            node.gate.release()
            answers = [await calm.answer(None) for _ in mine]
            statuses = {body["id"]: body["result"]["results"][0]["status"] for body in answers}
            assert statuses == {0: "cancelled", 1: "done", 2: "filled"}
            flooded = [await flood.answer(None) for _ in range(FLOOD)]
            refused += sum("error" in body for body in flooded)
        assert refused >= ROUNDS * (FLOOD - 20)
        stages = node.sequencer.stages
        assert [bool(stages[lane].refused) for lane in Lane] == [False] * 4 + [True]


async def test_a_request_that_is_not_begun_in_time_is_dropped() -> None:
    async with running_node() as node, talking_to(node) as talker:
        node.gate.held = []
        order = node.order(ALICE, Side.BUY, PRICE)
        request = {"id": 7, "method": "action", "deadline_ms": 1, "params": order}
        await talker.socket.send_str(msgspec.json.encode(request).decode())
        await until(lambda: len(node.gate.held or []) == 1)
        await asyncio.sleep(0.005)
        node.gate.release()
        answer = await talker.answer(7)
        assert answer["error"]["code"] == DeadlineExceeded.code
        assert node.sequencer.expired == 1
        # It was never executed: the same action is welcome again, with more patience.
        request["deadline_ms"] = 60_000
        await talker.socket.send_str(msgspec.json.encode(request).decode())
        assert (await talker.answer(7))["result"]["results"][0]["status"] == "resting"


async def test_plain_requests_have_deadlines_too() -> None:
    async with running_node() as node, aiohttp.ClientSession() as client:
        body = msgspec.json.encode(node.order(ALICE, Side.BUY, PRICE))
        node.gate.held = []
        asking = asyncio.ensure_future(
            client.post(f"{node.url}/action", data=body, params={"deadline_ms": 1})
        )
        await until(lambda: len(node.gate.held or []) == 1)
        await asyncio.sleep(0.005)
        node.gate.release()
        async with await asking as response:
            assert response.status == 503
            assert (await response.json())["error"]["code"] == DeadlineExceeded.code
        for wrong in ("0", "soon", "3600001"):
            async with client.post(
                f"{node.url}/action", data=body, params={"deadline_ms": wrong}
            ) as response:
                assert response.status == 400
                assert (await response.json())["error"]["code"] == MalformedMessage.code
