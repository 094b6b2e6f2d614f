"""What one connection may do: soft limits refuse, the hard one closes, in-flight is bounded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.ingress.config import IngressConfig, check_ingress_config
from node.ingress.session import CLAIMS_ON_CREDIT, LeakyBucket, Session, Verdict
from node.types.errors import ConfigInvalid, Overloaded, RateLimited

SECOND = 1_000_000_000


def test_a_bucket_takes_a_burst_and_then_its_rate() -> None:
    bucket = LeakyBucket(per_s=10, burst=3)
    assert [bucket.take(0) for _ in range(4)] == [True, True, True, False]
    assert not bucket.take(SECOND // 10 - 1)
    assert bucket.take(SECOND // 10)
    assert not bucket.take(SECOND // 10)


@given(
    per_s=st.integers(1, 1_000),
    burst=st.integers(1, 50),
    waits=st.lists(st.integers(0, SECOND // 100), max_size=200),
)
def test_a_bucket_never_takes_more_than_rate_and_burst(
    per_s: int, burst: int, waits: list[int]
) -> None:
    bucket, now, taken = LeakyBucket(per_s, burst), 0, 0
    for wait in waits:
        now += wait
        taken += bucket.take(now)
        # One interval is rounded down to a nanosecond, so the rate may be exceeded by that much.
        assert taken <= burst + now // (SECOND // per_s) + 1


def test_a_silence_earns_no_more_than_the_burst() -> None:
    bucket = LeakyBucket(per_s=10, burst=3)
    assert sum(bucket.take(100 * SECOND) for _ in range(10)) == 3


def test_messages_are_refused_first_and_then_the_connection_closes() -> None:
    session = Session(IngressConfig(messages_per_s=1, message_burst=2, flood_factor=3))
    verdicts = [session.judge(0) for _ in range(7)]
    assert verdicts == [Verdict.TAKE] * 2 + [Verdict.REFUSE] * 4 + [Verdict.CLOSE]
    assert session.limited(0).limit == 1


def test_who_heeds_the_refusals_is_not_closed() -> None:
    session = Session(IngressConfig(messages_per_s=10, message_burst=1, flood_factor=2))
    verdicts = {session.judge(number * SECOND // 15) for number in range(1_000)}
    assert verdicts == {Verdict.TAKE, Verdict.REFUSE}


def test_costly_requests_have_a_limit_of_their_own() -> None:
    session = Session(IngressConfig(costly_per_s=1))
    session.spend(0)
    with pytest.raises(RateLimited):
        session.spend(0)
    session.spend(SECOND)


def test_after_a_time_of_distrust_credit_begins_anew() -> None:
    session = Session(IngressConfig(distrust_ms=10))
    for _ in range(CLAIMS_ON_CREDIT):
        session.doubt(0)
    assert not session.is_trusted(0)
    session.doubt(SECOND)
    assert session.is_trusted(SECOND)


def test_requests_in_flight_are_bounded_by_number_and_bytes() -> None:
    session = Session(IngressConfig(in_flight=2, in_flight_bytes=65_536))
    session.begin(65_536)
    with pytest.raises(Overloaded) as refused:
        session.begin(1)
    assert refused.value.queue == "connection_bytes"
    session.end(65_536)
    session.begin(1)
    session.begin(1)
    with pytest.raises(Overloaded) as refused:
        session.begin(1)
    assert (refused.value.queue, refused.value.limit) == ("connection", 2)
    assert (session.in_flight, session.in_flight_bytes) == (2, 2)


def test_a_single_large_request_always_fits() -> None:
    session = Session(IngressConfig(in_flight_bytes=65_536))
    session.begin(1_000_000)
    assert session.in_flight == 1


def test_the_config_tells_all_its_faults() -> None:
    check_ingress_config(IngressConfig())
    with pytest.raises(ConfigInvalid) as refused:
        check_ingress_config(IngressConfig(messages_per_s=0, in_flight=0, flood_factor=5_000))
    assert [fault.split(":")[0] for fault in refused.value.faults] == [
        "messages_per_s",
        "flood_factor",
        "in_flight",
    ]
