"""Move the funding index of every market that is due; positions settle when next touched."""

from node.margin.funding import funding_step, next_funding_time
from node.transition.effects import Effects
from node.types.errors import FundingNotDue
from node.types.events import FundingMoved


def settle_funding(effects: Effects) -> None:
    """Step the index of each market whose funding time has come. Raises ``FundingNotDue``."""
    state = effects.state
    due = [market for market in state.markets if 0 < market.funding_time <= state.time]
    if not due:
        times = [market.funding_time for market in state.markets if market.funding_time]
        raise FundingNotDue(next_at=min(times, default=0), now=state.time)
    for market in due:
        delta, market.carry = funding_step(
            market.rules, market.premium_sum, market.premium_samples, market.carry
        )
        market.funding_index += delta
        market.premium_sum = market.premium_samples = 0
        market.funding_time = next_funding_time(market.rules, state.time)
        state.touched.markets.add(market)
        effects.events.append(FundingMoved(market.market_id, delta, market.funding_index))
