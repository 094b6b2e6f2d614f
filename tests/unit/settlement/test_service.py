"""The settling loop in front of an endpoint that refuses, keeps silent, or answers oddly."""

import asyncio

import msgspec
import pytest

from node.codec.l1_calls import commitment, post_batch
from node.codec.l1_gas import posting_gas
from node.ports.chain import At, FeeSample, Sending, Tag
from node.settlement.costs import COST_TRIES
from node.settlement.sealed import Taken
from node.types.errors import ChainUnavailable, StateDiverged
from node.types.hold_up import HoldUp
from node.types.ids import Address
from node.types.marks import Standing
from tests.unit.settlement.quay import CONFIG, Quay


async def test_what_a_batch_takes_of_l1_counts_once_whatever_becomes_of_it() -> None:
    quay = Quay(batches=3)
    gas = sum(posting_gas(post_batch(batch)) for batch in quay.store.batches)
    taken = Taken(3 * len(quay.store.batches[0].data), gas)
    assert quay.service.taken == taken
    await quay.turns(60_000)
    assert quay.standings()[-1] is Standing.POSTED
    assert quay.service.taken == taken


async def test_a_batch_waits_until_its_deposits_are_compared_with_those_of_l1() -> None:
    quay = Quay(batches=0)
    quay.store.seal(deposits=1)
    quay.service.recover()
    quay.chain.deposits = 1
    quay.service.compared = lambda: 0
    await quay.turns(10_000)
    assert (quay.chain.sent, quay.service.hold_up) == ([], HoldUp.REORG)
    quay.service.compared = lambda: 1
    await quay.turns(10_000)
    assert len(quay.chain.posted) == 1


async def test_a_batch_that_is_another_one_on_the_disk_by_now_is_not_signed() -> None:
    quay = Quay()
    sealed = quay.store.batches[0]
    quay.store.batches[0] = msgspec.structs.replace(sealed, data=b"sealed by somebody else")
    with pytest.raises(StateDiverged) as caught:
        await quay.turns(1)
    assert (caught.value.index, caught.value.expected) == (0, commitment(sealed))
    assert quay.chain.sent == []


async def test_an_account_that_cannot_pay_is_told_and_bids_no_more_for_it() -> None:
    quay = Quay()
    quay.chain.answer = Sending.UNFUNDED
    await quay.turns(60_000)
    assert len(quay.chain.sent) > 20
    assert len(set(quay.chain.sent)) == 1
    assert (quay.service.held_back, quay.service.hold_up) == ("funds", HoldUp.UNFUNDED)
    quay.chain.answer = Sending.TAKEN
    await quay.turns(5_000)
    assert len(set(quay.chain.sent)) == len(quay.chain.posted) == 1
    assert (quay.service.held_back, quay.service.hold_up) == ("", None)


async def test_one_failed_look_in_between_does_not_make_a_stuck_transaction_wait_anew() -> None:
    quay = Quay()
    quay.chain.mines = False
    for _ in range(6):
        await quay.turns(CONFIG.stuck_after_ms // 2)
        quay.chain.away = True
        await quay.turns(1)
        quay.chain.away = False
    assert len(set(quay.chain.sent)) == 3


async def test_an_outage_in_which_looks_succeed_is_left_out_of_the_wait_once() -> None:
    quay = Quay()
    quay.chain.takes_in = False
    for _ in range(6):
        pause_ms = await quay.service.turn()
        (slot,) = quay.service._tracker._slots.values()
        assert quay.service.chain_away
        assert slot.priced_at <= quay.clock.ms
        quay.clock.ms += pause_ms


async def test_an_endpoint_without_receipts_holds_nothing_up() -> None:
    quay = Quay()
    quay.chain.forgets = True
    await quay.turns(5_000)
    assert (quay.service.chain_away, quay.service.unaccounted) == (False, 1)
    assert quay.standings() == [Standing.PENDING, Standing.POSTED]
    quay.chain.forgets = False
    await quay.turns(1_000)
    assert (quay.service.unaccounted, quay.service.spending.gas_used) == (0, 100_000)


async def test_a_receipt_is_worth_waiting_for_only_while_l1_answers_for_receipts() -> None:
    quay = Quay()
    await quay.turns(1)
    quay.chain.has_receipts = False
    await quay.turns(1)
    assert quay.service.awaits_receipts
    quay.chain.forgets = True
    await quay.turns(1)
    assert (quay.service.unaccounted, quay.service.awaits_receipts) == (1, False)
    quay.chain.forgets = False
    await quay.turns(1)
    assert quay.service.awaits_receipts
    quay.chain.away = True
    await quay.turns(1)
    assert (quay.service.unaccounted, quay.service.awaits_receipts) == (1, False)
    quay.chain.away, quay.chain.has_receipts = False, True
    await quay.turns(1)
    assert (quay.service.unaccounted, quay.service.awaits_receipts) == (0, False)


@pytest.fixture
async def final_without_receipt() -> Quay:
    """A batch that is final just now, by an endpoint that has answered for no receipt so far."""
    quay = Quay()
    quay.chain.forgets = True
    await quay.turns(2_000)
    quay.chain.head += CONFIG.final_depth or 0
    await quay.turns(1)
    assert (quay.standings()[-1], quay.service.unaccounted) == (Standing.FINAL, 1)
    return quay


async def test_the_receipt_of_a_final_batch_is_asked_for_a_few_times_more_and_given_up(
    final_without_receipt: Quay,
) -> None:
    quay = final_without_receipt
    for _ in range(COST_TRIES - 2):
        await quay.service.turn()
    assert quay.service.unaccounted == 1
    await quay.service.turn()
    assert quay.service.unaccounted == 0
    quay.chain.forgets = False
    await quay.turns(5_000)
    assert quay.service.spending.gas_used == 0


async def test_a_question_that_fails_while_a_batch_becomes_final_loses_no_cost(
    final_without_receipt: Quay,
) -> None:
    quay = final_without_receipt
    found: list[int] = []
    quay.service.costs.included = lambda index, _receipt: found.append(index)
    quay.chain.forgets = False
    await quay.turns(1)
    assert (quay.service.unaccounted, found) == (0, [0])
    assert quay.service.spending.gas_used == 100_000


async def test_the_count_of_one_state_and_the_root_of_another_are_asked_for_again() -> None:
    quay = Quay()
    await quay.turns(1)
    quay.chain.lags_once = 1
    await quay.turns(1)
    assert quay.service.chain_away
    await quay.turns(1)
    assert not quay.service.chain_away
    assert quay.standings() == [Standing.PENDING, Standing.POSTED]


async def test_a_stop_just_after_a_question_failed_is_not_taken_for_an_outage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    quay = Quay()
    fees_asked, nonce_asked = asyncio.Event(), asyncio.Event()
    refusal: asyncio.Future[FeeSample] = asyncio.get_running_loop().create_future()
    never: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def fees(_blocks: int) -> FeeSample:
        fees_asked.set()
        return await refusal

    async def nonce(_account: Address, _at: At = Tag.LATEST) -> int:
        nonce_asked.set()
        return await never

    monkeypatch.setattr(quay.chain, "fees", fees)
    monkeypatch.setattr(quay.chain, "nonce", nonce)
    running = asyncio.create_task(quay.service.run())
    await fees_asked.wait()
    await nonce_asked.wait()
    refusal.set_exception(ChainUnavailable(detail="away"))
    # After this the question has failed, and whoever asked has not heard of it.
    await asyncio.sleep(0)
    running.cancel()
    await asyncio.wait([running], timeout=5)
    assert running.cancelled()
