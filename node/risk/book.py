"""The risk processor's own mirror of positions, marks and funding, built from events alone."""

import math
from collections.abc import Iterable

from node.margin.position import maintenance_margin
from node.risk.trigger import level_of, threshold_of
from node.types.events import FundingMoved, MarkMoved, PositionChanged
from node.types.ids import Address, MarketId
from node.types.rules import MarketRules, Rules
from node.types.units import PPM_ONE, Lots, Millis


class Holding:
    """One open position as its last event told it, with its trigger; never changed, only replaced.

    ``maintenance`` is the rate of its bracket (ppm), ``threshold`` its place in the trigger index.
    """

    __slots__ = ("account", "entry", "funding", "maintenance", "margin", "size", "threshold")

    def __init__(self, event: PositionChanged, rules: MarketRules) -> None:
        """Take over ``event``, whose size must not be 0."""
        self.account = event.account
        self.size = event.size
        self.entry = event.entry
        self.margin = event.margin
        self.funding = event.funding
        self.maintenance = rules.bracket(Lots(abs(event.size))).maintenance
        self.threshold = threshold_of(event.size, event.entry, event.margin, event.funding)

    @property
    def is_long(self) -> bool:
        """Return whether a falling mark is what threatens the position."""
        return self.size > 0

    @property
    def trigger(self) -> tuple[int, int]:
        """Return what tells one state of the position from another: size and threshold.

        Settling funding into the margin moves neither.
        """
        return self.size, self.threshold

    def is_crossed(self, mark: int, funding: int) -> bool:
        """Return whether maintenance fails at ``mark`` and index ``funding``, by the threshold."""
        return level_of(self.is_long, self.maintenance, mark, funding) < self.threshold

    def log_distance(self, mark: int, funding: int) -> float:
        """Return how far the logarithm of the mark is from the trigger: the scale of the tiers.

        At most 0 when it is crossed, infinite when no positive price can cross it. A float: the
        index, not this, decides who is proposed.
        """
        sign = 1 if self.is_long else -1
        # The mark at which the level equals the threshold, times (1 -+ m), in millionths.
        value = sign * self.threshold + PPM_ONE * funding
        if value <= 0:
            return math.inf if self.is_long else -math.inf
        return sign * math.log(mark * (PPM_ONE - sign * self.maintenance) / value)


def fails_maintenance(rules: MarketRules, holding: Holding, mark: int, funding: int) -> bool:
    """Return whether ``holding`` is liquidatable by the rule as the transition states it.

    equity = margin + size*mark - entry - size*(funding - funding0) < maintenance margin (rounded
    up). It shares nothing with the threshold, so that each can be held against the other.
    """
    equity = holding.margin + holding.size * (mark - funding + holding.funding) - holding.entry
    return equity < maintenance_margin(rules, holding.size, mark)


class MarketView:
    """What the events said of one market; ``mark`` is 0 until the first oracle round."""

    __slots__ = ("funding", "holdings", "mark", "mark_time", "market", "rules")

    def __init__(self, market: MarketId, rules: MarketRules) -> None:
        self.market = market
        self.rules = rules
        self.mark = 0
        self.mark_time = Millis(0)
        self.funding = 0
        self.holdings: dict[Address, Holding] = {}

    def replace(self, event: PositionChanged) -> tuple[Holding | None, Holding | None]:
        """Return the account's holding before and after ``event``; None is no position."""
        before = self.holdings.pop(event.account, None)
        if event.size == 0:
            return before, None
        after = Holding(event, self.rules)
        self.holdings[event.account] = after
        return before, after


class RiskBook:
    """All markets of the rules, by id."""

    __slots__ = ("views",)

    def __init__(self, rules: Rules) -> None:
        self.views: tuple[MarketView, ...] = tuple(
            MarketView(MarketId(place), market) for place, market in enumerate(rules.markets, 1)
        )

    @classmethod
    def from_positions(
        cls, rules: Rules, events: Iterable[PositionChanged | MarkMoved | FundingMoved]
    ) -> "RiskBook":
        """Return the mirror of a state that is told as events, in any order: the start-up.

        One ``PositionChanged`` for each open position; one ``MarkMoved`` for each market that has
        a mark; one ``FundingMoved`` (its delta is not read) for each index that is not 0.
        """
        book = cls(rules)
        for event in events:
            view = book.view(event.market)
            match event:
                case PositionChanged():
                    view.replace(event)
                case MarkMoved():
                    view.mark, view.mark_time = event.price, event.time
                case FundingMoved():
                    view.funding = event.index
        return book

    def view(self, market: MarketId) -> MarketView:
        """Return the mirror of ``market``; the id must be known."""
        return self.views[market - 1]
