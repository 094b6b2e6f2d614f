"""A withdrawal is proved when it is asked for, by the newest batch that is final."""

import asyncio
from unittest.mock import AsyncMock, Mock

import pytest

from node.app.node import Node
from node.app.withdrawals import PROOFS_KEPT, WAITING_MAX, WithdrawalDesk
from node.transition.leaves import withdrawal_key
from node.transition.tree.proofs import Proof
from node.types.errors import NotFound, Overloaded


class Prover:
    """Proves what the batches contain, while ``gate`` is open; ``asked`` are the questions."""

    def __init__(self, contents: dict[int, int]) -> None:
        """``contents``: by batch, the highest withdrawal that its state holds."""
        self._contents = contents
        self.asked: list[tuple[int, int]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def prove(self, batch: int, key: bytes) -> tuple[int, Proof]:
        number = int.from_bytes(key[1:9], "big")
        self.asked.append((batch, number))
        await self.gate.wait()
        if number > self._contents[batch]:
            raise NotFound(key=key)
        return batch, Proof(key, b"batch %d" % batch, (), ())


async def refusal(desk: WithdrawalDesk, number: int) -> dict[str, object]:
    with pytest.raises(NotFound) as refused:
        await desk.find(number)
    return refused.value.values


async def test_the_newest_final_batch_proves_every_withdrawal_so_far() -> None:
    desk = WithdrawalDesk(Prover({0: 1, 1: 2}).prove, 0)
    desk.opened(1)
    desk.finalized(0)
    desk.opened(2)
    desk.finalized(1)
    for number in (1, 2):
        found = await desk.find(number)
        assert (found.batch, found.proof.key) == (1, withdrawal_key(number))


async def test_a_proof_names_the_batch_that_it_is_made_by() -> None:
    prover = Prover({0: 1})

    async def prove_by_an_older_one(final: int, key: bytes) -> tuple[int, Proof]:
        return await prover.prove(final - 3, key)

    desk = WithdrawalDesk(prove_by_an_older_one, 1)
    desk.finalized(3)
    assert (await desk.find(1)).batch == 0


async def test_who_asks_again_is_told_the_same_proof() -> None:
    prover = Prover({0: 2, 1: 2})
    desk = WithdrawalDesk(prover.prove, 2)
    desk.finalized(0)
    first = await desk.find(1)
    desk.finalized(1)
    assert await desk.find(1) is first
    assert prover.asked == [(0, 1)]
    assert (await desk.find(2)).batch == 1


async def test_two_who_ask_at_once_are_told_the_same_proof() -> None:
    prover = Prover({0: 1, 1: 1})
    desk = WithdrawalDesk(prover.prove, 1)
    desk.finalized(0)
    prover.gate.clear()
    asking = [asyncio.ensure_future(desk.find(1)) for _ in range(2)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    desk.finalized(1)
    prover.gate.set()
    first, second = await asyncio.gather(*asking)
    assert first is second


async def test_no_more_proofs_are_kept_than_are_allowed() -> None:
    count = PROOFS_KEPT + 2
    prover = Prover({0: count})
    desk = WithdrawalDesk(prover.prove, count)
    desk.finalized(0)
    for number in range(1, count + 1):
        await desk.find(number)
    prover.asked.clear()
    for number in (count, 3, 2):
        await desk.find(number)
    assert prover.asked == [(0, 2)]


async def test_whoever_asks_too_early_learns_whether_waiting_helps() -> None:
    prover = Prover({0: 1})
    desk = WithdrawalDesk(prover.prove, 2)
    assert await refusal(desk, 1) == {"withdrawal": 1, "waiting": True}
    desk.finalized(0)
    assert (await desk.find(1)).batch == 0
    assert await refusal(desk, 2) == {"withdrawal": 2, "waiting": True}
    prover.asked.clear()
    for number in (0, 3, 2**63):
        assert await refusal(desk, number) == {"withdrawal": number, "waiting": False}
    assert prover.asked == [], "what never was costs the replica nothing"


async def test_what_a_final_batch_lacks_is_asked_for_once_until_the_next_one_is_final() -> None:
    prover = Prover({0: 1, 1: 4})
    desk = WithdrawalDesk(prover.prove, 4)
    desk.finalized(0)
    for number in (3, 3, 4, 2, 3, 2):
        assert await refusal(desk, number) == {"withdrawal": number, "waiting": True}
    assert prover.asked == [(0, 3), (0, 2)], "it has none of those opened after one that it lacks"
    assert (await desk.find(1)).batch == 0
    desk.finalized(1)
    assert (await desk.find(4)).batch == 1


async def test_those_who_ask_at_once_for_what_is_not_final_cost_the_replica_one_question() -> None:
    prover = Prover({0: 0})
    desk = WithdrawalDesk(prover.prove, 3)
    desk.finalized(0)
    found = await asyncio.gather(*(desk.find(n) for n in (1, 2, 3)), return_exceptions=True)
    assert [type(answer) for answer in found] == [NotFound] * 3
    assert prover.asked == [(0, 1)]


async def test_what_a_batch_lacked_says_nothing_of_one_that_became_final_meanwhile() -> None:
    prover = Prover({0: 0, 1: 1})
    desk = WithdrawalDesk(prover.prove, 1)
    desk.finalized(0)
    prover.gate.clear()
    asking = asyncio.ensure_future(desk.find(1))
    await asyncio.sleep(0)
    desk.finalized(1)
    prover.gate.set()
    with pytest.raises(NotFound):
        await asking
    assert (await desk.find(1)).batch == 1


async def test_the_replica_is_asked_one_at_a_time_and_by_the_batch_of_that_moment() -> None:
    prover = Prover({0: 2, 1: 2})
    desk = WithdrawalDesk(prover.prove, 2)
    desk.finalized(0)
    prover.gate.clear()
    first, second = (asyncio.ensure_future(desk.find(number)) for number in (1, 2))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert prover.asked == [(0, 1)]
    desk.finalized(1)
    prover.gate.set()
    assert [(await first).batch, (await second).batch] == [0, 1]


async def test_more_than_may_wait_are_refused_and_room_comes_back() -> None:
    prover = Prover({0: 1})
    desk = WithdrawalDesk(prover.prove, 1)
    desk.finalized(0)
    prover.gate.clear()
    asking = [asyncio.ensure_future(desk.find(1)) for _ in range(WAITING_MAX)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded) as refused:
        await desk.find(1)
    assert refused.value.values == {"queue": "withdrawal_proofs", "limit": WAITING_MAX}
    asking.pop().cancel()
    prover.gate.set()
    assert len(await asyncio.gather(*asking)) == WAITING_MAX - 1
    assert (await desk.find(1)).batch == 0


async def test_a_history_that_lags_does_not_keep_the_newest_final_batch_from_proving() -> None:
    node = Mock(_finals=asyncio.Queue())
    node.history.let_go.return_value = None
    pinned: asyncio.Queue[int] = asyncio.Queue()
    node.base.replica = AsyncMock(pin=pinned.put)
    working = asyncio.ensure_future(Node._let_go_of_final(node))
    for index in (4, 5):
        node._finals.put_nowait(Mock(index=index))
        assert await asyncio.wait_for(pinned.get(), 5) == index
    working.cancel()
    node.base.replica.finalize.assert_not_called()
