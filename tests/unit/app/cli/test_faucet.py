"""Test money is money on L1: what was paid, or may be, is not called unpaid."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import AsyncMock

import pytest

from node.app.cli import faucet, money
from node.app.faucet import Poured
from node.client.errors import ConnectionLost
from node.client.trader import OutcomeUnknown
from node.ports.chain import L1Receipt
from node.types.errors import ChainUnavailable, TransactionUnseen
from node.types.units import Money
from tests.examples import ALICE

TRANSACTION = b"\x05" * 32
BLOCK = 50
POURED = {"amount": "100", "block": BLOCK, "deposits": 5}


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(money, "POLL_S", 0)


def payer_where_l1_counts(*deposits: int | Exception) -> tuple[faucet._Payer, AsyncMock]:
    """Return a payer whose deposit is in a block, and its account; L1 then counts ``deposits``."""
    payer, account = faucet._Payer(cast("Any", SimpleNamespace())), AsyncMock()
    account.balance.return_value = Money(10)
    account.deposit.return_value = L1Receipt(TRANSACTION, BLOCK, b"", True, 1, 1)
    account.deposits_made.side_effect = deposits
    payer._account = account
    return payer, account


async def test_l1_that_is_away_behind_a_payment_is_asked_again() -> None:
    payer, account = payer_where_l1_counts(ChainUnavailable(), ChainUnavailable(), 5)
    assert await payer.pour(ALICE.address, Money(10)) == Poured(TRANSACTION, BLOCK, 5)
    assert account.deposit.await_count == 1


async def test_what_is_paid_is_named_where_l1_stays_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(money, "TAKEN_IN_WITHIN_S", 0)
    payer, _ = payer_where_l1_counts(*[ChainUnavailable()] * 9)
    with pytest.raises(TransactionUnseen) as paid:
        await payer.pour(ALICE.address, Money(10))
    assert paid.value.values == {"transaction": TRANSACTION, "block": BLOCK, "waited_s": 0}


def session_of(monkeypatch: pytest.MonkeyPatch, *answers: dict[str, Any] | Exception) -> AsyncMock:
    """Return the session that ``plimsoll faucet`` has; a GET gets each of ``answers`` in turn."""
    session = AsyncMock()
    session.post.return_value = POURED
    session.get.side_effect = answers

    @asynccontextmanager
    async def connect(_node: str) -> AsyncIterator[AsyncMock]:
        yield session

    monkeypatch.setattr(faucet, "connect", connect)
    return session


async def test_who_lost_the_answer_is_not_told_that_nothing_was_paid(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session_of(monkeypatch).post.side_effect = ConnectionLost(path="/faucet")
    with pytest.raises(OutcomeUnknown):
        await faucet._ask(ALICE.address, "")


async def test_a_node_that_is_away_behind_the_answer_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    away, stats = ConnectionLost(), {"inbox_cursor": 5, "sequence": 7}
    session = session_of(monkeypatch, away, stats, away, {}, away, {"free": "100"})
    await faucet._ask(ALICE.address, "")
    assert (session.post.await_count, session.get.await_count) == (1, 6)
