"""What a late lane would refuse is refused at the door: no ticket, no signature, one answer."""

import msgspec

from node.codec.json_errors import encode_error
from node.ports.intake import Late
from node.types.errors import BadSignature, Shed, Unavailable
from node.types.lanes import Lane
from tests.unit.ingress.test_service import ADMITTED, CANCELS, TAKES, Desk

RESTS = msgspec.json.encode({"type": "place_orders", "orders": [{"type": "post_only"}]})
LATE = Shed(queue="lane_resting", delay_ms=30, retry_after_ms=100)


def test_what_its_lane_would_refuse_is_answered_before_its_signature_is_checked() -> None:
    desk = Desk()
    desk.late = Late(Lane.RESTING, LATE)
    desk.take(TAKES)
    desk.take(TAKES)
    assert desk.answers == [(Shed.code, "Shed")] * 2
    assert desk.gate.passages == []
    assert desk.counts() == (2, 0, 0, {"Shed": 2})
    assert desk.ingress.turned_back == 2
    desk.take(CANCELS)
    assert len(desk.gate.passages) == 1


def test_a_refusal_bears_the_values_of_the_moment() -> None:
    desk = Desk()
    bodies: list[bytes] = []
    refusals = [Shed(queue="lane_resting", delay_ms=delay_ms) for delay_ms in (30, 35)]
    for refusal in (refusals[0], refusals[0], refusals[1]):
        desk.late = Late(Lane.RESTING, refusal)
        desk.ingress.take_action(TAKES, lambda _, body: bodies.append(body), 0, desk.session)
    first, second = map(encode_error, refusals)
    assert bodies == [first, first, second]


def test_of_a_late_lane_one_comes_in_for_each_that_is_answered() -> None:
    desk = Desk()
    desk.late = Late(Lane.RESTING, LATE)
    for _ in range(3):
        desk.take(RESTS)
    assert len(desk.gate.answers) == 1
    desk.gate.answers[0](Unavailable(cause="verification worker lost"))
    desk.take(RESTS)
    desk.take(RESTS)
    assert len(desk.gate.answers) == 2
    desk.gate.answers[1](ADMITTED)
    desk.take(RESTS)
    assert len(desk.gate.answers) == 2
    desk.intake.offers[0][2](Shed(queue="lane_resting", delay_ms=1))
    desk.take(RESTS)
    assert len(desk.gate.answers) == 3


def test_who_is_not_believed_to_reduce_waits_with_the_first_of_those_who_do_not() -> None:
    desk = Desk()
    desk.take(CANCELS)
    desk.gate.answers[0](BadSignature(digest=bytes(32)))
    desk.late = Late(Lane.TAKING, LATE)
    desk.take(CANCELS)
    desk.take(CANCELS)
    assert len(desk.gate.passages) == 3
    desk.late = Late(Lane.REDUCING, LATE)
    desk.take(CANCELS)
    assert len(desk.gate.passages) == 3


def test_who_is_not_believed_to_reduce_is_held_to_the_pace_of_those_who_do_not() -> None:
    desk = Desk()
    desk.take(CANCELS)
    desk.gate.answers[0](BadSignature(digest=bytes(32)))
    desk.late = Late(Lane.RESTING, LATE)
    for _ in range(3):
        desk.take(CANCELS)
    assert len(desk.gate.passages) == 2


def test_what_the_gate_finds_to_be_a_lie_says_nothing_of_the_pace() -> None:
    desk = Desk()
    for _ in range(20):
        desk.take(RESTS)
        desk.gate.answers[-1](BadSignature(digest=bytes(32)))
    desk.late = Late(Lane.RESTING, LATE)
    desk.take(RESTS)
    desk.take(RESTS)
    assert len(desk.gate.answers) == 21


def test_whom_the_gate_turns_away_says_nothing_of_the_pace() -> None:
    desk = Desk()
    desk.gate.fault = Shed(queue="verification", delay_ms=30, retry_after_ms=100)
    for _ in range(20):
        desk.take(RESTS)
    desk.gate.fault = None
    desk.late = Late(Lane.RESTING, LATE)
    desk.take(RESTS)
    desk.take(RESTS)
    assert len(desk.gate.answers) == 1
