"""Start-up: what the processor must be told of a state that it did not watch come about."""

from collections.abc import Iterator

from node.transition.state import State
from node.types.events import FundingMoved, MarkMoved, PositionChanged
from node.types.units import Lots, Millis, Money, Ticks


def events_of(state: State) -> Iterator[PositionChanged | MarkMoved | FundingMoved]:
    """Yield one event for each mark, funding index and open position of ``state``."""
    for market in state.markets:
        if market.mark:
            yield MarkMoved(market.market_id, Ticks(market.mark), Millis(market.mark_time))
        yield FundingMoved(market.market_id, market.funding_index, market.funding_index)
    for account in state.accounts.values():
        for market_id, position in account.positions.items():
            if position.size:
                yield PositionChanged(
                    account.address,
                    market_id,
                    Lots(position.size),
                    Money(position.entry),
                    Money(position.margin),
                    position.funding,
                )
