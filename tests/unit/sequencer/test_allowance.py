"""So much at once, so much each minute, and nobody is remembered for longer than it matters."""

from node.sequencer.allowance import Allowances
from node.types.ids import Address

ALICE, BOB = Address(b"a" * 20), Address(b"b" * 20)
MINUTE = 60_000_000_000


def test_a_burst_and_then_the_rate() -> None:
    allowances = Allowances(burst=10, per_minute=6)
    assert [allowances.spend(ALICE, 1, 0) for _ in range(10)] == [0] * 10
    wait_ns = allowances.spend(ALICE, 1, 0)
    assert wait_ns == MINUTE // 6
    assert allowances.spend(ALICE, 1, wait_ns - 1) == 1
    assert allowances.spend(ALICE, 1, wait_ns) == 0
    assert allowances.spend(BOB, 10, wait_ns) == 0


def test_over_any_time_no_more_than_burst_and_rate() -> None:
    allowances = Allowances(burst=20, per_minute=60)
    done = sum(
        2 for at in range(0, 10 * MINUTE, MINUTE // 600) if not allowances.spend(ALICE, 2, at)
    )
    assert done <= 20 + 10 * 60


def test_what_exceeds_a_whole_burst_waits_for_an_empty_bucket() -> None:
    allowances = Allowances(burst=5, per_minute=60)
    assert allowances.spend(ALICE, 50, 0) == 0
    assert allowances.spend(ALICE, 1, 0) > 0
    assert allowances.spend(ALICE, 50, MINUTE) == 0


def test_who_has_it_all_back_is_forgotten() -> None:
    allowances = Allowances(burst=1, per_minute=60)
    for number in range(20_000):
        allowances.spend(Address(number.to_bytes(20, "big")), 1, number * 1_000_000)
    assert len(allowances) < 8_200


def test_who_was_away_for_long_has_one_burst_and_no_more() -> None:
    allowances = Allowances(10, 60)
    assert allowances.spend(ALICE, 1, 0) == 0
    an_hour_ns = 60 * MINUTE
    assert allowances.spend(ALICE, 10, an_hour_ns) == 0
    assert allowances.spend(ALICE, 1, an_hour_ns) == MINUTE // 60
