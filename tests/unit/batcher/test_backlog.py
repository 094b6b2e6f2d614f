"""The backlog: when it closes the gate and when not, and that no counter of it can ever stick."""

import random

import pytest

from node.batcher.backlog import Backlog


def test_it_closes_at_its_limit_and_opens_at_half() -> None:
    backlog = Backlog(batches_max=4, bytes_max=1_000)
    for index in range(3):
        backlog.wait(50)
        backlog.seal(index, 100)
    assert (backlog.full, backlog.batches, backlog.unposted_bytes) == (False, 3, 300)
    backlog.wait(50)
    assert (backlog.full, backlog.unposted_bytes) == (True, 350)
    backlog.post(0)
    assert backlog.full
    backlog.post(1)
    assert (backlog.full, backlog.batches, backlog.unposted_bytes) == (False, 2, 150)


def test_it_closes_by_bytes() -> None:
    backlog = Backlog(batches_max=100, bytes_max=1_000)
    backlog.add(0, 600)
    assert not backlog.full
    backlog.add(1, 400)
    assert (backlog.full, backlog.batches, backlog.unposted_bytes) == (True, 2, 1_000)
    backlog.post(1)
    assert backlog.full
    backlog.post(0)
    backlog.post(0)
    assert (backlog.full, backlog.unposted_bytes) == (False, 0)


def test_it_opens_at_exactly_half_of_its_bytes() -> None:
    backlog = Backlog(batches_max=100, bytes_max=1_000)
    backlog.add(0, 500)
    backlog.add(1, 500)
    assert backlog.full
    backlog.post(1)
    assert (backlog.full, backlog.unposted_bytes) == (False, 500)


def test_what_a_reorg_gives_back_is_held_and_refuses_nobody() -> None:
    backlog = Backlog(batches_max=4, bytes_max=1_000)
    for index in range(9):
        backlog.add(index, 900)
        backlog.post(index)
    for index in range(9):
        backlog.give_back(index, 900)
        backlog.give_back(index, 900)
    assert (backlog.batches, backlog.returned, backlog.unposted_bytes) == (9, 9, 8_100)
    assert not backlog.full
    backlog.add(9, 1_000)
    assert backlog.full, "new batches count as ever"
    for index in range(10):
        backlog.post(index)
    assert (backlog.full, backlog.batches, backlog.unposted_bytes) == (False, 0, 0)


def test_a_batch_that_was_never_posted_is_not_given_back() -> None:
    backlog = Backlog(batches_max=4, bytes_max=1_000)
    backlog.add(0, 600)
    backlog.give_back(0, 600)
    assert (backlog.batches, backlog.returned, backlog.unposted_bytes) == (1, 0, 600)


def test_a_batch_may_be_posted_before_it_is_counted() -> None:
    backlog = Backlog(batches_max=4, bytes_max=1_000)
    backlog.wait(50)
    backlog.post(0)
    backlog.seal(0, 100)
    assert (backlog.batches, backlog.unposted_bytes) == (0, 0)
    backlog.post(1)
    backlog.give_back(1, 100)
    backlog.wait(50)
    backlog.seal(1, 100)
    assert (backlog.batches, backlog.unposted_bytes) == (1, 100), "posted, dropped, then counted"


@pytest.mark.parametrize("seed", range(20))
def test_no_history_of_posts_and_reorgs_leaves_a_counter_behind(seed: int) -> None:
    """Optimism #12324: pending bytes went negative or stuck, and throttling never ended."""
    draw = random.Random(seed)
    backlog = Backlog(batches_max=6, bytes_max=2_000)
    sizes: list[int] = []
    standing: set[int] = set()
    waiting = 0
    for _ in range(400):
        match draw.randrange(4):
            case 0:
                backlog.wait(draw.randrange(1, 500))
                waiting += 1
            case 1 if waiting:
                sizes.append(draw.randrange(1, 500))
                backlog.seal(len(sizes) - 1, sizes[-1])
                waiting -= 1
            case 2 if sizes:
                index = draw.randrange(len(sizes))
                backlog.post(index)
                standing.add(index)
            case 3 if sizes:
                index = draw.randrange(len(sizes))
                backlog.give_back(index, sizes[index])
                standing.discard(index)
            case _:
                continue
        missing = [size for index, size in enumerate(sizes) if index not in standing]
        assert backlog.batches == len(missing) + waiting, f"seed {seed}"
        if not waiting:
            assert backlog.unposted_bytes == sum(missing), f"seed {seed}"
    for _ in range(waiting):
        sizes.append(1)
        backlog.seal(len(sizes) - 1, 1)
    for index in range(len(sizes)):
        backlog.post(index)
    assert (backlog.full, backlog.batches, backlog.unposted_bytes) == (False, 0, 0), f"seed {seed}"


def test_what_is_left_of_a_parted_batch_is_sealed_before_those_behind_it() -> None:
    backlog = Backlog(100, 10_000)
    backlog.wait(100)
    backlog.wait(5)
    backlog.seal(0, 60)
    backlog.wait_on(40)
    backlog.seal(1, 41)
    assert backlog.unposted_bytes == 60 + 41 + 5
