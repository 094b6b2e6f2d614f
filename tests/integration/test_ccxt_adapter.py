"""The adapter against a node with a real state, and its structures before CCXT's own judges."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from node.client.ccxt_adapter import PlimsollExchange
from node.client.ccxt_errors import (
    AccountNotEnabled,
    ArgumentsRequired,
    AuthenticationError,
    BadRequest,
    BadSymbol,
    DuplicateOrderId,
    InsufficientFunds,
    InvalidOrder,
    NetworkError,
    NotSupported,
    OrderImmediatelyFillable,
    OrderNotFillable,
    OrderNotFound,
)
from node.client.ccxt_structures import liquidation_structure, transaction_structure
from node.client.ccxt_venue import HAS
from tests.architecture.sources import TOP
from tests.examples import ALICE, BOB, MALLORY, START_MS, Person
from tests.integration.api_node import ApiNode, running_node
from tests.integration.kept_history import KeptHistory

BTC, ETH = "BTC/USDC:USDC", "ETH/USDC:USDC"
MARK = 5_000.0
JUDGE = TOP / "tests" / "integration" / "ccxt_judge.py"
CCXT = Path(os.environ.get("PLIMSOLL_CCXT_VENV", TOP / ".venv-ccxt")) / "bin" / "python"

Structure = dict[str, Any]


@asynccontextmanager
async def trading(node: ApiNode, person: Person) -> AsyncIterator[PlimsollExchange]:
    config = {"url": node.url, "privateKey": "0x" + person.key.hex()}
    async with PlimsollExchange(config, now_ms=lambda: START_MS) as exchange:
        yield exchange


@asynccontextmanager
async def two_traders() -> AsyncIterator[tuple[PlimsollExchange, PlimsollExchange]]:
    async with two_traders_of(None) as traders:
        yield traders


@asynccontextmanager
async def two_traders_of(
    history: KeptHistory | None,
) -> AsyncIterator[tuple[PlimsollExchange, PlimsollExchange]]:
    async with (
        running_node(history=history) as node,
        trading(node, ALICE) as alice,
        trading(node, BOB) as bob,
    ):
        yield alice, bob


async def limit(exchange: PlimsollExchange, side: str, amount: float, price: float) -> Structure:
    return await exchange.create_order(BTC, "limit", side, amount, price)


async def test_a_limit_order_rests_is_found_and_cancelled() -> None:
    async with two_traders() as (alice, _):
        params = {"clientOrderId": "77", "postOnly": True}
        placed = await alice.create_order(BTC, "limit", "buy", 0.1 + 0.2, 4_999.999, params)
        assert (placed["status"], placed["amount"], placed["price"]) == ("open", 0.3, 5_000.0)
        assert (placed["clientOrderId"], placed["postOnly"]) == ("77", True)
        assert placed["timestamp"] == START_MS
        [found] = await alice.fetch_open_orders(BTC)
        assert (found["id"], found["remaining"]) == (placed["id"], 0.3)
        assert await alice.fetch_open_orders(ETH) == []
        assert (await alice.fetch_order_book(BTC))["bids"] == [[5_000.0, 0.3]]
        gone = await alice.cancel_order(None, BTC, {"clientOrderId": "77"})
        assert (gone["id"], gone["status"], gone["remaining"]) == (placed["id"], "canceled", 0.3)
        assert (await alice.fetch_order(placed["id"]))["status"] == "canceled"
        assert await alice.cancel_all_orders() == []


async def test_a_trade_makes_positions_and_everybody_is_told() -> None:
    async with two_traders() as (alice, bob):
        assert await bob.fetch_trades(BTC) == []
        assert (await alice.watch_balance())["USDC"]["free"] == 100_000.0
        offered = await limit(alice, "sell", 0.5, 5_001)
        [told] = await alice.watch_orders()
        assert (told["id"], told["status"]) == (offered["id"], "open")
        taken = await bob.create_order(BTC, "market", "buy", 0.2)
        assert (taken["status"], taken["filled"], taken["average"]) == ("closed", 0.2, 5_001.0)
        assert taken["fee"] == {"cost": 0.5001, "currency": "USDC"}
        [told] = await alice.watch_orders()
        assert (told["filled"], told["remaining"], told["status"]) == (0.2, 0.3, "open")
        [mine] = await alice.watch_my_trades()
        assert (mine["takerOrMaker"], mine["amount"], mine["order"]) == ("maker", 0.2, told["id"])
        [public] = await bob.watch_trades(BTC)
        assert (public["side"], public["price"], public["timestamp"]) == ("buy", 5_001.0, START_MS)
        assert await bob.fetch_trades(BTC) == [public]
        [position] = await alice.watch_positions()
        assert (position["side"], position["contracts"]) == ("short", 0.2)
        assert (await alice.watch_balance())["USDC"]["used"] > 0
        assert (await bob.fetch_position(BTC))["entryPrice"] == 5_001.0  # type: ignore[index]
        assert await bob.fetch_position(ETH) is None


async def test_a_book_is_watched_change_by_change() -> None:
    async with two_traders() as (alice, bob):
        assert (await bob.watch_order_book(BTC))["bids"] == []
        waiting = asyncio.ensure_future(bob.watch_order_book(BTC, 1))
        await limit(alice, "buy", 1, 4_990)
        assert (await waiting)["bids"] == [[4_990.0, 1.0]]
        await limit(alice, "buy", 1, 4_995)
        seen = await bob.watch_order_book(BTC, 1)
        assert seen["bids"] == [[4_995.0, 1.0]]
        assert seen["timestamp"] == START_MS


async def test_many_orders_stand_under_one_signature_and_fail_alone() -> None:
    async with two_traders() as (alice, _):
        order = {"symbol": BTC, "type": "limit", "side": "buy", "amount": "1"}
        placed = await alice.create_orders(
            [{**order, "price": "4990"}, {**order, "price": "1"}, {**order, "price": 4_980}]
        )
        assert [one["status"] for one in placed] == ["open", "rejected", "open"]
        assert placed[1]["info"]["error"]["name"] == "PriceOutsideBand"
        gone = await alice.cancel_orders([placed[0]["id"], "999999"])
        assert [one["status"] for one in gone] == ["canceled", "rejected"]
        [last] = await alice.cancel_all_orders(BTC)
        assert (last["id"], last["status"]) == (placed[2]["id"], "canceled")


async def test_many_tasks_may_make_the_first_request_and_a_closed_one_opens_again() -> None:
    async with running_node() as node:
        config = {"url": node.url, "privateKey": ALICE.key.hex()}
        exchange = PlimsollExchange(config, now_ms=lambda: START_MS)
        try:
            prices = [4_900 + step for step in range(20)]
            placed = await asyncio.gather(*(limit(exchange, "buy", 0.1, one) for one in prices))
            assert len({one["id"] for one in placed}) == 20
            assert node.publisher.subscribers == 1
            assert (await exchange.trader()).renewed == 0
            await exchange.close()
            assert len(await exchange.fetch_open_orders()) == 20
        finally:
            await exchange.close()


async def test_margin_goes_in_and_out() -> None:
    async with two_traders() as (alice, bob):
        await limit(alice, "sell", 1, 5_000)
        await limit(bob, "buy", 1, 5_000)
        before = (await bob.fetch_position(BTC) or {})["positionMargin"]
        added = await bob.add_margin(BTC, 100.5)
        assert added["total"] == before + 100.5
        assert (await bob.reduce_margin(BTC, "0.5"))["total"] == before + 100


async def test_refusals_have_the_names_of_ccxt() -> None:
    async with two_traders() as (alice, bob):
        await limit(alice, "sell", 1, 5_001)
        with pytest.raises(InsufficientFunds) as poor:
            await limit(bob, "buy", 900, 5_000)
        assert poor.value.code == 1301
        with pytest.raises(OrderImmediatelyFillable):
            await bob.create_order(BTC, "limit", "buy", 1, 5_001, {"timeInForce": "PO"})
        with pytest.raises(OrderNotFillable):
            await bob.create_order(BTC, "limit", "buy", 1, 4_000, {"timeInForce": "IOC"})
        with pytest.raises(OrderNotFound):
            await bob.cancel_order("4711")
        with pytest.raises(NotSupported):
            await bob.fetch_order("4711")
        with pytest.raises(BadSymbol):
            await bob.fetch_ticker("DOGE/USDC:USDC")
        await bob.create_order(BTC, "limit", "buy", 1, 4_900, {"clientOrderId": 5})
        with pytest.raises(DuplicateOrderId):
            await bob.create_order(BTC, "limit", "buy", 1, 4_900, {"clientOrderId": 5})


STOP_AND_TARGET = {"stopLossPrice": 5_100, "takeProfitPrice": 4_900}
SIDEWAYS = {"triggerPrice": 5_100, "triggerDirection": "sideways"}


@pytest.mark.parametrize(
    ("arguments", "params", "error"),
    [
        ((BTC, "limit", "buy", 1), {}, ArgumentsRequired),
        ((BTC, "stop", "buy", 1, 1), {}, InvalidOrder),
        ((BTC, "limit", "long", 1, 1), {}, InvalidOrder),
        ((BTC, "limit", "buy", 1e-9, 5_000), {}, InvalidOrder),
        ((BTC, "limit", "buy", 1, 0), {}, InvalidOrder),
        ((BTC, "limit", "buy", float("nan"), 5_000), {}, BadRequest),
        ((BTC, "limit", "buy", 1, 5_000), {"trailingPercent": 1}, NotSupported),
        ((BTC, "limit", "buy", 1, 5_000), STOP_AND_TARGET, NotSupported),
        ((BTC, "limit", "buy", 1, 5_000), {"triggerPrice": 0}, InvalidOrder),
        ((BTC, "limit", "buy", 1, 5_000), {"triggerDirection": "ascending"}, InvalidOrder),
        ((BTC, "limit", "buy", 1, 5_000), SIDEWAYS, InvalidOrder),
        ((BTC, "limit", "buy", 1, 5_000), {"goodTillDate": "soon"}, InvalidOrder),
        ((BTC, "limit", "buy", 1, 5_000), {"timeInForce": "GTD"}, InvalidOrder),
        ((BTC, "market", "buy", 1), {"postOnly": True}, InvalidOrder),
        ((BTC, "limit", "buy", 1, 5_000), {"clientOrderId": "x-1"}, InvalidOrder),
        ((BTC, "limit", "buy", 1, 5_000), {"group": "stops"}, InvalidOrder),
        ((BTC, "limit", "buy", 1, 5_000), {"group": 0}, InvalidOrder),
        ((BTC, "limit", "buy", 1, 5_000), {"group": True}, InvalidOrder),
        ((BTC, "limit", "buy", 1, 5_000), {"group": 1 << 64}, InvalidOrder),
        ((BTC, "limit", "buy", 1, 5_000), {"selfTrade": "EXPIRE_MAKER"}, InvalidOrder),
    ],
)
async def test_a_slip_never_reaches_the_exchange(
    arguments: tuple[Any, ...], params: Structure, error: type[Exception]
) -> None:
    async with running_node() as node, trading(node, ALICE) as exchange:
        arrived = node.ingress.stage.arrived
        symbol, kind, side, amount, *price = arguments
        worst = price[0] if price else None
        with pytest.raises(error):
            await exchange.create_order(symbol, kind, side, amount, worst, params)
        assert node.ingress.stage.arrived == arrived


async def test_who_has_no_key_sees_what_everybody_sees_and_nothing_else() -> None:
    async with running_node() as node:
        account = "0x" + BOB.address.hex()
        async with PlimsollExchange({"url": node.url, "walletAddress": account}) as exchange:
            assert (await exchange.fetch_balance())["USDC"]["total"] == 100_000.0
            assert (await exchange.fetch_status())["status"] == "ok"
            assert await exchange.fetch_time() == START_MS
            with pytest.raises(AuthenticationError):
                await limit(exchange, "buy", 1, 5_000)
        async with trading(node, MALLORY) as stranger:
            with pytest.raises(AccountNotEnabled):
                await limit(stranger, "buy", 1, 5_000)


async def test_nobody_there_is_a_network_error_and_a_wrong_key_is_never_repeated() -> None:
    with pytest.raises(NetworkError):
        await PlimsollExchange({"url": "http://127.0.0.1:1"}).load_markets()
    with pytest.raises(AuthenticationError) as refusal:
        PlimsollExchange({"privateKey": "1234abcd"})
    assert "1234abcd" not in str(refusal.value)
    with pytest.raises(BadRequest):
        PlimsollExchange({"apiKey": "x"})


def camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(part.capitalize() for part in others).replace("Ohlcv", "OHLCV")


def test_has_tells_exactly_what_there_is() -> None:
    methods = {name for name in dir(PlimsollExchange) if name.startswith(("fetch", "watch"))}
    methods |= {name for name in dir(PlimsollExchange) if name.startswith(("create", "cancel"))}
    there = {name for name in methods if "_" not in name}
    told = {name for name, has in HAS.items() if has and name.startswith(("fetch", "watch"))}
    assert {name for name in there if name.startswith(("fetch", "watch"))} == told
    for verb in ("cancel", "create"):
        assert {name for name in there if name.startswith(verb)} == {
            name for name, has in HAS.items() if has and name.startswith(verb)
        }
    for name in methods:
        if "_" in name:
            assert getattr(PlimsollExchange, camel(name)) is getattr(PlimsollExchange, name)


ABOVE = {"triggerPrice": 5_100, "triggerDirection": "ascending", "goodTillDate": START_MS + 1}


LIQUIDATION = {
    "sequence": 9, "place": 0, "block": 2, "time": START_MS, "account": "0x" + "1" * 40,
    "market": "BTC-PERP", "side": "sell", "closed": "0.5", "value": "0.5", "deleveraged": "0.5",
    "deleveraged_value": "0.5", "remaining": "0", "fee": "1", "shortfall": "0",
}  # fmt: skip
"""At a price of 1: CCXT's validator holds ``baseValue`` against contracts times price as well."""
WITHDRAWAL = {
    "sequence": 9, "place": 0, "block": 2, "time": START_MS, "kind": "withdrawal", "number": 1,
    "account": "0x" + "1" * 40, "amount": "5.5",
}  # fmt: skip


async def structures() -> tuple[list[Structure], list[Structure], PlimsollExchange]:
    """Return the markets, and one case of everything that the adapter makes."""
    with KeptHistory.made() as history:
        return await structures_with(history)


async def structures_with(
    history: KeptHistory,
) -> tuple[list[Structure], list[Structure], PlimsollExchange]:
    async with two_traders_of(history) as (alice, bob):
        await bob.fetch_trades(BTC)
        resting = await limit(alice, "sell", 0.5, 5_001)
        await alice.create_order(BTC, "limit", "buy", 2, 4_990, {"postOnly": True})
        taken = await bob.create_order(BTC, "market", "buy", 0.2)
        await bob.add_margin(BTC, 50)
        await asyncio.sleep(0.05)
        cases: list[tuple[str, Any]] = [
            *(("market", market) for market in await bob.fetch_markets()),
            ("order_book", await bob.fetch_order_book(BTC)),
            ("order_book", await bob.watch_order_book(BTC)),
            ("ticker", await bob.fetch_ticker(BTC)),
            ("open_interest", await bob.fetch_open_interest(BTC)),
            *(("trade", trade) for trade in await bob.fetch_trades(BTC)),
            *(("trade", trade) for trade in await bob.fetch_my_trades(BTC)),
            ("order", resting),
            ("order", taken),
            ("order", await alice.cancel_order(resting["id"])),
            ("order", await alice.create_order(BTC, "market", "buy", 1, None, ABOVE)),
            *(("ohlcv", candle) for candle in await bob.fetch_ohlcv(BTC)),
            *(("order", order) for order in await alice.fetch_open_orders()),
            *(("order", order) for order in await alice.fetch_orders()),
            *(("order", order) for order in await alice.fetch_canceled_orders()),
            *(("order", order) for order in await bob.fetch_closed_orders()),
            *(("deposit_withdrawal", one) for one in await bob.fetch_deposits()),
            *(("ledger_entry", one) for one in await bob.fetch_ledger()),
            *(("position", one) for one in await bob.fetch_positions()),
            *(("position", one) for one in await alice.fetch_positions()),
            ("balance", await bob.fetch_balance()),
            ("balance", await alice.watch_balance()),
            ("margin_modification", await bob.reduce_margin(BTC, 10)),
            ("liquidation", liquidation_structure(BTC, LIQUIDATION)),
            ("deposit_withdrawal", transaction_structure(WITHDRAWAL, "USDC", 0)),
        ]
        markets = [entry for kind, entry in cases if kind == "market"]
        named = [{"kind": kind, "entry": entry, "symbol": BTC} for kind, entry in cases]
        return markets, named, bob


NUMBERS = [
    {"symbol": BTC, "of": of, "value": value}
    for of in ("price", "amount")
    for value in (0.3, 1.005, 2.675, 4_999.994, 4_999.996, 12.3456789, 100, 0.01)
]


@pytest.mark.skipif(
    not CCXT.exists(), reason="CCXT is not installed: scripts/ccxt makes .venv-ccxt with it"
)
async def test_ccxts_own_validators_have_nothing_against_it() -> None:
    markets, cases, _ = await structures()
    methods = [name for name in dir(PlimsollExchange) if name.startswith(("fetch_", "watch_"))]
    told = {
        "markets": markets, "cases": cases, "numbers": NUMBERS, "methods": methods,
        "has": list(HAS),
    }  # fmt: skip
    judge = await asyncio.to_thread(
        subprocess.run,
        [CCXT, JUDGE],
        input=msgspec.json.encode(told),
        capture_output=True,
        check=True,
        timeout=100,
    )
    verdict = msgspec.json.decode(judge.stdout)
    assert [fault for fault in verdict["faults"] if fault] == []
    assert {case["kind"] for case in cases} == {
        "market", "order_book", "ticker", "trade", "order", "position", "balance", "ohlcv",
        "margin_modification", "deposit_withdrawal", "liquidation",
        "ledger_entry", "open_interest",
    }  # fmt: skip
    assert len(cases) >= 16
    # Numbers come out as CCXT itself would write them, and names are names that CCXT has.
    async with running_node() as node, PlimsollExchange({"url": node.url}) as exchange:
        ours = [
            getattr(exchange, f"{case['of']}_to_precision")(case["symbol"], case["value"])
            for case in NUMBERS
        ]
    assert ours == verdict["numbers"]
    assert verdict["methods"] == []
    assert verdict["has"] == []


async def test_structures_have_the_keys_and_types_that_programs_read() -> None:
    _, cases, _ = await structures()
    by_kind = {case["kind"]: case["entry"] for case in cases}
    assert {"bids", "asks", "nonce", "timestamp", "datetime", "symbol"} == set(
        by_kind["order_book"]
    )
    for kind, numbers in {
        "order": ("price", "amount", "filled", "remaining"),
        "trade": ("price", "amount", "cost"),
        "ticker": ("bid", "ask", "last", "markPrice"),
        "open_interest": ("openInterestAmount", "openInterestValue"),
        "position": ("contracts", "entryPrice", "liquidationPrice", "unrealizedPnl", "leverage"),
    }.items():
        entry = by_kind[kind]
        assert isinstance(entry["info"], dict)
        assert all(isinstance(entry[name], float) for name in numbers), (kind, entry)
        assert entry["datetime"].endswith("Z")
        assert entry["symbol"] == BTC
