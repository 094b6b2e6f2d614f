"""What L1 carries now: the part of its blocks that take what waits."""

from node.capacity.inclusion import InclusionRate

BLOCK_MS = 12_000


def test_blocks_that_take_what_waits_keep_the_rate_whole() -> None:
    rate = InclusionRate()
    for block in range(1, 50):
        rate.observe(block, BLOCK_MS, block, waits=True, now_ms=block * BLOCK_MS)
    assert rate.ppm == 1_000_000


def test_one_block_in_ten_becomes_a_tenth() -> None:
    rate = InclusionRate()
    seen = []
    for block in range(1, 400):
        rate.observe(block, BLOCK_MS, block // 10, waits=True, now_ms=block * BLOCK_MS)
        seen.append(rate.ppm)
    assert 80_000 < sum(seen[100:]) / len(seen[100:]) < 120_000


def test_blocks_for_which_nothing_waits_say_nothing() -> None:
    rate = InclusionRate()
    for block in range(1, 50):
        rate.observe(block, BLOCK_MS, 0, waits=False, now_ms=block * BLOCK_MS)
    assert rate.ppm == 1_000_000


def test_blocks_that_do_not_come_count_as_missed() -> None:
    rate = InclusionRate()
    rate.observe(1, BLOCK_MS, 1, waits=True, now_ms=0)
    for second in range(600):
        rate.observe(1, BLOCK_MS, 1, waits=True, now_ms=second * 1_000)
    assert rate.ppm < 150_000
    # And when they come again, it recovers.
    for block in range(2, 60):
        rate.observe(block, BLOCK_MS, block, waits=True, now_ms=600_000 + block * BLOCK_MS)
    assert rate.ppm > 980_000


def test_a_chain_without_empty_blocks_misses_none_while_nothing_waits() -> None:
    rate = InclusionRate()
    rate.observe(1, 250, 1, waits=True, now_ms=0)
    for second in range(600):
        rate.observe(1, 250, 1, waits=False, now_ms=second * 1_000)
    rate.observe(1, 250, 1, waits=True, now_ms=599_400)
    assert rate.ppm == 1_000_000
    rate.observe(1, 250, 1, waits=True, now_ms=602_000)
    assert rate.ppm < 700_000


def test_it_never_leaves_its_range_whatever_is_seen() -> None:
    rate = InclusionRate()
    for block, posted, now in ((5, 9, 0), (500, 9, 10), (3, 1, 20), (501, 10, 10**12)):
        rate.observe(block, BLOCK_MS, posted, waits=True, now_ms=now)
        assert 0 <= rate.ppm <= 1_000_000
    rate.observe(501, None, 10, waits=True, now_ms=10**13)
    assert 0 <= rate.ppm <= 1_000_000


def test_the_blocks_before_the_first_look_are_not_missed() -> None:
    rate = InclusionRate()
    rate.observe(20_000_000, BLOCK_MS, 0, waits=True, now_ms=0)
    assert rate.ppm == 900_000


def test_a_block_is_late_from_when_the_last_one_came() -> None:
    rate = InclusionRate()
    for block in (1, 2):
        rate.observe(block, BLOCK_MS, block, waits=True, now_ms=block * BLOCK_MS)
    rate.observe(2, BLOCK_MS, 2, waits=True, now_ms=4 * BLOCK_MS - 1)
    assert rate.ppm == 1_000_000
    rate.observe(2, BLOCK_MS, 2, waits=True, now_ms=4 * BLOCK_MS)
    assert rate.ppm == 900_000
