"""A ramp over one mix of one node: points are measured, the knee found, the curve drawn past it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from time import perf_counter, process_time
from typing import Final

import msgspec

from node.capacity.telemetry import HistogramCounts, Telemetry
from node.simulation.ramp.child import GeneratorProcess
from node.simulation.ramp.knee import KneeSearch, SearchLimits
from node.simulation.ramp.machine import CpuReading, family_s
from node.simulation.ramp.messages import Fire, Mix, Prepare, Sample
from node.simulation.ramp.points import QUANTILES, Delays, Liquidations, RampPoint, point_of
from node.simulation.ramp.target import Target
from node.simulation.ramp.wave import Wave
from node.simulation.ramp.yardstick import Yardstick
from node.types.units import NS_PER_MS, NS_PER_S, PPM_ONE

SHARES: Final = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0)
ACCOUNTS: Final = 500
"""So many that within a window none of them fills what rules allow one to have open.

A bulk of twenty leaves 15 orders in the book; what is refused then would count as the node's limit.
"""
CONNECTIONS: Final = 8
WINDOW_S: Final = 4.0
"""Long enough for several seals and a few changes of the machine's own speed."""
READS_APART_S: Final = 0.25
COMPARED: Final = 3
"""Windows of each of two points that are compared: one of a few seconds tells of the machine."""

LIQUIDATION_LANE: Final = "lane_liquidation"


class RampSettings(msgspec.Struct, frozen=True, kw_only=True):
    """``window_s``: what counts of a point, after ``warm_s`` and before ``grace_s``, in seconds."""

    window_s: float = WINDOW_S
    warm_s: float = 0.5
    grace_s: float = 3.0
    accounts: int = ACCOUNTS
    connections: int = CONNECTIONS
    seed: int = 1
    search: SearchLimits = SearchLimits()
    shares: tuple[float, ...] = SHARES
    liquidations: bool = True


class Measured(msgspec.Struct, frozen=True):
    """A point, with the node's counters over its window and what the generator took."""

    point: RampPoint
    window: Telemetry
    generator_s: float
    """Processor seconds of the generator in the window."""
    wakes: int
    """How often the generator woke up to send."""
    beside_s: dict[str, float]
    """Processor seconds of what else belongs to the run: this process (``ramp``), and ``chain``,
    what the node started beside its own processes, where its process is known."""
    strangers_s: float | None
    """Processor seconds of everything else on this machine; None where the kernel does not tell."""


class _Processors(msgspec.Struct, frozen=True):
    """Processor seconds at one moment, or between two that are ``elapsed_s`` apart."""

    elapsed_s: float
    machine_s: float | None
    ramp_s: float
    family_s: float | None

    @classmethod
    def now(cls, pid: int | None) -> "_Processors":
        busy = CpuReading.now()
        family = None if pid is None else family_s(pid)
        busy_s = None if busy is None else busy.busy_s
        return cls(perf_counter(), busy_s, process_time(), family)

    def since(self, earlier: "_Processors") -> "_Processors":
        return _Processors(
            self.elapsed_s - earlier.elapsed_s,
            _gained(self.machine_s, earlier.machine_s),
            self.ramp_s - earlier.ramp_s,
            _gained(self.family_s, earlier.family_s),
        )

    def over(self, seconds: float) -> "_Processors":
        """Return the same at the same pace over ``seconds``."""
        pace = seconds / max(self.elapsed_s, 1e-9)
        machine_s = None if self.machine_s is None else self.machine_s * pace
        family_s = None if self.family_s is None else self.family_s * pace
        return _Processors(seconds, machine_s, self.ramp_s * pace, family_s)


def _gained(now: float | None, before: float | None) -> float | None:
    return None if now is None or before is None else now - before


Progress = Callable[[str, RampPoint], None]
"""Told of each point, and of what it was measured for."""


class Ramp:
    """Measures points of one mix; made by ``ramp_of``."""

    def __init__(
        self, target: Target, generator: GeneratorProcess, wave: Wave, settings: RampSettings
    ) -> None:
        self._target = target
        self._generator = generator
        self._wave = wave
        self._settings = settings

    async def measure(
        self,
        rate: float,
        *,
        share: float | None = None,
        wave: bool = False,
        cluster: int = 1,
        window_s: float | None = None,
    ) -> Measured:
        """Return the point at ``rate`` actions a second, with liquidations if ``wave``.

        ``cluster`` actions become due at a time. ``window_s`` counts instead of the settings'.

        Raises ``GeneratorFailed`` and what the node answers to a request for its counters.
        """
        settings = self._settings
        window_s = window_s or settings.window_s
        seconds = settings.warm_s + window_s
        await self._target.settled()
        opened = await self._wave.open() if wave else 0
        if opened:
            await self._wave.ready()
        await self._generator.prepare(Prepare(rate, seconds, cluster))
        async with asyncio.TaskGroup() as group:
            firing = group.create_task(
                self._generator.fire(Fire(settings.warm_s, settings.grace_s))
            )
            if opened:
                group.create_task(self._wave.run(seconds))
            window, spent, yardstick = await self._watch(window_s)
        measured = _measured(firing.result(), rate, share, window, spent)
        point = msgspec.structs.replace(measured.point, yardstick_ms=yardstick.mean_ms)
        return msgspec.structs.replace(measured, point=point)

    async def find(self, search: KneeSearch, progress: Progress) -> None:
        """Measure until ``search`` knows the knee."""
        while (rate := search.next_rate()) is not None:
            point = (await self.measure(rate)).point
            search.note(point)
            progress("search", point)

    async def curve(self, knee_per_s: float, progress: Progress) -> list[RampPoint]:
        """Return the points at the shares of the knee that the settings name, and then more of two.

        The knee and what is past it are compared, so they are measured ``COMPARED`` times, by
        turns: a machine whose speed moves is then the same to both. Waves are for the first time: a
        position is halved by each, and there is no opening it again. Shares that would go past the
        highest rate allowed are left out.
        """
        allowed = self._settings.search.highest_per_s
        shares = [share for share in self._settings.shares if share * knee_per_s <= allowed]
        liquidations = self._settings.liquidations
        highest = max(shares, default=0.0)
        compared = (1.0, highest) if 1.0 in shares and highest > 1.0 else ()
        points = []
        for place, share in enumerate((*shares, *compared * (COMPARED - 1))):
            wave = liquidations and place < len(shares)
            point = (await self.measure(share * knee_per_s, share=share, wave=wave)).point
            progress("curve", point)
            points.append(point)
        return points

    async def _watch(self, window_s: float) -> tuple[Telemetry, _Processors, Yardstick]:
        """Return the node's counters over the window, what processors did in it, and how fast."""
        warm_s = self._settings.warm_s
        started = perf_counter()
        await asyncio.sleep(warm_s)
        pid = self._target.pid
        before, processors = await self._target.telemetry(), _Processors.now(pid)
        yardstick = Yardstick()
        await yardstick.read_for(started + warm_s + window_s - perf_counter())
        after = await self._target.telemetry()
        while after.at_ns == before.at_ns:
            # The node works its answer out anew only now and then, and less often when it is busy.
            await asyncio.sleep(READS_APART_S)
            after = await self._target.telemetry()
        return after.since(before), _Processors.now(pid).since(processors), yardstick


@asynccontextmanager
async def ramp_of(target: Target, mix: Mix, settings: RampSettings) -> AsyncIterator[Ramp]:
    """Give a ramp of ``mix`` with a generator of its own."""
    setup = await target.setup(mix, settings.accounts, settings.connections, settings.seed)
    wave = await target.wave()
    async with GeneratorProcess(setup) as generator:
        yield Ramp(target, generator, wave, settings)


def _measured(
    sample: Sample, rate: float, share: float | None, window: Telemetry, spent: _Processors
) -> Measured:
    window_s = window.window_ns / NS_PER_S
    # The generator's own window is nearly the node's; scaled, the two can be compared.
    generator_s = sample.cpu_s * window_s / max(sample.window_s, 1e-9)
    of_node_s = {name: busy / NS_PER_S for name, busy in window.processes.items()}
    known_s = sum(of_node_s.values())
    # Both windows are nearly the same; brought to one length, they can be taken from each other.
    spent = spent.over(window_s)
    beside_s = {"ramp": spent.ramp_s}
    if spent.family_s is not None:
        beside_s["chain"] = max(0.0, spent.family_s - known_s)
    everyone_s = of_node_s | beside_s | {"generator": generator_s}
    shares = {name: busy / window_s for name, busy in everyone_s.items()}
    machine_s = spent.machine_s
    point = msgspec.structs.replace(
        point_of(sample, rate),
        share=share,
        liquidations=liquidations_of(window),
        utilization={
            **shares,
            "event_loop": window.loop.taken_ns / window.window_ns,
            "journal": window.journal.total_ns / window.window_ns,
        },
        machine=None if machine_s is None else machine_s / (window_s * window.cores),
    )
    strangers_s = None if machine_s is None else max(0.0, machine_s - sum(everyone_s.values()))
    return Measured(point, window, generator_s, sample.wakes, beside_s, strangers_s)


def liquidations_of(window: Telemetry) -> Liquidations | None:
    """Return how long liquidations waited in the window, None where there were none."""
    lane = window.stage(LIQUIDATION_LANE)
    if lane is None or not lane.waiting.count:
        return None
    return Liquidations(proposed=lane.waiting.count, wait_ms=quantiles_ms(lane.waiting))


def quantiles_ms(histogram: HistogramCounts) -> Delays:
    """Return the quantiles of nanoseconds in milliseconds, at most 1/32 too large."""
    distribution = histogram.distribution()
    found = {
        name: distribution.quantile(round(share * PPM_ONE)) for name, share in QUANTILES.items()
    }
    return {name: None if ns is None else ns / NS_PER_MS for name, ns in found.items()}
