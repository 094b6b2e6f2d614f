"""The dead man's switch of a program that leaves, against a node that does not always answer."""

import asyncio
from typing import Any

import pytest

from node.client.clock import NodeClock
from node.client.errors import ConnectionLost
from node.client.nonces import CountedNonces
from node.client.retry import NEVER
from node.client.switch import _Switch, armed
from node.client.trader import OutcomeUnknown, Trader
from node.client.wallet import Wallet
from node.codec.eip712 import Signing
from node.types.commands import (
    CancelOrder,
    NewOrder,
    OrderType,
    PlaceOrders,
    SetSwitch,
    Side,
    SignedAction,
)
from node.types.errors import NonceUsed, PlimsollError
from node.types.ids import MarketId, OrderId
from node.types.rules import Rules
from node.types.units import Lots, Ticks
from tests.examples import ALICE, DOMAIN, RULES, START_MS

ORDER = NewOrder(MarketId(1), Side.BUY, OrderType.GTC, Ticks(5_000), Lots(100))


class Node:
    """Has one account; of its next views, one entry of ``views`` each, it tells what that says."""

    def __init__(self) -> None:
        self.rules: Rules = RULES
        self.clock = NodeClock()
        self.sequence = 0
        self.orders: list[OrderId] = []
        self.cancels: list[CancelOrder] = []
        self.switch = {"cancel_at": 0, "on_disconnect": False}
        self.views: list[PlimsollError | dict[str, Any] | None] = []
        self.silent = False
        self.answers: list[PlimsollError | None] = []
        """What comes instead of the next results; what was asked is done all the same."""

    async def get(self, _path: str) -> dict[str, Any]:
        if self.silent:
            await asyncio.Event().wait()
        planned = self.views.pop(0) if self.views else None
        if isinstance(planned, PlimsollError):
            raise planned
        return self.view() if planned is None else planned

    def view(self) -> dict[str, Any]:
        orders = [{"order_id": number} for number in self.orders]
        return {"seq": self.sequence, "orders": orders, "switch": self.switch}

    async def send(self, action: SignedAction, *, deadline_ms: int | None = None) -> dict[str, Any]:
        assert deadline_ms is None
        self.sequence += 1
        told: list[dict[str, Any]] = []
        if isinstance(action, SetSwitch):
            self.switch = {"cancel_at": action.cancel_at, "on_disconnect": action.on_disconnect}
        elif isinstance(action, PlaceOrders):
            self.cancels += action.cancels
            for cancel in action.cancels:
                self.orders.remove(cancel.order_id)
            for place in range(len(action.orders)):
                self.orders.append(OrderId(10 * self.sequence + place))
                told.append({"status": "resting", "order_id": self.orders[-1]})
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None:
            raise answer
        return {"sequence": self.sequence, "results": told}

    async def ready(self) -> None:
        """Be connected all the time."""


def trader_at(node: Node) -> Trader:
    wallet = Wallet(ALICE.key, Signing(DOMAIN, RULES), nonces=CountedNonces())
    return Trader(node, wallet, now_ms=lambda: START_MS, seed=1)  # type: ignore[arg-type]


async def test_what_was_placed_is_cancelled_though_the_account_cannot_be_read() -> None:
    node = Node()
    trader = trader_at(node)
    async with armed(trader):
        await trader.place((ORDER,))
        node.views = [ConnectionLost()]
    assert node.orders == []
    assert node.switch["cancel_at"] == 0


async def test_who_cannot_read_whether_it_all_went_leaves_the_switch_set() -> None:
    node = Node()
    trader = trader_at(node)
    async with armed(trader):
        await trader.place((ORDER,))
        node.views = [ConnectionLost(), ConnectionLost()]
    assert node.orders == []
    assert node.switch["cancel_at"] == START_MS + 30_000


async def test_the_account_may_take_a_second_to_be_read_however_short_the_switch_is() -> None:
    node = Node()
    node.silent = True
    with pytest.raises(ConnectionLost) as silence:
        async with armed(trader_at(node), 3.0):
            pass
    assert silence.value.values["waited_s"] == 1.0


async def test_an_order_that_a_view_does_not_know_yet_is_cancelled_all_the_same() -> None:
    node = Node()
    trader = trader_at(node)
    async with armed(trader):
        node.views = [node.view()]
        await trader.place((ORDER,))
    assert len(node.cancels) == 1
    assert (node.orders, node.switch["cancel_at"]) == ([], 0)


async def test_an_order_that_was_gone_before_is_not_cancelled() -> None:
    node = Node()
    trader = trader_at(node)
    async with armed(trader):
        await trader.place((ORDER,))
        node.orders.clear()
    assert node.cancels == []
    assert node.switch["cancel_at"] == 0


async def test_the_switch_stays_set_while_an_orders_answer_is_missing() -> None:
    node = Node()
    trader = trader_at(node)
    async with armed(trader):
        node.answers = [ConnectionLost()]
        with pytest.raises(OutcomeUnknown):
            await trader.place((ORDER,), retry=NEVER)
    assert len(node.orders) == 1
    assert node.switch["cancel_at"] == START_MS + 30_000


async def test_a_trader_may_be_armed_again() -> None:
    node = Node()
    trader = trader_at(node)
    for _ in range(2):
        async with armed(trader):
            await trader.place((ORDER,))
    assert (node.orders, node.switch["cancel_at"]) == ([], 0)


async def test_neither_a_setting_whose_answer_was_lost_nor_its_ringing_is_somebody_elses() -> None:
    node = Node()
    switch = _Switch(trader_at(node), 30.0, on_disconnect=False)
    node.answers = [ConnectionLost(), NonceUsed()]
    with pytest.raises(OutcomeUnknown):
        await switch.set()
    await switch.look()
    await switch.set()
    node.switch = {"cancel_at": 0, "on_disconnect": False}
    await switch.look()
    assert not switch._shared
    node.switch = {"cancel_at": START_MS + 1, "on_disconnect": False}
    await switch.look()
    assert switch._shared
