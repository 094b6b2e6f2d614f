"""What is costly is counted by address, and no number of connections makes it more."""

import pytest

from node.ingress import peers as peers_module
from node.ingress.config import IngressConfig
from node.ingress.peers import PEERS_MAX, Peers
from node.ingress.session import Session
from node.types.errors import RateLimited

MS = 1_000_000


def test_connections_of_one_address_share_what_is_costly() -> None:
    peers = Peers(IngressConfig(costly_per_s=2))
    first, second, stranger = peers.connect("a"), peers.connect("a"), peers.connect("b")
    first.spend(0)
    second.spend(0)
    for session in (first, second, peers.session_of("a")):
        with pytest.raises(RateLimited):
            session.spend(0)
    stranger.spend(0)


def test_plain_requests_of_one_address_are_one_session_and_not_those_of_another() -> None:
    peers = Peers(IngressConfig(in_flight=1))
    peers.session_of("a").begin(1)
    assert peers.session_of("a").in_flight == 1
    assert peers.session_of("b").in_flight == 0
    origins = {
        session.origin
        for session in (peers.session_of("a"), peers.session_of("b"), peers.connect("a"))
    }
    assert len(origins) == 3


def test_addresses_are_forgotten_unless_they_wait_for_an_answer() -> None:
    peers = Peers(IngressConfig())
    peers.session_of("busy").begin(1)
    for number in range(2 * PEERS_MAX):
        peers.session_of(str(number))
    assert len(peers) <= PEERS_MAX + 1
    assert peers.session_of("busy").in_flight == 1


def test_the_address_that_was_silent_for_longest_is_forgotten_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(peers_module, "PEERS_MAX", 2)
    peers = Peers(IngressConfig())
    first, *_ = [peers.session_of(address) for address in ("a", "b", "a", "c")]
    assert peers.session_of("a") is first


def test_a_false_claim_counts_against_its_connection_for_a_time() -> None:
    peers = Peers(IngressConfig(distrust_ms=10))
    liar, other = peers.connect("a"), peers.connect("a")
    assert liar.is_trusted(0)
    liar.distrust(0)
    assert not liar.is_trusted(10 * MS - 1)
    assert liar.is_trusted(10 * MS)
    assert other.is_trusted(0)


def test_another_connection_restores_no_trust() -> None:
    peers = Peers(IngressConfig(distrust_ms=10))
    before = peers.connect("a")
    peers.connect("a").distrust(0)
    after = peers.connect("a")
    assert not after.is_trusted(10 * MS - 1)
    assert after.is_trusted(10 * MS)
    assert before.is_trusted(0)
    assert peers.connect("b").is_trusted(0)


def test_a_network_of_its_own_addresses_shares_what_is_costly() -> None:
    peers = Peers(IngressConfig(costly_per_s=1))
    peers.connect("2001:db8::1").spend(0)
    with pytest.raises(RateLimited):
        peers.session_of("2001:db8::2").spend(0)
    assert len(peers) == 1


class Clock:
    """Reads the time, and lets work take some."""

    def __init__(self) -> None:
        self.now_ns = 0

    def works(self) -> None:
        self.now_ns += MS

    def reads(self, session: Session) -> bool:
        """Return whether a millisecond of reading was worked out."""
        try:
            session.read(self.works, lambda: self.now_ns)
        except RateLimited:
            return False
        return True


def play(addresses: int) -> tuple[Clock, Peers, int]:
    """Let so many addresses read all they can for 20 s; return for how long that took the loop."""
    clock, peers = Clock(), Peers(IngressConfig())
    greedy, worked_ns = [peers.connect(str(number)) for number in range(addresses)], 0
    while clock.now_ns < 20_000 * MS:
        begun_ns = clock.now_ns
        for session in greedy:
            clock.reads(session)
        worked_ns += clock.now_ns - begun_ns
        clock.now_ns += MS
    return clock, peers, worked_ns


def test_who_has_read_nothing_is_heard_while_a_few_read_all_they_can() -> None:
    clock, peers, _ = play(addresses=8)
    for number in range(50):
        assert clock.reads(peers.connect(f"honest {number}"))


def test_who_has_read_much_is_refused_once_all_have_read_their_part() -> None:
    clock, peers = Clock(), Peers(IngressConfig())
    readers = [peers.connect(str(number)) for number in range(4)]
    heard = [sum(clock.reads(session) for _ in range(100)) for session in readers]
    # A burst of 200 ms, and a quarter of the time that went by meanwhile.
    assert sum(heard[:3]) == 267
    assert 5 <= heard[3] < 10, "only who has read next to nothing is heard beyond it"


def test_however_many_read_they_leave_half_of_the_time() -> None:
    _, _, worked_ns = play(addresses=60)
    assert worked_ns <= 10_000 * MS + 202 * MS
