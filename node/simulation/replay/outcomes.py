"""What became of every action that a replay sent: counts that conserve, and how long it took."""

from collections import Counter
from typing import Any

import msgspec

from node.capacity.histogram import Histogram
from node.client.errors import ConnectionLost
from node.types.errors import PlimsollError
from node.types.units import NS_PER_MS

QUANTILES_PPM = {"p50": 500_000, "p99": 990_000, "p999": 999_000}


class ReplayReport(msgspec.Struct, frozen=True):
    """One replay. ``offered`` = ``accepted`` + ``refused`` + ``lost``, in actions.

    ``refusals`` and ``item_errors`` count by the name of the error; ``items`` by what became of
    each order and cancel of an accepted action. ``latency_ms`` is from the moment when an action
    was *due* to its receipt, accepted ones only: a quick refusal must not make the node look fast.
    ``lateness_ms`` is how late the sender itself was. ``throughput_per_s`` counts the orders and
    cancels that were answered.
    """

    offered: int
    accepted: int
    refused: int
    lost: int
    refusals: dict[str, int]
    orders: int
    cancels: int
    items: dict[str, int]
    item_errors: dict[str, int]
    oracle_rounds: int
    latency_ms: dict[str, dict[str, float | None]]
    lateness_ms: dict[str, float | None]
    seconds: float
    throughput_per_s: float


class Outcomes:
    """Counts actions out and answers in."""

    def __init__(self) -> None:
        self.offered = 0
        self.accepted = 0
        self.lost = 0
        self.orders = 0
        self.cancels = 0
        self.answered_items = 0
        self.oracle_rounds = 0
        self.refusals: Counter[str] = Counter()
        self.items: Counter[str] = Counter()
        self.item_errors: Counter[str] = Counter()
        self.latency = Histogram()
        self.lateness = Histogram()

    @property
    def refused(self) -> int:
        """Return how many actions the node refused as a whole."""
        return self.refusals.total()

    @property
    def in_flight(self) -> int:
        """Return how many actions wait for their answer."""
        return self.offered - self.accepted - self.refused - self.lost

    def sent(self, orders: int, cancels: int, due_ns: int, now_ns: int) -> None:
        """Count one action that was due at ``due_ns`` and goes out now."""
        self.offered += 1
        self.orders += orders
        self.cancels += cancels
        self.lateness.record(max(0, now_ns - due_ns))

    def accept(self, result: dict[str, Any], due_ns: int, now_ns: int) -> None:
        """Count an action that is in the log, and what became of its items."""
        self.accepted += 1
        self.latency.record(max(0, now_ns - due_ns))
        for item in result["results"]:
            if "error" in item:
                self.item_errors[str(item["error"]["name"])] += 1
            else:
                self.items[str(item["status"])] += 1
        self.answered_items += len(result["results"])

    def refuse(self, error: PlimsollError, items: int) -> None:
        """Count an action that the node refused, or that got no answer (``ConnectionLost``)."""
        if isinstance(error, ConnectionLost):
            self.lose()
            return
        self.refusals[error_name(error)] += 1
        self.answered_items += items

    def lose(self) -> None:
        """Count an action of which nobody knows what became."""
        self.lost += 1

    def report(self, seconds: float) -> ReplayReport:
        """Return all counts; whatever has no answer by now is lost."""
        return ReplayReport(
            offered=self.offered,
            accepted=self.accepted,
            refused=self.refused,
            lost=self.lost + self.in_flight,
            refusals=dict(self.refusals.most_common()),
            orders=self.orders,
            cancels=self.cancels,
            items=dict(self.items.most_common()),
            item_errors=dict(self.item_errors.most_common()),
            oracle_rounds=self.oracle_rounds,
            latency_ms={"ack": quantiles_ms(self.latency)},
            lateness_ms=quantiles_ms(self.lateness),
            seconds=round(seconds, 3),
            throughput_per_s=round(self.answered_items / seconds, 1) if seconds > 0 else 0.0,
        )


def error_name(error: PlimsollError) -> str:
    """Return the name of an error, also of one that this client does not know."""
    if type(error) is PlimsollError:
        return str(error.values.get("name") or error.values.get("code"))
    return type(error).__name__


def quantiles_ms(histogram: Histogram) -> dict[str, float | None]:
    """Return p50, p99 and p999 in milliseconds, at most 1/32 too large; None without any."""
    distribution = histogram.snapshot()
    found = {name: distribution.quantile(ppm) for name, ppm in QUANTILES_PPM.items()}
    return {
        name: None if value is None else round(value / NS_PER_MS, 3)
        for name, value in found.items()
    }
