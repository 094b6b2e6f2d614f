"""A withdrawal's proof is made with the first final batch that holds it, and kept."""

import pytest

from node.app.withdrawals import WithdrawalDesk
from node.transition.leaves import withdrawal_key
from node.transition.tree.proofs import Proof
from node.types.errors import NotFound


class Prover:
    """Proves what the batches so far contain; ``asked`` are the questions."""

    def __init__(self, contents: dict[int, int]) -> None:
        """``contents``: by batch, the highest withdrawal that its state holds."""
        self._contents = contents
        self.asked: list[tuple[int, int]] = []

    async def prove(self, batch: int, key: bytes) -> Proof:
        numbers = {withdrawal_key(number): number for number in range(10)}
        number = numbers[key]
        self.asked.append((batch, number))
        if number > self._contents[batch]:
            raise NotFound(key=key)
        return Proof(key, b"batch %d" % batch, (), ())


async def test_a_final_batch_proves_what_it_holds_and_asks_no_further() -> None:
    prover = Prover({0: 2})
    desk = WithdrawalDesk(prover.prove, [])
    for number in (1, 2, 3, 4):
        desk.opened(number)
    await desk.finalized(0)
    assert prover.asked == [(0, 1), (0, 2), (0, 3)]
    for number in (1, 2):
        found = desk.find(number)
        assert (found.batch, found.proof.key) == (0, withdrawal_key(number))


async def test_a_proof_is_made_once() -> None:
    prover = Prover({0: 1, 1: 2})
    desk = WithdrawalDesk(prover.prove, [])
    desk.opened(1)
    await desk.finalized(0)
    desk.opened(2)
    await desk.finalized(1)
    assert prover.asked == [(0, 1), (1, 2)]
    assert (desk.find(1).batch, desk.find(2).batch) == (0, 1)


async def test_whoever_asks_too_early_learns_whether_waiting_helps() -> None:
    desk = WithdrawalDesk(Prover({0: 0}).prove, [])
    desk.opened(1)
    await desk.finalized(0)
    for number, waiting in ((1, True), (2, False)):
        with pytest.raises(NotFound) as refused:
            desk.find(number)
        assert refused.value.values == {"withdrawal": number, "waiting": waiting}


async def test_what_was_open_at_the_start_is_proved_with_the_next_final_batch() -> None:
    desk = WithdrawalDesk(Prover({7: 3}).prove, [3, 1])
    await desk.finalized(7)
    assert [desk.find(number).batch for number in (1, 3)] == [7, 7]
