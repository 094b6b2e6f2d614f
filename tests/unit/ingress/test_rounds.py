"""An oracle round: what is refused at once, so that it costs neither a recovery nor a place."""

import msgspec

from node.types.commands import OracleRound
from node.types.events import Rejected
from node.types.lanes import Lane
from node.types.units import Millis, Ticks
from tests.examples import MALLORY, RULES, START_MS, oracle_round
from tests.unit.ingress.test_service import SIGNING, Desk, executed

PRICES = (Ticks(500_000), Ticks(20_000))


def unsigned(command: OracleRound) -> OracleRound:
    """Return ``command`` with signatures that would be refused if anyone looked at them."""
    reports = [msgspec.structs.replace(one, signature=bytes(65)) for one in command.reports]
    return msgspec.structs.replace(command, reports=tuple(reports))


def test_a_round_enters_the_system_lane_once() -> None:
    desk = Desk()
    first = oracle_round(START_MS, PRICES, SIGNING)
    desk.take_round(first)
    command, lane, deliver = desk.intake.offers[0]
    assert (command, lane) == (first, Lane.SYSTEM)
    deliver(executed(first))
    desk.take_round(first)
    assert [name for _, name in desk.answers] == ["done", "OracleRoundRefused"]
    assert len(desk.intake.offers) == 1
    assert desk.counts() == (2, 1, 0, {"OracleRoundRefused": 1})


def test_a_round_that_was_rejected_may_come_again() -> None:
    desk = Desk()
    first = oracle_round(START_MS, PRICES, SIGNING)
    desk.take_round(first)
    desk.intake.offers[0][2](Rejected(1403, "OracleRoundRefused", {}))
    desk.take_round(first)
    assert len(desk.intake.offers) == 2


def test_a_round_that_is_too_old_for_the_log_costs_one_recovery() -> None:
    """The log is ahead of this clock, and tells how far back it still looks."""
    desk = Desk()
    first = oracle_round(START_MS, PRICES, SIGNING)
    desk.take_round(first)
    told: dict[str, object] = {"after": START_MS + 5, "latest": START_MS + 90}
    desk.intake.offers[0][2](Rejected(1403, "OracleRoundRefused", told))
    desk.take_round(first)
    assert len(desk.intake.offers) == 1
    desk.take_round(oracle_round(Millis(START_MS + 6), PRICES, SIGNING))
    assert len(desk.intake.offers) == 2


def test_a_round_by_a_stranger_costs_no_recovery() -> None:
    desk = Desk()
    first = oracle_round(START_MS, PRICES, SIGNING)
    forged = msgspec.structs.replace(
        first.reports[0], reporter=MALLORY.address, signature=bytes(65)
    )
    desk.take_round(msgspec.structs.replace(first, reports=(forged,)))
    assert desk.answers == [(1102, "WrongSigner")]


def test_a_round_whose_marks_would_all_be_stale_costs_no_recovery() -> None:
    """Through a silence of the oracle any number of them may be newer than its last round."""
    desk = Desk()
    held_back = oracle_round(START_MS, PRICES, SIGNING)
    desk.clock.ms = Millis(START_MS + RULES.markets[0].mark_stale_ms)
    desk.take_round(held_back)
    assert (len(desk.intake.offers), desk.answers) == (1, [])
    desk.clock.ms = Millis(desk.clock.ms + 1)
    desk.take_round(unsigned(held_back))
    assert desk.answers == [(1403, "OracleRoundRefused")]


def test_one_reporter_alone_fills_no_lane_and_costs_no_recovery() -> None:
    """Whoever holds one key of the quorum could otherwise keep deposits and marks waiting."""
    desk = Desk()
    first = oracle_round(START_MS, PRICES, SIGNING)
    forged = msgspec.structs.replace(first.reports[0], signature=bytes(65))
    desk.take_round(msgspec.structs.replace(first, reports=(forged, forged)))
    assert desk.answers == [(1403, "OracleRoundRefused")]
    assert not desk.intake.offers
