"""Work for anyone, held to a share of the time."""

import pytest

from node.capacity.share import BURST_NS, SHARE, Share, work_within
from node.types.errors import RateLimited

MS = 1_000_000


def test_work_past_its_share_waits_until_it_is_paid_for() -> None:
    share, now = Share("previews"), 0
    share.spent(now, now + BURST_NS + MS)
    now += BURST_NS + MS
    with pytest.raises(RateLimited) as refused:
        share.require(0)
    assert refused.value.values == {"of": "previews", "retry_after_ms": SHARE}
    share.require(SHARE * MS)


def test_over_time_it_is_one_part_in_so_many() -> None:
    share, now, worked = Share("previews"), 0, 0
    while now < 10_000 * MS:
        try:
            share.require(now)
        except RateLimited:
            now += MS
            continue
        share.spent(now, now + 2 * MS)
        now, worked = now + 2 * MS, worked + 2 * MS
    assert worked <= now // SHARE + BURST_NS + 2 * MS
    assert worked >= now // SHARE


def test_work_counts_against_every_share_though_it_fails() -> None:
    one, all_ = Share("reading"), Share("reading", 4)
    times = iter((0, 2 * BURST_NS, 2 * BURST_NS, 2 * BURST_NS + SHARE * BURST_NS))

    def fail() -> None:
        raise KeyError

    with pytest.raises(KeyError):
        work_within((one, all_), fail, lambda: next(times))
    with pytest.raises(RateLimited):
        one.require(2 * BURST_NS)
    with pytest.raises(RateLimited):
        all_.require(2 * BURST_NS)
    all_.require(5 * BURST_NS)
    with pytest.raises(RateLimited):
        one.require(5 * BURST_NS)
