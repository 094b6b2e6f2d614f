"""A deposit is in when its number is: what the account has meanwhile says nothing."""

import asyncio
import io
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock

import pytest
from rich.console import Console

from node.app.cli import money
from node.app.cli.money import patient, until_proved, until_taken_in
from node.app.cli.one_exchange import Ends
from node.client.addresses import checksummed
from node.client.errors import ConnectionLost, NotTakenIn
from node.client.pinned import NOTHING_PINNED
from node.ports.chain import L1Receipt
from node.types.errors import (
    CallReverted,
    ChainUnavailable,
    MalformedMessage,
    NotFound,
    Overloaded,
    RateLimited,
    ShuttingDown,
)
from node.types.ids import Address
from node.types.units import Money

ROLLUP = Address(b"\xab" * 20)
BLOCK = 50
"""The block of L1 that the deposit is in."""
NOWHERE = Ends("", "", NOTHING_PINNED)
AWAY = ChainUnavailable(detail="eth_call: 429")


class FakeNode:
    """A log that takes one command in at each look; its publisher follows ``behind`` looks late."""

    def __init__(self, cursors: list[int], behind: int = 0) -> None:
        """``cursors``: the inbox cursor after each command."""
        self.away = 0
        self._cursors = cursors
        self._behind = behind
        self.asked: list[str] = []
        self.blocks: list[int] = []

    async def get(self, path: str) -> dict[str, Any]:
        if self.away:
            self.away -= 1
            raise ConnectionLost(path=path)
        self.asked.append(path)
        if path == "/stats":
            looks = self.asked.count(path)
            block = {"number": self.blocks[looks - 1]} if self.blocks else None
            cursor = self._cursors[looks - 1]
            return {"inbox_cursor": cursor, "sequence": 100 + looks, "l1": {"inbox_block": block}}
        if self._behind:
            self._behind -= 1
            raise NotFound(sequence=path)
        return {"status": "accepted"}


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(money, "POLL_S", 0)


async def test_it_waits_for_its_own_number_whoever_else_deposits_or_trades() -> None:
    node = FakeNode([3, 3, 4, 4, 5])
    await until_taken_in(node.get, 5, BLOCK)
    assert node.asked == ["/stats"] * 5 + ["/finality/105"]


async def test_it_waits_for_the_publisher_whose_answer_is_shown() -> None:
    node = FakeNode([7], behind=2)
    await until_taken_in(node.get, 7, BLOCK)
    assert node.asked == ["/stats"] + ["/finality/101"] * 3


async def test_a_node_that_restarts_meanwhile_is_waited_for_and_said_to_be_once() -> None:
    node = FakeNode([7])
    node.away = 2
    told: list[str] = []
    get = patient(node.get, told.append)
    await until_taken_in(get, 7, BLOCK)
    assert node.asked == ["/stats", "/finality/101"]
    node.away = 1
    assert await get("/account/0x01") == {"status": "accepted"}
    assert told == ["waiting for the node"]


class Slow:
    """Lets 40 s pass with each question: two of them are longer than anyone waits for nothing."""

    def __init__(self, node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
        self._node = node
        self._passed_s = 0.0
        loop = asyncio.get_running_loop()
        time = loop.time
        monkeypatch.setattr(loop, "time", lambda: time() + self._passed_s)

    async def get(self, path: str) -> dict[str, Any]:
        self._passed_s += 40.0
        return await self._node.get(path)


@pytest.mark.parametrize("blocks", [[], [9] * 99, [BLOCK + 1] * 99, [*range(BLOCK + 1, 150)]])
async def test_what_the_node_does_not_see_is_not_waited_for_without_end(
    monkeypatch: pytest.MonkeyPatch, blocks: list[int]
) -> None:
    node = FakeNode([3] * 99)
    node.blocks = blocks
    with pytest.raises(NotTakenIn) as unseen:
        await until_taken_in(Slow(node, monkeypatch).get, 5, BLOCK)
    assert unseen.value.values == {"block": BLOCK, "waited_s": 60}
    assert len(node.asked) <= 4


async def test_a_node_that_reads_on_toward_the_deposit_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    node = FakeNode([3] * 9 + [5])
    node.blocks = [*range(BLOCK - 9, BLOCK + 1)]
    await until_taken_in(Slow(node, monkeypatch).get, 5, BLOCK)
    assert node.asked == ["/stats"] * 10 + ["/finality/110"]


class Answers:
    """A node that answers with each of ``answers`` in turn."""

    def __init__(self, *answers: dict[str, Any] | Exception) -> None:
        self._answers = iter(answers)

    async def get(self, path: str) -> dict[str, Any]:
        answer = next(self._answers)
        assert path == "/withdrawals/7"
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.mark.parametrize(
    "refusal",
    [
        ConnectionLost(),
        Overloaded(queue="withdrawal_proofs", limit=64),
        RateLimited(of="costly", limit=100),
        ShuttingDown(),
    ],
)
async def test_a_node_that_has_no_time_for_a_proof_is_asked_again(refusal: Exception) -> None:
    waiting = NotFound(withdrawal=7, waiting=True)
    node = Answers(waiting, refusal, waiting, refusal, {"batch": 3})
    assert await until_proved(patient(node.get, print), 7) == {"batch": 3}


@pytest.mark.parametrize("refusal", [NotFound(withdrawal=7, waiting=False), MalformedMessage()])
async def test_what_waiting_does_not_mend_is_raised(refusal: Exception) -> None:
    node = Answers(refusal, {"batch": 3})
    with pytest.raises(type(refusal)):
        await until_proved(patient(node.get, print), 7)


@pytest.mark.parametrize(("opened", "told"), [(0, True), (7, False)])
async def test_who_has_opened_one_and_fails_is_told_how_not_to_open_a_second(
    monkeypatch: pytest.MonkeyPatch, opened: int, told: bool
) -> None:
    result = {"sequence": 70, "results": [{"withdrawal_id": 7}]}
    monkeypatch.setattr(money, "open_account", AsyncMock(return_value=(AsyncMock(), AsyncMock())))
    monkeypatch.setattr(money, "open_withdrawal", AsyncMock(return_value=result))
    monkeypatch.setattr(money, "until_proved", AsyncMock(side_effect=ChainUnavailable()))
    shown = io.StringIO()
    console = Console(file=shown, width=200)
    with pytest.raises(ChainUnavailable):
        await money._withdraw(Money(1), b"", NOWHERE, console, nonce=0, opened=opened)
    assert ("--opened 7" in shown.getvalue()) is told


async def test_a_withdrawal_is_claimed_only_once_the_rollup_itself_calls_its_batch_final(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proof = {"batch": 3, "bits": [], "siblings": []}
    monkeypatch.setattr(money, "until_proved", AsyncMock(return_value=proof))
    account = AsyncMock()
    account.balance = AsyncMock(return_value=Money(5))
    account.claim_withdrawal = AsyncMock(return_value=SimpleNamespace(block_number=BLOCK))
    await money._claim(AsyncMock(), account, 7, Money(5), Console(file=io.StringIO()))
    calls = [name for name, *_ in account.mock_calls]
    assert calls == ["wait_until_final", "claim_withdrawal", "balance"]
    account.wait_until_final.assert_awaited_once_with(3)


@pytest.mark.parametrize(
    ("balances", "told"), [([AWAY, AWAY, Money(5_000_000)], "5"), ([AWAY] * 9, None)]
)
async def test_who_was_paid_is_not_told_to_try_again_where_l1_is_away(
    monkeypatch: pytest.MonkeyPatch, balances: list[Money | Exception], told: str | None
) -> None:
    proof = {"batch": 3, "bits": [], "siblings": []}
    monkeypatch.setattr(money, "until_proved", AsyncMock(return_value=proof))
    if told is None:
        monkeypatch.setattr(money, "TAKEN_IN_WITHIN_S", 0)
    account = AsyncMock()
    account.balance = AsyncMock(side_effect=balances)
    account.claim_withdrawal = AsyncMock(return_value=SimpleNamespace(block_number=BLOCK))
    shown = io.StringIO()
    claimed = await money._claim(AsyncMock(), account, 7, Money(5), Console(file=shown))
    assert (claimed["l1_block"], claimed["balance"]) == (BLOCK, told)
    assert ("balance on L1" in shown.getvalue()) is (told is not None)
    assert account.claim_withdrawal.await_count == 1


@pytest.mark.parametrize(
    ("error", "told"), [("TransferFailed", {"balance": "0.5"}), ("DepositLimit", {})]
)
async def test_who_cannot_pay_a_deposit_is_told_what_there_is(
    error: str, told: dict[str, str]
) -> None:
    account = AsyncMock()
    account.deposit = AsyncMock(side_effect=CallReverted(error=error))
    account.balance = AsyncMock(return_value=Money(500_000))
    with pytest.raises(CallReverted) as refused:
        await money._pay_in(account, Money(1))
    assert refused.value.values == {"error": error, **told}


def paid_account(monkeypatch: pytest.MonkeyPatch, deposits: list[int | Exception]) -> AsyncMock:
    """Return an account whose deposit is in a block; L1 then counts ``deposits``."""

    async def get(path: str) -> dict[str, Any]:
        return {"free": "1"} if path.startswith("/account/") else await node.get(path)

    node, session, account = FakeNode([5]), AsyncMock(), AsyncMock()
    session.get = get
    account.address, account.rollup = bytes(20), ROLLUP
    account.deposit = AsyncMock(return_value=L1Receipt(b"", BLOCK, b"", True, 1, 1))
    account.deposits_made = AsyncMock(side_effect=deposits)
    monkeypatch.setattr(money, "open_account", AsyncMock(return_value=(session, account)))
    return account


async def deposit() -> dict[str, Any]:
    console = Console(file=io.StringIO())
    return await money._deposit(Money(1), b"", NOWHERE, console, faucet=False)


async def test_l1_that_is_away_behind_a_payment_is_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    account = paid_account(monkeypatch, [ChainUnavailable(), ChainUnavailable(), 5])
    assert await deposit() == {"free": "1", "rollup": checksummed(ROLLUP)}
    assert account.deposit.await_count == 1


async def test_who_has_paid_is_not_told_to_try_again_where_l1_stays_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(money, "TAKEN_IN_WITHIN_S", 0)
    paid_account(monkeypatch, [ChainUnavailable()] * 9)
    with pytest.raises(NotTakenIn) as paid:
        await deposit()
    assert paid.value.values == {"block": BLOCK, "waited_s": 0}


async def test_the_rollup_is_told_before_it_is_paid(monkeypatch: pytest.MonkeyPatch) -> None:
    account = paid_account(monkeypatch, [5])
    shown, told = io.StringIO(), []

    async def pay(*_: object) -> L1Receipt:
        told.append(shown.getvalue())
        return L1Receipt(b"", BLOCK, b"", True, 1, 1)

    account.faucet = account.deposit = pay
    await money._deposit(Money(1), b"", NOWHERE, Console(file=shown, width=200), faucet=True)
    assert len(told) == 2
    assert f"rollup {checksummed(ROLLUP)}" in told[0]
