"""What one connection has used of what it may use, and what its word is worth.

Pure: every time is an argument.

Two limits on messages. Past the soft one a message is refused and costs the client nothing more;
past the hard one, which counts refused messages as well, the client is not listening to refusals
and the connection is closed.
"""

from collections.abc import Callable
from enum import IntEnum
from typing import TypeVar

from node.ingress.config import IngressConfig
from node.ingress.reading import Readers, Reading
from node.ports.admission import Origin
from node.types.errors import Overloaded, RateLimited
from node.types.units import NS_PER_MS, NS_PER_S

T = TypeVar("T")

CLAIMS_ON_CREDIT = 64
"""Claims in a row that may come to nothing, neither proven nor false, before no more is believed.

Whoever names deadlines that pass before anyone looks could otherwise claim for ever, at no cost.
"""


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
        self._interval_ns = NS_PER_S // per_s
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

    def wait_ms(self, now_ns: int) -> int:
        """Return the milliseconds, rounded up, until one item fits."""
        over_ns = self._empty_at_ns + self._interval_ns - now_ns - self._depth_ns
        return -(-max(0, over_ns) // NS_PER_MS)


class Household:
    """What all connections of one address have in common."""

    __slots__ = ("costly", "distrusted_until_ns", "number", "reading")

    def __init__(
        self, config: IngressConfig, readers: Readers | None = None, number: int = 0
    ) -> None:
        """``readers`` is what all that is read counts against; None: nobody else reads."""
        self.number = number
        self.reading = Reading(Readers() if readers is None else readers)
        self.costly = LeakyBucket(config.costly_per_s, config.costly_per_s)
        # How long a *new* connection is not believed: opening another one restores no trust, and
        # the neighbours that were connected before keep theirs.
        self.distrusted_until_ns = 0


class Session:
    """The account of one connection.

    ``origin`` holds its number, which nothing else has, and its address's. Whatever it sends shares
    one place in the queues that come before anyone knows who signed: one of those of its address.
    """

    __slots__ = (
        "_config",
        "_distrusted_until_ns",
        "_flood",
        "_household",
        "_messages",
        "_unproven",
        "in_flight",
        "in_flight_bytes",
        "origin",
    )

    def __init__(
        self, config: IngressConfig, number: int = 0, household: Household | None = None
    ) -> None:
        """``household`` is what this connection shares with others; None: it is alone."""
        self._config = config
        factor = config.flood_factor
        self._messages = LeakyBucket(config.messages_per_s, config.message_burst)
        self._flood = LeakyBucket(config.messages_per_s * factor, config.message_burst * factor)
        self._household = Household(config) if household is None else household
        self.origin = Origin(self._household.number, number)
        self._distrusted_until_ns = self._household.distrusted_until_ns
        self._unproven = 0
        self.in_flight = 0
        self.in_flight_bytes = 0

    def judge(self, now_ns: int) -> Verdict:
        """Count one message of any kind."""
        if not self._flood.take(now_ns):
            return Verdict.CLOSE
        return Verdict.TAKE if self._messages.take(now_ns) else Verdict.REFUSE

    def limited(self, now_ns: int) -> RateLimited:
        """Return the error for what ``judge`` did not take."""
        return RateLimited(
            of="messages",
            limit=self._config.messages_per_s,
            retry_after_ms=self._messages.wait_ms(now_ns),
        )

    def spend(self, now_ns: int) -> None:
        """Count one costly request. Raises ``RateLimited``."""
        costly = self._household.costly
        if not costly.take(now_ns):
            raise RateLimited(
                of="costly", limit=self._config.costly_per_s, retry_after_ms=costly.wait_ms(now_ns)
            )

    def read(self, work: Callable[[], T], now_ns: Callable[[], int]) -> T:
        """Return what ``work`` makes, at the cost of the address. Raises ``RateLimited``.

        How things stand can be much: what it takes to write it is measured, and counted when done.
        """
        return self._household.reading.read(work, now_ns)

    def is_trusted(self, now_ns: int) -> bool:
        """Return whether a claim to reduce risk is believed until it is checked."""
        return now_ns >= self._distrusted_until_ns

    def distrust(self, now_ns: int) -> None:
        """Take in that a claim was false.

        It is held against the connection, and those that its address opens next. Never against the
        account: before a signature is checked that is only a name, and a stranger must not be able
        to spend its owner's privilege.
        """
        self._unproven = 0
        self._distrusted_until_ns = now_ns + self._config.distrust_ms * NS_PER_MS
        self._household.distrusted_until_ns = self._distrusted_until_ns

    def believe(self) -> None:
        """Take in that a claim was true."""
        self._unproven = 0

    def doubt(self, now_ns: int) -> None:
        """Take in that a claim was taken on and came to nothing, so that nobody knows."""
        self._unproven += 1
        if self._unproven >= CLAIMS_ON_CREDIT:
            self.distrust(now_ns)

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
