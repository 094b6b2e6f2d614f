"""How long work waits below the limit: the closed forms, with their ranges of validity.

Rates are items per second, times are seconds; ``S`` is a service time, ``W`` the wait before it and
``R`` the response (wait and service). All hold in the steady state, which is reached within a few
multiples of E[S] / (1 − ρ)² and does not exist at ρ >= 1: there every function raises
``UnstableLoad``. Arrivals are Poisson throughout; bursts make every wait longer than told here
(Kingman), which is what ``node.planner.montecarlo`` is for.
"""

import math
from collections.abc import Sequence

import msgspec


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


def mean_wait_s(load: Load) -> float:
    """Return W = λE[S²] / 2(1−ρ), the mean wait of M/G/1 (Pollaczek 1930, Khinchine 1932).

    Valid for one server that works whenever it has work and chooses without looking at service
    times; order does not matter to the mean.
    """
    _stable(load.utilization)
    return load.rate_per_s * load.service.square_s2 / (2 * (1 - load.utilization))


def priority_mean_waits_s(classes: Sequence[Load]) -> list[float]:
    """Return the mean wait of each class, most urgent first, without preemption (Cobham 1954).

    W_k = R / ((1 − σ_{k−1})(1 − σ_k)), with σ_k the utilization of classes 1..k and
    R = ½ Σ λ_i E[S_i²] over *all* classes: whatever is being served is finished. A class is stable
    iff σ_k < 1, so the upper ones keep their wait while the lowest floods; in R, a flood counts as
    filling the rest of the server's time. Raises ``UnstableLoad`` when the most urgent class alone
    is unstable; any other class past the limit waits ``math.inf``.
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


def conserved_wait(classes: Sequence[Load], waits_s: Sequence[float]) -> float:
    """Return Σ ρ_k W_k, which no order of service without preemption changes (Kleinrock 1965).

    It equals ρ times the wait of the same work served in order of arrival,
    ρ · ½ΣλE[S²] / (1 − ρ): what one lane gains, the others pay. Raises ``ValueError`` when the two
    differ in length.
    """
    return sum(load.utilization * wait for load, wait in zip(classes, waits_s, strict=True))


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


def pool_mean_wait_s(servers: int, rate_per_s: float, service: Moments) -> float:
    """Return the mean wait of ``servers`` side by side behind one queue (M/G/c).

    Erlang's C·E[S] / (c − a), exact for exponential service, times (1 + CV²)/2 (Lee and Longton
    1959): exact for one server, within some percent for CV² <= 1, and loose for heavy tails at low
    load, where c > 1 servers wait less than it says.
    """
    offered = rate_per_s * service.mean_s
    waits = erlang_c(servers, offered)
    if offered == 0:
        return 0.0
    exponential_s = waits * service.mean_s / (servers - offered)
    return exponential_s * service.square_s2 / (2 * service.mean_s**2)


class Bounds(msgspec.Struct, frozen=True):
    """The exact value lies within; both in seconds."""

    low_s: float
    high_s: float


def fork_join_bounds_s(branches: int, rate_per_s: float, service_s: float) -> Bounds:
    """Return bounds on the mean response of a fork-join of k exponential servers.

    Each arrival sends a task to each of ``branches`` servers (exponential, mean ``service_s``,
    FCFS) and leaves when the last is done. The k responses are associated random variables, so the
    mean of their maximum is at most that of k independent ones, H_k / (μ − λ); and at least the
    larger of one branch alone, 1/(μ − λ), and the service alone, H_k / μ (Baccelli, Makowski and
    Shwartz 1989; Nelson and Tantawi 1988).
    """
    response_s = _branch_response_s(branches, rate_per_s, service_s)
    harmonic = sum(1 / i for i in range(1, branches + 1))
    return Bounds(low_s=max(response_s, harmonic * service_s), high_s=harmonic * response_s)


def fork_join_response_s(branches: int, rate_per_s: float, service_s: float) -> float:
    """Return the mean response of a fork-join of k exponential servers (Nelson and Tantawi 1988).

    Exact for one and two branches, (12 − ρ)/8 · 1/(μ − λ) (Flatto and Hahn 1984); for more,
    [H_k/H_2 + (4/11)(1 − H_k/H_2)ρ] · R_2, within 5 % up to 32 branches.
    """
    single_s = _branch_response_s(branches, rate_per_s, service_s)
    if branches == 1:
        return single_s
    rho = rate_per_s * service_s
    pair_s = (12 - rho) / 8 * single_s
    ratio = sum(1 / i for i in range(1, branches + 1)) / 1.5
    return (ratio + 4 / 11 * (1 - ratio) * rho) * pair_s


def _branch_response_s(branches: int, rate_per_s: float, service_s: float) -> float:
    if branches < 1 or not (rate_per_s >= 0 and service_s >= 0):
        raise ValueError(f"{branches} branches, {rate_per_s} per second, {service_s} s")
    _stable(rate_per_s * service_s)
    return service_s / (1 - rate_per_s * service_s)
