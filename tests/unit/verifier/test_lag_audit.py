"""What L1's block times prove of a sequencer that states too little, and of an honest one."""

from node.types.commands import OpenBlock
from node.types.units import Millis
from node.verifier.lag_audit import LagAudit


def blocks(*stated: tuple[int, int]) -> list[OpenBlock]:
    """Return the blocks at some times with the lags that they state."""
    return [
        OpenBlock(number, Millis(time), lag=Millis(lag))
        for number, (time, lag) in enumerate(stated, start=1)
    ]


def test_an_honest_log_proves_nothing() -> None:
    audit = LagAudit()
    audit.take(blocks((1_000, 0), (3_000, 2_000)), posted_ms=12_000)
    audit.take(blocks((6_000, 5_000), (14_000, 13_000), (15_000, 9_000)), posted_ms=24_000)
    assert audit.understated_ms == 0


def test_a_block_that_conceals_an_unposted_batch_is_found_out() -> None:
    audit = LagAudit()
    audit.take(blocks((1_000, 0), (3_000, 2_000)), posted_ms=60_000)
    audit.take(blocks((50_000, 4_000)), posted_ms=72_000)
    assert audit.understated_ms == 45_000, "the command of second 1 was 49 s old, 4 were stated"


def test_what_is_on_l1_proves_no_more_than_the_first_batch_that_is_not() -> None:
    audit = LagAudit()
    audit.take(blocks((1_000, 0)), posted_ms=12_000)
    audit.take(blocks((10_000, 9_000)), posted_ms=36_000)
    audit.take(blocks((20_000, 0)), posted_ms=48_000)
    assert audit.understated_ms == 10_000


def test_a_batch_counts_as_posted_in_a_block_of_the_very_moment() -> None:
    audit = LagAudit()
    audit.take(blocks((1_000, 0)), posted_ms=12_000)
    audit.take(blocks((12_000, 5_000)), posted_ms=24_000)
    assert audit.understated_ms == 0


def test_a_batch_posted_at_once_proves_nothing_later() -> None:
    audit = LagAudit()
    audit.take(blocks((1_000, 0)), posted_ms=1_000)
    audit.take(blocks((90_000, 0)), posted_ms=90_000)
    audit.take([], posted_ms=91_000)
    assert audit.understated_ms == 0
