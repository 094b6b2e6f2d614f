"""The risk processor: durable events in, ``Liquidate`` commands and statistics out. Pure.

It only proposes. The transition checks each proposal exactly, so that nothing here, floats and
probabilities included, can make a wrong state: it can only be late or wasteful, and counts both.
"""

from collections.abc import Iterable

from node.capacity.histogram import Histogram
from node.risk.book import RiskBook
from node.risk.config import RiskConfig, check_risk_config
from node.risk.market import MarketWatch
from node.risk.monitor import Monitor
from node.risk.report import HeldFigures, RiskReport, risk_report
from node.risk.tails import tail_of
from node.risk.tiers import Tier
from node.types.commands import Liquidate
from node.types.events import (
    BlockOpened,
    Deleveraged,
    Event,
    FundingMoved,
    Liquidated,
    MarkMoved,
    PositionChanged,
)
from node.types.ids import MarketId


class RiskProcessor:
    """Watches the markets of ``book``, which it owns from now on."""

    __slots__ = ("_block_time", "_config", "_monitor", "_watches")

    def __init__(self, book: RiskBook, config: RiskConfig) -> None:
        """Index and schedule what ``book`` holds. Raises ``ConfigInvalid`` with every fault."""
        check_risk_config(config)
        tail = tail_of(config)
        self._config = config
        self._monitor = Monitor()
        self._watches = [MarketWatch(view, config, tail, self._monitor) for view in book.views]
        # Positions of the start are scheduled from the last mark until a block tells the time.
        self._block_time: int = max((view.mark_time for view in book.views), default=0)

    def on_events(self, events: Iterable[Event], now_ns: int) -> list[Liquidate]:
        """Take in the events of durable blocks, in order, and return what to propose.

        ``events`` may hold any number of whole blocks, none too: proposals that a turn's limit
        held back are then made. ``now_ns`` is Unix time in nanoseconds, of the clock that also
        times blocks; only delays are measured with it.
        """
        for event in events:
            match event:
                case BlockOpened():
                    self._end_block(now_ns)
                    self._block_time = event.time
                case MarkMoved():
                    self._watch(event.market).move_mark(event)
                case FundingMoved():
                    self._watch(event.market).move_funding(event)
                case PositionChanged():
                    self._watch(event.market).change_position(event)
                case Liquidated():
                    self._monitor.liquidated += 1
                    self._watch(event.market).note_liquidated(event.account)
                case Deleveraged():
                    self._monitor.deleveraged += 1
                    self._watch(event.market).note_liquidated(event.account)
                case _:
                    # Orders, balances and agents do not move a position's trigger.
                    pass
        self._end_block(now_ns)
        return self._propose(now_ns)

    def refused(self, command: Liquidate) -> None:
        """Take back a proposal that could not be queued: it is made again in the next turn."""
        self._monitor.refused += 1
        self._watch(command.market).cases.release(command.account)

    @property
    def detection_ns(self) -> Histogram:
        """Return the delays from a position's crossing to its proposal, in nanoseconds."""
        return self._monitor.detection

    def report(self) -> RiskReport:
        """Return the figures since the start."""
        watches = self._watches
        held = HeldFigures(
            positions=sum(len(watch.view.holdings) for watch in watches),
            open_cases=sum(len(watch.cases) for watch in watches),
            tier_members=tuple(
                sum(watch.schedule.members[tier] for watch in watches) for tier in Tier
            ),
            audit_samples=sum(watch.audit.samples for watch in watches),
            audit_misses=sum(watch.audit.misses for watch in watches),
            volatility_per_root_second={
                watch.view.rules.symbol: watch.volatility.per_root_second for watch in watches
            },
        )
        return risk_report(self._monitor, held, self._config.confidence)

    def _watch(self, market: MarketId) -> MarketWatch:
        return self._watches[market - 1]

    def _end_block(self, now_ns: int) -> None:
        for watch in self._watches:
            watch.end_block(self._block_time, now_ns)

    def _propose(self, now_ns: int) -> list[Liquidate]:
        """Return what is ready, within the turn's limit; markets share it in their order."""
        commands: list[Liquidate] = []
        for watch in self._watches:
            for case in watch.propose(self._config.proposals_per_turn - len(commands)):
                self._monitor.note_proposal(case.crossed_ms, now_ns, first=case.proposals == 1)
                commands.append(Liquidate(market=watch.view.market, account=case.account))
        return commands
