"""Who is let on the way to a lane that is late: as many as get done.

A late lane that lets nobody in until it has drained, and then everybody, is empty as often as it is
full, and what came in between has its signature checked to be refused behind it. So from the moment
at which a lane is late one comes in for each that is answered: what is on its way, from here to its
answer, stays below what was answered within the last interval. By Little's law whoever is let in is
then answered within an interval. (The conservation of packets: Jacobson, Congestion Avoidance and
Control, 1988.)

*By share.* Where more knock than come in, an address that has less on its way than an equal part of
the pace comes in even then, for up to twice the pace in all: whoever knocks a thousand times a
second cannot keep out who knocks once. Within an address its connections share so, for up to one
and a half times its part: however many it opens, it leaves room for others.

What counts is what an action claims (``node.ingress.claim``), coming and going. Were it the lane
that it turned out to belong to, a stranger's actions would come in by one lane, be done in another,
and leave the first one nothing.

Pure: every time is an argument.
"""

from collections.abc import Callable
from typing import Final

from node.ports.admission import Origin
from node.ports.intake import Late
from node.types.errors import Shed
from node.types.lanes import Lane

CLOSES_FOR: Final = 3
"""Intervals for which a lane that was late closes those behind it, however long it is held."""


class _Address:
    """What is on its way of one address."""

    __slots__ = ("by_connection", "on_way")

    def __init__(self) -> None:
        self.on_way = 0
        self.by_connection: dict[int, int] = {}


class _Flow:
    """What goes to one lane: how much is on its way, and how much was answered lately."""

    __slots__ = (
        "_began_ns", "_before", "_lately", "answered", "by_address", "held_until_ns",
        "late_until_ns", "on_way", "told",
    )  # fmt: skip

    def __init__(self) -> None:
        self.on_way = 0
        self.by_address: dict[int, _Address] = {}
        self.answered = 0
        self.held_until_ns = 0
        self.late_until_ns = 0
        self.told: Shed | None = None
        self._began_ns = 0
        self._before = 0
        self._lately = 0

    def begin_interval(self, now_ns: int, interval_ns: int) -> None:
        """Take in what was answered since the last interval began, if it is over."""
        elapsed_ns = now_ns - self._began_ns
        if elapsed_ns >= interval_ns:
            # An interval lasts until somebody comes: what counts is the rate.
            self._lately = (self.answered - self._before) * interval_ns // elapsed_ns
            self._before, self._began_ns = self.answered, now_ns

    def enter(self, origin: Origin) -> None:
        """Count one on its way."""
        self.on_way += 1
        address = self.by_address.get(origin.address)
        if address is None:
            address = self.by_address[origin.address] = _Address()
        address.on_way += 1
        own = address.by_connection
        own[origin.connection] = own.get(origin.connection, 0) + 1

    def leave(self, origin: Origin) -> None:
        """Count one that is there."""
        self.on_way -= 1
        address = self.by_address[origin.address]
        address.on_way -= 1
        left = address.by_connection[origin.connection] - 1
        if left:
            address.by_connection[origin.connection] = left
            return
        del address.by_connection[origin.connection]
        if not address.on_way:
            del self.by_address[origin.address]

    def is_full(self, origin: Origin, least: int) -> bool:
        """Return whether as many are on their way as were answered in this interval, or the last.

        At least ``least``: where nobody is let in nobody is answered, and it would stay so. For who
        has less than its share of that on its way, it is full at twice as many.
        """
        pace = max(least, self._lately, self.answered - self._before)
        if self.on_way < pace:
            return False
        if self.on_way >= 2 * pace:
            return True
        address = self.by_address.get(origin.address)
        if address is None:
            return False
        part = max(1, pace // len(self.by_address))
        own = address.by_connection.get(origin.connection, 0)
        connections = len(address.by_connection)
        return address.on_way >= part + part // 2 or own >= max(1, part // connections)


class Turnstile:
    """Counts what is on its way to each lane, and refuses what a late lane has no time for."""

    __slots__ = ("_flows", "_interval_ns", "_late", "_least")

    def __init__(self, late: Callable[[], Late | None], interval_ns: int, least: int = 1) -> None:
        """``late`` tells the most urgent late lane; the same object while it is the same to all.

        No lane is held to a pace below ``least`` an interval.
        """
        self._late = late
        self._interval_ns = interval_ns
        self._least = least
        self._flows = tuple(_Flow() for _ in Lane)

    def enter(self, lane: Lane, origin: Origin) -> None:
        """Count one on its way to ``lane`` from ``origin``."""
        self._flows[lane].enter(origin)

    def leave(self, lane: Lane, origin: Origin, *, done: bool) -> None:
        """Count its answer; ``done``: it came as far as the lane, and tells how fast that goes."""
        flow = self._flows[lane]
        flow.answered += done
        flow.leave(origin)

    def refusal_of(self, lane: Lane, origin: Origin, now_ns: int) -> Shed | None:
        """Return what one more for ``lane``, which adds risk, hears; None: it is let in.

        A lane is held to its pace for as long as any had to be refused: those let in may all be
        verified still, and the lane in time for want of them. It closes those behind it for
        ``CLOSES_FOR`` intervals after it was late, and no longer: knocking alone closes nothing.
        """
        flow = self._flows[lane]
        flow.begin_interval(now_ns, self._interval_ns)
        late = self._late()
        if late is not None:
            if late.lane < lane:
                return late.refusal
            if late.lane is lane:
                flow.held_until_ns = now_ns + self._interval_ns
                flow.late_until_ns = now_ns + CLOSES_FOR * self._interval_ns
                flow.told = late.refusal
        for urgent in self._flows[Lane.RESTING : lane]:
            if now_ns < min(urgent.held_until_ns, urgent.late_until_ns):
                return urgent.told
        if now_ns >= flow.held_until_ns or not flow.is_full(origin, self._least):
            return None
        flow.held_until_ns = now_ns + self._interval_ns
        return flow.told
