"""The whole state of the exchange. Only ``apply`` changes it.

Everything here is committed to by the state tree (see ``leaves.py``) or derived from what is: the
order of a queue is the order of ranks, sums of reserves and resting sizes are sums, and the
auto-deleveraging queues are positions sorted by entry price. So a state can be rebuilt from its
leaves alone, order books included.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from sortedcontainers import SortedList

from node.margin.liquidation import price_band
from node.margin.position import Position
from node.margin.staleness import age_limit, buffer_for, data_age
from node.margin.volatility import SAMPLE_MS, variance_after, variance_of
from node.matching.book import Book, Order
from node.transition import leaves
from node.transition.account import Account
from node.transition.arrivals import Arrivals
from node.transition.restore import restore
from node.types.blocks import Domain
from node.types.commands import Command, OrderType, Uncross
from node.types.errors import MarkStale, RiskDataTooOld
from node.types.ids import Address, MarketId, Sequence
from node.types.rules import MarketRules, Ordering, Rules
from node.types.units import Millis, Money, Ticks

RANK_ONE = 2**20
"""The auto-deleveraging queue ranks by entry price in 1/RANK_ONE of a tick."""


class Market:
    """One market: its rules, book, mark, volatility, funding, and its auto-deleveraging queues.

    ``buffer`` is what the age of the data asks beyond initial margin (millionths), and ``opens``
    whether it lets anything be opened at all: both as of the last ``age``.

    ``queues[0]`` holds the longs by entry price upward, ``queues[1]`` the shorts downward (their
    ranks are negated): the first gained most on each lot.

    Two things here live within a block and stand in no leaf: ``arrivals``, the orders that wait for
    the auction at its end, in the order in which they came, and ``taking_block``, the last block in
    which something could take. A block ends without arrivals, and the next one has another number.
    """

    __slots__ = (
        "_aged_at", "_aged_lag", "anchor", "anchor_time", "arrivals", "band", "book", "buffer",
        "carry", "finality_ms", "funding_index", "funding_time", "market_id", "mark", "mark_time",
        "max_size", "opens", "ordering", "premium_samples", "premium_sum", "queues", "rules",
        "taking_block", "variance",
    )  # fmt: skip

    def __init__(self, market_id: MarketId, rules: MarketRules, finality_ms: Millis) -> None:
        self.market_id = market_id
        self.rules = rules
        self.ordering = rules.ordering
        self.finality_ms = finality_ms
        self.book = Book()
        self.arrivals = Arrivals()
        self.taking_block = -1
        self.max_size = rules.max_size
        self.mark = 0
        self.mark_time = 0
        self.band = (Ticks(0), Ticks(0))
        self.variance = variance_of(rules.staleness.volatility_prior)
        self.anchor = 0
        self.anchor_time = 0
        self.buffer = 0
        self.opens = False
        self._aged_at = self._aged_lag = -1
        self.funding_index = 0
        self.funding_time = 0
        self.carry = 0
        self.premium_sum = 0
        self.premium_samples = 0
        self.queues: tuple[SortedList[tuple[int, Address]], SortedList[tuple[int, Address]]] = (
            SortedList(),
            SortedList(),
        )

    def observe(self, mark: int, time: int) -> None:
        """Take a new mark: its return enters the volatility once enough time lies in between."""
        if not self.anchor:
            self.anchor, self.anchor_time = mark, time
        elif time - self.anchor_time >= SAMPLE_MS:
            elapsed = time - self.anchor_time
            staleness = self.rules.staleness
            self.variance = variance_after(staleness, self.variance, self.anchor, mark, elapsed)
            self.anchor, self.anchor_time = mark, time
        self.move_mark(mark, time)

    def move_mark(self, mark: int, time: int) -> None:
        """Set the mark, and with it the band in which orders may be priced."""
        self.mark = mark
        self.mark_time = time
        self._aged_at = -1
        self.band = price_band(self.rules, mark) if mark else (Ticks(0), Ticks(0))

    def mark_age(self, now: int) -> int:
        """Return the age of the mark in milliseconds (never negative)."""
        return max(0, now - self.mark_time)

    def data_age(self, now: int, lag: int) -> Millis:
        """Return the age of what a position opened now rests on; see ``node.margin.staleness``."""
        return data_age(now, self.mark_time, lag, self.finality_ms)

    def age(self, now: int, lag: int) -> None:
        """Bring ``buffer`` and ``opens`` to this block; after its first order, two comparisons.

        See ``node.margin.staleness.buffer_for``.
        """
        if now == self._aged_at and lag == self._aged_lag:
            return
        age_ms = self.data_age(now, lag)
        self.buffer, too_old = buffer_for(self.rules, self.variance, age_ms)
        self.opens = self._has_fresh_mark(now) and not too_old
        self._aged_at, self._aged_lag = now, lag

    def require_fresh(self, now: int, lag: int) -> None:
        """Raise ``MarkStale`` or ``RiskDataTooOld`` where nothing may be opened now."""
        if now != self._aged_at or lag != self._aged_lag:
            self.age(now, lag)
        if not self.opens:
            raise self._too_old(now, lag)

    def stale(self, now: int) -> MarkStale:
        """Return the refusal for want of a mark; one that never was has no age."""
        age = {"age_ms": self.mark_age(now)} if self.mark else {}
        return MarkStale(market=self.market_id, **age, limit=self.rules.mark_stale_ms)

    def _has_fresh_mark(self, now: int) -> bool:
        return self.mark != 0 and self.mark_age(now) <= self.rules.mark_stale_ms

    def _too_old(self, now: int, lag: int) -> MarkStale | RiskDataTooOld:
        if not self._has_fresh_mark(now):
            return self.stale(now)
        limit = age_limit(self.rules, self.variance)
        return RiskDataTooOld(market=self.market_id, age_ms=self.data_age(now, lag), limit=limit)

    def rank(self, position: Position) -> None:
        """Keep the auto-deleveraging queues in step with a position that may have changed."""
        size = position.size
        rank = position.entry * RANK_ONE // size * (1 if size > 0 else -1) if size else None
        before = position.rank
        if rank == before and (rank is None or position.ranked_long == (size > 0)):
            return
        if before is not None:
            self.queues[0 if position.ranked_long else 1].remove((before, position.account))
        if rank is not None:
            self.queues[0 if size > 0 else 1].add((rank, position.account))
        position.rank = rank
        position.ranked_long = size > 0


class State:
    """All accounts, all markets, and the exchange's own money."""

    def __init__(self, rules: Rules, domain: Domain) -> None:
        """Make the state before the first command; see ``genesis``."""
        self.rules: Final = rules
        self.domain: Final = domain
        self.time = 0
        self.block = 0
        self.sequence = Sequence(0)
        self.next_order_id = 1
        self.next_withdrawal_id = 1
        self.inbox_cursor = 0
        self.oracle_time = 0
        self.fee = rules.fees.floor
        self.fee_anchor = rules.fees.floor
        self.lag = Millis(0)
        self.insurance = 0
        self.fees = 0
        self.deposited = 0
        self.withdrawn = 0
        self.accounts: dict[Address, Account] = {}
        self.withdrawals: dict[int, tuple[Address, Money]] = {}
        self.markets: Final = [
            Market(MarketId(place), market, rules.finality_ms)
            for place, market in enumerate(rules.markets, start=1)
        ]
        self.symbols: Final = {
            market.symbol: MarketId(place) for place, market in enumerate(rules.markets, start=1)
        }
        self.auctions: Final = frozenset(
            market.market_id for market in self.markets if market.rules.ordering is Ordering.AUCTION
        )
        self.phased: Final = any(
            market.rules.ordering is Ordering.CANCELS_FIRST for market in self.markets
        )
        self.touched = leaves.Touched()
        self.block_first_id = 1
        """The first order id of this block: what is older could have been seen before it."""
        self.gathering: set[MarketId] = set()
        """The markets in which orders wait for an auction; none when a block ends."""

    @classmethod
    def genesis(cls, rules: Rules, domain: Domain) -> "State":
        """Return the state before the first command: no accounts, no marks, no money."""
        return cls(rules, domain)

    @classmethod
    def from_leaves(
        cls, rules: Rules, domain: Domain, items: Iterable[tuple[bytes, bytes]]
    ) -> "State":
        """Return the state that has exactly these leaves. Raises ``StateDiverged``."""
        state = cls(rules, domain)
        restore(state, items)
        state.touched = leaves.Touched()
        return state

    def market(self, market: MarketId) -> Market:
        """Return the market with this id, which must be known."""
        return self.markets[market - 1]

    def open_account(self, address: Address) -> Account:
        """Return the account at ``address``, a new one where there was none."""
        account = self.accounts.get(address)
        if account is None:
            account = self.accounts[address] = Account(address)
        return account

    def opening(self) -> tuple[int, ...]:
        """Return all that an ``OpenBlock`` moves, the sequence included."""
        return self.sequence, self.block, self.time, self.fee, self.fee_anchor, self.lag

    def reopen(self, opening: tuple[int, ...]) -> None:
        """Undo an ``OpenBlock`` that nothing has followed: ``opening`` is from before it."""
        sequence, self.block, self.time, fee, anchor, lag = opening
        self.sequence, self.lag = Sequence(sequence), Millis(lag)
        self.fee, self.fee_anchor = Money(fee), Money(anchor)

    def join_auction(self, order: Order, kind: OrderType) -> None:
        """Let an order wait for the auction of its market; it is an open order of its account."""
        self.market(order.market).arrivals.join(order, kind)
        self.gathering.add(order.market)

    def leave_auction(self, order: Order) -> None:
        """Take an order out of the auction that it waits for."""
        arrivals = self.market(order.market).arrivals
        arrivals.leave(order)
        if not arrivals:
            self.gathering.discard(order.market)

    def closing(self) -> tuple[Command, ...]:
        """Return the commands that have to be applied before the block may end, in order."""
        return tuple(Uncross(market) for market in sorted(self.gathering))

    def leaves(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield every leaf of the state, as (key, value), in no particular order."""
        return leaves.all_leaves(self)

    def drain_changes(self) -> dict[bytes, bytes | None]:
        """Return the leaves that changed since the last call; None: the leaf is gone.

        No order may wait for an auction: what it reserves stands in no leaf.
        """
        assert not self.gathering
        changes = leaves.changed_leaves(self, self.touched)
        self.touched = leaves.Touched()
        return changes
