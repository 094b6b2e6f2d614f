"""What happens to a node over a scenario's time, step by step: flow, L1, oracle.

All of it is known beforehand; chance (reorgs, inclusion, prices) is drawn elsewhere.
"""

import math

import msgspec
import numpy as np

from node.planner.arrays import Flags, Vector
from node.planner.pipeline import Pipeline
from node.planner.scenario import Chain, Point, Scenario, Window


class Sky(msgspec.Struct, frozen=True):
    """L1 at each step."""

    inclusion: Vector
    """Probability that a block takes batches; 0 where gas costs more than the cap."""
    room: Vector
    """Whole batches that fit the node's part of a block."""
    running: Flags
    """Whether there are blocks at all."""
    gas_price_gwei: Vector
    batch_items: float
    """What a full batch holds: what is behind others fills it, and age closes only the first."""
    reorg_per_block: float = 0.0
    reorg_blocks: int = 1


class Course(msgspec.Struct, frozen=True):
    """One step an element, over the horizon."""

    step_s: float
    rate: Vector
    """Factor on the flow."""
    sky: Sky
    gate_items: float
    """At how much unposted work new risk is refused; it opens again at half of it. The smaller of
    what so many batches hold and what so many bytes make."""
    stale: Vector
    """Share of the step in which the mark is too old to open anything."""
    rounds: Flags
    """Whether a mark comes in the step."""
    unposted_at_start: float = 0.0

    @property
    def steps(self) -> int:
        """Return the number of steps."""
        return int(self.rate.size)


def ordinary(pipeline: Pipeline, steps: int, step_s: float) -> Course:
    """Return a course on which nothing happens and the gate never closes."""
    settlement, ones = pipeline.settlement, np.ones(steps)
    sky = Sky(
        inclusion=ones * (settlement.inclusion_probability if settlement.sends else 0.0),
        room=ones * settlement.batch.per_block(),
        running=np.ones(steps, dtype=np.bool_),
        gas_price_gwei=np.zeros(steps),
        batch_items=settlement.batch.items,
    )
    always = np.ones(steps, dtype=np.bool_)
    return Course(step_s, ones, sky, math.inf, np.zeros(steps), always)


def course_of(scenario: Scenario, pipeline: Pipeline) -> Course:
    """Return what the scenario says will happen."""
    step_s = scenario.extent.step_s
    times = step_middles_s(scenario)
    batch, batches = pipeline.settlement.batch, scenario.batches
    per_item = batch.bytes / batch.items
    rate = values_at(scenario.flow.path, times, 1.0)
    return Course(
        step_s=step_s,
        rate=rate,
        sky=_sky(scenario.l1, pipeline, times),
        gate_items=min(
            batches.backlog_batches_max * batch.items, batches.backlog_bytes_max / per_item
        ),
        stale=stale_share(scenario, times),
        rounds=_rounds(scenario, times),
        unposted_at_start=float(scenario.l1.unposted_at_start),
    )


def step_middles_s(scenario: Scenario) -> Vector:
    """Return the times at which a step takes its values."""
    return (np.arange(scenario.steps, dtype=np.float64) + 0.5) * scenario.extent.step_s


def values_at(path: tuple[Point, ...], times_s: Vector, otherwise: float) -> Vector:
    """Return the path at each time, level before its first and after its last point."""
    if not path:
        return np.full(times_s.size, otherwise)
    at, values = np.array(path).T
    return np.asarray(np.interp(times_s, at, values))


def within(windows: tuple[Window, ...], times_s: Vector) -> Flags:
    """Return whether each time lies in one of the windows."""
    inside = np.zeros(times_s.size, dtype=np.bool_)
    for begin, end in windows:
        inside |= (times_s >= begin) & (times_s < end)
    return inside


def stale_share(scenario: Scenario, times_s: Vector) -> Vector:
    """Return for each step the share in which the mark is older than ``oracle.stale_s``.

    Between the last round before a stall and the first behind it these are the times from the
    former + stale to the latter; between two ordinary rounds, what the interval is longer than the
    limit.
    """
    oracle, step_s = scenario.oracle, scenario.extent.step_s
    share = np.full(times_s.size, max(1 - oracle.stale_s / oracle.interval_s, 0.0))
    for last, following in _silences(scenario):
        low = np.maximum(times_s - step_s / 2, last + oracle.stale_s)
        high = np.minimum(times_s + step_s / 2, following)
        share = share + np.clip(high - low, 0, None) / step_s
    return np.asarray(np.minimum(share, 1.0))


def _silences(scenario: Scenario) -> list[Window]:
    """Return the times of the rounds around each stall; those with no round between are one."""
    interval_s = scenario.oracle.interval_s
    found: list[Window] = []
    for begin, end in sorted(scenario.oracle.stalls):
        last = (math.ceil(begin / interval_s) - 1) * interval_s
        following = math.ceil(end / interval_s) * interval_s
        if found and last < found[-1][1]:
            last, following = found[-1][0], max(following, found[-1][1])
            found.pop()
        found.append((last, following))
    return found


def _rounds(scenario: Scenario, times_s: Vector) -> Flags:
    oracle, half = scenario.oracle, scenario.extent.step_s / 2
    before = np.floor((times_s - half) / oracle.interval_s)
    after = np.floor((times_s + half) / oracle.interval_s)
    # The first round of a step or its last, by its own time: of several in a step one is enough.
    first = ~within(oracle.stalls, (before + 1) * oracle.interval_s)
    last = ~within(oracle.stalls, after * oracle.interval_s)
    return (after > before) & (first | last)


def _sky(chain: Chain, pipeline: Pipeline, times_s: Vector) -> Sky:
    inclusion = np.full(times_s.size, chain.inclusion)
    share = np.ones(times_s.size)
    price = np.full(times_s.size, chain.gas_price_gwei)
    running = np.ones(times_s.size, dtype=np.bool_)
    for phase in chain.phases:
        here = within(((phase.from_s, phase.until_s),), times_s)
        if phase.inclusion is not None:
            inclusion[here] = phase.inclusion
        share[here] = phase.block_share
        price[here] = chain.gas_price_gwei * phase.gas_price_factor
        if phase.outage:
            running[here] = False
    inclusion[price > chain.fee_cap_gwei] = 0.0
    batch = pipeline.settlement.batch
    room = np.floor(
        np.minimum(batch.block_gas * share / batch.gas, batch.block_bytes / batch.bytes)
    )
    return Sky(
        inclusion=inclusion,
        room=room,
        running=running,
        gas_price_gwei=price,
        batch_items=batch.items,
        reorg_per_block=min(chain.reorgs_per_hour * chain.block_s / 3_600, 1.0),
        reorg_blocks=chain.reorg_blocks,
    )


class BlockClock:
    """When L1 will have made so many blocks more: outages are time in which it makes none."""

    def __init__(self, sky: Sky, step_s: float, block_s: float) -> None:
        self._block_s = block_s
        self._edges_s = np.arange(sky.running.size + 1) * step_s
        self._worked_s = np.concatenate([[0.0], np.cumsum(sky.running * step_s)])

    def after(self, times_s: Vector, blocks: int) -> Vector:
        """Return the times ``blocks`` blocks after each; past the horizon blocks are regular."""
        if np.all(np.diff(self._worked_s) > 0):
            return times_s + blocks * self._block_s
        worked = np.interp(times_s, self._edges_s, self._worked_s) + blocks * self._block_s
        beyond = np.maximum(worked - self._worked_s[-1], 0.0)
        # Of a stretch without blocks only the end can be when the next one comes.
        last = np.searchsorted(self._worked_s, np.minimum(worked, self._worked_s[-1]), side="left")
        last = np.clip(last, 1, self._edges_s.size - 1)
        back = self._worked_s[last] - np.minimum(worked, self._worked_s[-1])
        later = self._edges_s[last] - back + beyond + self._after_end(beyond)
        # Who needs no block waits for none, in an outage neither.
        return np.asarray(np.maximum(later, times_s))

    def _after_end(self, beyond_s: Vector) -> Vector:
        """Return what an outage at the horizon's end adds for those that need blocks after it."""
        idle_s = (
            self._edges_s[-1] - self._edges_s[np.searchsorted(self._worked_s, self._worked_s[-1])]
        )
        return np.where(beyond_s > 0, idle_s, 0.0)
