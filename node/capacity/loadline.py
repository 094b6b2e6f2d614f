"""The load line: how much the node carries, how much it could, and what would stop it.

``LoadLine`` is what ``GET /load`` answers and what the WebSocket channel "load" pushes. It holds
plain figures for a reader and decides nothing. A field that cannot be known (an empty window, a
part that is not switched on) is null, never a false zero.

Rates are items per second, where an item is an action or another command from outside as the
transition takes it; times bear their unit; ratios are shares of 1.
"""

import msgspec

from node.capacity.telemetry import RunsOn


class Backlog(msgspec.Struct, frozen=True):
    """What waits at one stage, and how long it takes to clear while as much goes on arriving."""

    items: int
    bytes: int | None = None
    gas: int | None = None
    drain_s: float | None = None
    """items / (limit - arrivals); 0 where nothing waits, null where it grows or cannot be told.

    That is while L1 takes nothing, too: its limit is 0 then."""


class StageLine(msgspec.Struct, frozen=True):
    """One stage over the recent window (10 to 20 s)."""

    name: str
    runs_on: RunsOn
    utilization: float | None
    """Share of its servers' time spent working."""
    limit_per_s: float | None
    """What the stage could carry by the law of its resource, in items of its own unit."""
    headroom: float | None
    """1 - arrivals / limit, by the same law: stages that share a loop share their headroom too.

    0 where the limit is 0."""
    depth: int
    capacity: int | None
    held: int
    backlog: Backlog
    wait_p99_ms: float | None
    service_p50_us: float | None
    refused: dict[str, int]
    """Items refused in the window, by cause."""


class LaneLine(msgspec.Struct, frozen=True):
    """One lane of the sequencer over the recent window."""

    name: str
    depth: int
    capacity: int
    waited_p99_ms: float | None
    refused: dict[str, int]


class Limit(msgspec.Struct, frozen=True):
    """A resource and the rate at which it is full: items from outside per second.

    ``law`` is the formula with the figures that went into it, for a person to check.
    """

    resource: str
    limit_per_s: float
    law: str


class KneeRange(msgspec.Struct, frozen=True):
    """A prediction of the knee: items from outside per second at three quantiles."""

    p5: float
    p50: float
    p95: float


class Knee(msgspec.Struct, frozen=True):
    """What a calibration predicted, and what a ramp measured; null until there was one.

    ``at_ms`` is when the newer of the two was made (Unix time, 0 where there is none), ``mix`` the
    load that both are of, such as "single"; empty where that is not known.
    """

    predicted: KneeRange | None = None
    measured_per_s: float | None = None
    at_ms: int = 0
    mix: str = ""


class FeeLine(msgspec.Struct, frozen=True):
    """The fee of one work unit in micro-quote, its floor, and the resource that sets it.

    ``backlogs`` holds each resource's backlog in its own units, by the window in seconds.
    """

    price: int
    floor: int
    dearest: str | None
    backlogs: dict[str, dict[str, int]]


class Delay(msgspec.Struct, frozen=True):
    """Milliseconds at two quantiles; null where nothing was observed."""

    p50: float | None
    p99: float | None


class Audit(msgspec.Struct, frozen=True):
    """Positions checked at random, and those of them that nobody had noticed; since the start."""

    samples: int
    misses: int


class RiskLine(msgspec.Struct, frozen=True):
    """What watching positions took and what it missed, since the start.

    ``tiers`` are checks by tier, ``late`` the crossed positions that the tiers alone would have
    looked at too late, ``reserve_work`` the work units kept for liquidations in each block.
    """

    tiers: dict[str, int]
    detection_ms: Delay
    late: int
    audit: Audit
    reserve_work: int | None = None


class BatchLine(msgspec.Struct, frozen=True):
    """Batches since the start by how far they have come, and what waits.

    ``unposted`` are sealed and in no block of L1; ``lag_s`` is from sealing to each level, of the
    last batch that came there.
    """

    sealed: int
    posted: int
    safe: int
    final: int
    unposted: int
    unposted_bytes: int
    oldest_unposted_s: float
    lag_s: dict[str, float]


class MarkLine(msgspec.Struct, frozen=True):
    """How old the marks are: the oldest, the symbols past their limit, and what age costs.

    ``buffer_ppm`` is what a mark's age adds to the initial margin, by symbol.
    """

    oldest_age_s: float | None
    stale: tuple[str, ...]
    buffer_ppm: dict[str, int] | None = None


class KindLine(msgspec.Struct, frozen=True):
    """What one command of a kind takes of the loop in the transition; measured since the start.

    ``units`` are the orders, fills and the like that the rules let one command be at most,
    ``worst_ms`` what so many take: ``mean_us`` and 2 us for each unit more than the mean command
    had. ``longest_ms`` is the longest so far, what the machine did meanwhile included. Mean and
    longest are null before the first.
    """

    kind: str
    units: int
    mean_us: float | None
    longest_ms: float | None
    worst_ms: float


class LoadLine(msgspec.Struct, frozen=True):
    """The whole node at a glance.

    ``rate_per_s`` is what came in over the window, ``headroom`` 1 - rate / the bottleneck's limit.
    ``refusals`` are what clients were refused since the start, by the error's name, wherever it
    happened; ``gate`` is why new risk is refused, null while it is taken; ``conserved`` says
    whether in = out + held + refused at every stage. ``fee`` is null where the rules charge none.
    """

    at_ms: int
    uptime_s: float
    rate_per_s: float
    stages: tuple[StageLine, ...]
    lanes: tuple[LaneLine, ...]
    kinds: tuple[KindLine, ...]
    bottleneck: Limit | None
    next_bottleneck: Limit | None
    headroom: float | None
    knee: Knee
    fee: FeeLine | None
    risk: RiskLine | None
    batches: BatchLine | None
    marks: MarkLine | None
    gate: str | None
    refusals: dict[str, int]
    conserved: bool
