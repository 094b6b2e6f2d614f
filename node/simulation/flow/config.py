"""What a bundled flow looks like: its phases, its clients, its prices. See ``configs/flows``."""

import msgspec
import numpy as np

from node.types.faults import out_of, raise_faults

KINDS = ("quote", "limit", "buy", "sell", "deposit_margin")
"""The kinds of the arrival process: a maker's requote, a resting order, takers, a margin top-up."""


class Phase(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A stretch of the flow.

    ``load`` multiplies the baseline of arrivals. ``drift`` is the whole log return of the phase,
    ``volatility`` the log price's standard deviation over a root of a second, ``jumps`` the mean
    number of jumps in the phase and ``jump_size`` their mean log return. ``sell_bias`` is the part
    of buyers who turn sellers.
    """

    name: str
    seconds: float
    load: float
    drift: float = 0.0
    volatility: float = 2e-4
    jumps: float = 0.0
    jump_size: float = 0.0
    sell_bias: float = 0.0


class FlowConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A seeded flow of signed actions.

    Prices are decimals in quote units. ``baseline`` and the rows of ``branching`` follow
    ``KINDS``. Makers quote ``ladder`` orders a side; the last ``leveraged`` traders open positions
    and sit on them: the crash is theirs. ``long_share`` of them buy, the others sell; ``leverage``
    says with how much, each with its share, as far as four fifths of the highest; where it is
    empty, they take half to four fifths of it.
    """

    seed: int
    oracle_interval_ms: int
    start_prices: dict[str, str]
    phases: tuple[Phase, ...]
    makers: int
    traders: int
    leveraged: int
    maker_deposit: str
    trader_deposit: str
    leveraged_deposit: str
    baseline: tuple[float, ...]
    branching: tuple[tuple[float, ...], ...]
    decay: float
    ladder: int
    spread: float
    order_notional: float
    long_share: float = 1.0
    leverage: tuple[tuple[float, float], ...] = ()

    @property
    def seconds(self) -> float:
        """Return how long the flow lasts at its own speed."""
        return sum(phase.seconds for phase in self.phases)

    @property
    def accounts(self) -> int:
        """Return how many accounts take part."""
        return self.makers + self.traders


def check_flow_config(config: FlowConfig) -> None:
    """Raise ``ConfigInvalid`` with *all* faults of ``config``."""
    ranges: dict[str, tuple[float, float, float]] = {
        "oracle_interval_ms": (config.oracle_interval_ms, 50, 60_000),
        "makers": (config.makers, 1, 1_000),
        "traders": (config.traders, 1, 100_000),
        "leveraged": (config.leveraged, 0, config.traders),
        "decay": (config.decay, 1e-3, 1e3),
        "ladder": (config.ladder, 1, 25),
        "spread": (config.spread, 1e-6, 0.1),
        "order_notional": (config.order_notional, 1, 1e9),
        "long_share": (config.long_share, 0, 1),
        "phases": (len(config.phases), 1, 100),
    }
    faults = [
        fault
        for name, (value, low, high) in ranges.items()
        for fault in out_of(name, value, low, high)
    ]
    for phase in config.phases:
        for name, low, high in (
            ("seconds", 0.1, 86_400), ("load", 0, 1e4), ("drift", -3, 3), ("volatility", 0, 1),
            ("jumps", 0, 1e4), ("jump_size", -1, 1), ("sell_bias", 0, 1),
        ):  # fmt: skip
            faults += out_of(f"phases.{phase.name}.{name}", getattr(phase, name), low, high)
    for place, (leverage, share) in enumerate(config.leverage):
        faults += out_of(f"leverage[{place}]", leverage, 1, 10_000)
        faults += out_of(f"leverage[{place}], its share", share, 0, 1e9)
    if config.leverage and not sum(share for _, share in config.leverage) > 0:
        faults.append("leverage: shares that add up to more than 0 are needed")
    faults += _faults_of_process(config)
    raise_faults(faults)


def _faults_of_process(config: FlowConfig) -> list[str]:
    kinds = len(KINDS)
    if len(config.baseline) != kinds or any(len(row) != kinds for row in config.branching):
        return [f"baseline, branching: {kinds} entries needed, for {', '.join(KINDS)}"]
    if len(config.branching) != kinds:
        return [f"branching: {len(config.branching)} rows, {kinds} needed"]
    branching = np.array(config.branching)
    if (branching < 0).any() or min(config.baseline) < 0:
        return ["baseline, branching: no negative rate allowed"]
    radius = max(abs(np.linalg.eigvals(branching)))
    return [] if radius < 1 else [f"branching: spectral radius {radius:.3f}, below 1 needed"]
