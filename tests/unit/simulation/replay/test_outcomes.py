"""Counts of a replay: they conserve, whatever the answers are."""

from node.client.errors import ConnectionLost
from node.simulation.replay.outcomes import Outcomes, quantiles_ms
from node.types.errors import NothingToTake, Overloaded, PlimsollError

MS = 1_000_000


def test_every_action_is_counted_once() -> None:
    outcomes = Outcomes()
    for _ in range(5):
        outcomes.sent(orders=2, cancels=1, due_ns=0, now_ns=0)
    outcomes.accept(
        {
            "results": [
                {"error": {"code": 1210, "name": "UnknownOrder", "values": {}}},
                {"status": "resting", "order_id": 1},
                {"status": "filled", "order_id": 2},
            ]
        },
        due_ns=0,
        now_ns=4 * MS,
    )
    outcomes.refuse(NothingToTake(), items=3)
    outcomes.refuse(Overloaded(queue="taking", limit=1), items=3)
    outcomes.refuse(ConnectionLost(), items=3)
    assert outcomes.in_flight == 1
    report = outcomes.report(seconds=2.0)
    assert report.offered == 5 == report.accepted + report.refused + report.lost
    assert (report.accepted, report.refused, report.lost) == (1, 2, 2)
    assert report.refusals == {"NothingToTake": 1, "Overloaded": 1}
    assert report.items == {"resting": 1, "filled": 1}
    assert report.item_errors == {"UnknownOrder": 1}
    assert (report.orders, report.cancels) == (10, 5)
    assert report.throughput_per_s == 9 / 2


def test_latency_counts_from_the_due_time_and_lateness_is_the_senders() -> None:
    outcomes = Outcomes()
    outcomes.sent(orders=1, cancels=0, due_ns=100 * MS, now_ns=130 * MS)
    outcomes.accept({"results": []}, due_ns=100 * MS, now_ns=140 * MS)
    report = outcomes.report(1.0)
    late, ack = report.lateness_ms["p50"], report.latency_ms["ack"]["p50"]
    assert late is not None
    assert 30 <= late <= 30 * 33 / 32
    assert ack is not None
    assert 40 <= ack <= 40 * 33 / 32


def test_a_refusal_does_not_make_the_node_look_fast() -> None:
    outcomes = Outcomes()
    outcomes.sent(orders=1, cancels=0, due_ns=0, now_ns=0)
    outcomes.refuse(NothingToTake(), items=1)
    assert quantiles_ms(outcomes.latency) == {"p50": None, "p99": None, "p999": None}


def test_an_error_of_a_newer_server_keeps_its_name() -> None:
    outcomes = Outcomes()
    outcomes.sent(orders=1, cancels=0, due_ns=0, now_ns=0)
    outcomes.refuse(PlimsollError(code=1999, name="NeverHeardOf"), items=1)
    assert outcomes.report(1.0).refusals == {"NeverHeardOf": 1}
