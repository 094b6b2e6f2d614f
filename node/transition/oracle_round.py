"""A quorum of signed prices becomes the mark of every market."""

from node.margin.funding import next_funding_time, premium_sample
from node.matching.match import first_living
from node.transition.effects import Effects
from node.transition.state import Market, State
from node.types.commands import OracleRound, Side
from node.types.errors import OracleRoundRefused
from node.types.events import MarkMoved
from node.types.units import Ticks

MAX_MARK = 2**48
"""Bounds every price, so that sizes and prices multiply within 128 bits."""


def oracle_round(effects: Effects, command: OracleRound) -> None:
    """Move all marks to the lower median of the reports. Raises ``OracleRoundRefused``.

    Rounds are monotone in time, and one of which every mark would be stale is refused: nobody can
    hold a quorum's rounds back through a silence and liquidate at prices of long ago. The premium
    of each book over its new mark is sampled for funding, and the return since the last sample for
    the volatility.
    """
    state = effects.state
    _check(state, command)
    state.oracle_time = command.time
    middle = (len(command.reports) - 1) // 2
    for place, market in enumerate(state.markets):
        mark = sorted(report.prices[place] for report in command.reports)[middle]
        market.observe(mark, command.time)
        if not market.funding_time:
            market.funding_time = next_funding_time(market.rules, state.time)
        _sample_premium(state, market, mark)
        state.touched.markets.add(market)
        effects.events.append(
            MarkMoved(market.market_id, Ticks(mark), command.time, market.variance)
        )


def _check(state: State, command: OracleRound) -> None:
    rules, reports = state.rules, command.reports
    after = max(state.oracle_time, rules.oldest_round(state.time) - 1)
    latest = state.time + rules.limits.oracle_ahead_ms
    if not after < command.time <= latest:
        raise OracleRoundRefused(time=command.time, after=after, latest=latest)
    reporters = {report.reporter for report in reports}
    known = reporters <= set(rules.reporters)
    if len(reporters) < rules.quorum or len(reporters) != len(reports) or not known:
        raise OracleRoundRefused(reporters=len(reporters), quorum=rules.quorum, known=known)
    for report in reports:
        in_range = all(0 < price < MAX_MARK for price in report.prices)
        if len(report.prices) != len(state.markets) or not in_range:
            raise OracleRoundRefused(reporter=report.reporter, prices=list(report.prices))


def _sample_premium(state: State, market: Market, mark: int) -> None:
    """Sample the middle between the best orders that can be traded with: who is dead risks nothing.

    They are looked for no deeper than a crossing goes.
    """
    most = state.rules.limits.fills_per_order
    bid = first_living(market.book, Side.BUY, state.time, most)
    ask = first_living(market.book, Side.SELL, state.time, most)
    if bid is not None and ask is not None:
        market.premium_sum += premium_sample(market.rules, bid.price, ask.price, mark)
        market.premium_samples += 1
