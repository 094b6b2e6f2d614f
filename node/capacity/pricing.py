"""The price of work that the load asks for: several resources and windows, charged at the dearest.

Each resource j has, for each window w, a backlog of what was used above its target,

    B_jw ← max(0, B_jw + used − T_jw·Δt)        T_jw = share_w · capacity_j

and the price is the floor, raised by the resource whose backlogs are the longest,

    p = floor · exp( max_j Σ_w B_jw / (A_w · T_jw) )          (the form that Arbitrum Nitro uses)

where A_w is the window's length: a backlog of A_w seconds of target multiplies the price by e. A
short window may run near capacity; a long one must not, or maintenance, catching up and a crash
would find no room. Windows of one target would be one window: it is the shares that tell them
apart.

A backlog never grows past what ``MEMORY_S`` seconds of its target would take, nor past the ceiling:
an integrator that winds up further would keep the price high for hours after the rush is over. The
target is that of the whole capacity here: while less is there, what waits is as much as it was.

The price never falls below what a unit's bytes are forecast to cost on L1 (``reserve``, as in
EIP-7918): so when demand collapses it does not fall to where it took hours to climb back from.

Exact integers throughout, so a simulation and a node that saw the same use say the same price.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec

from node.types.fees import FeeRules
from node.types.units import PPM_ONE, Millis, Money, Ppm, part_rounded_up

MEMORY_S: Final = 600
"""No backlog takes longer than this to drain while nothing is used and all of the resource is
there: recovery within minutes."""

_MILLI: Final = 1_000


class Resource(StrEnum):
    """What a node can run out of, in the unit that its use is counted in."""

    LOOP = "loop"
    """Nanoseconds of the event loop."""
    RISK = "risk"
    """Nanoseconds of watching positions."""
    JOURNAL_BYTES = "journal_bytes"
    L1_BYTES = "l1_bytes"
    L1_GAS = "l1_gas"


class Window(msgspec.Struct, frozen=True, gc=False):
    """``seconds`` of target used too much multiply the price by e; the target is a share."""

    seconds: int
    share: Ppm


WINDOWS: Final = (
    Window(5, Ppm(950_000)),
    Window(30, Ppm(850_000)),
    Window(180, Ppm(750_000)),
    Window(900, Ppm(650_000)),
)
"""Five seconds is what clients need to hear of a price and act on it: queues answer what is
shorter. Thirty is a burst of news, three minutes a cascade, fifteen a busy session."""


def exp_rounded_down(factor: int, exponent: int) -> int:
    """Return ``factor · e^(exponent / 10^6)``, by its Taylor series in integers (EIP-4844).

    Each term is rounded down, so the sum is below the true value by less than one per term.
    """
    place, total, term = 1, 0, factor * PPM_ONE
    while term > 0:
        total += term
        term = term * exponent // (PPM_ONE * place)
        place += 1
    return total // PPM_ONE


def exponent_of(ratio: int) -> int:
    """Return the smallest exponent, in millionths, at which e to it reaches ``ratio``."""
    low, high = 0, 64 * PPM_ONE
    while low < high:
        middle = (low + high) // 2
        if exp_rounded_down(PPM_ONE, middle) >= ratio * PPM_ONE:
            high = middle
        else:
            low = middle + 1
    return low


class Backlogs:
    """One resource: its backlog in each window, in thousandths of its unit."""

    __slots__ = ("_capacity", "_exponent_max", "_whole", "_windows", "backlogs")

    def __init__(self, capacity: int, windows: tuple[Window, ...], exponent_max: int) -> None:
        """``capacity`` is in units per second, all there is; ``exponent_max`` in millionths."""
        self._windows = windows
        self._exponent_max = exponent_max
        self.backlogs = [0] * len(windows)
        self.set_capacity(capacity)

    def set_capacity(self, whole: int, now_ppm: int = PPM_ONE) -> None:
        """Set what the resource carries at best, and the part of it that is there now; at least 1.

        Backlogs keep their units.
        """
        self._whole = max(1, whole)
        self._capacity = max(1, whole * now_ppm // PPM_ONE)

    def target(self, window: Window) -> int:
        """Return how many units a second the window lets through for nothing, rounded up."""
        return part_rounded_up(self._capacity, window.share, PPM_ONE)

    def _limit(self, window: Window) -> int:
        """Return what the window's backlog holds at most, in thousandths of the unit."""
        seconds = min(MEMORY_S, window.seconds * self._exponent_max // PPM_ONE)
        # A part of the whole would cut off what waits while the resource is away.
        return seconds * part_rounded_up(self._whole, window.share, PPM_ONE) * _MILLI

    def advance(self, used: int, elapsed_ms: int) -> None:
        """Add what was ``used`` in the last ``elapsed_ms``, take off what the targets allow."""
        for place, window in enumerate(self._windows):
            backlog = self.backlogs[place] + used * _MILLI - self.target(window) * elapsed_ms
            self.backlogs[place] = min(max(0, backlog), self._limit(window))

    def exponent(self) -> int:
        """Return what the resource raises the price by, as an exponent in millionths."""
        total = 0
        for backlog, window in zip(self.backlogs, self._windows, strict=True):
            total += backlog * _MILLI // (window.seconds * self.target(window))
        return min(total, self._exponent_max)

    def units(self) -> dict[str, int]:
        """Return the backlog of each window, by its seconds, in whole units."""
        return {
            str(window.seconds): backlog // _MILLI
            for window, backlog in zip(self._windows, self.backlogs, strict=True)
        }


class FeeController:
    """Proposes the price of work. What the rules allow between two blocks is for the asker."""

    __slots__ = ("_last_ms", "_pending", "_reserve", "_resources", "_rules")

    def __init__(
        self,
        rules: FeeRules,
        capacities: Mapping[Resource, int],
        now_ms: Millis,
        windows: tuple[Window, ...] = WINDOWS,
    ) -> None:
        """Begin without any backlog; ``capacities`` in units per second, priced where given.

        A capacity should be the lower bound of what was measured: what is not there cannot be
        sold.
        """
        ratio = -(-rules.ceiling // rules.floor) if rules.floor else 1
        exponent_max = exponent_of(ratio)
        self._rules = rules
        self._resources = {
            resource: Backlogs(capacity, windows, exponent_max)
            for resource, capacity in capacities.items()
        }
        self._pending = dict.fromkeys(capacities, 0)
        self._last_ms = now_ms
        self._reserve = Money(0)

    def set_capacity(self, resource: Resource, whole: int, now_ppm: int = PPM_ONE) -> None:
        """Set what the resource carries in a second at best, and the part that is there now."""
        self._resources[resource].set_capacity(whole, now_ppm)

    def use(self, resource: Resource, units: int) -> None:
        """Count ``units`` of a resource as used since the last ``advance``."""
        self._pending[resource] += units

    def reserve(self, price: Money) -> None:
        """Set what a unit of work is forecast to cost on L1: the price goes no lower."""
        self._reserve = price

    def advance(self, now_ms: Millis) -> None:
        """Bring all backlogs to ``now_ms``; what was used until now is drained until now."""
        elapsed_ms = max(0, now_ms - self._last_ms)
        self._last_ms = now_ms
        for resource, backlogs in self._resources.items():
            backlogs.advance(self._pending[resource], elapsed_ms)
            self._pending[resource] = 0

    @property
    def price(self) -> Money:
        """Return the price that the load asks for, between floor and ceiling."""
        exponent = max((one.exponent() for one in self._resources.values()), default=0)
        price = max(exp_rounded_down(self._rules.floor, exponent), self._reserve)
        return Money(min(max(price, self._rules.floor), self._rules.ceiling))

    @property
    def dearest(self) -> str | None:
        """Return what sets the price: a resource, ``l1_forecast``, or nothing at the floor."""
        exponents = {name.value: one.exponent() for name, one in self._resources.items()}
        highest = max(exponents, key=lambda name: exponents[name], default=None)
        raised = exponents[highest] if highest is not None else 0
        if self._reserve > max(exp_rounded_down(self._rules.floor, raised), self._rules.floor):
            return "l1_forecast"
        return highest if raised else None

    def backlogs(self) -> dict[str, dict[str, int]]:
        """Return every backlog in its resource's unit, by the window's seconds."""
        return {name.value: one.units() for name, one in self._resources.items()}
