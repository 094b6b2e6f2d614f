"""What measured windows of a node tell the planner, and what its verdict must know of them."""

import math
from collections.abc import Sequence
from statistics import fmean
from typing import Final

import msgspec
import numpy as np

from node.planner.predict import FlowShape, Surroundings, works_in_background
from node.planner.regression import LinearLaw, fit_linear, resamples_of
from node.planner.verification import slowed
from node.simulation.ramp.generator import TICK_S
from node.simulation.ramp.knee import SearchLimits, knee_at_speed
from node.simulation.ramp.machine import cores
from node.simulation.ramp.points import RampPoint
from node.simulation.ramp.ramp import Measured
from node.types.errors import MeasurementInvalid
from node.types.units import NS_PER_S

NOT_PROCESSES: Final = frozenset(("event_loop", "journal"))
"""What a point tells shares of that are no processor time of their own."""
NOT_OF_THE_FLOW: Final = frozenset(("oracle_round", "funding", "deposit", "liquidate"))

_SEED: Final = 11


def shape_of(windows: Sequence[Measured]) -> FlowShape:
    """Return what one action of the flow is, as the node's own telemetry counted it."""
    commands: dict[str, float] = {}
    items = 0.0
    for measured in windows:
        for kind in measured.window.kinds:
            if kind.kind not in NOT_OF_THE_FLOW:
                commands[kind.kind] = commands.get(kind.kind, 0.0) + kind.commands
                items += kind.items
    total = sum(commands.values())
    shares = {kind: count / total for kind, count in commands.items() if count}
    return FlowShape(shares, items / total)


def around_of(windows: Sequence[Measured], ones: Sequence[Measured], rate: float) -> Surroundings:
    """Return what shares the machine with the node: the generator, the chain, the ramp itself.

    ``ones``: windows in which actions came one by one, as they do when the node is ramped; they
    alone tell what the generator takes. ``rate``: about how many are sent a second at full load.
    """
    resamples = resamples_of(len(windows), np.random.default_rng(_SEED))
    seconds = np.array([measured.window.window_ns / NS_PER_S for measured in windows])
    actions = np.array([_actions_of(measured) for measured in windows])
    laws = {"generator": _generator(ones, rate)}
    for name in sorted({name for measured in windows for name in measured.beside_s}):
        spent_s = np.array([measured.beside_s.get(name, 0.0) for measured in windows])
        laws[name] = fit_linear(spent_s, {"command": actions, "second": seconds}, resamples)
    # Strangers are left out: a node that wants more takes it from them, and nobody knows how much.
    # The verdict tells how many there were.
    return Surroundings(cores=cores(), beside=laws)


def beside_strangers(around: Surroundings, taken: float) -> Surroundings:
    """Return the same with others who take so many cores besides."""
    strangers = LinearLaw(("second",), (taken,), ((taken,),), 0.0)
    return msgspec.structs.replace(around, beside={**around.beside, "strangers": strangers})


def at_one_speed(windows: Sequence[Measured]) -> list[Measured]:
    """Return what ``windows`` would have cost at the machine's mean speed in all of them.

    A window in which the yardstick took a tenth longer is taken to have cost a tenth more. Delays
    stay as they are, as not all of them is work; so do shares of the machine, what strangers took,
    and windows without a yardstick. ``yardstick_ms`` becomes the mean.
    """
    readings = [m.point.yardstick_ms for m in windows if m.point.yardstick_ms is not None]
    if not readings:
        return list(windows)
    return [_at_speed(measured, fmean(readings)) for measured in windows]


def _at_speed(measured: Measured, yardstick_ms: float) -> Measured:
    point = measured.point
    if point.yardstick_ms is None:
        return measured
    factor = yardstick_ms / point.yardstick_ms
    return msgspec.structs.replace(
        measured,
        point=msgspec.structs.replace(point, yardstick_ms=yardstick_ms),
        window=slowed(measured.window, factor),
        generator_s=measured.generator_s * factor,
        beside_s={name: spent * factor for name, spent in measured.beside_s.items()},
    )


def _generator(ones: Sequence[Measured], rate: float) -> LinearLaw:
    """Return the generator's law at ``rate``: what it takes for all that is due when it wakes up.

    It wakes at each tick in which an action is due. A wake costs less, not more, on a full machine,
    where it sends several actions: the processor is warm. So actions are not charged besides.
    Raises ``MeasurementInvalid`` without ``ones``.
    """
    if not ones:
        raise MeasurementInvalid(faults=("no window below half load with actions one by one",))
    wake = fit_linear(
        np.array([measured.generator_s for measured in ones]),
        {"second": np.array([float(measured.wakes) for measured in ones])},
        resamples_of(len(ones), np.random.default_rng(_SEED)),
    )
    tick_s = TICK_S + wake.coefficient("second")
    wakes_per_s = -math.expm1(-rate * tick_s) / tick_s
    return msgspec.structs.replace(
        wake,
        coefficients=tuple(cost * wakes_per_s for cost in wake.coefficients),
        replicates=tuple(tuple(cost * wakes_per_s for cost in row) for row in wake.replicates),
    )


def _actions_of(measured: Measured) -> float:
    kinds = measured.window.kinds
    return float(sum(kind.commands for kind in kinds if kind.kind not in NOT_OF_THE_FLOW))


def strangers_of(windows: Sequence[Measured]) -> float | None:
    """Return the share of all cores that others took, the mean of the windows; None: unknown."""
    shares = [
        measured.strangers_s * NS_PER_S / measured.window.window_ns / cores()
        for measured in windows
        if measured.strangers_s is not None
    ]
    return fmean(shares) if shares else None


def strangers_in(measured: Measured) -> float:
    """Return the share of all cores that others took in a window; none where nobody knows."""
    return strangers_of([measured]) or 0.0


def knee_at_speed_of(
    quiet: Sequence[Measured], ramped: Sequence[RampPoint], limits: SearchLimits
) -> float | None:
    """Return the knee at the mean speed of ``quiet``, None where the yardsticks tell none."""
    timed = [m.point.yardstick_ms for m in quiet if m.point.yardstick_ms is not None]
    return knee_at_speed(ramped, fmean(timed), limits) if timed else None


def utilization_of(point: RampPoint) -> dict[str, float]:
    """Return how full all was at a point, for ``busiest``.

    These are its busy shares, the machine's without what works in the background, and for L1 the
    share of what was refused that its gate refused.
    """
    shares = {**point.utilization, "l1": point.gated / max(point.refused, 1)}
    if point.machine is not None:
        background = sum(shares[name] for name in shares if works_in_background(name))
        shares["machine"] = point.machine - background / cores()
    return shares


def strangers_at(point: RampPoint) -> float:
    """Return the cores that others took at a point; none where the kernel does not tell."""
    if point.machine is None:
        return 0.0
    ours = sum(share for name, share in point.utilization.items() if name not in NOT_PROCESSES)
    return min(max(point.machine * cores() - ours, 0.0), cores() - 0.1)
