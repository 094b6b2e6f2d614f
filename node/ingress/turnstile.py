"""Who is let on the way to a lane that is late: as many as get done.

A late lane that lets nobody in until it has drained, and then everybody, is empty as often as it is
full, and what came in between has its signature checked to be refused behind it. So from the moment
at which a lane is late one comes in for each that is answered: what is on its way, from here to its
answer, stays below what was answered within the last interval. By Little's law whoever is let in is
then answered within an interval. (The conservation of packets: Jacobson, Congestion Avoidance and
Control, 1988.)

What counts is what an action claims (``node.ingress.claim``), coming and going. Were it the lane
that it turned out to belong to, a stranger's actions would come in by one lane, be done in another,
and leave the first one nothing.

Pure: every time is an argument.
"""

from collections.abc import Callable

from node.ports.intake import Late
from node.types.errors import Shed
from node.types.lanes import Lane


class _Flow:
    """What goes to one lane: how much is on its way, and how much was answered lately."""

    __slots__ = ("_began_ns", "_before", "_lately", "answered", "held_until_ns", "on_way", "told")

    def __init__(self) -> None:
        self.on_way = 0
        self.answered = 0
        self.held_until_ns = 0
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

    def is_full(self) -> bool:
        """Return whether as many are on their way as were answered in this interval, or the last.

        Never while none is: where nobody is let in nobody is answered, and it would stay so.
        """
        pace = max(1, self._lately, self.answered - self._before)
        return self.on_way >= pace


class Turnstile:
    """Counts what is on its way to each lane, and refuses what a late lane has no time for."""

    __slots__ = ("_flows", "_interval_ns", "_late")

    def __init__(self, late: Callable[[], Late | None], interval_ns: int) -> None:
        """``late`` tells the most urgent late lane; the same object while it is the same to all."""
        self._late = late
        self._interval_ns = interval_ns
        self._flows = tuple(_Flow() for _ in Lane)

    def enter(self, lane: Lane) -> None:
        """Count one on its way to ``lane``."""
        self._flows[lane].on_way += 1

    def leave(self, lane: Lane) -> None:
        """Count its answer, whatever it is."""
        flow = self._flows[lane]
        flow.on_way -= 1
        flow.answered += 1

    def refusal_of(self, lane: Lane, now_ns: int) -> Shed | None:
        """Return what one more for ``lane``, which adds risk, hears; None: it is let in.

        A lane is held to its pace for as long as any had to be refused: those let in may all be
        verified still, and the lane in time for want of them.
        """
        flow = self._flows[lane]
        flow.begin_interval(now_ns, self._interval_ns)
        late = self._late()
        if late is not None:
            if late.lane < lane:
                return late.refusal
            if late.lane is lane:
                flow.held_until_ns = now_ns + self._interval_ns
                flow.told = late.refusal
        for urgent in self._flows[Lane.RESTING : lane]:
            if now_ns < urgent.held_until_ns:
                return urgent.told
        if now_ns >= flow.held_until_ns or not flow.is_full():
            return None
        flow.held_until_ns = now_ns + self._interval_ns
        return flow.told
