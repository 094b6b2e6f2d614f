"""What each kind of command costs in the transition, counted as it is applied.

    begin ── OpenBlock ── opened ── command ── ran ── command ── ran ── … ── closed

One reading of the clock lies between two commands, so nothing is left out: what is not a command's
is the block's. A command costs 0.2 to 0.4 us to count, a rejected one too: it took its time all the
same. Sums and sums of squares are exact integers, from which a window's mean and variance follow.
"""

from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Final

from node.capacity.telemetry import BlockCounters, KindCounters
from node.types.commands import (
    AdjustMargin,
    ApproveAgent,
    CancelAll,
    Command,
    Deposit,
    Disconnected,
    Expire,
    Liquidate,
    OpenBlock,
    OracleRound,
    PlaceOrders,
    SetSwitch,
    SettleFunding,
    TriggerOrder,
    Uncross,
    Withdraw,
)
from node.types.events import Event, Filled


class Kind(IntEnum):
    """Kinds of commands that differ in what they cost.

    PLACE: one order or amend, with or without cancels. BULK: several. CANCEL: cancels alone.
    EXPIRE: what its time, its switch or a broken connection cancels.
    """

    PLACE = 0
    BULK = 1
    CANCEL = 2
    CANCEL_ALL = 3
    MARGIN = 4
    WITHDRAW = 5
    AGENT = 6
    LIQUIDATE = 7
    ORACLE_ROUND = 8
    FUNDING = 9
    DEPOSIT = 10
    SWITCH = 11
    EXPIRE = 12
    TRIGGER = 13
    UNCROSS = 14

    @property
    def word(self) -> str:
        """Return the kind as telemetry names it."""
        return self.name.lower()


_KIND_OF_TYPE: Final[dict[type[object], Kind]] = {
    CancelAll: Kind.CANCEL_ALL,
    AdjustMargin: Kind.MARGIN,
    Withdraw: Kind.WITHDRAW,
    ApproveAgent: Kind.AGENT,
    Liquidate: Kind.LIQUIDATE,
    OracleRound: Kind.ORACLE_ROUND,
    SettleFunding: Kind.FUNDING,
    Deposit: Kind.DEPOSIT,
    SetSwitch: Kind.SWITCH,
    Expire: Kind.EXPIRE,
    Disconnected: Kind.EXPIRE,
    TriggerOrder: Kind.TRIGGER,
    Uncross: Kind.UNCROSS,
}

_OF_ORDERS: Final = (Kind.CANCEL, Kind.PLACE, Kind.BULK)
"""By the number of orders and amends: none, one, several."""

_EVENTS_OF_A_FILL: Final = 6
"""The fewest that a fill comes with: the order, the fill, two positions and two balances."""


def kind_of(command: Command) -> Kind:
    """Return the kind of ``command``, which must not be an ``OpenBlock``: that is the block's."""
    assert not isinstance(command, OpenBlock)
    if isinstance(command, PlaceOrders):
        return _OF_ORDERS[min(len(command.orders) + len(command.amends), 2)]
    return _KIND_OF_TYPE[type(command)]


class KindMeter:
    """Counts blocks and their commands; ``clock_ns`` never goes back."""

    __slots__ = (
        "_block_ns",
        "_blocks",
        "_clock_ns",
        "_commands",
        "_row_of_type",
        "_rows",
        "_rows_of_orders",
        "_since_ns",
        "turns",
    )

    def __init__(self, clock_ns: Callable[[], int]) -> None:
        """Start at zero."""
        self._clock_ns = clock_ns
        self._rows = [[0] * 6 for _ in Kind]
        self._rows_of_orders = tuple(self._rows[kind] for kind in _OF_ORDERS)
        # What has one item each counts it when it is asked for.
        self._row_of_type = {kind: self._rows[place] for kind, place in _KIND_OF_TYPE.items()}
        self._blocks = 0
        self._commands = 0
        self._block_ns = 0
        self._since_ns = 0
        self.turns = 0

    def begin(self) -> None:
        """Start to measure a block, whether or not anything of it is accepted."""
        self.turns += 1
        self._since_ns = self._clock_ns()

    def opened(self) -> None:
        """Count what went by since ``begin`` as the block's: it has been opened."""
        now_ns = self._clock_ns()
        self._block_ns += now_ns - self._since_ns
        self._since_ns = now_ns

    def ran(self, command: Command, events: Sequence[Event]) -> None:
        """Count what went by since the last call as ``command``'s, which ``events`` came of."""
        now_ns = self._clock_ns()
        spent_ns = now_ns - self._since_ns
        self._since_ns = now_ns
        row = self._row_of_type.get(type(command))
        if row is None:
            row = self._count_orders(command, events)
        # The places are those of ``KindCounters``, and the longest: a name for each would cost a
        # look-up each.
        row[0] += 1
        row[3] += spent_ns
        row[4] += spent_ns * spent_ns
        if spent_ns > row[5]:
            row[5] = spent_ns

    def _count_orders(self, command: Command, events: Sequence[Event]) -> list[int]:
        assert isinstance(command, PlaceOrders)
        orders = len(command.orders) + len(command.amends)
        row = self._rows_of_orders[orders if orders < 2 else 2]
        row[1] += orders + len(command.cancels)
        if len(events) >= _EVENTS_OF_A_FILL:
            # A loop is cheaper here than anything that needs a list.
            for event in events:
                if type(event) is Filled:
                    row[2] += 1
        return row

    def closed(self, commands: int) -> None:
        """Count what went by since the last command as the block's, which holds ``commands``."""
        now_ns = self._clock_ns()
        self._block_ns += now_ns - self._since_ns
        self._since_ns = now_ns
        if commands:
            self._blocks += 1
            self._commands += commands

    def signed(self, spent_ns: int) -> None:
        """Count ``spent_ns`` as the block's as well: its signature is made elsewhere."""
        self._block_ns += spent_ns

    def blocks(self) -> BlockCounters:
        """Return what was counted of blocks."""
        return BlockCounters(count=self._blocks, commands=self._commands, total_ns=self._block_ns)

    def kinds(self) -> tuple[KindCounters, ...]:
        """Return what was counted of each kind, in the order of ``Kind``."""
        counted = []
        for kind, row in zip(Kind, self._rows, strict=True):
            commands, items, fills, total_ns, square_ns2, _ = row
            held = items if kind in _OF_ORDERS else commands
            counted.append(KindCounters(kind.word, commands, held, fills, total_ns, square_ns2))
        return tuple(counted)

    def longest_ns(self) -> tuple[int, ...]:
        """Return how long the longest command of each kind took, in the order of ``Kind``.

        Since the start, 0 before the first; whatever else the machine did meanwhile is in it. It is
        no counter: a window's is not to be had from two of them.
        """
        return tuple(row[5] for row in self._rows)
