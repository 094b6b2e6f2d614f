"""Orders that wait, end or go with their connection, on a whole node; through a kill -9 too."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from node.client.session import connect
from node.types.commands import AmendOrder, NewOrder, OrderType, SelfTrade, Side, Trigger
from node.types.errors import PlimsollError
from node.types.ids import ClientOrderId, OrderId, hex_from_address
from node.types.units import Lots, Millis, Ticks
from tests.integration.daemon import Daemon, node_on_chain, swift, until
from tests.integration.load import (
    BTC,
    BTC_PRICE,
    Load,
    Trader,
    expiry,
    load_on,
    now_ms,
    order,
)

GRACE_MS: Final = 300
SECTIONS: Final = swift(triggers={"reconnect_grace_ms": GRACE_MS})
SOON_MS: Final = 700
FAR: Final = BTC_PRICE - 10_000


def conditional(
    price: int, *, good_till: int = 0, trigger_price: int = 0, group: int = 0
) -> NewOrder:
    """Return a buy of a thousandth BTC that ends, waits or has a partner."""
    return NewOrder(
        BTC,
        Side.BUY,
        OrderType.GTC,
        Ticks(price),
        Lots(100),
        reduce_only=False,
        client_id=ClientOrderId(0),
        self_trade=SelfTrade.CANCEL_MAKER,
        good_till=Millis(good_till),
        trigger=Trigger.STOP if trigger_price else Trigger.NONE,
        trigger_price=Ticks(trigger_price),
        group=group,
    )


class Scene:
    """A node with Alice and Bob, both funded; ``load`` holds the first connection."""

    def __init__(self, daemon: Daemon, load: Load) -> None:
        self.daemon = daemon
        self.load = load
        self.alice, self.bob = load.traders

    async def account(self, trader: Trader) -> dict[str, Any]:
        return await self.daemon.get(f"/account/{hex_from_address(trader.address)}")

    async def until_open(self, count: int) -> dict[str, Any]:
        """Wait until Alice has so many open orders; return her account then."""

        async def reached() -> dict[str, Any] | None:
            account = await self.account(self.alice)
            return account if len(account["orders"]) == count else None

        found: dict[str, Any] = await until(f"Alice has {count} orders", reached)
        return found

    async def until_alone_waits(self, order_id: int) -> None:
        """Wait until of Alice's orders this one, and no other, waits for a price."""

        async def reached() -> bool:
            orders = (await self.account(self.alice))["orders"]
            return {one["order_id"] for one in orders if "trigger" in one} == {order_id}

        await until(f"of Alice's orders {order_id} alone waits", reached)

    async def tried(self) -> int:
        """Return how often the transition was asked to let a waiting order arrive."""
        kinds = (await self.daemon.get("/telemetry"))["kinds"]
        return sum(int(kind["commands"]) for kind in kinds if kind["kind"] == "trigger")

    async def place(self, *orders: NewOrder) -> list[str]:
        """Let Alice place ``orders``; return their statuses."""
        result = await self.alice.place(*orders)
        return [item["status"] for item in result["results"]]

    async def amend(self, *changes: AmendOrder) -> list[str]:
        """Let Alice amend, over her WebSocket; return the statuses, or the errors' names."""
        action = self.alice.wallet.place((), (), amends=changes, expires=expiry())
        try:
            result = await self.alice.send(action)
        except PlimsollError as error:
            return [type(error).__name__]
        return [item["status"] for item in result["results"]]


def amendment(
    order_id: int, placed: NewOrder, *, trigger_price: int = 0, good_till: int = 0
) -> AmendOrder:
    """Return what moves the trigger price or the end of an order, and nothing else."""
    return AmendOrder(
        placed.market, placed.price, placed.size, OrderId(order_id), ClientOrderId(0),
        Ticks(trigger_price), Millis(good_till),
    )  # fmt: skip


@asynccontextmanager
async def scene(folder: Path) -> AsyncIterator[Scene]:
    async with (
        node_on_chain(folder, "py-evm", SECTIONS) as (daemon, _),
        load_on(daemon.url, daemon.rpc, traders=2) as load,
    ):
        yield Scene(daemon, load)


async def test_orders_come_due_by_price_by_time_and_by_absence(tmp_path: Path) -> None:
    async with scene(tmp_path) as it:
        # A stop: it waits outside the book, and trades once the mark is there.
        await it.bob.place(order(Side.SELL, BTC_PRICE + 1_000, 100))
        assert await it.place(conditional(BTC_PRICE + 1_000, trigger_price=BTC_PRICE + 500)) == [
            "waiting"
        ]
        (waiting,) = (await it.until_open(1))["orders"]
        assert (waiting["trigger"], waiting["trigger_price"]) == ("stop", "60050")
        await it.load.reporters.tell(BTC_PRICE + 500)
        account = await it.until_open(0)
        assert [position["size"] for position in account["positions"]] == ["0.001"]

        # A time: the order goes when it has come, and the one without a time stays.
        ends = now_ms() + SOON_MS
        assert await it.place(conditional(FAR, good_till=ends), conditional(FAR)) == ["resting"] * 2
        (left,) = (await it.until_open(1))["orders"]
        assert now_ms() >= ends
        assert "good_till" not in left

        # A dead man's switch: all of them go, unless it is set anew in time.
        await it.place(conditional(FAR, trigger_price=BTC_PRICE + 5_000))
        await it.alice.send(it.alice.wallet.set_switch(Millis(now_ms() + 60_000), expires=expiry()))
        rings = now_ms() + SOON_MS
        await it.alice.send(it.alice.wallet.set_switch(Millis(rings), expires=expiry()))
        account = await it.until_open(0)
        assert now_ms() >= rings
        assert account["switch"] == {"cancel_at": 0, "on_disconnect": False}

        # The last connection: with it they go, and not with any other.
        wallet = it.alice.wallet
        async with connect(it.daemon.url) as first:
            await first.login(wallet)
            await it.alice.send(wallet.set_switch(on_disconnect=True, expires=expiry()))
            await it.place(conditional(FAR))
            async with connect(it.daemon.url) as second:
                await second.login(wallet)
            await asyncio.sleep(3 * GRACE_MS / 1_000)
            await it.until_open(1)
        account = await it.until_open(0)
        assert account["switch"] == {"cancel_at": 0, "on_disconnect": True}

        # Asked for by whom nobody sees connected: what stands goes as well.
        await it.place(conditional(FAR))
        await it.alice.send(wallet.set_switch(on_disconnect=True, expires=expiry()))
        await it.until_open(0)


async def test_amended_orders_come_due_by_their_new_price_and_their_new_end(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path) as it:
        await it.bob.place(order(Side.SELL, BTC_PRICE + 1_000, 100))
        start = now_ms()
        stop = conditional(
            BTC_PRICE + 1_000, trigger_price=BTC_PRICE + 500, good_till=start + 60_000
        )
        ending = conditional(FAR, good_till=start + 60_000)
        lasting = conditional(FAR)
        assert await it.place(stop, ending, lasting) == ["waiting", "resting", "resting"]
        orders = (await it.until_open(3))["orders"]
        numbers = [one["order_id"] for one in sorted(orders, key=lambda one: one["order_id"])]
        ends = now_ms() + SOON_MS
        assert (
            await it.amend(
                amendment(numbers[0], stop, trigger_price=BTC_PRICE + 700),
                amendment(numbers[1], ending, good_till=ends + 120_000),
                amendment(numbers[2], lasting, good_till=ends),
            )
            == ["amended"] * 3
        )

        # One that had no end has one, and one that had one has a later one.
        orders = (await it.until_open(2))["orders"]
        assert now_ms() >= ends
        waiting, resting = sorted(orders, key=lambda one: one["order_id"])
        assert (waiting["trigger_price"], resting["good_till"]) == ("60070", ends + 120_000)

        # The old trigger price lets nothing arrive. Another stop waits for it, of a younger order:
        # once that has arrived, the mark was seen and the amended one's turn is over.
        witness = conditional(FAR, trigger_price=BTC_PRICE + 500)
        assert await it.place(witness) == ["waiting"]
        await it.until_open(3)
        await it.load.reporters.tell(BTC_PRICE + 500)
        await it.until_alone_waits(numbers[0])
        account = await it.account(it.alice)
        assert (len(account["orders"]), account["positions"]) == (3, [])
        assert await it.tried() == 1
        late = await it.amend(amendment(numbers[0], stop, trigger_price=BTC_PRICE + 500))
        assert late == ["TriggerInvalid"]

        # The new one does.
        await it.load.reporters.tell(BTC_PRICE + 700)
        account = await it.until_open(2)
        assert [position["size"] for position in account["positions"]] == ["0.001"]


@pytest.mark.lengthy
async def test_what_waits_is_known_after_a_kill_and_who_is_gone_is_gone(tmp_path: Path) -> None:
    async with scene(tmp_path) as it:
        await it.bob.place(order(Side.SELL, BTC_PRICE + 1_000, 100))
        placed = it.alice.wallet.place(
            (conditional(BTC_PRICE + 1_000, trigger_price=BTC_PRICE + 500),), expires=expiry()
        )
        first = await it.alice.send(placed)
        bob = it.bob.wallet
        await it.bob.send(bob.set_switch(on_disconnect=True, expires=expiry()))
        await it.daemon.kill()
        await it.daemon.start()
        await it.load.session.ready()

        # The same action again: the same result, and no second order.
        again = await it.alice.send(placed)
        assert again.pop("repeated") is True
        assert again == first
        await it.until_open(1)

        async def bob_has_nothing() -> bool:
            return not (await it.account(it.bob))["orders"]

        # Bob has not come back: his offer is gone, so the stop rests where it was meant to buy.
        await until("Bob's orders are gone", bob_has_nothing)
        await it.load.reporters.tell(BTC_PRICE + 500)
        account = await it.until_open(1)
        while "trigger" in account["orders"][0]:
            account = await it.until_open(1)
        assert account["orders"][0]["price"] == "60100"
