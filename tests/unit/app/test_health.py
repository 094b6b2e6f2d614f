"""What an operator is told of a node that cannot do its work, and how early."""

import msgspec
import pytest

from node.app.health import PATIENCE, Settling, Timed, faults_of
from node.settlement.sealed import Pressure

STUCK_AFTER_MS = 1_000
LONGEST_MS = PATIENCE * STUCK_AFTER_MS


class FakeSettlement(msgspec.Struct, frozen=True):
    """Settlement as a test says it is; without a word, at ease."""

    chain_away: bool = False
    held_back: str = ""
    pressure: Pressure = Pressure(batches=0, data_bytes=0, age_ms=0)


class FakeClock(msgspec.Struct, frozen=True):
    """The clock as a test says it is; without a word, right."""

    jumped: bool = False
    log_ahead: bool = False


def waiting(age_ms: int) -> FakeSettlement:
    return FakeSettlement(pressure=Pressure(batches=1, data_bytes=9, age_ms=age_ms))


def faults(
    settlement: Settling,
    *,
    stopping: bool = False,
    gate: str | None = None,
    clock: Timed = FakeClock(),  # noqa: B008 - frozen
    silent: bool = False,
) -> list[str]:
    return faults_of(
        stopping=stopping,
        gate=gate,
        settlement=settlement,
        clock=clock,
        silent={"signature worker": silent, "replica": silent},
        stuck_after_ms=STUCK_AFTER_MS,
    )


def test_a_node_at_ease_has_no_faults() -> None:
    assert faults(FakeSettlement()) == []


@pytest.mark.parametrize("cause", ["fees", "funds", "inbox"])
def test_what_holds_settlement_back_is_told(cause: str) -> None:
    assert faults(FakeSettlement(held_back=cause)) == [f"settlement held back: {cause}"]


def test_a_batch_that_waits_too_long_is_told_while_the_gate_is_open() -> None:
    assert faults(waiting(LONGEST_MS)) == []
    assert faults(waiting(LONGEST_MS + 1)) == ["batches wait too long for L1"]


def test_every_reason_is_told_at_once() -> None:
    worst = FakeSettlement(
        chain_away=True, held_back="fees", pressure=waiting(LONGEST_MS + 1).pressure
    )
    clock = FakeClock(jumped=True, log_ahead=True)
    assert faults(worst, stopping=True, gate="l1_gas_price", clock=clock, silent=True) == [
        "stopping",
        "gate closed: l1_gas_price",
        "L1 does not answer",
        "settlement held back: fees",
        "batches wait too long for L1",
        "the machine's clock has jumped",
        "the log is ahead of the clock",
        "signature worker does not answer",
        "replica does not answer",
    ]
