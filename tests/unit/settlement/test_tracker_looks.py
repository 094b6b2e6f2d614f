"""What a tracker makes of one look: which blocks it may trust, and whose turn it is."""

import msgspec
import pytest

from node.settlement.config import SettlementConfig
from node.settlement.sealed import Submission
from node.settlement.tracker import RECEIPT_BLOCKS, RECORDS_PER_LOOK
from node.types.errors import ChainDisagrees, IntegrityError
from node.types.marks import Standing
from node.types.units import Millis
from tests.unit.settlement.model_chain import FINAL_DEPTH, sealed
from tests.unit.settlement.test_tracker import CONFIG, TICK_MS, Harbour

SOME = 6
ALL = RECORDS_PER_LOOK + SOME


@pytest.mark.parametrize("wrong", [{"index": 2}, {"previous_root": bytes(32)}])
def test_a_batch_follows_the_last_by_its_number_and_by_its_root(wrong: dict[str, object]) -> None:
    harbour = Harbour(batches=1)
    with pytest.raises(IntegrityError):
        harbour.tracker.add(msgspec.structs.replace(sealed(1), **wrong), harbour.now)
    harbour.tracker.add(sealed(1), harbour.now)


def test_another_root_after_the_batches_that_are_ours_stops_the_node() -> None:
    harbour = Harbour(batches=1)
    look = msgspec.structs.replace(harbour.chain.look(harbour.tracker), latest_root=bytes(32))
    with pytest.raises(ChainDisagrees) as caught:
        harbour.tracker.reconcile(look, {}, harbour.now)
    assert caught.value.what == "root"


def test_what_no_look_has_read_again_since_a_reorg_is_not_safe_by_the_block_that_is_gone() -> None:
    harbour = Harbour(ALL, SettlementConfig(in_flight_max=ALL))
    harbour.tick()
    harbour.chain.mine(room=ALL)
    for _ in range(2):
        harbour.tick()
    assert all(harbour.standings(index)[-1] is Standing.POSTED for index in range(ALL))
    # All of them move from the first block to the second, and the first is deep enough by now.
    harbour.chain.reorg(1, back_to_pool=True)
    harbour.chain.mine(room=ALL)
    harbour.chain.mine()
    harbour.marks.clear()
    harbour.tick()
    assert Standing.SAFE not in {mark.standing for mark in harbour.marks}
    assert len({mark.index for mark in harbour.marks}) == RECORDS_PER_LOOK
    harbour.turns(2)
    assert {mark.block for mark in harbour.marks if mark.standing is Standing.POSTED} == {2}
    assert all(harbour.standings(index)[-1] is Standing.SAFE for index in range(ALL))


def test_a_transaction_is_not_late_for_the_time_in_which_another_was_before_it() -> None:
    harbour = Harbour(batches=2)
    harbour.tick()
    for _ in range(CONFIG.stuck_after_ms // TICK_MS - 2):
        assert harbour.tick() == ()
    harbour.chain.mine(room=1)
    for _ in range(CONFIG.stuck_after_ms // TICK_MS):
        assert harbour.tick() == ()
    [dearer] = harbour.tick()
    assert (dearer.index, dearer.attempt) == (1, 2)


def test_a_transaction_behind_another_that_cannot_pay_todays_fee_is_replaced_as_well() -> None:
    harbour = Harbour(batches=2)
    harbour.tick()
    harbour.chain.base_fee *= 10
    replaced = next_sent(harbour)
    assert [(one.index, one.attempt) for one in replaced] == [(0, 2), (1, 2)]


def test_a_nonce_that_a_stranger_spent_is_no_failure_however_late_receipts_are() -> None:
    harbour = Harbour(batches=1)
    harbour.tick()
    harbour.chain.spend_nonce()
    for _ in range(RECEIPT_BLOCKS + 2):
        harbour.tick()
        harbour.chain.mine(room=0)
    assert {mark.cause for mark in harbour.marks} == {"", "displaced"}


def next_sent(harbour: Harbour) -> tuple[Submission, ...]:
    """Tick until something is sent."""
    return next(sent for sent in (harbour.tick() for _ in range(100)) if sent)


def test_what_got_lost_is_sent_again_with_the_very_gas_it_had() -> None:
    harbour = Harbour(batches=1)
    [first] = harbour.tick()
    harbour.tracker.learn_gas(0, sealed(0).gas + 50_000)
    harbour.chain.forget()
    [again] = next_sent(harbour)
    assert (again.attempt, again.fees, again.gas) == (0, first.fees, first.gas)


def test_what_a_process_before_sent_and_a_pool_lost_is_sent_with_gas() -> None:
    harbour = Harbour(batches=1)
    [first] = harbour.tick()
    harbour.restart()
    harbour.tick()
    harbour.chain.forget()
    [again] = next_sent(harbour)
    assert (again.attempt, again.gas) == (0, first.gas)


def test_of_a_final_batch_no_nonce_is_kept() -> None:
    harbour = Harbour(batches=2)
    harbour.turns(FINAL_DEPTH + 5)
    assert harbour.tracker._slots == {}


def test_nobody_is_asked_what_became_of_a_batch_that_moved_to_another_nonce() -> None:
    harbour = Harbour(batches=2)
    harbour.tick()
    second = harbour.chain.pool[1].hash
    harbour.chain.spend_nonce()
    assert [(one.index, one.nonce) for one in harbour.tick()] == [(0, 1), (1, 2)]
    harbour.chain.spend_nonce()
    assert second not in harbour.tracker.doubtful(harbour.chain.look(harbour.tracker))


def test_what_waits_is_as_old_as_the_oldest_of_it() -> None:
    harbour = Harbour(batches=1)
    harbour.now = Millis(harbour.now + 50)
    harbour.seal()
    assert harbour.tracker.pressure(harbour.now).age_ms == 50


def test_a_turn_that_an_outage_cut_short_goes_on_after_it() -> None:
    harbour = Harbour(batches=2)
    for _ in range(7):
        harbour.tick()
    harbour.chain.mine(room=1)
    assert harbour.tick() == ()
    harbour.now = Millis(harbour.now + 3_600_000)
    harbour.tracker.resume(3_600_000)
    waited = 0
    while not harbour.tick():
        waited += 1
    assert waited == CONFIG.stuck_after_ms // TICK_MS - 1
