"""A small node whose figures can be followed by hand."""

import numpy as np

from node.planner.hawkes import Hawkes
from node.planner.laws import BatchOnChain
from node.planner.pipeline import Gamma, Journal, Kind, Lane, Pipeline, ServiceTime, Settlement

BATCH = BatchOnChain(
    items=20_000, gas=5e6, bytes=120e3, block_gas=30e6, block_bytes=780e3, fixed_gas=2e5
)
CHAIN = Settlement(BATCH, in_flight_max=10, block_s=12.0)
TAKING = Gamma(400e-6, 1.0)


def small_node(
    rate_per_s: float,
    *,
    taking: ServiceTime = TAKING,
    limit: int = 4_096,
    branching: float = 0.0,
    settlement: Settlement = CHAIN,
) -> Pipeline:
    """Return a node under ¾ cancels (200 µs, constant) and ¼ takers (400 µs, exponential)."""
    shares = np.array([0.75, 0.25])
    matrix = np.full((1, 2, 2), 1.0) * shares[None, :, None] * branching
    return Pipeline(
        kinds=(
            Kind("cancel", 0, Gamma(200e-6), Gamma(40e-6)),
            Kind("take", 1, taking, Gamma(40e-6)),
        ),
        lanes=(Lane("reducing", limit), Lane("taking", limit)),
        workers=2,
        journal=Journal(commit_s=200e-6, record_s=1e-6, records_max=64),
        settlement=settlement,
        arrivals=Hawkes(rate_per_s * (1 - branching) * shares, matrix, np.array([20.0])),
    )
