"""Who gets test money, how often, and on which chain."""

import asyncio
from typing import Any

import msgspec
import pytest

from node.adapters.devnet.settings import DEFAULT_CHAIN_ID
from node.app import faucet
from node.app.faucet import FaucetConfig, FaucetDesk, Poured, check_faucet_config, require_devnet
from node.types.errors import (
    CallReverted,
    ChainUnavailable,
    ConfigInvalid,
    MalformedAddress,
    MalformedMessage,
    Overloaded,
    RateLimited,
    TransactionFailed,
    TransactionUnseen,
)
from node.types.ids import Address, hex_from_address
from node.types.units import Millis, Money
from tests.examples import ALICE, BOB, CAROL

S = 1_000_000_000
CONFIG = FaucetConfig(dollars=100, per_account_s=60, per_origin_s=10)


class HandClock:
    def __init__(self) -> None:
        self.ns = S

    def now_ns(self) -> int:
        return self.ns

    def now_ms(self) -> Millis:
        return Millis(self.ns // 1_000_000)


class Desk:
    """A faucet whose chain does as it is told."""

    def __init__(self, config: FaucetConfig = CONFIG) -> None:
        self.clock = HandClock()
        self.paid: list[tuple[Address, Money]] = []
        self.fault: Exception | None = None
        self.mined = asyncio.Event()
        self.mined.set()
        self.desk = FaucetDesk(config, self.clock, self._pour)

    async def ask(self, person: Any, origin: str = "10.0.0.1") -> dict[str, Any]:
        body = {"account": hex_from_address(person.address)}
        answer: dict[str, Any] = msgspec.json.decode(
            await self.desk.pour(msgspec.json.encode(body), origin)
        )
        return answer

    async def _pour(self, account: Address, amount: Money) -> Poured:
        await self.mined.wait()
        if self.fault is not None:
            raise self.fault
        self.paid.append((account, amount))
        return Poured(bytes(32), 7, len(self.paid))


async def test_an_account_gets_a_deposit() -> None:
    desk = Desk()
    answer = await desk.ask(ALICE)
    assert desk.paid == [(ALICE.address, 100_000_000)]
    assert (answer["amount"], answer["block"], answer["deposits"]) == ("100", 7, 1)
    assert desk.desk.poured == 1


async def test_an_account_waits_wherever_it_asks_from() -> None:
    desk = Desk()
    await desk.ask(ALICE)
    desk.clock.ns += 59 * S
    with pytest.raises(RateLimited) as refused:
        await desk.ask(ALICE, "10.0.0.2")
    assert refused.value.values == {"of": "faucet_account", "retry_after_ms": 1_000}
    desk.clock.ns += S
    await desk.ask(ALICE, "10.0.0.2")


async def test_an_origin_waits_whomever_it_asks_for() -> None:
    desk = Desk()
    await desk.ask(ALICE, "2001:db8::1")
    with pytest.raises(RateLimited) as refused:
        await desk.ask(BOB, "2001:db8::ffff")
    assert refused.value.of == "faucet_origin"
    await desk.ask(BOB, "2001:db8:0:1::1")
    desk.clock.ns += 10 * S
    await desk.ask(CAROL, "2001:db8::ffff")


async def test_two_requests_at_once_are_one_too_many() -> None:
    desk = Desk()
    desk.mined.clear()
    first = asyncio.create_task(desk.ask(ALICE))
    await asyncio.sleep(0)
    with pytest.raises(RateLimited):
        await desk.ask(ALICE, "10.0.0.2")
    desk.mined.set()
    await first
    assert len(desk.paid) == 1


@pytest.mark.parametrize(
    "fault", [ChainUnavailable(detail="away"), CallReverted(), TransactionFailed()]
)
async def test_what_did_not_arrive_may_be_asked_for_again(fault: Exception) -> None:
    desk = Desk()
    desk.fault = fault
    with pytest.raises(type(fault)):
        await desk.ask(ALICE)
    desk.fault = None
    await desk.ask(ALICE, "10.0.0.2")
    assert desk.desk.waiting == 0


@pytest.mark.parametrize("fault", [TransactionUnseen(), RuntimeError("behind the payment")])
async def test_what_may_still_arrive_may_not(fault: Exception) -> None:
    desk = Desk()
    desk.fault = fault
    with pytest.raises(type(fault)):
        await desk.ask(ALICE)
    desk.fault = None
    with pytest.raises(RateLimited):
        await desk.ask(ALICE, "10.0.0.2")
    assert (desk.paid, desk.desk.waiting) == ([], 0)


async def test_so_many_wait_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faucet, "WAITING_MAX", 2)
    desk = Desk()
    desk.mined.clear()
    waiting = [
        asyncio.create_task(desk.ask(person, f"10.0.0.{place}"))
        for place, person in enumerate((ALICE, BOB))
    ]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await desk.ask(CAROL, "10.0.0.9")
    desk.mined.set()
    await asyncio.gather(*waiting)
    await desk.ask(CAROL, "10.0.0.9")


async def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faucet, "REMEMBERED_MAX", 3)
    desk = Desk(FaucetConfig(dollars=1))
    for number in range(9):
        person = type("Person", (), {"address": Address(bytes([number]) * 20)})
        await desk.ask(person, f"10.0.0.{number}")
    assert len(desk.desk._accounts._next_ns) == len(desk.desk._origins._next_ns) == 3


async def test_who_came_last_is_remembered_for_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faucet, "REMEMBERED_MAX", 2)
    desk = Desk(FaucetConfig(dollars=1, per_account_s=60, per_origin_s=0))
    for person in (ALICE, BOB):
        await desk.ask(person)
    desk.clock.ns += 60 * S
    for person in (ALICE, CAROL):
        await desk.ask(person)
    with pytest.raises(RateLimited):
        await desk.ask(ALICE)


async def test_what_did_not_arrive_costs_its_origin_the_turn_all_the_same() -> None:
    """An L1 that is away must not be asked as often as anybody likes."""
    desk = Desk()
    desk.fault = ChainUnavailable(detail="away")
    with pytest.raises(ChainUnavailable):
        await desk.ask(ALICE)
    with pytest.raises(RateLimited) as refused:
        await desk.ask(ALICE)
    assert refused.value.of == "faucet_origin"


async def test_one_is_paid_after_the_other() -> None:
    """They are paid with one key, whose transactions have one order."""
    desk = Desk()
    paying = most = 0

    async def pour(_account: Address, _amount: Money) -> Poured:
        nonlocal paying, most
        paying += 1
        most = max(most, paying)
        await asyncio.sleep(0)
        paying -= 1
        return Poured(bytes(32), 7, 1)

    desk.desk._pour = pour
    await asyncio.gather(*(desk.ask(one, f"10.0.0.{n}") for n, one in enumerate((ALICE, BOB))))
    assert most == 1


@pytest.mark.parametrize(
    ("raw", "error"), [(b"{", MalformedMessage), (b'{"account":"0x12"}', MalformedAddress)]
)
async def test_what_names_no_account_is_refused(raw: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        await Desk().desk.pour(raw, "10.0.0.1")


def test_there_is_none_but_on_a_devnet() -> None:
    assert require_devnet(CONFIG, DEFAULT_CHAIN_ID)
    assert not require_devnet(FaucetConfig(), 1)
    for chain_id in (1, 11_155_111, DEFAULT_CHAIN_ID + 1):
        with pytest.raises(ConfigInvalid) as refused:
            require_devnet(CONFIG, chain_id)
        assert "faucet.dollars" in refused.value.faults[0]


def test_its_keys_have_ranges() -> None:
    check_faucet_config(FaucetConfig())
    with pytest.raises(ConfigInvalid) as refused:
        check_faucet_config(FaucetConfig(dollars=-1, per_account_s=-1, per_origin_s=10**9))
    assert len(refused.value.faults) == 3
