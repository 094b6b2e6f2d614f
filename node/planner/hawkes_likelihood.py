"""The log-likelihood of a Hawkes process and its gradient, in O(n · M · D) (Ozaki 1979).

    log L = Σ_k log λ_{kind k}(t_k) − Σ_i Λ_i(T),   Λ_i(T) = ∫₀ᵀ λ_i

With exponentials, the past enters through a few sums that carry over from event to event: with
a_k = exp(−β (t_k − t_{k−1})) and j the kind of event k − 1,

    R_k = a_k (R_{k−1} + e_j)                         decayed count of each kind
    Q_k = a_k (Q_{k−1} + (t_k − t_{k−1})(R_{k−1} + e_j))    its derivative, −∂R_k/∂β

Both are linear recurrences. They are evaluated in chunks of √n events, all chunks abreast, and the
chunks' ends are then chained: still O(n), in 2√n vector steps instead of n, and every factor is at
most 1, so that nothing over- or underflows harmfully.
"""

import math

import msgspec
import numpy as np

from node.planner.arrays import Kinds, Vector


class Events(msgspec.Struct, frozen=True):
    """Recorded events in [0, ``duration_s``]: strictly what was seen, nothing of before."""

    times_s: Vector
    kinds: Kinds
    kinds_count: int
    duration_s: float
    weights: Vector | None = None
    """How strongly each event excites, beside the others of its kind; None: all alike.

    A mean of 1 for each kind leaves ``branching`` the mean number of direct children.
    """

    def __post_init__(self) -> None:
        """Raise ``ValueError`` unless times ascend within the window and kinds exist."""
        times, kinds = self.times_s, self.kinds
        if times.ndim != 1 or times.shape != kinds.shape or times.size < 2:
            raise ValueError(f"two events at least are needed, {times.shape} and {kinds.shape} met")
        if not (np.isfinite(times).all() and (np.diff(times) >= 0).all()):
            raise ValueError("times must be finite and must not descend")
        if times[0] < 0 or times[-1] > self.duration_s:
            raise ValueError(f"events lie outside of 0..{self.duration_s} s")
        if set(np.unique(kinds).tolist()) != set(range(self.kinds_count)):
            raise ValueError(f"every kind of 0..{self.kinds_count - 1} must occur, and no other")
        weights = self.weights
        if weights is not None and not (weights.shape == times.shape and (weights >= 0).all()):
            raise ValueError("each event has one weight, and none is negative")

    @property
    def counts(self) -> Vector:
        """Return the number of events of each kind."""
        return np.bincount(self.kinds, minlength=self.kinds_count).astype(np.float64)


def untie(times_s: Vector, resolution_s: float, random: np.random.Generator) -> Vector:
    """Return ``times_s`` with each time placed at random within the tick that it was rounded to.

    A clock of ``resolution_s`` writes every event of a tick [t, t + resolution) as t. A Hawkes
    process has no two events at one instant, and ties would make a fast decay look certain. Each
    event gets an independent uniform place in its tick and those of one tick are sorted, so that
    their order stays: for a Poisson process this *is* the law of the lost digits, and it adds no
    structure finer than the clock could see. Times must not descend.
    """
    if (np.diff(times_s) < 0).any() or resolution_s <= 0:
        raise ValueError("times must not descend, and the resolution must be positive")
    ticks = np.floor(times_s / resolution_s + 0.5)
    placed: Vector = np.sort(ticks + random.random(times_s.size)) * resolution_s
    return placed


def linear_scan(factors: Vector, terms: Vector) -> Vector:
    """Return x with x_k = factors_k (x_{k−1} + terms_k), x before the first being zero.

    ``factors`` has shape (n,), ``terms`` (n, C); factors lie within 0..1.
    """
    n, columns = terms.shape
    width = max(math.isqrt(n), 1)
    chunks = -(-n // width)
    padded = np.zeros((chunks * width, columns))
    padded[:n] = terms
    a = np.zeros(chunks * width)
    a[:n] = factors
    x = padded.reshape(chunks, width, columns)
    a = a.reshape(chunks, width)
    x[:, 0] *= a[:, 0, None]
    for k in range(1, width):
        x[:, k] = a[:, k, None] * (x[:, k - 1] + x[:, k])
    reach = np.cumprod(a, axis=1)
    carry = np.zeros((chunks, columns))
    for chunk in range(1, chunks):
        carry[chunk] = x[chunk - 1, -1] + reach[chunk - 1, -1] * carry[chunk - 1]
    x += reach[:, :, None] * carry[:, None, :]
    return x.reshape(-1, columns)[:n]


class Memory(msgspec.Struct, frozen=True):
    """What each event finds of the past, for given decays; shapes (M, n, D)."""

    decayed: Vector
    """R: the counts of each kind, decayed to just before the event."""
    slope: Vector
    """Q = −∂R/∂β."""


def memory_of(events: Events, decays_per_s: Vector) -> Memory:
    """Run the two recurrences for each decay."""
    gaps = np.diff(events.times_s, prepend=events.times_s[0])
    previous = np.zeros((events.times_s.size, events.kinds_count))
    weights = 1.0 if events.weights is None else events.weights[:-1]
    previous[np.arange(1, previous.shape[0]), events.kinds[:-1]] = weights
    decayed, slope = [], []
    for decay in decays_per_s:
        factors = np.exp(-decay * gaps)
        counts = linear_scan(factors, previous)
        before = np.zeros_like(counts)
        before[1:] = counts[:-1]
        decayed.append(counts)
        slope.append(linear_scan(factors, gaps[:, None] * (before + previous)))
    shape = (0, *previous.shape)
    return Memory(
        decayed=np.stack(decayed) if decayed else np.zeros(shape),
        slope=np.stack(slope) if slope else np.zeros(shape),
    )


class LogLikelihood:
    """log L and its gradient for one record; remembers the recurrences of the last decays."""

    def __init__(self, events: Events) -> None:
        self.events = events
        self._rest_s = events.duration_s - events.times_s
        self._indicator = np.zeros((events.kinds_count, events.times_s.size))
        self._indicator[events.kinds, np.arange(events.times_s.size)] = 1.0
        weights = 1.0 if events.weights is None else events.weights
        self._weighted = self._indicator * weights
        self._decays: Vector | None = None
        self._memory = Memory(np.zeros(0), np.zeros(0))

    def memory(self, decays_per_s: Vector) -> Memory:
        """Return ``memory_of`` these decays."""
        if self._decays is None or not np.array_equal(self._decays, decays_per_s):
            self._memory = memory_of(self.events, decays_per_s)
            self._decays = decays_per_s.copy()
        return self._memory

    def value_and_gradient(
        self, baseline: Vector, branching: Vector, decays: Vector
    ) -> tuple[float, Vector, Vector, Vector]:
        """Return log L and its derivatives by baseline (D), branching (M, D, D) and decays (M)."""
        kinds = self.events.kinds
        memory = self.memory(decays)
        # Row k of a kernel: what event k feels of each parent kind.
        felt = branching[:, kinds, :]
        pull = np.einsum("mkj,mkj->mk", felt, memory.decayed)
        intensity = np.maximum(baseline[kinds] + decays @ pull, 1e-300)
        inverse = 1 / intensity
        fallen = -np.expm1(-decays[:, None] * self._rest_s)
        # Children that were expected by the end, of one event's worth of branching, by parent.
        ripe = fallen @ self._weighted.T
        ripening = ((1 - fallen) * self._rest_s) @ self._weighted.T
        value = (
            float(np.log(intensity).sum())
            - float(baseline.sum()) * self.events.duration_s
            - float(np.einsum("mij,mj->", branching, ripe))
        )
        by_baseline = self._indicator @ inverse - self.events.duration_s
        by_branching = (
            np.einsum(
                "ik,mkj->mij", self._indicator * inverse, decays[:, None, None] * memory.decayed
            )
            - ripe[:, None, :]
        )
        sharpened = pull - decays[:, None] * np.einsum("mkj,mkj->mk", felt, memory.slope)
        by_decay = sharpened @ inverse - np.einsum("mij,mj->m", branching, ripening)
        return value, by_baseline, by_branching, by_decay

    def compensators(self, baseline: Vector, branching: Vector, decays: Vector) -> Vector:
        """Return Λ_i(t_k) for all kinds i and events k, of shape (D, n).

        Λ_i(t_k) = μ_i t_k + Σ_mj n_mij (N_j − R_mj), over the events before k, N_j by weight.
        """
        seen = np.cumsum(self._weighted, axis=1) - self._weighted
        ripe = seen.T[None, :, :] - self.memory(decays).decayed
        excited = np.einsum("mij,mkj->ik", branching, ripe)
        result: Vector = baseline[:, None] * self.events.times_s + excited
        return result
