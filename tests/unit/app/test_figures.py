"""A figure that is not known has no sample."""

from node.app.figures import oldest_mark_ms
from node.transition.state import State
from node.types.units import Millis
from tests.examples import DOMAIN, RULES, START_MS


def test_a_market_that_never_had_a_mark_has_no_age() -> None:
    state = State.genesis(RULES, DOMAIN)
    assert len(state.markets) > 1
    assert oldest_mark_ms(state, START_MS) is None
    state.markets[0].mark_time = START_MS
    assert oldest_mark_ms(state, Millis(START_MS + 700)) == 700
    for age_ms, market in enumerate(state.markets):
        market.mark_time = Millis(START_MS - age_ms)
    assert oldest_mark_ms(state, START_MS) == len(state.markets) - 1
