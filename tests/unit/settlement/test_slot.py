"""What a pool says to a transaction decides whether the next one must be dearer."""

import pytest

from node.codec.l1_transactions import Fees
from node.ports.chain import Sending
from node.settlement.slot import HELD_KEPT, REFUSED_KEPT, Slot
from node.types.units import Millis
from tests.unit.settlement.test_tracker import CONFIG, TICK_MS, Harbour


def offered(slot: Slot, max_fee: int, answer: Sending | None, tip: int = 1) -> bytes:
    """Send at ``max_fee``; the answer None gets lost."""
    transaction = b"%d %d" % (max_fee, tip)
    slot.fees = Fees(max_fee, tip)
    slot.sent(transaction)
    if answer is not None:
        slot.answered(answer)
    return transaction


@pytest.mark.parametrize("lost", [False, True])
def test_what_no_pool_took_is_not_outbid(lost: bool) -> None:
    harbour = Harbour(batches=1)
    harbour.chain.funded = False
    sent = [one for _ in range(100) for one in harbour.tick(lost=lost)]
    assert len(sent) > 20
    assert {one.fees for one in sent} == {sent[0].fees}
    harbour.chain.base_fee //= 2
    harbour.chain.funded = True
    harbour.turns(12)
    assert harbour.posted == harbour.expected()
    ((mined, _),) = next(block.mined for block in harbour.chain.blocks if block.mined)
    assert mined.fees.max_fee <= sent[0].fees.max_fee


def test_what_is_refused_is_offered_again_at_the_fees_of_the_day() -> None:
    harbour = Harbour(batches=1)
    harbour.chain.funded = False
    (first,) = harbour.tick()
    harbour.chain.base_fee //= 2
    (again,) = [one for _ in range(2) for one in harbour.tick()]
    assert again.fees.max_fee < first.fees.max_fee


def test_what_waits_is_outbid_by_a_step_however_often_the_account_cannot_pay() -> None:
    harbour = Harbour(batches=1)
    (first,) = harbour.tick()
    harbour.chain.funded = False
    refused = [one for _ in range(100) for one in harbour.tick()]
    assert len(refused) > 5
    assert {one.fees.max_fee for one in refused} == {9 * first.fees.max_fee // 8}
    harbour.chain.funded = True
    for _ in range(11):
        harbour.tick()
    assert harbour.chain.taken == 2
    harbour.turns(1)
    assert harbour.posted == harbour.expected()


@pytest.mark.parametrize("evicted", [False, True])
@pytest.mark.parametrize("unfunded_ticks", [5, 11])
def test_what_is_taken_after_the_account_was_empty_has_the_whole_time_to_be_mined(
    unfunded_ticks: int, evicted: bool
) -> None:
    harbour = Harbour(batches=1)
    if evicted:
        harbour.tick()
        harbour.chain.forget()
    harbour.chain.funded = False
    for _ in range(unfunded_ticks):
        harbour.tick()
    harbour.chain.funded = True
    while not harbour.chain.pool:
        harbour.tick()
    for _ in range(CONFIG.stuck_after_ms // TICK_MS - 1):
        assert harbour.tick() == ()
    assert len(harbour.tick()) == 1


def test_an_account_without_funds_asks_with_one_transaction_until_it_can_pay() -> None:
    harbour = Harbour(batches=2)
    harbour.chain.funded = False
    assert len(harbour.tick()) == 2
    asked = [harbour.tick() for _ in range(20)]
    assert harbour.tracker.held_back == "funds"
    assert {one.index for submissions in asked for one in submissions} == {0}
    harbour.chain.funded = True
    harbour.turns(5)
    assert harbour.tracker.held_back == ""
    assert harbour.posted == harbour.expected()


@pytest.mark.parametrize("refusal", [Sending.UNFUNDED, Sending.REFUSED])
def test_of_what_is_refused_the_newest_are_remembered_and_all_that_a_pool_may_hold(
    refusal: Sending,
) -> None:
    slot = Slot(0, Millis(0))
    held = [offered(slot, 10, Sending.TAKEN), offered(slot, 11, None)]
    held.append(offered(slot, 12, Sending.UNDERPRICED))
    refused = [offered(slot, 100 + fee, refusal) for fee in range(100)]
    assert slot.hashes == (*held, *refused[-REFUSED_KEPT:])
    assert [offered(slot, fee, refusal) for fee in (10, 11, 12)] == held
    assert slot.hashes == (*held, *refused[-REFUSED_KEPT:])


def test_of_what_is_never_answered_the_newest_are_remembered_whatever_is_refused() -> None:
    slot = Slot(0, Millis(0))
    lost = [offered(slot, fee, None) for fee in range(3 * HELD_KEPT)]
    refused = [offered(slot, 1_000 + fee, Sending.UNFUNDED) for fee in range(3)]
    assert slot.hashes == (*lost[-HELD_KEPT:], *refused)


def test_what_was_refused_and_is_taken_later_is_remembered() -> None:
    slot = Slot(0, Millis(0))
    first = offered(slot, 10, Sending.REFUSED)
    assert offered(slot, 10, Sending.TAKEN) == first
    for fee in range(2 * REFUSED_KEPT):
        offered(slot, 100 + fee, Sending.REFUSED)
    assert (slot.hashes[0], len(slot.hashes)) == (first, 1 + REFUSED_KEPT)


def test_what_was_refused_and_is_taken_later_is_asked_for_once() -> None:
    slot = Slot(0, Millis(0))
    first = offered(slot, 10, Sending.REFUSED)
    offered(slot, 10, Sending.TAKEN)
    assert slot.hashes == (first,)


def test_what_one_batch_sent_is_not_taken_for_the_failure_of_the_next() -> None:
    slot = Slot(0, Millis(0))
    offered(slot, 10, Sending.TAKEN)
    offered(slot, 20, Sending.REFUSED)
    slot.move(1)
    assert (slot.index, slot.hashes) == (1, ())


def test_bids_that_an_endpoint_turns_down_whatever_they_pay_raise_no_price() -> None:
    slot = Slot(0, Millis(0))
    offered(slot, 100, Sending.TAKEN)
    offered(slot, 113, Sending.REFUSED)
    assert slot.to_outbid(seen=True) == Fees(100, 1)


def test_a_refusal_in_unknown_words_is_outbid_where_nobody_knows_what_waits() -> None:
    slot = Slot(0, Millis(0))
    offered(slot, 113, Sending.REFUSED)
    assert slot.to_outbid(seen=True) == Fees(113, 1)
    assert slot.to_outbid(seen=False) is None


@pytest.mark.parametrize("seen", [False, True])
def test_a_cheaper_bid_that_is_turned_down_leaves_the_rival_as_dear_as_it_was(seen: bool) -> None:
    slot = Slot(0, Millis(0))
    offered(slot, 100, Sending.TAKEN, tip=2)
    offered(slot, 50, Sending.UNDERPRICED, tip=5)
    assert slot.to_outbid(seen=seen) == Fees(100, 5)
