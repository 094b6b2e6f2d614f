"""The addresses that clients come from: what all connections of one have in common.

Opening another connection is free, so what must not multiply with them is counted by address: all
that is costly for the node's own loop, and everything that comes by plain HTTP, where each request
may be a connection of its own. Behind a proxy all clients have one address, and share it.
"""

from collections import OrderedDict
from itertools import count

from node.ingress.config import IngressConfig
from node.ingress.reading import Readers
from node.ingress.session import Household, Session
from node.types.networks import network_of

PEERS_MAX = 4_096
"""Addresses that are remembered. The least recent is forgotten once it owes no answer."""


class _Peer:
    """One address."""

    __slots__ = ("household", "session")

    def __init__(self, household: Household, session: Session) -> None:
        self.household = household
        self.session = session


class Peers:
    """Gives each connection its session."""

    def __init__(self, config: IngressConfig) -> None:
        self._config = config
        self._numbers = count(1)
        self._readers = Readers()
        self._peers: OrderedDict[str, _Peer] = OrderedDict()

    def __len__(self) -> int:
        """Return the number of addresses that are remembered."""
        return len(self._peers)

    def connect(self, address: str) -> Session:
        """Return the session of a new connection from ``address``."""
        return Session(self._config, next(self._numbers), self._peer(address).household)

    def session_of(self, address: str) -> Session:
        """Return the one session of all requests from ``address`` that do not stay connected."""
        return self._peer(address).session

    def _peer(self, address: str) -> _Peer:
        address = network_of(address)
        peer = self._peers.get(address)
        if peer is not None:
            self._peers.move_to_end(address)
            return peer
        household = Household(self._config, self._readers, next(self._numbers))
        peer = _Peer(household, Session(self._config, next(self._numbers), household))
        self._peers[address] = peer
        if len(self._peers) > PEERS_MAX:
            oldest, forgotten = next(iter(self._peers.items()))
            if not forgotten.session.in_flight:
                del self._peers[oldest]
            else:
                self._peers.move_to_end(oldest)
        return peer
