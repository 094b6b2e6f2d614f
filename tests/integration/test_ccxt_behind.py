"""What watchers are told who ask too rarely: all that happened, or that some of it is gone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from node.client import ccxt_feeds, ccxt_watch
from node.client.ccxt_adapter import PlimsollExchange
from node.client.ccxt_errors import OperationFailed
from node.client.ccxt_venue import Structure
from tests.integration.kept_history import KeptHistory
from tests.integration.test_ccxt_adapter import BTC, limit, two_traders, two_traders_of
from tests.integration.test_ccxt_watch import away

KEPT = 4
AMOUNTS = [number / 10 for number in range(1, 10)]
"""More than twice as many as are kept."""


@pytest.fixture(autouse=True)
def _little_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ccxt_feeds, "CHANGES_MAX", KEPT)


@asynccontextmanager
async def watched_once(
    history: KeptHistory | None,
) -> AsyncIterator[tuple[PlimsollExchange, PlimsollExchange]]:
    """Give two of whom the first has watched his fills, and makes a market."""
    async with two_traders_of(history) as (alice, bob):
        await limit(alice, "buy", 100, 4_990)
        await limit(bob, "sell", 0.05, 4_990)
        assert [one["amount"] for one in await alice.watch_my_trades()] == [0.05]
        yield alice, bob


async def sell(bob: PlimsollExchange, amounts: list[float]) -> None:
    for amount in amounts:
        await limit(bob, "sell", amount, 4_990)


def amounts(trades: list[Structure]) -> list[float]:
    assert len({one["id"] for one in trades}) == len(trades)
    return [one["amount"] for one in trades]


async def test_fills_that_are_kept_no_more_are_read_from_the_history() -> None:
    with KeptHistory.made() as history:
        async with watched_once(history) as (alice, bob):
            await sell(bob, AMOUNTS)
            await alice.fetch_open_orders()
            assert amounts(await alice.watch_my_trades()) == AMOUNTS
            await sell(bob, AMOUNTS[:2])
            await alice.fetch_open_orders()
            assert amounts(await alice.watch_my_trades()) == AMOUNTS[:2]
            # Who asks for the first time begins with what is kept.
            assert len(await alice.watch_my_trades(BTC)) == KEPT


async def test_a_break_behind_which_others_are_pushed_out_is_read_up_with_them() -> None:
    with KeptHistory.made() as history:
        async with watched_once(history) as (alice, bob):
            await sell(bob, AMOUNTS[:3])
            async with away(alice):
                await sell(bob, AMOUNTS[3:5])
            await sell(bob, AMOUNTS[5:])
            await alice.fetch_open_orders()
            assert amounts(await alice.watch_my_trades()) == AMOUNTS


async def test_fills_of_one_command_that_are_kept_in_part_are_told_once() -> None:
    with KeptHistory.made() as history:
        async with two_traders_of(history) as (alice, bob):
            first = asyncio.ensure_future(bob.watch_my_trades())
            for amount in (0.05, *AMOUNTS):
                await limit(alice, "buy", amount, 4_990)
            await limit(bob, "sell", 0.05, 4_990)
            assert amounts(await first) == [0.05]
            await limit(bob, "sell", sum(AMOUNTS), 4_990)
            assert amounts(await bob.watch_my_trades()) == AMOUNTS


async def test_what_no_history_has_kept_is_told_to_be_missing_once() -> None:
    async with watched_once(None) as (alice, bob):
        await sell(bob, AMOUNTS)
        await alice.fetch_open_orders()
        with pytest.raises(OperationFailed, match="fetch_my_trades") as missing:
            await alice.watch_my_trades()
        assert missing.value.values["up_to"] > missing.value.values["behind"]
        assert amounts(await alice.watch_my_trades()) == AMOUNTS[-KEPT:]


async def test_of_more_than_is_read_of_a_break_an_error_tells_in_its_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ccxt_watch, "CHANGES_MAX", 2)
    with KeptHistory.made() as history:
        async with watched_once(history) as (alice, bob):
            await sell(bob, AMOUNTS[:1])
            await alice.fetch_open_orders()
            async with away(alice):
                await sell(bob, AMOUNTS[1:4])
            await sell(bob, AMOUNTS[4:5])
            await alice.fetch_open_orders()
            assert amounts(await alice.watch_my_trades()) == AMOUNTS[:1]
            with pytest.raises(OperationFailed, match="fetch_my_trades"):
                await alice.watch_my_trades()
            assert amounts(await alice.watch_my_trades()) == AMOUNTS[4:5]
            found = await alice.fetch_my_trades(BTC)
            assert amounts(found) == [0.05, *AMOUNTS[:5]]


async def test_orders_that_are_kept_no_more_are_told_to_be_missing_once() -> None:
    async with two_traders() as (alice, _):
        for price in range(4_900, 4_910):
            await limit(alice, "buy", 1, price)
        # The first call tells of all that are open, whenever they were placed.
        assert len(await alice.watch_orders()) == 10
        [bid, *_] = await alice.fetch_open_orders()
        for amount in range(2, 12):
            await alice.edit_order(bid["id"], BTC, "limit", "buy", amount)
        assert [one["amount"] for one in await alice.watch_orders()] == [11.0]
        gone = await alice.cancel_all_orders()
        with pytest.raises(OperationFailed, match="fetch_orders"):
            await alice.watch_orders()
        told = await alice.watch_orders()
        assert [one["id"] for one in told] == [one["id"] for one in gone[-KEPT:]]


async def test_a_watch_that_was_broken_off_before_its_first_answer_tells_of_a_gap() -> None:
    async with two_traders() as (alice, _):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await alice.watch_orders()
        for price in range(4_900, 4_910):
            await limit(alice, "buy", 1, price)
        await alice.cancel_all_orders()
        with pytest.raises(OperationFailed, match="fetch_orders"):
            await alice.watch_orders()
