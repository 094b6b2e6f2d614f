"""What is costly is counted by address, and no number of connections makes it more."""

import pytest

from node.ingress.config import IngressConfig
from node.ingress.peers import PEERS_MAX, Peers
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
