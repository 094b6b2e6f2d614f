"""How fast the book is, beside other engines, on two tapes in one run.

The mixed tape is half resting orders, 35 % cancels and 15 % takers; the recorded one is an hour of
AAPL (LOBSTER), where the folder of recorded data has it. Every engine keeps ids, so that cancels
find their orders, and reports its fills; ours also looks for self-trades (the tapes have none: the
others would trade where we cancel). An engine counts only if it trades the right volume, and one
that does not says what it traded instead.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from statistics import median
from time import perf_counter_ns
from typing import Final, Protocol

import msgspec

from tests.benchmarks.book_peers import (
    AkhilOrderbook,
    BareBook,
    Bourse,
    BourseAtOneTime,
    CythonOrderbook,
    LightMatchingEngine,
    OrderMatching,
    Pylobo,
)
from tests.benchmarks.book_tape import Plimsoll, Step, mixed_tape, recorded_tape, volume_of
from tests.benchmarks.rounds import per_second, rate_ratios, seconds_of
from tests.simulation.price_paths import recorded_folder
from tests.simulation.recorded_flow import LOBSTER

OURS: Final = "plimsoll"
MIXED: Final = "mixed"
RECORDED: Final = "lobster aapl"
SEED: Final = 20_190_523
OPERATIONS: Final = 100_000
ROUNDS: Final = 5
NS_PER_US: Final = 1_000


class Engine(Protocol):
    """An order book under test, new and empty."""

    def play(self, tape: Iterable[Step]) -> None:
        """Apply the whole tape. This is what is timed."""
        ...

    def volume(self) -> int:
        """Return the lots traded, as its fill reports tell."""
        ...


class Peer(msgspec.Struct, frozen=True):
    """How an engine is made; ``most`` is how much of a tape it is given (None: all of it)."""

    make: Callable[[], Engine]
    most: int | None = None


ENGINES: Final[dict[str, Peer]] = {
    OURS: Peer(Plimsoll),
    "bare dict and heap": Peer(BareBook),
    "bourse": Peer(Bourse),
    "bourse, one time": Peer(BourseAtOneTime),
    "pylobo": Peer(Pylobo),
    "cython-orderbook": Peer(CythonOrderbook),
    "lightmatchingengine": Peer(LightMatchingEngine),
    "akhil4n-orderbook": Peer(AkhilOrderbook),
    # It looks through all orders for each; the whole tape would take minutes a round.
    "order-matching": Peer(OrderMatching, most=4_000),
}


class BookSpeed(msgspec.Struct, frozen=True):
    """One engine's row on one tape: median operations a second, and our speed over its speed.

    ``ratio`` is the median over the rounds, between ``ratio_low`` and ``ratio_high``; both sides
    play the same ``operations``. The times of single operations, in microseconds, are medians over
    the rounds of each round's quantile (``worst_us``: of its longest pause). Without figures,
    ``missing`` says why.
    """

    tape: str
    engine: str
    operations: int | None = None
    ops_per_s: int | None = None
    ratio: float | None = None
    ratio_low: float | None = None
    ratio_high: float | None = None
    p50_us: float | None = None
    p99_us: float | None = None
    p999_us: float | None = None
    worst_us: float | None = None
    missing: str | None = None


def measure_books(
    operations: int = OPERATIONS, rounds: int = ROUNDS, seed: int = SEED
) -> list[BookSpeed]:
    """Return a row for each tape and engine, ours first."""
    rows = _measure_tape(MIXED, mixed_tape(seed, operations), rounds)
    file = recorded_folder() / LOBSTER
    if not file.exists():
        absent = f"{LOBSTER} is not in the folder that PLIMSOLL_DATA names"
        return [*rows, BookSpeed(RECORDED, OURS, missing=absent)]
    return [*rows, *_measure_tape(RECORDED, recorded_tape(file)[: 10 * operations], rounds)]


def _measure_tape(name: str, tape: list[Step], rounds: int) -> list[BookSpeed]:
    lengths = {peer.most or len(tape) for peer in ENGINES.values()}
    parts = {length: tape[:length] for length in lengths}
    volumes = {length: volume_of(part) for length, part in parts.items()}
    courses = {
        engine: Course(peer, parts[peer.most or len(tape)], volumes[peer.most or len(tape)])
        for engine, peer in ENGINES.items()
    }
    ours = {length: Course(ENGINES[OURS], part, volumes[length]) for length, part in parts.items()}
    ours[len(tape)] = courses[OURS]
    for _ in range(rounds):
        for course in {*courses.values(), *ours.values()}:
            course.run()
    return [_row(name, engine, course, ours) for engine, course in courses.items()]


class Course:
    """One engine on one tape, round after round. Its first run warms it up and checks its volume.

    Speed is taken of a run that nobody looks at; the times of single operations of another one.
    """

    def __init__(self, peer: Peer, tape: list[Step], volume: int) -> None:
        self.make = peer.make
        self.tape = tape
        self.seconds: list[float] = []
        self.quantiles_ns: list[tuple[int, ...]] = []
        self.fault = self._fault(volume)

    def run(self) -> None:
        """Add a round."""
        if self.fault is not None:
            return
        engine = self.make()
        self.seconds.append(seconds_of(lambda: engine.play(self.tape)))
        timed, stamps = self.make(), list[int]()
        seconds_of(lambda: timed.play(stamped(self.tape, stamps)))
        self.quantiles_ns.append(_quantiles(stamps))

    def _fault(self, volume: int) -> str | None:
        try:
            engine = self.make()
        except ImportError as error:
            return f"not installed: {error}"
        try:
            engine.play(self.tape)
        # A peer may fail in any way of its own; that is what the row then says.
        except Exception as error:  # noqa: BLE001
            return f"fails: {type(error).__name__}: {error}"
        traded = engine.volume()
        return None if traded == volume else f"trades {traded} lots where {volume} are right"


def stamped(tape: Iterable[Step], stamps: list[int]) -> Iterator[Step]:
    """Yield the tape, noting when each step is asked for: so also when the one before was done."""
    for step in tape:
        stamps.append(perf_counter_ns())
        yield step
    stamps.append(perf_counter_ns())


def _quantiles(stamps: list[int]) -> tuple[int, ...]:
    """Return the median, 99 %, 99.9 % and the longest of the times between ``stamps``."""
    times = sorted(later - before for before, later in pairwise(stamps))
    last = len(times) - 1
    return tuple(times[last * permille // 1_000] for permille in (500, 990, 999, 1_000))


def _row(tape: str, name: str, course: Course, ours: dict[int, Course]) -> BookSpeed:
    steps = len(course.tape)
    if course.fault is not None:
        return BookSpeed(tape, name, steps, missing=course.fault)
    ratio = rate_ratios(steps, ours[steps].seconds, steps, course.seconds)
    times = [median(column) / NS_PER_US for column in zip(*course.quantiles_ns, strict=True)]
    p50, p99, p999, worst = (round(time, 2) for time in times)
    return BookSpeed(
        tape,
        name,
        steps,
        ops_per_s=per_second(steps, course.seconds),
        ratio=ratio.middle,
        ratio_low=ratio.low,
        ratio_high=ratio.high,
        p50_us=p50,
        p99_us=p99,
        p999_us=p999,
        worst_us=worst,
    )
