"""The settling loop where a mistake would post a wrong batch, or pay for one that fails."""

import asyncio

import msgspec
import pytest

from node.codec.l1_calls import post_batch
from node.codec.l1_gas import posting_gas
from node.ports.chain import Tag
from node.settlement.fees import gas_limit
from node.settlement.tracker import RECORDS_PER_LOOK
from node.types.errors import ChainDisagrees, IntegrityError
from node.types.hold_up import HoldUp
from node.types.marks import Standing
from tests.unit.settlement.quay import CONFIG, GWEI, Quay


async def test_what_is_on_the_disk_and_in_the_outbox_too_is_taken_on_once() -> None:
    quay = Quay(batches=2)
    quay.store.seal()
    for batch in quay.store.batches:
        quay.outbox.offer(batch, 0)
    await quay.turns(1)
    assert (quay.service.stage.depth, len(quay.outbox)) == (3, 0)
    await quay.turns(5_000)
    assert len(quay.chain.posted) == 3


async def test_a_batch_that_the_disk_lacks_is_not_replaced_by_the_next_one() -> None:
    quay = Quay(batches=2)
    del quay.store.batches[0]
    with pytest.raises(IntegrityError) as caught:
        await quay.service.turn()
    assert (caught.value.values, quay.chain.sent) == ({"what": "batch store", "expected": 0}, [])


async def test_a_long_outage_makes_no_transaction_dearer() -> None:
    quay = Quay()
    quay.chain.mines = False
    await quay.turns(1)
    quay.chain.away = True
    await quay.turns(10 * CONFIG.stuck_after_ms)
    quay.chain.away = False
    await quay.turns(CONFIG.stuck_after_ms // 2)
    assert len(set(quay.chain.sent)) == 1


async def test_a_transaction_whose_answer_got_lost_and_that_failed_is_known_and_paid_for() -> None:
    quay = Quay()
    quay.chain.loses_answers = quay.chain.reverts = True
    await quay.turns(1)
    quay.chain.loses_answers = quay.chain.reverts = False
    await quay.turns(5_000)
    assert [mark.cause for mark in quay.marks if mark.cause] == ["reverted"]
    assert (quay.service.spending.failed_wei, len(quay.chain.posted)) == (GWEI, 1)


async def test_every_failure_is_paid_for() -> None:
    quay = Quay()
    quay.chain.reverts = True
    while len(quay.chain.failed) < 2:
        await quay.turns(1)
    quay.chain.reverts = False
    await quay.turns(5_000)
    assert (quay.service.spending.failed_wei, len(quay.chain.posted)) == (2 * GWEI, 1)


async def test_what_succeeded_on_a_fork_that_is_gone_did_not_fail() -> None:
    quay = Quay()
    quay.chain.mines = False
    await quay.turns(1)
    # Its nonce is spent and the batch not there, but the endpoint that is asked has seen it mined.
    quay.chain.mines, quay.chain.spent = True, 1
    await quay.turns(1)
    assert [mark.cause for mark in quay.marks if mark.cause] == ["displaced"]
    assert (quay.service.spending.failed_wei, len(quay.chain.posted)) == (0, 1)


async def test_after_a_failure_l1_is_asked_before_it_is_paid_again() -> None:
    quay = Quay()
    quay.chain.reverts = True
    await quay.turns(1)
    quay.chain.refuses = True
    with pytest.raises(ChainDisagrees) as caught:
        await quay.turns(5_000)
    assert (caught.value.values["what"], len(quay.chain.sent)) == ("batch refused", 1)


async def test_a_start_behind_more_batches_than_one_look_finds_rehearses_none_of_them() -> None:
    quay = Quay(batches=RECORDS_PER_LOOK + 2)
    quay.chain.posted = list(range(10, 10 + RECORDS_PER_LOOK + 1))
    quay.chain.head += RECORDS_PER_LOOK
    await quay.turns(2_000)
    assert len(quay.chain.sent) == 1
    assert len(quay.chain.posted) == RECORDS_PER_LOOK + 2


async def test_the_first_batch_has_the_gas_that_l1_says_it_needs() -> None:
    quay = Quay()
    formula = posting_gas(post_batch(quay.store.batches[0]))
    quay.chain.estimate = formula + 30_000
    await quay.turns(1)
    assert gas_limit(formula + 30_000).to_bytes(3, "big") in quay.chain.sent[0]


async def test_an_estimate_that_comes_too_late_refuses_nothing() -> None:
    quay = Quay()
    quay.chain.estimate = None
    await quay.turns(1)
    assert len(quay.chain.posted) == 1


@pytest.mark.parametrize("found", [True, False])
async def test_a_batch_that_l1_lost_costs_nothing_until_it_is_there_again(found: bool) -> None:
    quay = Quay()
    quay.chain.forgets = not found
    await quay.turns(2_000)
    assert quay.service.spending.gas_used == (100_000 if found else 0)
    quay.chain.posted.pop()
    quay.chain.spent, quay.chain.mines = 1, False
    await quay.turns(1)
    assert quay.standings()[-2:] == [Standing.SEALED, Standing.PENDING]
    assert (quay.service.spending.gas_used, quay.service.unaccounted) == (0, 0)


async def test_what_a_final_batch_cost_counts_once() -> None:
    quay = Quay()
    await quay.turns(2_000)
    quay.chain.head += CONFIG.final_depth or 0
    await quay.turns(2_000)
    assert (quay.standings()[-1], quay.service.spending.gas_used) == (Standing.FINAL, 100_000)


async def test_a_batch_that_a_reorg_put_into_another_block_stands_there() -> None:
    quay = Quay()
    await quay.turns(2_000)
    quay.chain.fork, quay.chain.posted[0] = 1, quay.chain.head + 1
    quay.chain.head += 1
    await quay.turns(1)
    assert quay.standings()[-2:] == [Standing.SEALED, Standing.POSTED]
    assert quay.marks[-1].block == quay.chain.head


async def test_a_look_asks_for_the_state_after_one_block_alone() -> None:
    quay = Quay()
    await quay.turns(2_000)
    quay.chain.states_asked.clear()
    await quay.turns(1)
    head = await quay.chain.block(Tag.LATEST)
    assert head is not None
    assert quay.chain.states_asked == {head.hash, Tag.PENDING}


async def test_a_batch_that_is_counted_and_not_there_is_looked_for_again() -> None:
    quay = Quay()
    await quay.turns(1)
    quay.chain.gone = True
    await quay.turns(1)
    assert quay.service.chain_away
    quay.chain.gone = False
    await quay.turns(1)
    assert (quay.service.chain_away, quay.standings()[-1]) == (False, Standing.POSTED)


@pytest.mark.parametrize("away", [False, True])
async def test_a_batch_that_comes_starts_no_turn_where_it_could_not_be_taken_or_sent(
    away: bool,
) -> None:
    quay = Quay(batches=1, config=msgspec.structs.replace(CONFIG, held_max=10 if away else 1))
    quay.chain.away, quay.chain.mines = away, False
    running = asyncio.create_task(quay.service.run())
    for _ in range(100):
        await asyncio.sleep(0)
    looks = quay.chain.looks
    quay.outbox.offer(quay.store.seal(), 0)
    for _ in range(100):
        await asyncio.sleep(0)
    assert quay.chain.looks == looks <= 2
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_an_l1_that_is_away_is_asked_ever_more_rarely_and_named_as_the_cause() -> None:
    quay = Quay()
    quay.chain.away = True
    pauses = [await quay.service.turn() for _ in range(7)]
    assert pauses == [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]
    assert quay.service.hold_up is HoldUp.OUTAGE
    quay.chain.away = False
    assert await quay.service.turn() == CONFIG.poll_ms
    quay.chain.away = True
    assert await quay.service.turn() == 1_000, "another outage begins anew"


async def test_a_batch_that_comes_starts_a_turn_where_it_can_be_sent() -> None:
    quay = Quay(batches=0)
    running = asyncio.create_task(quay.service.run())
    for _ in range(100):
        await asyncio.sleep(0)
    quay.outbox.offer(quay.store.seal(), 0)
    for _ in range(100):
        await asyncio.sleep(0)
    assert len(quay.chain.sent) == 1
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
