"""The load line in the words of Prometheus, beside its stages' ratios."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from node.capacity.stage import lane_of
from node.types.units import NS_PER_S, PPM_ONE

if TYPE_CHECKING:
    from node.app.node import Node

_MILLI: Final = 1_000

_QUANTILES: Final = {"0.05": "p5", "0.5": "p50", "0.95": "p95"}

Labelled = Mapping[tuple[str, ...], int]


def register_load_figures(node: "Node") -> None:
    """Register limits, bottleneck, headroom, knee, and what commands and processes cost."""
    _register_limits(node)
    _register_knee(node)
    _register_costs(node)
    _register_price(node)


def _register_price(node: "Node") -> None:
    capacity = node.capacity
    capacity.gauge(
        "base_fee",
        "Price of a unit of work in quote units, as of a block now.",
        lambda: {("now",): node.price.line().price, ("floor",): node.price.line().floor},
        labels=("price",),
        per_unit=PPM_ONE,
    )
    capacity.gauge(
        "fee_backlog_units",
        "What was used of a resource beyond its target, in the resource's unit.",
        lambda: {
            (resource, window): units
            for resource, windows in node.price.controller.backlogs().items()
            for window, units in windows.items()
        },
        labels=("resource", "window"),
    )


def _register_limits(node: "Node") -> None:
    capacity = node.capacity
    capacity.gauge(
        "capacity_limit_items_per_second",
        "Commands a second that each resource could carry at the present mix.",
        lambda: {
            (limit.resource,): round(limit.limit_per_s * _MILLI) for limit in node.load.limits
        },
        labels=("resource",),
        per_unit=_MILLI,
    )
    capacity.gauge(
        "bottleneck_info",
        "1 for the resource with the lowest limit.",
        lambda: {(limit.resource,): 1 for limit in node.load.limits[:1]},
        labels=("resource",),
    )
    capacity.gauge(
        "node_headroom_ratio",
        "1 - rate / the lowest limit, recently.",
        lambda: _known("node", node.load_line().headroom, PPM_ONE),
        labels=("scope",),
        per_unit=PPM_ONE,
    )
    capacity.gauge(
        "stage_drain_seconds",
        "How long a backlog takes to clear at the present rates; no sample: it grows or stands.",
        lambda: {
            (stage.name, lane_of(stage.name)): round(stage.backlog.drain_s * _MILLI)
            for stage in node.load_line().stages
            if stage.backlog.drain_s is not None
        },
        labels=("stage", "lane"),
        per_unit=_MILLI,
    )


def _register_knee(node: "Node") -> None:
    capacity = node.capacity
    capacity.gauge(
        "capacity_predicted_items_per_second",
        "The knee that a calibration predicted.",
        lambda: _predicted(node),
        labels=("quantile",),
        per_unit=_MILLI,
    )
    capacity.gauge(
        "capacity_knee_items_per_second",
        "The knee that a ramp measured.",
        lambda: _known("ramp", node.knee.read().measured_per_s, _MILLI),
        labels=("source",),
        per_unit=_MILLI,
    )
    capacity.gauge(
        "capacity_model_error_ratio",
        "The median prediction over the measured knee, minus 1.",
        lambda: _known("knee", _error_of(node), PPM_ONE),
        labels=("of",),
        per_unit=PPM_ONE,
    )


def _register_costs(node: "Node") -> None:
    capacity, meter = node.capacity, node.meters.kinds
    capacity.counter(
        "transition_commands",
        "Commands applied or rejected, by kind.",
        lambda: {(row.kind,): row.commands for row in meter.kinds()},
        labels=("kind",),
    )
    capacity.counter(
        "transition_command_seconds",
        "Time that they took, by kind.",
        lambda: {(row.kind,): row.total_ns for row in meter.kinds()},
        labels=("kind",),
        per_unit=NS_PER_S,
    )
    capacity.counter(
        "processor_seconds",
        "Processor time of the node's processes.",
        lambda: {(name,): spent for name, spent in node.meters.processes().items()},
        labels=("process",),
        per_unit=NS_PER_S,
    )


def _predicted(node: "Node") -> Labelled:
    predicted = node.knee.read().predicted
    if predicted is None:
        return {}
    return {
        (quantile,): round(getattr(predicted, field) * _MILLI)
        for quantile, field in _QUANTILES.items()
    }


def _error_of(node: "Node") -> float | None:
    knee = node.knee.read()
    if knee.predicted is None or not knee.measured_per_s:
        return None
    return knee.predicted.p50 / knee.measured_per_s - 1


def _known(label: str, value: float | None, per_unit: int) -> Labelled:
    """Return one sample, or none: what is not known is left out, not told as zero."""
    return {} if value is None else {(label,): round(value * per_unit)}
