"""Many tasks, and many processes, with one key: each action is executed once, none is refused."""

import asyncio
import sys
from pathlib import Path

import pytest

from node.client.nonces import SharedNonces
from node.client.retry import RetryPolicy
from node.client.session import Session, connect
from node.client.trader import Trader
from node.types.commands import CancelOrder, NewOrder, OrderType, Side
from node.types.errors import DeadlineExceeded
from node.types.ids import ClientOrderId
from node.types.units import Lots, Millis, Ticks
from tests.architecture.sources import TOP
from tests.examples import ALICE, START_MS
from tests.integration.api_node import BTC, PRICE, running_node

STUBBORN = RetryPolicy(attempts=100, within_s=60.0)
"""For what must arrive, on a machine however slow: a busy node sheds what has waited too long."""

SENDS = 500
EACH = 100

CHILD = """
import asyncio, sys
from pathlib import Path
from node.client.nonces import SharedNonces
from node.client.session import connect
from node.client.retry import RetryPolicy
from node.client.trader import Trader
from node.types.commands import CancelOrder, NewOrder, OrderType, Side
from tests.examples import ALICE, START_MS
from tests.integration.api_node import BTC, PRICE

STUBBORN = RetryPolicy(attempts=100, within_s=60.0)

async def main(url, file, first, count):
    async with connect(url) as session:
        nonces = SharedNonces(Path(file)) if file else None
        trader = await Trader.open(session, ALICE.key, nonces=nonces, now_ms=lambda: START_MS)
        async def one(number):
            order = NewOrder(BTC, Side.BUY, OrderType.GTC, PRICE - number, 100)
            result = await trader.place((order,), retry=STUBBORN)
            cancel = CancelOrder(result["results"][0]["order_id"])
            await trader.place((), (cancel,), retry=STUBBORN)
        async with asyncio.TaskGroup() as group:
            for number in range(first, first + count):
                group.create_task(one(number))
        print(trader.renewed)

url, file, first, count = sys.argv[1:]
asyncio.run(main(url, file, int(first), int(count)))
"""


def order(number: int) -> NewOrder:
    client_id = ClientOrderId(number)
    return NewOrder(
        BTC, Side.BUY, OrderType.GTC, Ticks(PRICE - number), Lots(100), client_id=client_id
    )


def cancel(number: int) -> CancelOrder:
    return CancelOrder(client_id=ClientOrderId(number))


def _still() -> Millis:
    return START_MS


async def trader_at(session: Session) -> Trader:
    return await Trader.open(session, ALICE.key, now_ms=_still)


async def test_five_hundred_sends_at_once_each_get_their_own_result() -> None:
    async with running_node(lane_limit=2_000) as node, connect(node.url) as session:
        trader = await trader_at(session)

        async def round_trip(number: int) -> None:
            placed = await trader.place((order(number),), retry=STUBBORN)
            assert placed["results"][0]["client_id"] == number
            await trader.place((), (cancel(number),), retry=STUBBORN)

        # Two hundred may rest at once, so each wave leaves before the next one comes.
        for first in range(1, SENDS + 1, 125):
            async with asyncio.TaskGroup() as group:
                for number in range(first, first + 125):
                    group.create_task(round_trip(number))
        shown = await session.get(f"/account/0x{ALICE.address.hex()}")
        assert shown["orders"] == []
        assert shown["nonces"] == {f"0x{ALICE.address.hex()}": 2 * SENDS}
        assert trader.renewed == 0


async def test_five_hundred_cancels_at_once_pass_the_window_of_the_exchange() -> None:
    async with running_node(lane_limit=2_000) as node, connect(node.url) as session:
        trader = await trader_at(session)
        orders = tuple(order(number) for number in range(1, 101))
        await trader.place(orders)
        answers = await asyncio.gather(
            *(trader.place((), (cancel(1 + number % 100),)) for number in range(SENDS)),
            return_exceptions=True,
        )
        names = {type(answer).__name__ for answer in answers}
        # Whoever came second found the order gone; nobody was refused for a nonce.
        assert names == {"dict", "UnknownOrder"}
        assert trader.renewed == 0


@pytest.mark.parametrize("shared", [True, False])
async def test_two_processes_with_one_key_do_not_stand_in_each_others_way(
    tmp_path: Path, *, shared: bool
) -> None:
    file = str(tmp_path / "nonces") if shared else ""
    async with running_node(lane_limit=2_000) as node:
        children = [
            await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", CHILD, node.url, file, str(first), str(EACH)),
                cwd=TOP,
                stdout=asyncio.subprocess.PIPE,
            )
            for first in (1, 1_001)
        ]
        outputs = await asyncio.gather(*(child.communicate() for child in children))
        assert [child.returncode for child in children] == [0, 0]
        renewed = [int(output[0]) for output in outputs]
        if shared:
            assert renewed == [0, 0]
        async with connect(node.url) as session:
            shown = await session.get(f"/account/0x{ALICE.address.hex()}")
        assert shown["orders"] == []
        assert shown["nonces"][f"0x{ALICE.address.hex()}"] >= 4 * EACH


async def test_two_senders_of_the_very_same_order_have_one_each() -> None:
    async with running_node() as node, connect(node.url) as one, connect(node.url) as other:
        traders = [
            Trader(session, session.wallet(ALICE.key, first_nonce=10), now_ms=_still, seed=seed)
            for seed, session in enumerate((one, other))
        ]
        same = NewOrder(BTC, Side.BUY, OrderType.GTC, Ticks(PRICE), Lots(100))
        for _ in range(3):
            answers = await asyncio.gather(*(trader.place((same,)) for trader in traders))
            first, second = (answer["results"][0]["order_id"] for answer in answers)
            assert first != second
        shown = await one.get(f"/account/0x{ALICE.address.hex()}")
        assert len(shown["orders"]) == 6


async def test_a_deadline_that_passes_in_the_queue_is_told() -> None:
    async with running_node() as node, connect(node.url) as session:
        trader = await trader_at(session)
        node.gate.held = []
        waiting = asyncio.ensure_future(trader.place((order(1),), deadline_ms=1))
        while not node.gate.held:  # noqa: ASYNC110 - nobody announces it
            await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        node.gate.release()
        with pytest.raises(DeadlineExceeded):
            await waiting
        # It was not executed, so its nonce is as good as new, and the next one passes.
        assert (await trader.place((order(2),)))["results"][0]["status"] == "resting"


async def test_the_private_feed_is_logged_into_again_after_a_break(tmp_path: Path) -> None:
    told: list[str] = []
    async with running_node() as node, connect(node.url) as session:
        source = SharedNonces(tmp_path / "nonces")
        trader = await Trader.open(session, ALICE.key, nonces=source, now_ms=lambda: START_MS)
        await session.login(trader.wallet)
        await session.subscribe("account", lambda message: told.append(message["type"]))
        socket = session._socket
        assert socket is not None
        await socket.close()
        while session.connections < 2:  # noqa: ASYNC110 - nobody announces it
            await asyncio.sleep(0.01)
        await session.ready()
        await trader.place((order(1),))
        await session.request("ping", {})
        # The feed goes on where it was cut; only who is logged in is told of the order.
        assert told == ["snapshot", "update"]
        source.close()
