"""One market under watch: mirror, trigger index, schedule, cases and audit, kept in step.

Events are taken in as they come; what they amount to is judged at the end of their block
(``end_block``), so that no position is judged half-way through a command, and the result does not
depend on how many blocks are read at once.
"""

from collections.abc import Callable, Iterable
from typing import Final, get_args

from node.risk.audit import Audit
from node.risk.book import Holding, MarketView
from node.risk.cases import Case, CaseBook
from node.risk.config import RiskConfig
from node.risk.density import band_of, crossings_within
from node.risk.monitor import Monitor
from node.risk.tails import TailTable
from node.risk.tiers import MarketSchedule, Visit
from node.risk.trigger import CrossingIndex, TriggerIndex
from node.risk.volatility import LiveVolatility
from node.types.events import (
    Deleveraged,
    FundingMoved,
    Liquidated,
    MarkMoved,
    PositionChanged,
)
from node.types.ids import Address

RiskEvent = MarkMoved | FundingMoved | PositionChanged | Liquidated | Deleveraged
"""What may move a position's trigger, or tells what became of a proposal."""

RISK_EVENTS: Final[frozenset[type]] = frozenset(get_args(RiskEvent))
"""The same, for every event of every block: most are none, which ``isinstance`` finds out late."""


class MarketWatch:
    """Takes a market's events and keeps its open cases."""

    __slots__ = (
        "_checks_per_round",
        "_index",
        "_mark_moved",
        "_moved",
        "_reserve_share",
        "_reserve_window_s",
        "_rounds",
        "_starting",
        "_tail",
        "_touched",
        "_unplaced",
        "audit",
        "cases",
        "expected",
        "monitor",
        "schedule",
        "view",
        "volatility",
    )

    def __init__(
        self,
        view: MarketView,
        config: RiskConfig,
        tail: TailTable,
        index: Callable[[], CrossingIndex] = TriggerIndex,
    ) -> None:
        """Start from what ``view`` holds; it is changed by this watch alone from now on."""
        self.view = view
        self.volatility = LiveVolatility(config)
        self.schedule = MarketSchedule(config)
        self.cases = CaseBook(config.retry_rounds, config.retry_rounds_max)
        self.monitor = Monitor()
        self.audit = Audit(config.audit_seed + view.market, config.audit_per_round)
        self._index = index()
        self._tail = tail
        self._checks_per_round = config.checks_per_round
        self._reserve_share = config.reserve_share
        self._reserve_window_s = config.reserve_window_ms / 1_000
        self.expected = 0
        """Liquidations that the time to the next mark may bring; see ``node.risk.density``."""
        self._rounds = 0
        # Who changed in this block, and who since the last round. Dicts for their order: proposals
        # must not depend on how Python hashes.
        self._touched: dict[Address, None] = {}
        self._unplaced: dict[Address, None] = {}
        self._mark_moved = False
        # What was crossed before the start is found at the first end of a block, late or not.
        self._starting = True
        self._moved = True
        if view.mark:
            self.volatility.update(view.mark_time, view.mark)
        for holding in view.holdings.values():
            self._index.add(holding)
            self.audit.enter(holding.account)
            self._unplaced[holding.account] = None

    def use(self, index: Callable[[], CrossingIndex]) -> None:
        """Go on with another index over the same positions."""
        self._index = index()
        for holding in self.view.holdings.values():
            self._index.add(holding)

    def take(self, event: RiskEvent) -> None:
        """Take in what happened to the market; what it amounts to is seen at the block's end."""
        match event:
            case MarkMoved():
                self.view.mark, self.view.mark_time = event.price, event.time
                self.volatility.update(event.time, event.price)
                self._mark_moved = self._moved = True
            case FundingMoved():
                self.view.funding = event.index
                self._moved = True
            case PositionChanged():
                self._change_position(event)
            case Liquidated():
                self.monitor.liquidated += 1
                self._note_liquidated(event.account)
            case Deleveraged():
                self.monitor.deleveraged += 1
                self._note_liquidated(event.account)

    def _change_position(self, event: PositionChanged) -> None:
        """Take in a position as it stands now; unless it is as it was, a flight ends with it."""
        before, after = self.view.replace(event)
        if before is not None:
            self._index.discard(before)
        if after is not None:
            self._index.add(after)
            self.audit.enter(event.account)
        else:
            self.audit.leave(event.account)
        self._touched[event.account] = None
        self._unplaced[event.account] = None
        if before is None or after is None or before.trigger != after.trigger:
            self.cases.release(event.account)

    def _note_liquidated(self, account: Address) -> None:
        """Take in that the position was liquidated or deleveraged, whatever that has changed.

        A liquidation may do no more than take out of the book what stood in its way: the next one
        goes on where it ended. One that finds nothing to do at all is rejected and tells nothing.
        """
        self._touched[account] = None
        self.cases.release(account)
        case = self.cases.get(account)
        if case is not None:
            case.liquidated = True

    def end_block(self, time: int, now_ns: int) -> None:
        """Judge the market as the block of ``time`` (milliseconds) leaves it."""
        if not (self._moved or self._touched) or not self.view.mark:
            return
        if self._moved:
            visits = self._run_schedule(time)
            self._review(self.cases, now_ns)
            self._look_at_all(time, visits)
            # Whoever trades often between two rounds is placed once: at the round, like the rest.
            self._place_changed(time)
            self._look_ahead()
        else:
            self._review(self._touched, now_ns)
            self._look_at_touched(time)
        self._touched.clear()
        self._mark_moved = self._moved = self._starting = False

    def _look_ahead(self) -> None:
        view, window_s = self.view, self._reserve_window_s
        if window_s:
            volatility = self.volatility.per_root_second
            band = band_of(volatility, window_s, self._reserve_share)
            self.expected = crossings_within(self._index, view.mark, view.funding, band)

    def propose(self, limit: int) -> list[Case]:
        """Return at most ``limit`` cases that are to be proposed now."""
        return self.cases.propose(limit, self._rounds)

    def _run_schedule(self, time: int) -> list[Visit]:
        """Check what the tiers bring up in this round, and place it anew."""
        holdings = self.view.holdings
        self.monitor.note_round(len(holdings))
        visits = self.schedule.collect(time, self.view.mark, self._checks_per_round)
        if len(visits) == self._checks_per_round:
            self.monitor.rounds_at_limit += 1
        for visit in visits:
            self.monitor.tier_checks[visit.tier] += 1
            holding = holdings.get(visit.account)
            if holding is not None:
                self._place(holding, time)
        return visits

    def _place_changed(self, time: int) -> None:
        for account in self._unplaced:
            holding = self.view.holdings.get(account)
            if holding is None:
                self.schedule.remove(account)
            else:
                self._place(holding, time)
        self._unplaced.clear()

    def _place(self, holding: Holding, time: int) -> None:
        mark = self.view.mark
        distance = holding.log_distance(mark, self.view.funding)
        horizon = self._tail.horizon_ms(distance / self.volatility.per_root_second)
        signed = distance if holding.is_long else -distance
        self.schedule.place(holding.account, time, horizon, mark, signed)

    def _look_at_all(self, time: int, visits: list[Visit]) -> None:
        """Open cases after the mark or the index moved: the round of the index."""
        view = self.view
        self._rounds += 1
        crossed_ms = view.mark_time if self._mark_moved or self._starting else time
        visited = {visit.account: visit.woken for visit in visits}
        for account in self._index.crossed(view.mark, view.funding):
            if account in self.cases:
                continue
            self._open(account, crossed_ms)
            if account not in self._unplaced:
                self.monitor.note_crossing_at_round(
                    visited=account in visited, woken=visited.get(account, False)
                )
        self.cases.begin_round(self._rounds)
        self.audit.run(view, visited, self.cases)

    def _look_at_touched(self, time: int) -> None:
        """Open cases of positions that changed while the market stood still."""
        view = self.view
        for account in self._touched:
            holding = view.holdings.get(account)
            if (
                holding is not None
                and account not in self.cases
                and holding.is_crossed(view.mark, view.funding)
            ):
                self._open(account, time)

    def _open(self, account: Address, crossed_ms: int) -> None:
        self.monitor.crossings += 1
        self.cases.open(account, self.view.holdings[account].trigger, crossed_ms)

    def _review(self, accounts: Iterable[Address], now_ns: int) -> None:
        """Close the cases of those ``accounts`` that were reduced or cover their margin again.

        A liquidation that only cleared the book leaves the position as it was: its case stays open.
        """
        view = self.view
        for account in accounts:
            case = self.cases.get(account)
            if case is None:
                continue
            holding = view.holdings.get(account)
            if case.liquidated and (holding is None or holding.trigger != case.trigger):
                self.cases.close(account)
                self.monitor.note_liquidation(case.crossed_ms, now_ns)
            elif holding is None or not holding.is_crossed(view.mark, view.funding):
                self.cases.close(account)
                self.monitor.recovered += 1
            else:
                case.trigger = holding.trigger
                case.liquidated = False
