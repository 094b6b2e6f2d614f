"""Before the doors open: L1 has no batch that this node did not seal."""

import pytest

from node.codec.l1_calls import BATCH_COUNT, LATEST_ROOT
from node.ports.chain import At, L1Block, Tag
from node.settlement import contracts
from node.settlement.contracts import LOG_TRIES, check_log
from node.types.errors import ChainUnavailable, WrongContract, WrongLog
from node.types.ids import Address

ROLLUP = Address(b"\x07" * 20)
HEAD = L1Block(9, b"\x09" * 32, 0, 0)
ROOT, OTHER_ROOT = b"\x01" * 32, b"\x02" * 32
WHERE = "out/data"


class Rollup:
    """What ``check_log`` asks of a chain: so many batches, and the root after them."""

    def __init__(self, posted: int, root: bytes, head: L1Block | None = HEAD) -> None:
        self.head = head
        self.behind = 0
        self.posted = posted
        self._answers = {
            BATCH_COUNT.encode(): posted.to_bytes(32, "big"),
            LATEST_ROOT.encode(): root,
        }

    async def block(self, at: At) -> L1Block | None:
        assert at is Tag.LATEST
        return self.head

    async def call(
        self, to: Address, data: bytes, at: At = Tag.LATEST, sender: Address | None = None
    ) -> bytes:
        # Both answers must be of one block, or a batch that comes in between would be another's.
        assert (to, at, sender) == (ROLLUP, HEAD.hash, None)
        if self.behind:
            self.behind -= 1
            raise ChainUnavailable(detail="header not found")
        return self._answers[data]


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contracts, "LOG_RETRY_S", 0.0)


async def check(rollup: Rollup, sealed: int) -> None:
    found = await check_log(rollup, ROLLUP, sealed=sealed, root=ROOT, where=WHERE)  # type: ignore[arg-type]
    assert found == rollup.posted


@pytest.mark.parametrize(("posted", "sealed"), [(0, 0), (3, 3)])
async def test_a_log_that_ends_where_l1_does_is_the_one(posted: int, sealed: int) -> None:
    await check(Rollup(posted, ROOT), sealed)


async def test_a_log_may_be_ahead_of_l1() -> None:
    await check(Rollup(1, OTHER_ROOT), 3)


@pytest.mark.parametrize("sealed", [0, 2])
async def test_a_folder_that_lacks_batches_of_l1_is_refused(sealed: int) -> None:
    with pytest.raises(WrongLog) as refused:
        await check(Rollup(3, ROOT), sealed)
    assert refused.value.values == {"where": WHERE, "posted": 3, "sealed": sealed}


async def test_a_log_of_the_same_length_that_ends_elsewhere_is_refused() -> None:
    with pytest.raises(WrongLog) as refused:
        await check(Rollup(3, OTHER_ROOT), 3)
    assert (refused.value.expected, refused.value.found) == (ROOT, OTHER_ROOT)


async def test_an_endpoint_without_a_block_has_not_answered() -> None:
    with pytest.raises(ChainUnavailable):
        await check(Rollup(0, ROOT, head=None), 0)


async def test_a_contract_that_answers_with_nonsense_is_another_one() -> None:
    with pytest.raises(WrongContract):
        await check(Rollup(0, b""), 0)


async def test_an_endpoint_that_is_a_block_behind_for_a_moment_is_asked_again() -> None:
    rollup = Rollup(3, ROOT)
    rollup.behind = LOG_TRIES - 1
    await check(rollup, 3)
    rollup.behind = LOG_TRIES
    with pytest.raises(ChainUnavailable):
        await check(rollup, 3)
    assert rollup.behind == 0
