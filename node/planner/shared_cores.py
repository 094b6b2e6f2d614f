"""The loop and what shares its cores: for how long it waits for one, and how much it then carries.

The loop works for L of a second and waits for a core for L κ C(c, O), O being what all others take
of c cores, C Erlang's probability that all are taken, and κ ``CROWDING``. It was measured on two
cores; of other numbers it is known to be bounded, and no more. What is offered to the loop is
ρ = L (1 + κ C), and the less an action takes of it, the nearer to 1 it may come before its lanes
shed: ``waiting.lost_share_at_moving_speed``.
"""

import math

import msgspec
from scipy.optimize import brentq

from node.planner.waiting import erlang_c, lost_share_at_moving_speed

LOST = 0.02
"""The share of the arrivals that may be lost at the knee: the ramp's own definition of carried."""

PATIENCE_S = 0.02
"""About the longest turn of a writer with default limits: the delay at which its lanes shed."""

CROWDING = 1.3
"""For how long a thread that finds all cores taken waits for one, over how long it works until it
is there again: measured in 257 windows around the knees of eleven ramps, on two cores."""

UNSTEADY = 0.07
"""How much a machine's speed moves over the seconds in which a queue settles, relative (σ): chosen
so that the loop is told to be as busy at eleven knees as it was, on average."""

MODEL_ERROR = 0.12
"""What moves between two measurements of one and the same node, as a relative standard deviation:
measured knees of one flow scattered by so much on one machine within a day, singles by 0.12 and
bulks by 0.14 (five of each). A law that holds exactly in its own windows meets another hour."""


class SharedCores(msgspec.Struct, frozen=True):
    """What a flow takes of one machine: processor seconds each second, and for each action."""

    cores: int
    """0: every process has one to itself, and none that is shared moves."""
    own: float
    """Of the loop, by commands of the node's own: oracle rounds."""
    idle: float
    """Of the loop, by all that is done however little comes."""
    each_s: float
    others: float
    """Of all other processes together, however little comes."""
    others_each_s: float
    patience_s: float = PATIENCE_S

    def slower(self, rate_per_s: float) -> float:
        """Return how much longer the loop takes at this rate for having to wait for a core."""
        return 1 + waiting_share(self.others + rate_per_s * self.others_each_s, self.cores)

    @property
    def loop_per_s(self) -> float:
        """Return the rate at which the loop is full; ∞ where nothing takes time there."""
        if not self.cores:
            free = max(1 - self.own - self.idle, 0.0)
            return free / self.each_s if self.each_s else math.inf
        loop = (self.own + self.idle, self.each_s)
        return loop_limit(loop, (self.others, self.others_each_s), self.cores, self.patience_s)

    @property
    def machine_per_s(self) -> float:
        """Return the rate at which all cores are taken; ∞ where none are known."""
        each_s = self.each_s + self.others_each_s
        if not (self.cores and each_s):
            return math.inf
        return max(self.cores - self.own - self.idle - self.others, 0.0) / each_s

    def stretch(self, rate_per_s: float) -> float:
        """Return by how much to lengthen the loop's times at this rate, so that they are all of it.

        What the loop cannot use for commands (waits for a core, what is done anyway, what slow
        moments lose) is charged to them: a loop with such times is full at the limit. Past the
        limit it is as at the limit. From where all cores are taken that is the machine's.
        """
        limit, machine = self.loop_per_s, self.machine_per_s
        if math.isinf(limit):
            return 1.0
        if rate_per_s >= machine:
            limit = min(limit, machine)
        full = min(max(self.own + limit * self.each_s, 1e-9), 1.0)
        return self.slower(min(rate_per_s, limit)) / self.slower(limit) / full


def loop_limit(
    loop: tuple[float, float], others: tuple[float, float], cores: int, patience_s: float
) -> float:
    """Return the rate at which ``LOST`` of what comes would wait longer than ``patience_s``.

    ``loop`` and ``others`` are processor seconds, fixed for each second and for each action. ∞
    where an action costs the loop nothing.
    """
    fixed, each = loop
    if each <= 0:
        return math.inf

    def spare(rate: float) -> float:
        slower = 1 + waiting_share(others[0] + rate * others[1], cores)
        offered = (fixed + rate * each) * slower
        # Nothing to do and nothing lost.
        service_s = each * slower
        return LOST - (
            lost_share_at_moving_speed(offered, service_s, patience_s, UNSTEADY)
            if offered > 0
            else 0.0
        )

    if spare(0.0) <= 0:
        return 0.0
    # Past it more is lost than that, whatever the patience.
    return float(brentq(spare, 0.0, (1 / (1 - LOST) - fixed) / each))


def waiting_share(others: float, cores: int) -> float:
    """Return for how long a thread waits for a core, over how long it works: W / L.

    ``others`` is what all the rest takes, in cores. ``CROWDING`` times the probability that they
    have taken all ``cores``; without any nobody knows of one, and none is waited for.
    """
    if not cores:
        return 0.0
    return CROWDING * (erlang_c(cores, others) if others < cores else 1.0)
