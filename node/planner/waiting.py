"""How long work waits, and how much of it is lost: the closed forms, with their validity.

Rates are items per second, times are seconds; ``S`` is a service time, ``W`` the wait before it and
``R`` the response (wait and service). All hold in the steady state, which is reached within a few
multiples of E[S] / (1 − ρ)² and does not exist at ρ >= 1: there every function raises
``UnstableLoad``. Arrivals are Poisson throughout; bursts make every wait longer than told here
(Kingman), which is what ``node.planner.forecast`` is for.
"""

import math
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
from scipy.optimize import brentq

_STILL: Final = 1e-9
"""A pull at which the two ends cut off as much as none does."""

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(15)
_NORMAL: Final[tuple[tuple[float, float], ...]] = tuple(
    zip(_NODES.tolist(), (_WEIGHTS / _WEIGHTS.sum()).tolist(), strict=True)
)
"""A standard normal variable as so many values with their probabilities (Gauss and Hermite)."""


class UnstableLoad(ValueError):
    """More work arrives than can be served, so no steady state exists."""

    def __init__(self, utilization: float) -> None:
        self.utilization = utilization
        super().__init__(f"utilization {utilization:.4g}, below 1 needed")


class Moments(msgspec.Struct, frozen=True):
    """The first two moments of a service time."""

    mean_s: float
    square_s2: float
    """E[S²], at least mean_s²."""

    def __post_init__(self) -> None:
        """Raise ``ValueError`` unless some random variable has these moments."""
        # A rounding of the last place is forgiven, for constant service.
        if not (self.mean_s >= 0 and self.square_s2 >= self.mean_s**2 * (1 - 1e-12)):
            raise ValueError(f"no service time has E[S] = {self.mean_s}, E[S²] = {self.square_s2}")


class Load(msgspec.Struct, frozen=True):
    """One Poisson stream of work."""

    rate_per_s: float
    service: Moments

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for a rate that is negative or not a number."""
        if not self.rate_per_s >= 0:
            raise ValueError(f"a rate must not be negative: {self.rate_per_s}")

    @property
    def utilization(self) -> float:
        """Return ρ = λE[S]."""
        return self.rate_per_s * self.service.mean_s


def _stable(utilization: float) -> None:
    if utilization >= 1:
        raise UnstableLoad(utilization)


def priority_mean_waits_s(classes: Sequence[Load]) -> list[float]:
    """Return the mean wait of each class, most urgent first, without preemption (Cobham 1954).

    W_k = R / ((1 − σ_{k−1})(1 − σ_k)), with σ_k the utilization of classes 1..k and
    R = ½ Σ λ_i E[S_i²] over *all* classes: whatever is being served is finished. A class is stable
    iff σ_k < 1, so the upper ones keep their wait while the lowest floods; in R, a flood counts as
    filling the rest of the server's time. Raises ``UnstableLoad`` when the most urgent class alone
    is unstable; any other class past the limit waits ``math.inf``. One class alone is M/G/1: its
    wait is λE[S²] / 2(1−ρ) (Pollaczek 1930, Khinchine 1932).
    """
    if classes:
        _stable(classes[0].utilization)
    residual_s = 0.0
    used = 0.0
    for load in classes:
        # A class that floods is served in the time that is left and no more.
        share = min(1.0, (1 - used) / load.utilization) if load.utilization > 0 else 1.0
        residual_s += share * load.rate_per_s * load.service.square_s2 / 2
        used += share * load.utilization
    waits: list[float] = []
    above = 0.0
    for load in classes:
        upto = above + load.utilization
        waits.append(residual_s / ((1 - above) * (1 - upto)) if upto < 1 else math.inf)
        above = upto
    return waits


def erlang_c(servers: int, offered_load: float) -> float:
    """Return the probability that an arrival to M/M/c waits (Erlang 1917).

    ``offered_load`` is a = λE[S], in servers. By the recursion of Erlang's B,
    1/B_c = 1 + (c/a)/B_{c−1}, which neither over- nor underflows for any number of servers.
    """
    if servers < 1 or not offered_load >= 0:
        raise ValueError(f"{servers} servers, offered load {offered_load}")
    _stable(offered_load / servers)
    if offered_load == 0:
        return 0.0
    blocking = 1.0
    for busy in range(1, servers + 1):
        blocking = offered_load * blocking / (busy + offered_load * blocking)
    return blocking / (1 - (offered_load / servers) * (1 - blocking))


def lost_share(utilization: float, service_s: float, patience_s: float) -> float:
    """Return the share of M/D/1's arrivals that is lost, where none waits beyond ``patience_s``.

    The work that waits is taken for a Brownian motion between 0 and the patience d, of drift ρ − 1
    and variance ρS each second (Harrison 1985, regulated at both ends): what is cut off above is

        (1 − ρ) / ρ · 1 / (e^θ − 1),   θ = 2 (1 − ρ) d / (ρ S),

    S / 2d at ρ = 1, and (ρ − 1) / ρ where ρ is far above. Close where S is small beside d. Holds
    past the limit too: nobody waits for long there. ``utilization`` counts what is lost as well.
    """
    if not (utilization > 0 and service_s > 0 and patience_s > 0):
        raise ValueError(f"utilization {utilization}, service {service_s}, patience {patience_s}")
    spare = 1 - utilization
    pull = 2 * spare * patience_s / (utilization * service_s)
    if abs(pull) < _STILL:
        lost = service_s / (2 * patience_s)
    elif pull > 0:
        # Written with what shrinks on either side, which cannot overflow.
        lost = spare / utilization * math.exp(-pull) / -math.expm1(-pull)
    else:
        lost = spare / utilization / math.expm1(pull)
    # Where one service takes longer than anything may wait, the motion is no picture of it.
    return min(lost, 1.0)


def lost_share_at_moving_speed(
    utilization: float, service_s: float, patience_s: float, spread: float
) -> float:
    """Return ``lost_share`` of a server whose speed moves, more slowly than its queue.

    Services take e^(σZ) times as long, Z a normal variable and σ ``spread``; what comes is then so
    many times as much to do. Near the limit slow moments lose more than fast ones make good.
    """
    return sum(
        weight * lost_share(utilization * slower, service_s * slower, patience_s)
        for slower, weight in ((math.exp(spread * node), weight) for node, weight in _NORMAL)
    )


def carried_utilization(service_s: float, patience_s: float, lost: float, spread: float) -> float:
    """Return the ρ of which ``lost`` is lost at a speed that moves by ``spread``.

    It is 1 / (1 − ``lost``) at most.
    """

    def spare(utilization: float) -> float:
        return lost - lost_share_at_moving_speed(utilization, service_s, patience_s, spread)

    highest = 1 / (1 - lost)
    return highest if spare(highest) >= 0 else float(brentq(spare, 1e-9, highest))
