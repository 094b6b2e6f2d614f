"""How fast the book is, beside other engines, on one mixed tape in one run.

Half of the tape are resting orders, 35 % cancels and 15 % takers. Every engine keeps ids, so that
cancels find their orders, and reports its fills; ours also looks for self-trades (the tape has
none: the others would trade where we cancel). An engine counts only if it trades the right volume.
"""

from collections.abc import Callable
from typing import Final, Protocol

import msgspec

from tests.benchmarks.book_peers import CythonOrderbook, LightMatchingEngine, Pylobo
from tests.benchmarks.book_tape import Plimsoll, Step, mixed_tape
from tests.benchmarks.rounds import per_second, rate_ratios, seconds_of

OURS: Final = "plimsoll"
SEED: Final = 20_190_523
OPERATIONS: Final = 100_000
ROUNDS: Final = 5


class Engine(Protocol):
    """An order book under test, new and empty."""

    def play(self, tape: list[Step]) -> None:
        """Apply the whole tape. This is what is timed."""
        ...

    def volume(self) -> int:
        """Return the lots traded, as its fill reports tell."""
        ...


ENGINES: Final[dict[str, Callable[[], Engine]]] = {
    OURS: Plimsoll,
    "pylobo": Pylobo,
    "cython-orderbook": CythonOrderbook,
    "lightmatchingengine": LightMatchingEngine,
}


class BookSpeed(msgspec.Struct, frozen=True):
    """One engine's row: median operations a second, and our speed over its speed.

    ``ratio`` is the median over the rounds, between ``ratio_low`` and ``ratio_high``. Without
    figures, ``missing`` says why.
    """

    engine: str
    ops_per_s: int | None = None
    ratio: float | None = None
    ratio_low: float | None = None
    ratio_high: float | None = None
    missing: str | None = None


def measure_books(
    operations: int = OPERATIONS, rounds: int = ROUNDS, seed: int = SEED
) -> list[BookSpeed]:
    """Return a row for each engine, ours first."""
    tape, volume = mixed_tape(seed, operations)
    missing = {
        name: fault for name, make in ENGINES.items() if (fault := _fault(make, tape, volume))
    }
    makers = {name: make for name, make in ENGINES.items() if name not in missing}
    seconds: dict[str, list[float]] = {name: [] for name in makers}
    for _ in range(rounds):
        for name, make in makers.items():
            seconds[name].append(_seconds(make(), tape))
    return [
        BookSpeed(name, missing=missing[name])
        if name in missing
        else _speed(name, len(tape), seconds[name], seconds[OURS])
        for name in ENGINES
    ]


def _fault(make: Callable[[], Engine], tape: list[Step], volume: int) -> str | None:
    """Return why an engine cannot be compared; this first run also warms it up."""
    try:
        engine = make()
    except ImportError as error:
        return f"not installed: {error}"
    engine.play(tape)
    traded = engine.volume()
    return None if traded == volume else f"trades {traded} lots where {volume} are right"


def _seconds(engine: Engine, tape: list[Step]) -> float:
    return seconds_of(lambda: engine.play(tape))


def _speed(name: str, steps: int, theirs: list[float], ours: list[float]) -> BookSpeed:
    ratio = rate_ratios(steps, ours, steps, theirs)
    return BookSpeed(
        name,
        ops_per_s=per_second(steps, theirs),
        ratio=ratio.middle,
        ratio_low=ratio.low,
        ratio_high=ratio.high,
    )
