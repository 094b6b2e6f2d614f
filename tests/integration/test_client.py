"""The Python client as the README shows it, against a node with a real state."""

import asyncio
import re
import textwrap
from contextlib import suppress
from typing import Any

import msgspec
import pytest

from node.app.cli.money import open_withdrawal
from node.client.fee_limit import FeeLimit
from node.client.marks import follow_marks
from node.client.session import connect
from node.client.switch import armed
from node.client.trader import OutcomeUnknown, Trader
from node.codec.json_rounds import round_to_json
from node.types.commands import CancelOrder, NewOrder, OrderType, Side
from node.types.errors import InsufficientCollateral, NonceUsed, NothingToCancel
from node.types.fees import FeeRules
from node.types.ids import hex_from_address
from node.types.units import Lots, Millis, Money, Ticks
from tests.architecture.sources import TOP
from tests.examples import ALICE, BOB, MALLORY, START_MS, oracle_round
from tests.integration.api_node import BTC, PRICE, is_ahead, running_node
from tests.integration.fake_node import FakeNode

EXPIRES = Millis(START_MS + 60_000)
ORDER = NewOrder(BTC, Side.BUY, OrderType.GTC, Ticks(PRICE), Lots(100))


async def test_an_order_is_placed_and_its_book_followed() -> None:
    async with running_node() as node, connect(node.url) as session:
        wallet = session.wallet(ALICE.key)
        result = await session.send(wallet.place((ORDER,), expires=EXPIRES))
        assert result["results"][0]["status"] == "resting"
        book = await session.follow_book("BTC-PERP")
        assert await session.request("ping", {}) is not None
        before = book.bids()
        assert len(before) == 1
        await session.send(wallet.cancel_all(expires=EXPIRES))
        # The diff was told before the answer to what is asked after it.
        await session.request("ping", {})
        assert book.bids() == []


async def test_an_account_is_followed_and_known_while_it_is_told() -> None:
    async with running_node() as node, connect(node.url) as session:
        wallet = session.wallet(ALICE.key)
        await session.login(wallet)
        account = await session.follow_account()
        assert account.known
        await session.send(wallet.place((ORDER,), expires=EXPIRES))
        await session.request("ping", {})
        assert [order.price for order in account.open.values()] == [5_000]
        assert session._socket is not None
        await session._socket.close()
        while session.connected:  # noqa: ASYNC110 - nobody announces it
            await asyncio.sleep(0)
        assert (account.known, len(account.open)) == (False, 1)
        await session.ready()
        await session.request("ping", {})
        assert (account.known, len(account.open)) == (True, 1)


async def test_the_first_order_of_a_program_is_signed_with_the_price_of_now() -> None:
    async with running_node() as node, connect(node.url) as session:
        session.fee_limit = FeeLimit(FeeRules())
        node.price = "0.0005"
        trader = await Trader.open(session, ALICE.key, now_ms=lambda: START_MS)
        assert FeeRules().floor == 100
        assert trader.wallet.place((ORDER,), expires=EXPIRES).max_fee >= 500


async def test_two_programs_parts_on_one_session_each_follow_the_marks_and_a_book() -> None:
    async with running_node() as node, connect(node.url) as session:
        tables = [await follow_marks(session) for _ in range(2)]
        books = [await session.follow_book("BTC-PERP") for _ in range(2)]
        prices = Ticks(PRICE + 70), Ticks(20_000)
        told = oracle_round(Millis(START_MS + 1), prices, session.signing)
        await session.request("oracle_round", round_to_json(told, session.rules))
        await session.send(session.wallet(ALICE.key).place((ORDER,), expires=EXPIRES))
        # What the blocks told came before the answer to what is asked after them.
        await session.request("ping", {})
        assert [table.prices["BTC-PERP"] for table in tables] == [PRICE + 70] * 2
        assert [len(book.bids()) for book in books] == [1, 1]


async def test_a_preview_tells_what_the_same_order_then_does_and_places_nothing() -> None:
    async with running_node() as node, connect(node.url) as session:
        seller = await Trader.open(session, BOB.key, now_ms=lambda: START_MS)
        trader = await Trader.open(session, ALICE.key, now_ms=lambda: START_MS)
        await seller.place((msgspec.structs.replace(ORDER, side=Side.SELL, size=60),))
        before = node.state.sequence
        told = await trader.preview(ORDER, max_fee=Money(0))
        assert told == await session.preview(ALICE.address, ORDER)
        assert node.state.sequence == before
        [done] = (await trader.place((ORDER,)))["results"]
        assert (told["result"], told["error"]) == (done, None)
        cannot = await trader.preview(msgspec.structs.replace(ORDER, price=900_000))
        assert cannot["error"]["name"] == "PriceOutsideBand"


async def test_the_next_nonce_is_above_all_that_were_used() -> None:
    async with running_node() as node, connect(node.url) as session:
        assert await session.next_nonce(MALLORY.address) == 1
        first = await session.send(session.wallet(BOB.key).place((ORDER,), expires=EXPIRES))
        again = await session.send(session.wallet(BOB.key).place((ORDER,), expires=EXPIRES))
        assert again == {"repeated": True, **first}
        other = msgspec.structs.replace(ORDER, size=Lots(101))
        with pytest.raises(NonceUsed):
            await session.send(session.wallet(BOB.key).place((other,), expires=EXPIRES))
        later = session.wallet(BOB.key, first_nonce=await session.next_nonce(BOB.address))
        await session.send(later.cancel_all(expires=EXPIRES))


async def test_a_switch_is_kept_set_while_the_program_lives_and_off_afterwards() -> None:
    def now() -> Millis:
        return START_MS

    async with running_node() as node, connect(node.url) as session:
        trader = await Trader.open(session, ALICE.key, now_ms=now)
        with pytest.raises(ValueError, match="at least"):
            async with armed(trader, 0.5):
                pass

        async def quote_and_fail() -> None:
            async with armed(trader, 3.0, on_disconnect=True):
                await trader.place((ORDER,))
                account = await session.get(f"/account/{hex_from_address(ALICE.address)}")
                assert account["switch"]["on_disconnect"]
                assert is_ahead(account["switch"]["cancel_at"], 3_000)
                raise KeyError

        with pytest.raises(KeyError):
            await quote_and_fail()
        account = await session.get(f"/account/{hex_from_address(ALICE.address)}")
        assert account["switch"] == {"cancel_at": 0, "on_disconnect": False}
        assert account["orders"] == []


@pytest.mark.parametrize("skew", [-90_000, -20_000, 600_000])
async def test_a_wrong_clock_neither_voids_nor_delays_what_is_signed(skew: int) -> None:
    async with running_node() as node, connect(node.url) as session:
        trader = await Trader.open(session, ALICE.key, now_ms=lambda: Millis(START_MS + skew))
        await trader.place((ORDER,))
        async with armed(trader, 15.0):
            account = await session.get(f"/account/{hex_from_address(ALICE.address)}")
            assert is_ahead(account["switch"]["cancel_at"], 15_000)
        await trader.cancel_all()


async def test_the_switch_stays_set_though_others_use_up_the_keys_nonces() -> None:
    async with running_node() as node, connect(node.url) as session:
        keeper, other = [
            await Trader.open(session, ALICE.key, now_ms=lambda: START_MS) for _ in range(2)
        ]
        await other.place((ORDER,))
        async with armed(keeper, 3.0):
            account = await session.get(f"/account/{hex_from_address(ALICE.address)}")
            assert is_ahead(account["switch"]["cancel_at"], 3_000)
            await other.place((ORDER,))
        account = await session.get(f"/account/{hex_from_address(ALICE.address)}")
        # The other's orders are its own to cancel.
        assert (account["switch"]["cancel_at"], len(account["orders"])) == (0, 2)
        assert keeper.renewed > 0


async def test_who_leaves_first_takes_neither_orders_nor_the_switch_of_who_stays() -> None:
    async with running_node() as node, connect(node.url) as session:
        path = f"/account/{hex_from_address(ALICE.address)}"
        stays, leaves = [
            await Trader.open(session, ALICE.key, now_ms=lambda: START_MS) for _ in range(2)
        ]
        async with armed(stays, 30.0):
            set_by_it = (await session.get(path))["switch"]["cancel_at"]
            kept = (await stays.place((ORDER,)))["results"][0]["order_id"]
            async with armed(leaves, 3.0):
                with pytest.raises(ValueError, match="already"):
                    async with armed(leaves, 3.0):
                        pass
                await leaves.place((ORDER, ORDER))
                gone = (await leaves.place((ORDER,)))["results"][0]["order_id"]
                await stays.place((), (CancelOrder(gone),))
            left = await session.get(path)
            assert [order["order_id"] for order in left["orders"]] == [kept]
            assert is_ahead(left["switch"]["cancel_at"], 3_000)
            await stays.set_switch(Millis(set_by_it))
        left = await session.get(path)
        assert (left["orders"], left["switch"]["cancel_at"]) == ([], 0)


async def test_a_later_setting_of_somebody_else_outlives_the_program_that_leaves() -> None:
    async with running_node() as node, connect(node.url) as session:
        leaves, other = [
            await Trader.open(session, ALICE.key, now_ms=lambda: START_MS) for _ in range(2)
        ]
        async with armed(leaves, 3.0):
            await other.set_switch(Millis(START_MS + 30_000))
        account = await session.get(f"/account/{hex_from_address(ALICE.address)}")
        assert account["switch"]["cancel_at"] == START_MS + 30_000


async def test_the_switch_stays_set_where_an_order_may_be_open_that_nobody_was_told_of() -> None:
    async with running_node() as node, connect(node.url) as session:
        trader = await Trader.open(session, ALICE.key, now_ms=lambda: START_MS)
        async with armed(trader, 3.0):
            node.gate.held = []
            placing = asyncio.ensure_future(trader.place((ORDER,)))
            while not node.gate.held:  # noqa: ASYNC110 - nobody announces it
                await asyncio.sleep(0)
            placing.cancel()
            node.gate.release()
        account = await session.get(f"/account/{hex_from_address(ALICE.address)}")
        assert len(account["orders"]) == 1
        assert is_ahead(account["switch"]["cancel_at"], 3_000)


async def withdraw_far_too_much(url: str) -> None:
    async with connect(url) as session:
        wallet = session.wallet(ALICE.key)
        await session.send(wallet.withdraw(Money(2**62), expires=EXPIRES))


async def test_a_refusal_reaches_whoever_stands_around_the_connection() -> None:
    async with running_node() as node:
        with pytest.raises(InsufficientCollateral):
            await withdraw_far_too_much(node.url)


async def test_a_withdrawal_whose_answer_was_lost_is_asked_about_under_its_own_nonce() -> None:
    node = FakeNode(hang_up_each=1)
    async with node.serving() as url:
        async with connect(url) as session:
            with pytest.raises(OutcomeUnknown) as unknown:
                await open_withdrawal(session, ALICE.key, Money(250), nonce=0)
        node.hang_up_each = 0
        async with connect(url) as session:
            await open_withdrawal(session, ALICE.key, Money(250), unknown.value.values["nonce"])
    first, second = node.actions
    assert first["nonce"] == second["nonce"]


async def test_a_withdrawal_under_a_nonce_that_is_used_is_not_told_to_be_sent_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise NonceUsed(nonce=1, highest=1, lowest=0)

    monkeypatch.setattr(Trader, "send", refuse)
    async with FakeNode().serving() as url, connect(url) as session:
        with pytest.raises(OutcomeUnknown) as unknown:
            await open_withdrawal(session, ALICE.key, Money(250), nonce=1)
    assert unknown.value.values == {"nonce": 1, "answer": NonceUsed.code}


def examples_of(document: str) -> list[str]:
    text = (TOP / document).read_text(encoding="utf-8")
    found: list[str] = re.findall(r"^```python\n(.+?)^```$", text, re.MULTILINE | re.DOTALL)
    return found


async def test_the_examples_of_the_page_for_clients_run(
    capsys: pytest.CaptureFixture[str],
) -> None:
    trader, adapter = examples_of("docs/CLIENTS.md")
    # The node of this test stands still in time, and its mark is another one.
    trader = trader.replace("secret)", "secret, now_ms=lambda: now_ms)", 1)
    adapter = adapter.replace("})", "}, now_ms=lambda: now_ms)").replace("60000.04", "5000.004")
    async with running_node() as node:
        for example in (trader, adapter):
            body = example.replace("http://127.0.0.1:8480", node.url)
            source = f"async def story(secret, key, now_ms):\n{textwrap.indent(body, '    ')}"
            names: dict[str, Any] = {}
            exec(source, names)  # noqa: S102 - the project's own page
            with suppress(NothingToCancel):
                await names["story"](ALICE.key, ALICE.key.hex(), START_MS)
    said = capsys.readouterr().out
    assert "'type': 'snapshot'" in said
    assert said.rstrip().endswith("[]")
