"""Lanes: strict priority, own limits, the gate, and a bound on the work taken at once."""

import pytest

from node.sequencer.lanes import DEFAULT_FAIRNESS, Fairness, Lanes
from node.sequencer.submission import Submission, work_of
from node.types.commands import (
    ApproveAgent,
    CancelAll,
    CancelOrder,
    Command,
    Disconnected,
    Expire,
    NewOrder,
    OrderType,
    PlaceOrders,
    Side,
    TriggerOrder,
    Withdraw,
)
from node.types.errors import GateClosed, Overloaded, PlimsollError
from node.types.ids import Address, MarketId, OrderId
from node.types.lanes import Lane, lane_of
from node.types.units import Lots, Millis, Money, Ticks
from tests.unit.sequencer.toy_machine import ALICE, name_of, pay


def _lanes(limit: int = 3, fairness: Fairness = DEFAULT_FAIRNESS) -> Lanes:
    def dismissed(submission: Submission, error: PlimsollError) -> None:
        raise AssertionError((submission, error))

    return Lanes(dict.fromkeys(Lane, limit), dismissed, fairness)


def _submission(index: int) -> Submission:
    command = pay(index)
    return Submission(command, name_of(command), lambda _outcome: None)


def _bulk(orders: int, cancels: int = 0, kind: OrderType = OrderType.GTC) -> PlaceOrders:
    order = NewOrder(MarketId(1), Side.BUY, kind, Ticks(1), Lots(1))
    return PlaceOrders(
        account=ALICE,
        signer=ALICE,
        nonce=1,
        expires=Millis(1),
        signature=b"",
        cancels=(CancelOrder(order_id=OrderId(1)),) * cancels,
        orders=(order,) * orders,
    )


def test_urgent_lanes_go_first_and_each_lane_keeps_its_order() -> None:
    lanes = _lanes()
    offered = {}
    for place, lane in enumerate((*reversed(Lane), *reversed(Lane))):
        offered[place] = (lane, submission := _submission(place))
        lanes.offer(submission, lane, now_ns=place)
    wanted = [pair[1] for pair in sorted(offered.values(), key=lambda pair: pair[0])]
    assert lanes.take(100, now_ns=100, now_ms=0) == wanted
    assert len(lanes) == 0


def test_a_full_lane_refuses_by_name_and_takes_no_room_from_another() -> None:
    lanes = _lanes()
    for index in range(3):
        lanes.offer(_submission(index), Lane.TAKING, now_ns=0)
    with pytest.raises(Overloaded) as refusal:
        lanes.offer(_submission(9), Lane.TAKING, now_ns=0)
    assert refusal.value.values == {"queue": "lane_taking", "limit": 3}
    lanes.offer(_submission(10), Lane.LIQUIDATION, now_ns=0)
    assert len(lanes) == 4
    assert all(stage.conserved() for stage in lanes.stages)


@pytest.mark.parametrize("lane", Lane)
def test_a_closed_gate_shuts_only_what_adds_risk(lane: Lane) -> None:
    lanes = _lanes()
    lanes.offer(_submission(0), lane, now_ns=0)
    lanes.close_gate("backlog")
    assert lanes.gate == "backlog"
    if lane in (Lane.RESTING, Lane.TAKING):
        with pytest.raises(GateClosed) as refusal:
            lanes.offer(_submission(1), lane, now_ns=0)
        assert refusal.value.cause == "backlog"
        assert lanes.stages[lane].refused == {"gate_backlog": 1}
    else:
        lanes.offer(_submission(1), lane, now_ns=0)
    assert len(lanes.take(100, now_ns=1, now_ms=0)) == (1 if lane >= Lane.RESTING else 2)
    lanes.open_gate()
    lanes.offer(_submission(2), lane, now_ns=2)
    assert all(stage.conserved() for stage in lanes.stages)


def test_a_key_can_be_revoked_while_the_gate_is_closed_and_none_approved() -> None:
    head, agent = (ALICE, ALICE, 1, Millis(0), b""), Address(b"\x07" * 20)
    lanes = _lanes()
    lanes.close_gate("backlog")
    for waits in (ApproveAgent(*head, agent, Millis(1)), Withdraw(*head, Money(1))):
        with pytest.raises(GateClosed):
            lanes.offer(Submission(waits, b"", lambda _outcome: None), lane_of(waits), now_ns=0)
    revoked = ApproveAgent(*head, agent, Millis(0))
    lanes.offer(Submission(revoked, b"", lambda _outcome: None), lane_of(revoked), now_ns=0)
    (taken,) = lanes.take(100, now_ns=1, now_ms=-1)
    assert taken.command is revoked


def test_work_counts_the_items_of_an_action() -> None:
    assert work_of(pay(1)) == 1
    assert work_of(_bulk(orders=3, cancels=2)) == 5
    assert work_of(_bulk(orders=3, cancels=2, kind=OrderType.FOK)) == 32
    assert work_of(CancelAll(ALICE, ALICE, 1, Millis(0), b"", MarketId(0))) == 10


@pytest.mark.parametrize("orders", [1, 7, 100])
def test_a_take_exceeds_its_work_by_less_than_one_submission(orders: int) -> None:
    lanes = _lanes(1_000, Fairness(account_share=1_000))
    for _ in range(1_000):
        lanes.offer(Submission(_bulk(orders), b"", lambda _outcome: None), Lane.TAKING, now_ns=0)
    taken = sum(submission.work for submission in lanes.take(512, now_ns=1, now_ms=0))
    assert 512 <= taken < 512 + orders


def test_something_is_taken_however_heavy_it_is() -> None:
    lanes = _lanes()
    lanes.offer(Submission(_bulk(100), b"", lambda _outcome: None), Lane.TAKING, now_ns=0)
    assert len(lanes.take(1, now_ns=1, now_ms=0)) == 1


# --- the clocks of orders -------------------------------------------------------------------------


def _clock(command: Command) -> Submission:
    return Submission(command, name_of(command), lambda _outcome: None)


def test_a_closed_gate_does_not_charge_an_account_for_its_clocks() -> None:
    lanes = _lanes(10, Fairness(closed_burst=1, closed_per_minute=1))
    lanes.close_gate("l1_bytes")
    lanes.offer(_clock(_bulk(0, 1)), Lane.REDUCING, 0)
    with pytest.raises(GateClosed):
        lanes.offer(_clock(_bulk(0, 1)), Lane.REDUCING, 0)
    for command in (Expire(ALICE), Disconnected(ALICE)):
        lanes.offer(_clock(command), Lane.REDUCING, 0)
    assert len(lanes.take(1_000, 0, 0)) == 3


def test_the_stops_of_many_take_the_turns_of_each_and_not_of_one() -> None:
    """One account's stops do not stand in the way of another's, nor fill a share that all have."""
    lanes = _lanes(10, Fairness(account_share=2, turn_work=1))
    bob, mallory = Address(b"\xb0" * 20), Address(b"\x3a" * 20)
    for number, owner in enumerate((ALICE, ALICE, bob, mallory)):
        lanes.offer(_clock(TriggerOrder(owner, OrderId(number))), Lane.TAKING, 0)
    with pytest.raises(Overloaded) as refusal:
        lanes.offer(_clock(TriggerOrder(ALICE, OrderId(9))), Lane.TAKING, 0)
    assert refusal.value.values == {"queue": "account", "limit": 2}
    assert [one.whose for one in lanes.take(3, 0, 0)] == [ALICE, bob, mallory]
