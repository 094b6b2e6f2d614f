"""What a pool says to a transaction decides whether the next one must be dearer."""

import pytest

from tests.unit.settlement.test_tracker import Harbour


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
