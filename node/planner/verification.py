"""What was predicted beside what was measured, for one mix: the proof, and where it fails."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from node.capacity.telemetry import Telemetry
from node.planner.predict import Ceiling, Prediction, works_in_background

ERROR_MAX = 0.10
"""What a prediction of a knee may be off."""
BELOW = 0.5
"""Of the measured knee: what a prediction may have seen."""
DELAY_ERROR_MAX = 0.25
"""What a prediction of a delay may be off."""
NOT_RESOURCES = frozenset(("machine", "generator", "ramp", "chain", "node", "l1"))
GATED = 0.5
"""From this share of what was refused on, L1 is what is full: its gate refused most of it."""
MACHINE_FULL = 0.97
"""From this share on, all cores are what is full, whatever single processes still had."""


class Range(msgspec.Struct, frozen=True):
    """A prediction at three quantiles."""

    p5: float
    p50: float
    p95: float


class Bottlenecks(msgspec.Struct, frozen=True):
    """What was to be full first, and what was."""

    predicted: str
    measured: str


class DelayCheck(msgspec.Struct, frozen=True):
    """Delays at one load, in milliseconds, predicted and measured.

    ``rate`` actions a second were measured, which is ``share`` of the measured knee; predicted are
    the delays at that share of the predicted one.
    """

    share: float
    rate: float
    predicted: dict[str, float]
    measured: dict[str, float]
    error_ratio: dict[str, float]
    """predicted / measured − 1."""


class MixVerdict(msgspec.Struct, frozen=True):
    """Actions a second. ``error_ratio`` is predicted p50 / measured − 1.

    ``beside_strangers`` is what the same calibration predicts beside those who used the machine at
    the knee: not a prediction, as it knows of them, but it tells a wrong law from a busy machine.

    ``measured_at_same_speed``: the measured knee at the speed at which the machine was calibrated,
    from how long a known piece of work took in each window; None where that tells none.
    ``error_at_same_speed`` is against that one: what of the error is the prediction's own.

    Half of the rates that were tried around it lie between ``measured_low`` and ``measured_high``.
    ``strangers`` is the share of the machine that others used while it was calibrated: what they
    take afterwards, nobody can predict.
    """

    mix: str
    predicted: Range
    measured: float
    measured_low: float
    measured_high: float
    error_ratio: float
    inside: bool
    beside_strangers: float
    bottleneck: Bottlenecks
    next_bottleneck: str | None
    ceilings: tuple[Ceiling, ...]
    utilization: dict[str, float]
    """At the rate nearest to the knee that was not carried: busy shares of a core, of the
    ``event_loop`` what it waited for a core too, of the ``journal`` how long the disk wrote;
    ``machine`` of all cores without what works in the background; ``l1`` what part of what was
    refused its gate refused."""
    delays: tuple[DelayCheck, ...]
    calibrated_below: float
    """The highest rate that the calibration saw, over the measured knee."""
    loop_below: float
    """The most of the loop's time that was gone in a window that the calibration saw: it worked, or
    waited for a core. At half of the knee's rate that is more than half: small blocks cost more."""
    windows: int
    strangers: float | None
    measured_at_same_speed: float | None = None
    error_at_same_speed: float | None = None

    @property
    def holds(self) -> bool:
        """Return whether it was made below half load, and was right: within a tenth, and inside."""
        return self.is_close and self.inside and self.calibrated_below <= BELOW

    @property
    def is_close(self) -> bool:
        """Return whether the error is within a tenth."""
        return abs(self.error_ratio) <= ERROR_MAX


def verdict_of(  # noqa: PLR0913 - a verdict is all of this
    mix: str,
    prediction: Prediction,
    beside_strangers: float,
    measured: tuple[float, float, float],
    utilization: Mapping[str, float],
    delays: Sequence[DelayCheck],
    *,
    calibrated_below: float,
    loop_below: float,
    windows: int,
    strangers: float | None,
    at_same_speed: float | None,
) -> MixVerdict:
    """Return the verdict; ``measured`` is the knee between its two bounds (low, knee, high).

    ``beside_strangers`` is the prediction beside those who used the machine at the knee.
    """
    low, knee, high = measured
    return MixVerdict(
        mix=mix,
        predicted=Range(prediction.p5, prediction.p50, prediction.p95),
        measured=knee,
        measured_low=low,
        measured_high=high,
        error_ratio=prediction.p50 / knee - 1,
        inside=prediction.p5 <= knee <= prediction.p95,
        beside_strangers=beside_strangers,
        bottleneck=Bottlenecks(prediction.bottleneck, busiest(utilization)),
        next_bottleneck=prediction.next_bottleneck,
        ceilings=prediction.ceilings,
        utilization=dict(utilization),
        delays=tuple(delays),
        calibrated_below=calibrated_below,
        loop_below=loop_below,
        windows=windows,
        strangers=strangers,
        measured_at_same_speed=at_same_speed,
        error_at_same_speed=None if at_same_speed is None else prediction.p50 / at_same_speed - 1,
    )


def busiest(utilization: Mapping[str, float]) -> str:
    """Return what was full, by the names of the predictions' resources.

    ``utilization`` holds the busy share of a core for each process, of all cores as ``machine``,
    without what works in the background, of the loop what work and waiting for a core took (of the
    other processes nobody knows what they waited), and of the disk as ``journal``. A full machine
    is named before any process: then none of them could get more. ``l1`` is the part of the
    refusals that its gate made, and where it made most of them nothing else had to be full.
    """
    if utilization.get("l1", 0.0) >= GATED:
        return "l1"
    if utilization.get("machine", 0.0) >= MACHINE_FULL:
        return "machine"
    resources: dict[str, float] = {}
    for name, share in utilization.items():
        if name not in NOT_RESOURCES and not works_in_background(name):
            resource = name if name == "event_loop" else name.partition("_")[0]
            # Of a pool its busiest process: it is the first to be full.
            resources[resource] = max(share, resources.get(resource, 0.0))
    return max(resources, key=lambda name: resources[name], default="unknown")


def delay_check(
    share: float, rate: float, predicted: Mapping[str, float], measured: Mapping[str, float]
) -> DelayCheck:
    """Return the comparison of the quantiles that both tell."""
    both = [name for name in predicted if measured.get(name)]
    return DelayCheck(
        share=share,
        rate=rate,
        predicted={name: predicted[name] for name in both},
        measured={name: measured[name] for name in both},
        error_ratio={name: predicted[name] / measured[name] - 1 for name in both},
    )


def rejoined(windows: Sequence[Telemetry]) -> list[Telemetry]:
    """Return reads whose successive differences are ``windows``, as if nothing lay between them.

    What a measurement does between its windows (clearing the book, laying orders that will be
    cancelled) is no part of the flow that it asks about.
    """
    if not windows:
        return []
    total = _scaled(msgspec.to_builtins(windows[0]), 0)
    reads = [msgspec.convert(total, Telemetry, strict=False)]
    for window in windows:
        total = _sum(total, msgspec.to_builtins(window))
        total["at_ns"] = total["window_ns"]
        reads.append(msgspec.convert(total, Telemetry, strict=False))
    return reads


def slowed(window: Telemetry, factor: float) -> Telemetry:
    """Return ``window`` as if all that processors did in it had taken ``factor`` times as long.

    That is commands, blocks, loop and processes. The clock, the disk and the chain stay as they
    are, and so do the stages, some of which wait for them.
    """

    def times(ns: int, power: int = 1) -> int:
        return round(ns * factor**power)

    replace = msgspec.structs.replace
    loop, blocks = window.loop, window.blocks
    return replace(
        window,
        kinds=tuple(
            replace(kind, total_ns=times(kind.total_ns), square_ns2=times(kind.square_ns2, power=2))
            for kind in window.kinds
        ),
        blocks=replace(blocks, total_ns=times(blocks.total_ns)),
        loop=replace(loop, busy_ns=times(loop.busy_ns), waited_ns=times(loop.waited_ns)),
        processes={name: times(spent) for name, spent in window.processes.items()},
    )


def _scaled(part: Any, factor: int) -> Any:
    match part:
        case dict():
            return {
                key: value if key in _KEPT else _scaled(value, factor)
                for key, value in part.items()
            }
        case list() | tuple():
            return [_scaled(item, factor) for item in part]
        case int():
            return part * factor
        case _:
            return part


_KEPT = ("cores", "servers", "limits")
"""Not counted, but constants of the node."""


def _sum(total: Any, gained: Any) -> Any:
    match gained:
        case dict():
            return {
                key: total[key]
                if key in _KEPT and total and key in total
                else _sum((total or {}).get(key), value)
                for key, value in {**_missing(total, gained), **gained}.items()
            }
        case list() | tuple():
            return _sum_of_named(total or [], gained)
        case int():
            return (total or 0) + gained
        case None:
            return total
        case _:
            return gained


def _missing(total: Any, gained: dict[Any, Any]) -> dict[Any, Any]:
    """Return the keys of ``total`` that gained nothing."""
    return {key: None for key in total or {} if key not in gained}


def _sum_of_named(total: Sequence[Any], gained: Sequence[Any]) -> list[Any]:
    """Add up stages and kinds by their names; one that is new starts at zero."""
    before = {_name(item): item for item in total}
    now = {_name(item): item for item in gained}
    names = list(dict.fromkeys([*before, *now]))
    return [
        _sum(before.get(name) or {}, now[name]) if name in now else before[name] for name in names
    ]


def _name(item: dict[str, Any]) -> str:
    return str(item.get("name") or item.get("kind"))
