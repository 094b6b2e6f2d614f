"""The risk processor: durable events in, ``Liquidate`` commands and statistics out. Pure.

It watches all markets, or those placed with it: ``release`` and ``adopt`` move one between two
processors with all that is known of it, and neither what is proposed nor its order changes by that.

It only proposes. The transition checks each proposal exactly, so that nothing here, floats and
probabilities included, can make a wrong state: it can only be late or wasteful, and counts both.
"""

from collections.abc import Callable, Container, Iterable

from node.risk.book import RiskBook
from node.risk.config import RiskConfig, check_risk_config
from node.risk.market import MarketWatch, RiskEvent
from node.risk.monitor import Monitor
from node.risk.report import HeldFigures, MarketFigures, RiskReport, risk_report
from node.risk.tails import tail_of
from node.risk.tiers import Tier
from node.risk.trigger import CrossingIndex, TriggerIndex
from node.types.commands import Liquidate
from node.types.events import BlockOpened, Event
from node.types.ids import MarketId


class RiskProcessor:
    """Watches the markets of ``book``, which it owns from now on."""

    __slots__ = ("_block_time", "_config", "_index", "_watches")

    def __init__(
        self,
        book: RiskBook,
        config: RiskConfig,
        markets: Container[MarketId] | None = None,
        index: Callable[[], CrossingIndex] = TriggerIndex,
    ) -> None:
        """Index and schedule what ``book`` holds of ``markets`` (None: of all).

        Raises ``ConfigInvalid`` with every fault.
        """
        check_risk_config(config)
        tail = tail_of(config)
        self._config = config
        self._index = index
        self._watches = {
            view.market: MarketWatch(view, config, tail, index)
            for view in book.views
            if markets is None or view.market in markets
        }
        # Positions of the start are scheduled from the last mark until a block tells the time.
        self._block_time: int = max((view.mark_time for view in book.views), default=0)

    @property
    def markets(self) -> tuple[MarketId, ...]:
        """Return the markets watched here, in their order."""
        return tuple(self._watches)

    def release(self, market: MarketId) -> MarketWatch:
        """Give up a market, between two blocks; it must be watched here."""
        return self._watches.pop(market)

    def adopt(self, watch: MarketWatch) -> None:
        """Go on with a market that another processor released after the same block."""
        watch.use(self._index)
        self._watches[watch.view.market] = watch
        # Proposals come in the order of the markets, wherever these are placed.
        self._watches = dict(sorted(self._watches.items()))

    def on_events(self, events: Iterable[Event], now_ns: int) -> list[Liquidate]:
        """Take in the events of durable blocks, in order, and return what to propose.

        ``events`` may hold any number of whole blocks, none too: proposals that a turn's limit
        held back are then made. ``now_ns`` is Unix time in nanoseconds, of the clock that also
        times blocks; only delays are measured with it.
        """
        for event in events:
            if isinstance(event, BlockOpened):
                self._end_block(now_ns)
                self._block_time = event.time
            # Orders, balances and agents do not move a position's trigger.
            elif isinstance(event, RiskEvent):
                watch = self._watches.get(event.market)
                if watch is not None:
                    watch.take(event)
        self._end_block(now_ns)
        return self._propose(now_ns)

    def refused(self, command: Liquidate) -> None:
        """Take back a proposal that could not be queued: it is made again in the next turn."""
        # Its market may have been moved elsewhere: there its back-off runs out by itself.
        watch = self._watches.get(command.market)
        if watch is not None:
            watch.monitor.refused += 1
            watch.cases.release(command.account)

    @property
    def expected(self) -> int:
        """Return how many liquidations the time to the next marks may bring.

        Markets move together when it matters, so theirs are added up.
        """
        return sum(watch.expected for watch in self._watches.values())

    def figures(self) -> tuple[Monitor, HeldFigures]:
        """Return what was counted since the start, and what is held now."""
        watches = self._watches.values()
        counted = Monitor()
        for watch in watches:
            counted.merge(watch.monitor)
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
        return counted, held

    def loads(self) -> dict[MarketId, MarketFigures]:
        """Return what placing each market depends on."""
        return {
            market: MarketFigures(
                positions=len(watch.view.holdings),
                expected=watch.expected,
                volatility=watch.volatility.per_root_second,
            )
            for market, watch in self._watches.items()
        }

    def report(self) -> RiskReport:
        """Return the figures since the start."""
        counted, held = self.figures()
        return risk_report(counted, held, self._config.confidence)

    def _end_block(self, now_ns: int) -> None:
        for watch in self._watches.values():
            watch.end_block(self._block_time, now_ns)

    def _propose(self, now_ns: int) -> list[Liquidate]:
        """Return what is ready, within the turn's limit; markets share it in their order."""
        commands: list[Liquidate] = []
        for watch in self._watches.values():
            for case in watch.propose(self._config.proposals_per_turn - len(commands)):
                watch.monitor.note_proposal(case.crossed_ms, now_ns, first=case.proposals == 1)
                commands.append(Liquidate(market=watch.view.market, account=case.account))
        return commands
