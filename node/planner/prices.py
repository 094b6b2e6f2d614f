"""How the price moves in each run: chance with fat tails and jumps, a given shape, or a record.

All prices are log price relative to the start, one column a step and one for the start.
"""

import math
from collections.abc import Sequence

import msgspec
import numpy as np

from node.planner.arrays import Vector
from node.planner.course import values_at
from node.planner.scenario import MarketPath

BAR_S = 60.0
"""Volatility changes from bar to bar; within one the path is a Brownian bridge."""
DAY_S = 86_400.0
NEIGHBOURS = 2
"""A block of a record is drawn from so many on each side of it, and itself."""


class Record(msgspec.Struct, frozen=True):
    """A recorded path, one value a step and one for the start."""

    log_price: Vector


def record_of(
    rows: Sequence[tuple[float, float]], from_s: float, steps: int, step_s: float, *, evenly: bool
) -> Record:
    """Return the price at each step from ``from_s`` on, of ``rows`` of ascending time and price.

    It is the last one known, or moves ``evenly`` from row to row, as befits the closes of bars.
    Raises ``ValueError`` where the record does not cover the beginning, or ends before half of the
    steps are over: what is missing would be told as calm.
    """
    wanted = from_s + np.arange(steps + 1) * step_s
    table: Vector = np.asarray(rows, dtype=np.float64).reshape(-1, 2)
    at, values = table[:, 0], table[:, 1]
    if not at.size or not (values > 0).all():
        raise ValueError("a record needs prices, all above 0")
    if at[0] > wanted[0] or at[-1] < wanted[steps // 2]:
        raise ValueError(f"the record covers {at[0]:.0f} … {at[-1]:.0f}, not {from_s:.0f} and on")
    known = values[np.searchsorted(at, wanted, side="right") - 1]
    if evenly:
        known = np.interp(wanted, at, values)
    return Record(np.log(known / known[0]))


def log_paths(
    market: MarketPath,
    steps: int,
    step_s: float,
    runs: int,
    random: np.random.Generator,
    record: Record | None = None,
) -> Vector:
    """Return ``runs`` paths of shape (runs, steps + 1)."""
    if market.path == "constant":
        return np.zeros((runs, steps + 1))
    if market.path == "recorded" and record is not None:
        return _resampled(record, market.recorded_block_s, step_s, runs, random)
    edges_s: Vector = np.arange(steps + 1, dtype=np.float64) * step_s
    shape = np.log(values_at(market.shape, edges_s, 1.0))
    moves = _diffusion(market, steps, step_s, runs, random)
    jumps = random.poisson(market.jumps_per_day * step_s / DAY_S, (runs, steps))
    moves += np.sqrt(jumps) * random.standard_normal((runs, steps)) * market.jump_size
    chance = np.concatenate([np.zeros((runs, 1)), np.cumsum(moves, axis=1)], axis=1)
    return np.asarray(chance + shape - shape[0])


def _diffusion(
    market: MarketPath, steps: int, step_s: float, runs: int, random: np.random.Generator
) -> Vector:
    """Return the moves of each step: GARCH(1,1) with Student's t from bar to bar."""
    in_bar = max(round(BAR_S / step_s), 1)
    bars = math.ceil(steps / in_bar)
    bar_s = in_bar * step_s
    middles_s: Vector = (np.arange(bars, dtype=np.float64) + 0.5) * bar_s
    factors = values_at(market.volatility_path, middles_s, 1.0)
    alpha, beta = market.garch
    # Student's t has the variance n / (n − 2).
    unit = math.sqrt((market.tail_degrees - 2) / market.tail_degrees)
    shocks = random.standard_t(market.tail_degrees, (bars, runs)) * unit
    base = market.daily_volatility**2 * bar_s / DAY_S
    variance = np.full(runs, base)
    moves = np.empty((bars, in_bar, runs))
    for bar in range(bars):
        deviation = np.sqrt(variance)
        whole = shocks[bar] * deviation
        variance = base * (1 - alpha - beta) + alpha * whole**2 + beta * variance
        noise = random.standard_normal((in_bar, runs)) * deviation / math.sqrt(in_bar)
        moves[bar] = (noise - noise.mean(axis=0) + whole / in_bar) * factors[bar]
    return np.asarray(moves.reshape(bars * in_bar, runs)[:steps].T).copy()


def _resampled(
    record: Record, block_s: float, step_s: float, runs: int, random: np.random.Generator
) -> Vector:
    """Return the record with what it does within blocks drawn again (a local block bootstrap).

    The path from block end to block end is the record's own in every run; what lies between is the
    deviation from a straight line of a block drawn from nearby, so that a calm hour's beginning
    does not shake as its crash does. It is zero at both ends of a block.
    """
    path = record.log_price
    size = max(round(block_s / step_s), 1)
    blocks = (path.size - 1) // size
    if blocks < 1:
        return np.tile(path, (runs, 1))
    ends = path[: blocks * size + 1 : size]
    within = np.arange(size) / size
    straight = ends[:-1, None] + np.diff(ends)[:, None] * within
    deviations = path[: blocks * size].reshape(blocks, size) - straight
    near = np.arange(blocks) + random.integers(-NEIGHBOURS, NEIGHBOURS + 1, (runs, blocks))
    drawn = deviations[np.clip(near, 0, blocks - 1)]
    head = (straight + drawn).reshape(runs, blocks * size)
    tail = np.tile(path[blocks * size :], (runs, 1))
    return np.concatenate([head, tail], axis=1)
