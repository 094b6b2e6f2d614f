"""What a tape tells of its flow: when decisions came, of which kind, how large, into which book.

A row is not always a decision. The tape is played through the engine, which tells them apart:

- place   an order that came to rest, or a post-only order that was refused at once
- take    an order that met others; several executions of one moment and side were one order
- cancel  an order taken back, in whole or in part, by whoever sent it

An outcome that our own matching has brought about already (a feed tells of both sides of a trade)
is no decision. Rows that a recorder made up are played, so that the book is right, and not counted.
"""

from enum import IntEnum
from pathlib import Path
from typing import Final

import msgspec

from node.simulation.tape.engine import TapeEngine
from node.simulation.tape.event import TapeEvent, TapeOp
from node.simulation.tape.formats import FORMATS
from node.types.commands import OrderType, Side
from node.types.units import Lots

RESOLUTION_NS: Final = {"lobster": 1, "bitstamp": 1_000_000, "bme": 1_000, "csv": 1}
"""What one step of each format's clock is."""
SNAPSHOT_FIRST: Final = frozenset({"bitstamp"})
"""Formats whose first moment is a snapshot, and whose last one is the recorder's clean-up."""
DEPTH_EVERY: Final = 50
"""Decisions between two looks at the book."""

_TAKING = (OrderType.IOC, OrderType.FOK, OrderType.MARKET)


class Decision(IntEnum):
    """What somebody decided."""

    PLACE = 0
    CANCEL = 1
    TAKE = 2


class FlowTrace(msgspec.Struct, frozen=True):
    """A recorded flow: one entry for each decision, and looks at the book.

    Times are nanoseconds of the tape's clock, which steps by ``resolution_ns``; sizes are units of
    the tape. A size that the tape does not tell is 0.
    """

    times_ns: list[int]
    decisions: list[Decision]
    sizes: list[float]
    fills: list[int]
    """Resting orders that each decision met."""
    resting_orders: list[int]
    levels: list[int]
    touch_sizes: list[float]
    resolution_ns: int


def read_flow(format_name: str, file: Path, seconds: float | None = None) -> FlowTrace:
    """Return the flow of a tape, or of its first ``seconds``.

    Raises ``TapeMalformed``, ``PathUnusable`` of the file, and ``KeyError`` for an unknown format.
    """
    tape = FORMATS[format_name](file)
    watched = Watch(10.0**-tape.lot_decimals)
    ends = None
    first_ns = None
    for event in tape.events:
        if first_ns is None:
            first_ns = event.time_ns
            ends = None if seconds is None else first_ns + int(seconds * 1e9)
        if ends is not None and event.time_ns >= ends:
            break
        made_up = format_name in SNAPSHOT_FIRST and event.time_ns <= first_ns
        watched.play(event, counted=not made_up)
    if format_name in SNAPSHOT_FIRST and ends is None:
        watched.forget_last_moment()
    return watched.trace(RESOLUTION_NS[format_name])


class Watch:
    """Plays events and writes down the decisions among them."""

    def __init__(self, lot: float) -> None:
        """``lot`` is the size of one lot in units of the tape."""
        self._engine = TapeEngine()
        self._lot = lot
        self._times: list[int] = []
        self._decisions: list[Decision] = []
        self._sizes: list[float] = []
        self._fills: list[int] = []
        self._looks: list[tuple[int, int, float]] = []
        self._last_take: tuple[int, Side] | None = None

    def play(self, event: TapeEvent, *, counted: bool = True) -> None:
        """Play ``event``; note what it was if it is ``counted``."""
        engine = self._engine
        order = engine.orders.get(event.id)
        left = order.remaining if order is not None and order.resting else 0
        fills = len(engine.notes.fills)
        engine.play(event)
        if not counted:
            return
        if event.op is TapeOp.NEW:
            self._note_new(event, len(engine.notes.fills) - fills)
        elif event.op is TapeOp.REMAIN:
            if left > event.size:
                self._note(event.time_ns, Decision.CANCEL, left - event.size)
        else:
            size = event.size if event.op is TapeOp.REDUCE else left
            self._note(event.time_ns, Decision.CANCEL, size)

    def _note_new(self, event: TapeEvent, fills: int) -> None:
        if not fills and event.type not in _TAKING:
            self._note(event.time_ns, Decision.PLACE, event.size)
            return
        mark = (event.time_ns, event.side)
        if event.maker and mark == self._last_take:
            self._sizes[-1] += event.size * self._lot
            self._fills[-1] += fills
            return
        self._note(event.time_ns, Decision.TAKE, event.size, fills)
        self._last_take = mark

    def _note(self, time_ns: int, decision: Decision, size: int, fills: int = 0) -> None:
        # A venue's own clock may step back by a little; decisions keep the order of the tape.
        self._times.append(max(time_ns, self._times[-1] if self._times else time_ns))
        self._decisions.append(decision)
        self._sizes.append(size * self._lot)
        self._fills.append(fills)
        self._last_take = None
        if len(self._times) % DEPTH_EVERY == 0:
            self._looks.append(self._look())

    def _look(self) -> tuple[int, int, float]:
        book = self._engine.book
        ladders = [book.ladder(side) for side in Side]
        prices = [(side, book.best_price(side)) for side in Side]
        touch = sum(Lots(book.size_at(side, price)) for side, price in prices if price is not None)
        return len(book), sum(len(ladder.levels) for ladder in ladders), touch * self._lot

    def forget_last_moment(self) -> None:
        """Drop the decisions that share the last time."""
        last = self._times[-1] if self._times else None
        while self._times and self._times[-1] == last:
            for column in (self._times, self._decisions, self._sizes, self._fills):
                column.pop()

    def trace(self, resolution_ns: int) -> FlowTrace:
        """Return what was written down."""
        return FlowTrace(
            times_ns=self._times,
            decisions=self._decisions,
            sizes=self._sizes,
            fills=self._fills,
            resting_orders=[look[0] for look in self._looks],
            levels=[look[1] for look in self._looks],
            touch_sizes=[look[2] for look in self._looks],
            resolution_ns=resolution_ns,
        )
