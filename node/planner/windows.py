"""From reads of telemetry to the windows that a calibration may use.

A window is the difference of two successive reads. It counts if something happened in it and if
nothing was busier than half: above, work waits for the processor and its wall-clock times tell of
the queue instead of the work. Batches are shared more as the load grows, so that busy time grows
less than the load: a loop that is half busy carries *less* than half of what it can.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

import msgspec

from node.capacity.histogram import BUCKETS
from node.capacity.telemetry import Telemetry
from node.planner.checked import Range, read_checked
from node.types.errors import MeasurementInvalid
from node.types.faults import out_of

WINDOWS_MIN = 8
"""Fewer windows say nothing of how much they vary."""
LIMIT_RANGES: dict[str, Range] = {
    "block_work": (1, 100_000),
    "block_us_max": (100, 1_000_000),
    "delay_target_us": (1_000, 10_000_000),
}
"""Of the limits that a node tells: as its configuration takes them."""
RANGES: dict[str, Range] = {"buckets": (0, BUCKETS - 1), **LIMIT_RANGES}
"""A key of a histogram's buckets tells a shift, and a wide one all of the memory."""
FAULTS_SHOWN = 20
"""Of one read: a node that restarted lowers hundreds of counters, and a few of them tell it."""


REFUSED_PERCENT = 10
"""Of what came. Past it the windows tell of refusals more than of the flow."""


class Windows(msgspec.Struct, frozen=True):
    """The windows that count, and how many do not."""

    used: tuple[Telemetry, ...]
    busy: int
    """Left out because something was busier than allowed."""
    idle: int
    """Left out because no command came."""


def read_telemetry(data: object) -> Telemetry:
    """Return the answer of ``GET /telemetry``, decoded from JSON.

    Raises ``MeasurementInvalid`` with all faults.
    """
    telemetry, faults = read_checked(Telemetry, data, RANGES, "telemetry")
    if telemetry is None:
        raise MeasurementInvalid(faults=tuple(faults))
    return telemetry


def load_of(window: Telemetry) -> float:
    """Return the busiest share of its time that the loop or any process worked."""
    elapsed_ns = max(window.window_ns, 1)
    return max(window.loop.busy_ns, *window.processes.values(), 0) / elapsed_ns


def commands_of(window: Telemetry) -> int:
    """Return the commands of all kinds, rejected ones included."""
    return sum(kind.commands for kind in window.kinds)


def refusals_noted(windows: Sequence[Telemetry]) -> Iterator[str]:
    """Yield a note where more than ``REFUSED_PERCENT`` of the messages in ``windows`` was refused.

    A bulk counts as refused only where none of its items was taken.
    """
    seen = [stage for window in windows if (stage := window.stage("ingress")) is not None]
    causes: Counter[str] = Counter()
    for stage in seen:
        causes.update(stage.refused)
    arrived, refused = sum(stage.arrived for stage in seen), causes.total()
    if refused * 100 > arrived * REFUSED_PERCENT:
        [(most, _)] = causes.most_common(1)
        yield (
            f"refused: {refused / arrived:.0%} of what came, {most} before all: these are the costs"
            " and the flow of refusals"
        )


def windows_of(
    reads: Sequence[Telemetry], load_max: float, windows_min: int = WINDOWS_MIN
) -> Windows:
    """Return the windows between successive ``reads`` that count.

    Raises ``MeasurementInvalid`` with all faults: numbers that are negative, counters that run
    backwards (the node was restarted between), times that stand still, and fewer than
    ``windows_min`` windows left.
    """
    faults = out_of("load_max", load_max, 0.01, 1.0)
    if reads:
        faults += _below_zero(reads[0], "reads[0]")
    windows = []
    for place, (earlier, later) in enumerate(pairwise(reads), start=1):
        window, wrong = _window(earlier, later, f"reads[{place}]")
        faults += wrong
        if window is not None:
            windows.append(window)
    working = [window for window in windows if commands_of(window)]
    used = tuple(window for window in working if load_of(window) <= load_max)
    if not faults and len(used) < windows_min:
        faults += _too_few(len(reads), len(windows), len(working), len(used), windows_min, load_max)
    if faults:
        raise MeasurementInvalid(faults=tuple(faults))
    return Windows(used=used, busy=len(working) - len(used), idle=len(windows) - len(working))


def _too_few(
    reads: int, windows: int, working: int, used: int, windows_min: int, load_max: float
) -> Iterator[str]:
    yield from out_of("reads", reads, windows_min + 1, "∞") if reads <= windows_min else ()
    if not working:
        yield f"kinds: no command in any of {windows} windows, 1 … ∞ allowed: nothing was loaded"
    elif used < windows_min:
        yield (
            f"windows: {used} with commands and no more than {load_max} busy, {windows_min} … ∞"
            f" allowed ({working - used} were busier, {windows - working} idle)"
        )


def _window(earlier: Telemetry, later: Telemetry, key: str) -> tuple[Telemetry | None, list[str]]:
    if later.at_ns <= earlier.at_ns:
        return None, [f"{key}.at_ns: {later.at_ns}, {earlier.at_ns + 1} … ∞ allowed"]
    if later.window_ns < earlier.window_ns:
        restarted = "the node was restarted"
        lowest = earlier.window_ns
        return None, [f"{key}.window_ns: {later.window_ns}, {lowest} … ∞ allowed: {restarted}"]
    window = later.since(earlier)
    backwards = _below_zero(window, key)
    return (None if backwards else window), backwards


def _below_zero(read: Telemetry, key: str) -> list[str]:
    """Return a fault for each number below zero: of a first read, or of a difference."""
    faults = []
    for name, number in _numbers(read, key):
        if number < 0:
            faults.append(f"{name}: {number} (since the read before), 0 … ∞ allowed")
            if len(faults) == FAULTS_SHOWN:
                break
    return faults


def _numbers(part: object, key: str) -> Iterator[tuple[str, float]]:
    """Yield every number of ``part``, with the key that leads to it."""
    match part:
        case msgspec.Struct():
            for name in part.__struct_fields__:
                yield from _numbers(getattr(part, name), f"{key}.{name}")
        case tuple():
            for place, item in enumerate(part):
                named = getattr(item, "name", None) or getattr(item, "kind", None) or place
                yield from _numbers(item, f"{key}[{named}]")
        case dict():
            for name, item in part.items():
                yield from _numbers(item, f"{key}.{name}")
        case int() | float():
            yield key, part
        case _:
            return
