"""Who waits, who goes first, who is replaced."""

import pytest

from node.adapters.devnet.mempool import Mempool
from node.adapters.devnet.rpc_errors import SERVER_ERROR, RpcError
from node.adapters.devnet.transactions import SignedTransaction

ALICE = b"a" * 20
BOB = b"b" * 20
BASE_FEE = 100


def transaction(
    sender: bytes = ALICE, nonce: int = 0, fee: int = 1_000, tip: int = 10
) -> SignedTransaction:
    return SignedTransaction(
        hash=b"%b %d %d %d" % (sender, nonce, fee, tip),
        sender=sender,
        nonce=nonce,
        gas=21_000,
        value=5,
        max_fee=fee,
        max_tip=tip,
        evm=None,
    )


def pool_of(*transactions: SignedTransaction, limit: int = 100) -> Mempool:
    pool = Mempool(limit=limit, limit_per_sender=4)
    for each in transactions:
        pool.add(each)
    return pool


def order(pool: Mempool, base_fee: int = BASE_FEE, mined: int = 0) -> list[tuple[bytes, int]]:
    taken = pool.executable(base_fee, lambda _: mined)
    return [(each.sender, each.nonce) for each in taken]


def refusal(pool: Mempool, offered: SignedTransaction) -> str:
    before = (len(pool), order(pool))
    with pytest.raises(RpcError) as caught:
        pool.add(offered)
    assert caught.value.code == SERVER_ERROR
    assert (len(pool), order(pool)) == before, "a refusal changes nothing"
    return caught.value.message


def test_the_best_tip_goes_first_and_nonces_stay_in_sequence() -> None:
    pool = pool_of(
        transaction(ALICE, 1, tip=90),
        transaction(ALICE, 0, tip=5),
        transaction(BOB, 0, tip=7),
        transaction(BOB, 1, tip=3),
    )
    assert order(pool) == [(BOB, 0), (ALICE, 0), (ALICE, 1), (BOB, 1)]


def test_the_tip_that_counts_is_what_the_base_fee_leaves() -> None:
    pool = pool_of(transaction(ALICE, fee=104, tip=50), transaction(BOB, fee=1_000, tip=5))
    assert order(pool) == [(BOB, 0), (ALICE, 0)]


def test_a_gap_holds_up_its_own_sender_only() -> None:
    pool = pool_of(transaction(ALICE, 0), transaction(ALICE, 2), transaction(BOB, 0, tip=1))
    assert order(pool) == [(ALICE, 0), (BOB, 0)]


def test_what_cannot_pay_the_base_fee_waits_and_so_does_what_follows_it() -> None:
    pool = pool_of(transaction(ALICE, 0, fee=99), transaction(ALICE, 1))
    assert order(pool) == []
    assert order(pool, base_fee=99) == [(ALICE, 0), (ALICE, 1)]


def test_a_replacement_raises_both_fees_by_a_tenth() -> None:
    pool = pool_of(transaction(fee=1_000, tip=10))
    for fee, tip in ((1_099, 11), (1_100, 10), (1_000, 11)):
        message = refusal(pool, transaction(fee=fee, tip=tip))
        assert message == "replacement transaction underpriced"
    raised = transaction(fee=1_100, tip=11)
    pool.add(raised)
    assert len(pool) == 1
    assert pool.get(raised.hash) is raised
    assert pool.get(transaction(fee=1_000, tip=10).hash) is None


def test_the_same_transaction_twice_is_already_known() -> None:
    pool = pool_of(transaction())
    assert refusal(pool, transaction()) == "already known"


def test_the_pool_is_bounded_in_all_and_per_sender() -> None:
    full = pool_of(transaction(ALICE, 0), transaction(ALICE, 1), limit=2)
    assert "txpool is full" in refusal(full, transaction(BOB, 0))
    full.add(transaction(ALICE, 1, fee=2_000, tip=20))  # A replacement takes no room.
    crowded = pool_of(*(transaction(ALICE, nonce) for nonce in range(4)))
    assert "account limit" in refusal(crowded, transaction(ALICE, 4))
    crowded.add(transaction(BOB, 0))


def test_pruning_forgets_what_can_never_execute_again() -> None:
    pool = pool_of(transaction(ALICE, 0), transaction(ALICE, 1), transaction(BOB, 0))
    pool.prune(lambda _: 1)
    assert len(pool) == 1
    assert pool.get(transaction(ALICE, 1).hash) is not None
    assert pool.get(transaction(BOB, 0).hash) is None


def test_the_next_nonce_and_the_cost_before_it_count_what_waits() -> None:
    pool = pool_of(transaction(ALICE, 3), transaction(ALICE, 4), transaction(ALICE, 6))
    assert pool.next_nonce(ALICE, 3) == 5
    assert pool.next_nonce(BOB, 7) == 7
    assert pool.cost_before(ALICE, 5) == 2 * (21_000 * 1_000 + 5)
    assert pool.cost_before(BOB, 5) == 0
