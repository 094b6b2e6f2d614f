"""When each position of one market is looked at next: by time, and by price.

The exact index needs no schedule: it sees every isolated linear position at every round. The tiers
are for what has no static threshold (cross and portfolio margin, options), where each check is
dear. They run over the same isolated positions, where the index is the oracle that tells how late
they would have been.

Two triggers put a position in a round's list. Its *due time* comes from the tail table. Its *wake
price* is where the mark has used up a given share of its distance: a price move that fast is not
what the due time was based on. The band of a tier is so the tightest of its members', and a heap
for each side finds whom a mark has woken without looking at the rest. For an isolated position the
wake price lies before its trigger, so only a funding move can pass by it; for others it is a hint.

Heaps are never searched. A position that is placed again gets a new ticket, and entries with an
old one are dropped when they come up, or all at once when they outnumber the valid ones.
"""

import heapq
import math
from enum import IntEnum
from itertools import islice

import msgspec

from node.risk.config import RiskConfig
from node.types.ids import Address

_STALE_SLACK = 64
"""Heaps shorter than this are not worth cleaning."""

_Entry = tuple[int, int, Address]
"""Key, ticket, account: a heap's least key comes first."""


class Tier(IntEnum):
    """Ranges of the time until a position's next check."""

    CRITICAL = 0
    """Checked at every round."""
    NEAR = 1
    WATCH = 2
    FAR = 3


class Visit(msgspec.Struct, frozen=True, gc=False):
    """A position to be checked in this round, the tier that it was in, and what brought it up."""

    account: Address
    tier: Tier
    woken: bool


class MarketSchedule:
    """The due times and wake prices of one market; times are milliseconds, prices ticks."""

    __slots__ = (
        "_critical",
        "_due",
        "_limits_ms",
        "_next_ticket",
        "_seats",
        "_wake",
        "_wake_share",
        "members",
    )

    def __init__(self, config: RiskConfig) -> None:
        self._limits_ms = (config.near_s * 1_000, config.watch_s * 1_000)
        self._wake_share = config.wake_share
        self._seats: dict[Address, tuple[int, Tier]] = {}
        self._due: list[_Entry] = []
        # A dict for its order, the longest unchecked first: they need no heap, as all are due.
        self._critical: dict[Address, None] = {}
        # Of longs and of shorts; a key is what minus the mark, or the mark, must reach.
        self._wake: tuple[list[_Entry], list[_Entry]] = ([], [])
        self._next_ticket = 0
        self.members = [0] * len(Tier)

    def __len__(self) -> int:
        """Return the number of scheduled positions."""
        return len(self._seats)

    def tier_of(self, horizon_ms: int) -> Tier:
        """Return the tier of a position whose next check is due in ``horizon_ms``."""
        if horizon_ms <= 0:
            return Tier.CRITICAL
        near, watch = self._limits_ms
        if horizon_ms < near:
            return Tier.NEAR
        return Tier.WATCH if horizon_ms < watch else Tier.FAR

    def place(
        self, account: Address, now_ms: int, horizon_ms: int, mark: int, distance: float
    ) -> None:
        """Schedule ``account``, or schedule it anew.

        ``distance`` is the log distance of ``mark`` to its trigger, negative for a short (whose
        trigger lies above); a critical position needs no wake price.
        """
        self.remove(account)
        ticket = self._next_ticket
        self._next_ticket = ticket + 1
        tier = self.tier_of(horizon_ms)
        self._seats[account] = (ticket, tier)
        self.members[tier] += 1
        if tier is Tier.CRITICAL:
            self._critical[account] = None
            return
        heapq.heappush(self._due, (now_ms + horizon_ms, ticket, account))
        if self._wake_share and math.isfinite(distance):
            # Rounded toward the mark: better woken a tick early.
            wake = mark * math.exp(-self._wake_share * distance)
            if distance > 0:
                heapq.heappush(self._wake[0], (-math.ceil(wake), ticket, account))
            else:
                heapq.heappush(self._wake[1], (math.floor(wake), ticket, account))
        self._drop_stale()

    def remove(self, account: Address) -> None:
        """Forget ``account``; nothing happens when it is not scheduled."""
        seat = self._seats.pop(account, None)
        if seat is not None:
            self.members[seat[1]] -= 1
            self._critical.pop(account, None)

    def collect(self, now_ms: int, mark: int, limit: int) -> list[Visit]:
        """Return at most ``limit`` positions to check now.

        The woken go first, then the due, the most overdue ahead, then the critical, the longest
        unchecked ahead: what ``limit`` leaves behind is first in line the next time. All returned
        leave the schedule; each is to be placed again after its check.
        """
        visits: list[Visit] = []
        longs, shorts = self._wake
        self._take(longs, -mark, limit, visits, woken=True)
        self._take(shorts, mark, limit, visits, woken=True)
        self._take(self._due, now_ms, limit, visits, woken=False)
        for account in tuple(islice(self._critical, limit - len(visits))):
            self.remove(account)
            visits.append(Visit(account=account, tier=Tier.CRITICAL, woken=False))
        return visits

    def _take(
        self, heap: list[_Entry], reached: int, limit: int, visits: list[Visit], *, woken: bool
    ) -> None:
        """Move what ``reached`` has come up to from ``heap`` to ``visits``."""
        while heap and heap[0][0] <= reached and len(visits) < limit:
            _, ticket, account = heapq.heappop(heap)
            seat = self._seats.get(account)
            if seat is not None and seat[0] == ticket:
                self.remove(account)
                visits.append(Visit(account=account, tier=seat[1], woken=woken))

    def _drop_stale(self) -> None:
        """Rebuild each heap that holds more than twice as many entries as positions."""
        bound = 2 * len(self._seats) + _STALE_SLACK
        for heap in (self._due, *self._wake):
            if len(heap) > bound:
                heap[:] = [entry for entry in heap if self._is_valid(entry)]
                heapq.heapify(heap)

    def _is_valid(self, entry: _Entry) -> bool:
        seat = self._seats.get(entry[2])
        return seat is not None and seat[0] == entry[1]
