"""What the tracker does at each turn of fate, one at a time; then all of them at random."""

import random
from itertools import pairwise

import pytest

from node.settlement.config import SettlementConfig
from node.settlement.fees import FeePolicy, gas_limit
from node.settlement.lifecycle import NEXT, Step, advance
from node.settlement.sealed import Submission
from node.settlement.tracker import RECEIPT_BLOCKS, Tracker
from node.types.errors import ChainDisagrees, IntegrityError, TransitionImpossible
from node.types.marks import Mark, Standing
from node.types.units import Millis
from tests.unit.settlement.model_chain import FINAL_DEPTH, ModelChain, sealed

CONFIG = SettlementConfig(in_flight_max=3, stuck_after_ms=1_000, resend_after_ms=200)
TICK_MS = 100


class Harbour:
    """A tracker in front of a model chain, with a clock."""

    def __init__(self, batches: int, config: SettlementConfig = CONFIG) -> None:
        self.chain = ModelChain()
        self.config = config
        self.now = Millis(1_000_000)
        self.final = 0
        self.batches = 0
        self.marks: list[Mark] = []
        self.tracker = Tracker(config)
        for _ in range(batches):
            self.seal()

    def seal(self, inbox_cursor: int = 0) -> None:
        self.tracker.add(sealed(self.batches, inbox_cursor=inbox_cursor), self.now)
        self.batches += 1

    def restart(self) -> None:
        """All that a process knows is gone; what is not final is read from the disk again."""
        self.tracker = Tracker(self.config)
        for index in range(self.final, self.batches):
            self.tracker.add(sealed(index), self.now)

    def tick(self, *, lost: bool = False) -> tuple[Submission, ...]:
        """Look, decide, send. ``lost``: nothing that is sent arrives."""
        look = self.chain.look(self.tracker)
        failed = self.chain.failed(self.tracker.doubtful(look))
        marks = self.tracker.reconcile(look, failed, self.now)
        submissions, planned = self.tracker.plan(look, self.now)
        for submission in submissions:
            batch = sealed(submission.index)
            spare = ModelChain() if lost else self.chain
            transaction, answer = spare.send(submission, batch)
            self.tracker.sent(submission.nonce, transaction)
            if not lost:
                self.tracker.answered(submission.nonce, answer)
        self.marks += [*marks, *planned]
        self.final += sum(mark.standing is Standing.FINAL for mark in marks)
        self.now = Millis(self.now + TICK_MS)
        return submissions

    def turns(self, count: int, looks: int = 1) -> None:
        for _ in range(count):
            for _ in range(looks):
                self.tick()
            self.chain.mine()

    @property
    def posted(self) -> list[bytes]:
        return [commitment for commitment, _ in self.chain.head.batches]

    def expected(self) -> list[bytes]:
        return [sealed(index).commitment for index in range(self.batches)]

    def standings(self, index: int) -> list[Standing]:
        return [mark.standing for mark in self.marks if mark.index == index]


@pytest.mark.parametrize("standing", Standing)
@pytest.mark.parametrize("step", Step)
def test_what_the_table_lacks_is_impossible(standing: Standing, step: Step) -> None:
    if (standing, step) in NEXT:
        assert advance(1, standing, step) is NEXT[standing, step]
        return
    with pytest.raises(TransitionImpossible) as caught:
        advance(1, standing, step)
    assert caught.value.values == {"batch": 1, "standing": standing.name, "step": step.name}


def test_nothing_leads_on_from_final() -> None:
    assert not any(standing is Standing.FINAL for standing, _ in NEXT)


def test_a_batch_goes_all_the_way() -> None:
    harbour = Harbour(batches=5)
    harbour.turns(FINAL_DEPTH + 5)
    assert harbour.posted == harbour.expected()
    assert harbour.standings(4) == list(Standing)[1:]
    assert (harbour.final, len(harbour.tracker), harbour.chain.taken) == (5, 0, 5)
    last = harbour.marks[-1]
    assert (last.index, last.standing, last.last_sequence) == (4, Standing.FINAL, 50)
    assert harbour.chain.blocks[last.block].mined


def test_no_more_than_allowed_wait_in_the_pool() -> None:
    harbour = Harbour(batches=9)
    assert [submission.nonce for submission in harbour.tick()] == [0, 1, 2]
    assert harbour.tick() == ()
    assert len(harbour.chain.pool) == CONFIG.in_flight_max
    assert harbour.tracker.pressure(harbour.now).batches == 9


def test_pressure_falls_when_batches_are_posted() -> None:
    harbour = Harbour(batches=4)
    assert harbour.tracker.pressure(Millis(harbour.now + 70)).age_ms == 70
    harbour.turns(1)
    harbour.tick()
    pressure = harbour.tracker.pressure(harbour.now)
    assert (pressure.batches, pressure.data_bytes) == (1, 1_000)


def test_a_stuck_transaction_pays_more_up_to_the_cap_and_no_further() -> None:
    policy = FeePolicy(max_fee_cap=4_000_000_000)
    harbour = Harbour(1, SettlementConfig(stuck_after_ms=1_000, resend_after_ms=200, fees=policy))
    paid = [submission.fees for _ in range(300) for submission in harbour.tick()]
    assert 2 < len(paid) < 10
    for low, high in pairwise(paid):
        assert 8 * high.max_fee >= 9 * low.max_fee
        assert 8 * high.tip >= 9 * low.tip
    assert paid[-1].max_fee <= policy.max_fee_cap < 9 * paid[-1].max_fee // 8
    assert harbour.chain.taken == len(paid)
    harbour.turns(2)
    assert harbour.posted == harbour.expected()


def test_an_outage_makes_no_transaction_slow() -> None:
    harbour = Harbour(batches=1)
    harbour.tick()
    harbour.now = Millis(harbour.now + 3_600_000)
    harbour.tracker.resume(3_600_000)
    assert harbour.tick() == ()


def test_a_wait_goes_on_after_an_outage_where_it_was_before() -> None:
    harbour = Harbour(batches=1)
    waited = 0
    harbour.tick()
    while not harbour.tick():
        waited += 1
        harbour.now = Millis(harbour.now + 60_000)
        harbour.tracker.resume(60_000)
    assert waited == CONFIG.stuck_after_ms // TICK_MS - 1


def test_nothing_is_sent_while_l1_is_too_dear() -> None:
    harbour = Harbour(batches=1)
    harbour.chain.base_fee = CONFIG.fees.max_fee_cap
    assert harbour.tick() == ()
    assert harbour.tracker.held_back == "fees"
    harbour.chain.base_fee = 1_000_000_000
    assert len(harbour.tick()) == 1
    assert harbour.tracker.held_back == ""


def test_a_batch_waits_for_the_deposits_that_it_takes_in() -> None:
    harbour = Harbour(batches=1)
    harbour.seal(inbox_cursor=2)
    assert [submission.index for submission in harbour.tick()] == [0]
    assert harbour.tracker.held_back == "inbox"
    harbour.chain.inbox_count = 2
    assert [submission.index for submission in harbour.tick()] == [1]


@pytest.mark.parametrize("back_to_pool", [False, True])
def test_after_a_reorg_the_same_transactions_are_sent_again(back_to_pool: bool) -> None:
    harbour = Harbour(batches=3)
    first = harbour.tick()
    harbour.chain.mine()
    harbour.tick()
    harbour.chain.reorg(1, back_to_pool=back_to_pool)
    again = [submission for _ in range(4) for submission in harbour.tick()]
    assert [mark.cause for mark in harbour.marks if mark.standing is Standing.SEALED] == [
        "reorg"
    ] * 3
    sent_again = [] if back_to_pool else [(one.nonce, one.fees, one.gas) for one in first]
    assert [(one.nonce, one.fees, one.gas) for one in again] == sent_again
    harbour.turns(FINAL_DEPTH + 2)
    assert harbour.posted == harbour.expected()
    assert harbour.final == 3


def test_a_batch_that_a_reorg_only_moved_is_marked_again_and_not_sent() -> None:
    harbour = Harbour(batches=1)
    harbour.tick()
    harbour.chain.mine()
    harbour.tick()
    harbour.chain.reorg(1, back_to_pool=True)
    harbour.chain.mine()
    assert harbour.tick() == ()
    assert harbour.standings(0) == [
        Standing.PENDING,
        Standing.POSTED,
        Standing.SEALED,
        Standing.POSTED,
    ]
    assert harbour.marks[-1].block == 2


def test_what_a_process_before_sent_is_recognised_in_pool_and_block() -> None:
    harbour = Harbour(batches=3)
    harbour.tick()
    harbour.chain.mine(room=1)
    harbour.restart()
    assert harbour.tick() == ()
    harbour.turns(FINAL_DEPTH + 2)
    assert harbour.posted == harbour.expected()
    assert harbour.chain.taken == 3


def test_what_a_process_before_sent_too_cheaply_is_outbid() -> None:
    harbour = Harbour(batches=1)
    harbour.tick()
    harbour.chain.base_fee *= 10
    harbour.restart()
    for _ in range(40):
        harbour.tick()
        harbour.chain.mine()
    assert harbour.posted == harbour.expected()


def test_a_transaction_that_runs_out_of_gas_is_followed_by_one_with_more() -> None:
    harbour = Harbour(batches=2)
    harbour.chain.gas_needed = 140_000
    harbour.turns(20)
    assert harbour.posted == harbour.expected()
    assert [mark.cause for mark in harbour.marks if mark.cause][:2] == ["reverted", "reverted"]


def test_the_most_gas_that_a_batch_ever_lacked_is_added_to_all() -> None:
    harbour = Harbour(batches=2)
    harbour.tracker.learn_gas(0, sealed(0).gas + 50_000)
    harbour.tracker.learn_gas(1, sealed(1).gas + 10_000)
    assert [one.gas for one in harbour.tick()] == [gas_limit(150_000)] * 2


@pytest.mark.parametrize("looks", [1, 12])
@pytest.mark.parametrize("late", [0, 1, 2, RECEIPT_BLOCKS])
def test_a_batch_that_fails_for_ever_stops_the_node(late: int, looks: int) -> None:
    harbour = Harbour(batches=1)
    harbour.chain.gas_needed = 10**9
    harbour.chain.receipts_late = late
    with pytest.raises(ChainDisagrees) as caught:
        harbour.turns(50, looks)
    assert caught.value.values["what"] == "batch fails"
    assert harbour.chain.failed_in_all == CONFIG.failures_max + 1


def test_a_nonce_that_another_transaction_took_moves_the_batches_on() -> None:
    harbour = Harbour(batches=3)
    harbour.tick()
    harbour.chain.spend_nonce()
    harbour.turns(12)
    assert harbour.posted == harbour.expected()
    assert {mark.cause for mark in harbour.marks} == {"", "displaced"}


def test_a_batch_takes_no_other_ones_nonce_that_it_cannot_pay_to_replace() -> None:
    """The second's nonce would be the first's now, but an eighth more than it paid is too dear."""
    policy = FeePolicy(max_fee_cap=3_000_000_000)
    harbour = Harbour(2, SettlementConfig(resend_after_ms=200, fees=policy))
    harbour.tick()
    harbour.chain.spend_nonce()
    harbour.chain.forget()
    assert [one for _ in range(10) for one in harbour.tick()] == []
    assert harbour.tracker.held_back == "fees"


def test_another_batch_at_our_index_stops_the_node() -> None:
    harbour = Harbour(batches=1)
    impostor = sealed(0, salt=b"stolen key")
    harbour.chain.send(harbour.tick()[0], impostor)
    harbour.chain.pool[0] = type(harbour.chain.pool[0])(
        0, 0, impostor.commitment, harbour.chain.pool[0].fees, 100_000
    )
    harbour.chain.mine()
    with pytest.raises(ChainDisagrees) as caught:
        harbour.tick()
    assert caught.value.found == impostor.commitment


def test_a_batch_that_we_never_sealed_stops_the_node() -> None:
    harbour = Harbour(batches=2)
    harbour.turns(2)
    harbour.batches = 1
    harbour.restart()
    with pytest.raises(ChainDisagrees) as caught:
        harbour.tick()
    assert (caught.value.highest, caught.value.found) == (1, 2)


def test_a_chain_without_our_final_batches_stops_the_node() -> None:
    harbour = Harbour(batches=1)
    harbour.turns(FINAL_DEPTH + 3)
    harbour.seal()
    harbour.chain.reorg(len(harbour.chain.blocks) - 1, back_to_pool=False)
    with pytest.raises(ChainDisagrees) as caught:
        harbour.tick()
    assert (caught.value.lowest, caught.value.found) == (1, 0)


def test_batches_come_in_order() -> None:
    harbour = Harbour(batches=1)
    with pytest.raises(IntegrityError):
        harbour.tracker.add(sealed(2), harbour.now)


def misfortune(harbour: Harbour, dice: random.Random) -> None:
    """One thing that can happen between two looks; mostly, that the chain goes on."""
    chain = harbour.chain
    fates = {
        "mine": 35,
        "nothing": 25,
        "seal": 15,
        "reorg": 6,
        "evict all": 4,
        "fees": 4,
        "evict some": 3,
        "funds": 3,
        "restart": 3,
        "outage": 2,
        "stranger": 1,
        "gas": 1,
    }
    match dice.choices(list(fates), list(fates.values()))[0]:
        case "mine":
            chain.mine(room=dice.choice([0, 1, 1, 2, 4]))
        case "seal" if harbour.batches < 30:
            harbour.seal()
        case "reorg" if len(chain.blocks) > FINAL_DEPTH:
            # The blocks that count as final stay: L1 promises that much.
            chain.reorg(dice.randrange(1, FINAL_DEPTH), back_to_pool=dice.random() < 0.5)
        case "evict all":
            chain.forget()
        case "evict some":
            chain.forget(lambda _: dice.random() < 0.5)
        case "fees":
            chain.base_fee = dice.choice([10**7, 10**9, 3 * 10**9, 10**12])
        case "funds":
            chain.funded = not chain.funded
        case "restart":
            harbour.restart()
        case "outage":
            harbour.now = Millis(harbour.now + 60_000)
            harbour.tracker.resume(60_000)
        case "stranger":
            chain.spend_nonce()
        case "gas":
            chain.gas_needed = dice.choice([90_000, 100_001])
        case _:
            pass


@pytest.mark.parametrize("seed", range(60))
def test_whatever_happens_each_batch_ends_on_the_chain_once_and_in_order(seed: int) -> None:
    print("seed", seed)
    dice = random.Random(seed)
    harbour = Harbour(
        batches=2,
        config=SettlementConfig(
            in_flight_max=3, stuck_after_ms=1_000, resend_after_ms=200, failures_max=20
        ),
    )
    chain = harbour.chain
    for _ in range(300):
        misfortune(harbour, dice)
        harbour.tick(lost=dice.random() < 0.1)
    chain.base_fee, chain.funded = 10**9, True
    for _ in range(400):
        if harbour.final == harbour.batches:
            break
        harbour.tick()
        chain.mine()
    assert harbour.posted == harbour.expected()
    assert (harbour.final, len(harbour.tracker)) == (harbour.batches, 0)
    # A reorg may void what was sent, and a stuck one is outbid: but it never goes on for ever.
    assert chain.taken <= 12 * harbour.batches
