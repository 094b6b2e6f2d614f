"""What one connection has used of what it may use, and what its word is worth.

Pure: every time is an argument.

Two limits on messages. Past the soft one a message is refused and costs the client nothing more;
past the hard one, which counts refused messages as well, the client is not listening to refusals
and the connection is closed.
"""

from enum import IntEnum

from node.ingress.config import IngressConfig
from node.types.errors import Overloaded, RateLimited

_NS_PER_SECOND = 1_000_000_000
_NS_PER_MS = 1_000_000


class Verdict(IntEnum):
    """What to do with a message."""

    TAKE = 0
    REFUSE = 1
    CLOSE = 2


class LeakyBucket:
    """Takes ``burst`` items at once and ``per_s`` each second; what is over does not go in.

    This is the virtual scheduling form of the generic cell rate algorithm (ITU-T I.371): the only
    state is the time at which the bucket will have run empty.
    """

    __slots__ = ("_depth_ns", "_empty_at_ns", "_interval_ns")

    def __init__(self, per_s: int, burst: int) -> None:
        # Rounded down: the limit is never stricter than it says.
        self._interval_ns = _NS_PER_SECOND // per_s
        self._depth_ns = self._interval_ns * burst
        self._empty_at_ns = 0

    def take(self, now_ns: int) -> bool:
        """Put one item in and return True, or return False if it does not fit."""
        empty_at_ns = self._empty_at_ns
        if empty_at_ns < now_ns:
            empty_at_ns = now_ns
        empty_at_ns += self._interval_ns
        if empty_at_ns - now_ns > self._depth_ns:
            return False
        self._empty_at_ns = empty_at_ns
        return True


class Session:
    """The account of one connection.

    ``origin`` is its number, which nothing else has; whatever it sends shares one place in the
    queues that come before anyone knows who signed.
    """

    __slots__ = (
        "_config",
        "_costly",
        "_distrusted_until_ns",
        "_flood",
        "_messages",
        "in_flight",
        "in_flight_bytes",
        "origin",
    )

    def __init__(
        self, config: IngressConfig, origin: int = 0, costly: LeakyBucket | None = None
    ) -> None:
        """``costly`` is the bucket that this connection shares with others; None: its own."""
        self._config = config
        self.origin = origin
        factor = config.flood_factor
        self._messages = LeakyBucket(config.messages_per_s, config.message_burst)
        self._flood = LeakyBucket(config.messages_per_s * factor, config.message_burst * factor)
        self._costly = costly_bucket(config) if costly is None else costly
        self._distrusted_until_ns = 0
        self.in_flight = 0
        self.in_flight_bytes = 0

    def judge(self, now_ns: int) -> Verdict:
        """Count one message of any kind."""
        if not self._flood.take(now_ns):
            return Verdict.CLOSE
        return Verdict.TAKE if self._messages.take(now_ns) else Verdict.REFUSE

    def limited(self) -> RateLimited:
        """Return the error for what ``judge`` did not take."""
        return RateLimited(limit=self._config.messages_per_s)

    def spend(self, now_ns: int) -> None:
        """Count one costly request. Raises ``RateLimited``."""
        if not self._costly.take(now_ns):
            raise RateLimited(limit=self._config.costly_per_s)

    def is_trusted(self, now_ns: int) -> bool:
        """Return whether a claim to reduce risk is believed until it is checked."""
        return now_ns >= self._distrusted_until_ns

    def distrust(self, now_ns: int) -> None:
        """Take in that a claim was false.

        It is held against the connection alone: before a signature is checked, an account is only
        a name, and a stranger must not be able to spend its owner's privilege.
        """
        self._distrusted_until_ns = now_ns + self._config.distrust_ms * _NS_PER_MS

    def begin(self, length: int) -> None:
        """Count a request of ``length`` bytes that now waits for its answer. Raises ``Overloaded``.

        A single request always fits, so that none is refused for ever.
        """
        config = self._config
        if self.in_flight >= config.in_flight:
            raise Overloaded(queue="connection", limit=config.in_flight)
        if self.in_flight and self.in_flight_bytes + length > config.in_flight_bytes:
            raise Overloaded(queue="connection_bytes", limit=config.in_flight_bytes)
        self.in_flight += 1
        self.in_flight_bytes += length

    def end(self, length: int) -> None:
        """Count its answer."""
        self.in_flight -= 1
        self.in_flight_bytes -= length
        assert self.in_flight >= 0
        assert self.in_flight_bytes >= 0


def costly_bucket(config: IngressConfig) -> LeakyBucket:
    """Return a new bucket for what is costly."""
    return LeakyBucket(config.costly_per_s, config.costly_per_s)
