"""What the counters of a stage mean: its load, its limit and what is left between the two.

Three laws, each exact over the window it is applied to (Denning and Buzen, "The Operational
Analysis of Queueing Network Models", 1978):

- utilization  U = busy / (elapsed * servers)
- limit        mu = served * servers / busy: the items per second that the stage reaches *alone*,
  when its servers never idle, at the service times just seen
- headroom     1 - U. As U = rate / mu, this is also 1 - rate / limit, of the stage *alone*; what a
               node has left is told by its load line (``node.capacity.lines``)

Stages that share one event loop share its time, so none of them reaches its own limit there. With
v_s visits to stage s for one item from outside, of S_s seconds each, the loop's limit is

    lambda* = 1 / sum(v_s * S_s)        (``loop_limit``)

and its headroom is 1 minus the *sum* of the utilizations.

The counters are integers; a report's ratios are floats, the only ones of this package, on purpose:
a report is derived for people and dashboards and never enters the transition.
"""

from collections.abc import Iterable

import msgspec

from node.capacity.histogram import Distribution
from node.capacity.stage import StageSnapshot
from node.types.units import NS_PER_S

NS_PER_MICROSECOND = 1_000

MEDIAN_PPM = 500_000
P99_PPM = 990_000


class Quantiles(msgspec.Struct, frozen=True):
    """Microseconds; never too small and at most 1/32 too large."""

    p50: float
    p99: float


class StageReport(msgspec.Struct, frozen=True, rename={"arrived": "in", "done": "out"}):
    """One stage over one window of time.

    Counts are those of the window, and ``held_before`` + in = out + ``held`` + refused. Over a
    lifetime ``held_before`` is 0. ``depth``, ``held`` and ``capacity`` are those at its end,
    ``peak`` is the highest depth since the stage began. What cannot be known from an empty window
    is None.
    """

    name: str
    elapsed_s: float
    held_before: int
    arrived: int
    done: int
    held: int
    refused: dict[str, int]
    depth: int
    peak: int
    capacity: int | None
    busy_s: float
    utilization: float | None
    """Share of the servers' time spent working; None when no time went by."""
    limit: float | None
    """Items per second that the stage alone could serve; None when it served nothing."""
    headroom: float | None
    """1 - utilization."""
    service_us: Quantiles | None
    wait_us: Quantiles | None

    @property
    def conserved(self) -> bool:
        """Return whether the law of conservation holds over the window."""
        return self.held_before + self.arrived == self.done + self.held + sum(self.refused.values())


def lifetime_report(now: StageSnapshot, elapsed_ns: int) -> StageReport:
    """Report on all that happened since the stage began, ``elapsed_ns`` ago."""
    return _report(now, elapsed_ns, 0, now.arrived, now.done, now.refused, now.service, now.waiting)


def window_report(earlier: StageSnapshot, now: StageSnapshot, elapsed_ns: int) -> StageReport:
    """Report on the ``elapsed_ns`` between two snapshots of the same stage."""
    assert earlier.name == now.name
    gained = {cause: count - earlier.refused.get(cause, 0) for cause, count in now.refused.items()}
    return _report(
        now,
        elapsed_ns,
        earlier.held,
        now.arrived - earlier.arrived,
        now.done - earlier.done,
        {cause: count for cause, count in gained.items() if count},
        now.service.since(earlier.service),
        now.waiting.since(earlier.waiting),
    )


def loop_limit(reports: Iterable[StageReport], arrivals: int) -> float | None:
    """Return the arrivals per second that saturate one event loop running all these stages.

    ``arrivals`` counts the items from outside in the same window (an entry stage's ``done``). As
    v_s = served_s / arrivals and S_s = busy_s / served_s, the sum of v_s * S_s is the busy time of
    all stages over ``arrivals``. None when there were no arrivals or none took any time.
    """
    busy_s = sum(report.busy_s for report in reports)
    if arrivals <= 0 or busy_s <= 0:
        return None
    return arrivals / busy_s


def _report(
    now: StageSnapshot,
    elapsed_ns: int,
    held_before: int,
    arrived: int,
    done: int,
    refused: dict[str, int],
    service: Distribution,
    waiting: Distribution,
) -> StageReport:
    if elapsed_ns < 0:
        raise ValueError(f"a window cannot end {-elapsed_ns} ns before it begins")
    busy_ns = service.total
    served = service.count
    utilization = busy_ns / (elapsed_ns * now.servers) if elapsed_ns else None
    return StageReport(
        name=now.name,
        elapsed_s=elapsed_ns / NS_PER_S,
        held_before=held_before,
        arrived=arrived,
        done=done,
        held=now.held,
        refused=refused,
        depth=now.depth,
        peak=now.peak_depth,
        capacity=now.capacity,
        busy_s=busy_ns / NS_PER_S,
        utilization=utilization,
        limit=served * now.servers * NS_PER_S / busy_ns if served and busy_ns else None,
        headroom=None if utilization is None else 1 - utilization,
        service_us=_quantiles_us(service),
        wait_us=_quantiles_us(waiting),
    )


def _quantiles_us(distribution: Distribution) -> Quantiles | None:
    median_ns = distribution.quantile(MEDIAN_PPM)
    p99_ns = distribution.quantile(P99_PPM)
    if median_ns is None or p99_ns is None:
        return None
    return Quantiles(p50=median_ns / NS_PER_MICROSECOND, p99=p99_ns / NS_PER_MICROSECOND)
