"""Arrivals that excite each other: a multivariate Hawkes process with sums of exponentials.

With D kinds of events, baselines μ_i, decays β_m and branching n_mij (the mean number of direct
children of kind i that one event of kind j has on time scale m), the intensity of kind i is

    λ_i(t) = μ_i + Σ_{m,j} n_mij Σ_{events l of kind j before t} β_m exp(−β_m (t − t_l))

It is stationary iff the spectral radius of Σ_m n_m is below 1; its rates are then (I − Σ n)⁻¹ μ
(Hawkes 1971). A Poisson process is the case n = 0. It is drawn *exactly*, as the clusters that it
consists of (Hawkes and Oakes 1974): immigrants come as Poisson(μ), each event has Poisson(n)
children, each after an exponential time. A generation is one vector operation, which makes a
million events a second or so.
"""

import msgspec
import numpy as np

from node.planner.arrays import Kinds, Vector


class Hawkes(msgspec.Struct, frozen=True):
    """A stable process; rates are events per second."""

    baseline_per_s: Vector
    """μ, of shape (D,)."""
    branching: Vector
    """n, of shape (M, D, D): [scale, child, parent]."""
    decays_per_s: Vector
    """β, of shape (M,)."""

    def __post_init__(self) -> None:
        """Raise ``ValueError`` naming every fault: of shapes, of signs, or a radius not below 1."""
        kinds, scales = self.baseline_per_s.size, self.decays_per_s.size
        faults = []
        if self.branching.shape != (scales, kinds, kinds):
            faults.append(f"branching has shape {self.branching.shape}, not {(scales, kinds)} + D")
        if kinds < 1 or not (self.baseline_per_s >= 0).all():
            faults.append("baselines must not be negative, and there is at least one kind")
        if not (self.branching >= 0).all():
            faults.append("branching must not be negative")
        if not (self.decays_per_s > 0).all():
            faults.append("decays must be positive")
        if not faults and self.radius >= 1:
            faults.append(f"spectral radius {self.radius:.3f}, below 1 needed: bursts never end")
        if faults:
            raise ValueError("; ".join(faults))

    @classmethod
    def poisson(cls, rates_per_s: Vector) -> "Hawkes":
        """Return the process without excitation."""
        kinds = len(rates_per_s)
        empty = np.zeros((0, kinds, kinds))
        return cls(baseline_per_s=rates_per_s, branching=empty, decays_per_s=np.zeros(0))

    @property
    def kinds(self) -> int:
        """Return D."""
        return int(self.baseline_per_s.size)

    @property
    def radius(self) -> float:
        """Return the spectral radius of Σ_m n_m: direct children of an event, in the long run."""
        return spectral_radius(self.branching)

    @property
    def mean_rates_per_s(self) -> Vector:
        """Return the long-run rates, (I − Σ n)⁻¹ μ."""
        total = self.branching.sum(axis=0)
        return np.asarray(np.linalg.solve(np.eye(self.kinds) - total, self.baseline_per_s))

    def draw(
        self, duration_s: float, random: np.random.Generator, excitation: Vector | None = None
    ) -> tuple[Vector, Kinds]:
        """Return the times in [0, ``duration_s``), ascending, and the kind of each event.

        ``excitation`` of shape (M, D) is what the past still causes: the expected direct children
        of kind i on scale m that come after time 0, ``Σ_l n_mij exp(β_m t_l)`` over the events
        before. Without it the process starts empty.
        """
        times, kinds = self._immigrants(duration_s, random, excitation)
        all_times, all_kinds = [times], [kinds]
        while times.size:
            times, kinds = self._children(times, kinds, duration_s, random)
            all_times.append(times)
            all_kinds.append(kinds)
        time_s, kind = np.concatenate(all_times), np.concatenate(all_kinds)
        order = np.argsort(time_s)
        return time_s[order], kind[order]

    def _immigrants(
        self, duration_s: float, random: np.random.Generator, excitation: Vector | None
    ) -> tuple[Vector, Kinds]:
        counts = random.poisson(self.baseline_per_s * duration_s)
        kinds = np.repeat(np.arange(self.kinds), counts)
        times = random.random(kinds.size) * duration_s
        if excitation is None:
            return times, kinds
        # Those that come within the duration alone: of a slow decay that is next to none.
        decays = np.repeat(self.decays_per_s, self.kinds)
        within = -np.expm1(-decays * duration_s)
        late = random.poisson(excitation.ravel() * within)
        share = np.repeat(within, late) * random.random(int(late.sum()))
        late_times = -np.log1p(-share) / np.repeat(decays, late)
        late_kinds = np.repeat(np.tile(np.arange(self.kinds), self.decays_per_s.size), late)
        return np.concatenate([times, late_times]), np.concatenate([kinds, late_kinds])

    def _children(
        self, times: Vector, kinds: Kinds, duration_s: float, random: np.random.Generator
    ) -> tuple[Vector, Kinds]:
        found_times, found_kinds = [], []
        for parent in range(self.kinds):
            parents = times[kinds == parent]
            for scale, child in np.argwhere(self.branching[:, :, parent] > 0):
                mean = self.branching[scale, child, parent] * parents.size
                count = random.poisson(mean)
                # Poisson children each, spread evenly over parents, is Poisson in sum: exact.
                born = parents[random.integers(0, max(parents.size, 1), count)]
                born = born + random.exponential(1 / self.decays_per_s[scale], count)
                born = born[born < duration_s]
                found_times.append(born)
                found_kinds.append(np.full(born.size, child))
        if not found_times:
            return np.zeros(0), np.zeros(0, dtype=np.int64)
        return np.concatenate(found_times), np.concatenate(found_kinds)


def spectral_radius(branching: Vector) -> float:
    """Return the largest modulus of the eigenvalues of Σ_m n_m; 0 where there is no excitation."""
    total = branching.sum(axis=0)
    return float(np.abs(np.linalg.eigvals(total)).max()) if branching.size else 0.0
