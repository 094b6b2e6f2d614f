"""How the risk processor behaves: keys with their ranges, and one check that tells all faults."""

import math
from enum import StrEnum

import msgspec

from node.types.faults import out_of_ranges, raise_faults

SHARDS_MAX = 64


class ShardKind(StrEnum):
    """Where a shard runs, and with which index; see ``node.risk.shard``."""

    INLINE = "inline"
    VECTORISED = "vectorised"
    PROCESS = "process"


_RANGES: dict[str, tuple[float, float]] = {
    "late_share": (1e-6, 0.1),
    "budget_horizon_s": (60, 30 * 86_400),
    "shortest_horizon_s": (1, 3_600),
    "near_s": (1, 86_400),
    "watch_s": (1, 30 * 86_400),
    "wake_share": (0.0, 0.95),
    "checks_per_round": (1, 10_000_000),
    "volatility_half_life_s": (1, 30 * 86_400),
    "volatility_clip": (2, 100),
    "volatility_prior": (1e-9, 1),
    "volatility_floor": (1e-9, 1),
    "retry_rounds": (1, 1_000),
    "retry_rounds_max": (1, 100_000),
    "proposals_per_turn": (1, 100_000),
    "audit_per_round": (0, 100_000),
    "audit_seed": (0, 2**63 - 1),
    "confidence": (0.5, 0.999_999),
    "blocks_per_turn": (1, 100_000),
    "rebalance_s": (1, 86_400),
    "reserve_share": (1e-6, 0.5),
    "reserve_window_ms": (0, 60_000),
}
"""Lowest and highest value of each number, both allowed."""


class RiskConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Keys of the risk processor; the allowed ranges stand in ``_RANGES``."""

    late_share: float = 0.01
    """The share of liquidations that the tiers, without wake-up, may be late for (alpha)."""
    budget_horizon_s: int = 86_400
    """The time over which one position may spend that share, in seconds (T)."""
    shortest_horizon_s: int = 1
    """No check is put off for less than this: below it a position is checked at every round."""
    tail: tuple[tuple[int, float], ...] = ()
    """A calibrated tail: (horizon in milliseconds, distance in volatilities x root of seconds).

    Both strictly positive, horizons rising, distances not falling. Empty: the Gaussian tail.
    ``node.risk.tails.conformal_tail`` makes one of a path of past prices; no command does."""
    near_s: int = 60
    """Positions due within this many seconds are the near tier."""
    watch_s: int = 3_600
    """Positions due within this many seconds are the watch tier; all later ones are far."""
    wake_share: float = 0.5
    """The part of its distance that the mark may use up before a position is checked at once.

    0 turns the wake-up by price off."""
    checks_per_round: int = 2_000
    """The most positions of one market that the tiers check in one round, at some 4 µs each."""
    volatility_half_life_s: float = 1_800.0
    """The age at which a squared return counts half."""
    volatility_clip: float = 6.0
    """A return counts as at most so many standard deviations (see ``volatility``)."""
    volatility_prior: float = 2e-4
    """The volatility before the first return, in log price per root of a second."""
    volatility_floor: float = 1e-6
    """The volatility that is assumed at least, in log price per root of a second."""
    retry_rounds: int = 2
    """Oracle rounds before a proposal that had no effect is made again; doubles each time."""
    retry_rounds_max: int = 64
    """The most rounds between two proposals of one position."""
    proposals_per_turn: int = 256
    """The most commands proposed in one turn; the others follow in the next."""
    audit_per_round: int = 16
    """Cold positions of each market that the audit checks in full at each round; 0 is none."""
    audit_seed: int = 1
    """Seed of the audit's draws."""
    confidence: float = 0.95
    """Confidence of the upper bounds in the report."""
    blocks_per_turn: int = 64
    """The most blocks taken from the mailbox at once."""
    shards: tuple[ShardKind, ...] = (ShardKind.INLINE,)
    """Where markets are watched: ``inline`` or ``vectorised`` on the loop, ``process`` beside it.

    With more than one, markets are placed on them by expected load, and moved when that pays."""
    rebalance_s: int = 10
    """How often the placement is looked at, in seconds."""
    reserve_share: float = 0.001
    """How often more liquidations may come up in one window than room is kept for."""
    reserve_window_ms: int = 1_000
    """How far ahead room is kept for liquidations: from one mark to the next. 0 keeps none."""


def check_risk_config(config: RiskConfig) -> None:
    """Raise ``ConfigInvalid`` with *all* faults of ``config``, each with its key and range."""
    faults = out_of_ranges(config, _RANGES)
    if config.watch_s <= config.near_s:
        faults.append(f"watch_s: {config.watch_s}, more than near_s ({config.near_s}) allowed")
    if config.retry_rounds_max < config.retry_rounds:
        faults.append(
            f"retry_rounds_max: {config.retry_rounds_max},"
            f" at least retry_rounds ({config.retry_rounds}) allowed"
        )
    if config.shortest_horizon_s > config.budget_horizon_s:
        faults.append(
            f"shortest_horizon_s: {config.shortest_horizon_s},"
            f" at most budget_horizon_s ({config.budget_horizon_s}) allowed"
        )
    if not 1 <= len(config.shards) <= SHARDS_MAX:
        faults.append(f"shards: {len(config.shards)} given, 1 … {SHARDS_MAX} allowed")
    faults += _faults_of_tail(config.tail)
    raise_faults(faults)


def _faults_of_tail(tail: tuple[tuple[int, float], ...]) -> list[str]:
    faults = []
    last_horizon, last_distance = 0, 0.0
    for place, (horizon, distance) in enumerate(tail):
        if horizon <= last_horizon:
            faults.append(f"tail[{place}]: horizon {horizon}, more than {last_horizon} allowed")
        if not (math.isfinite(distance) and distance > 0 and distance >= last_distance):
            faults.append(
                f"tail[{place}]: distance {distance}, positive and at least {last_distance} allowed"
            )
        last_horizon, last_distance = horizon, distance
    return faults
