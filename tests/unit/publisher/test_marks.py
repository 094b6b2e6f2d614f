"""What clients are told of a market's data is what the transition asks of their orders."""

from node.publisher.marks import Marks
from node.publisher.seed import marks_of
from node.types.commands import OpenBlock
from node.types.ids import Sequence
from node.types.units import Millis
from tests.examples import RULES
from tests.unit.transition.exchange import BTC, Exchange


def test_the_quoted_buffer_is_the_one_that_an_order_meets() -> None:
    exchange = Exchange()
    exchange.mark(100_00)
    state, market = exchange.state, exchange.state.market(BTC)
    time = Millis(state.time + 4_000)
    exchange.do(OpenBlock(state.block + 1, time, lag=Millis(60_000)))
    market.require_fresh(state.time, state.lag)
    assert marks_of(state).staleness(RULES, BTC) == {
        "data_age_ms": 64_000,
        "volatility": 120,
        "buffer": market.buffer,
        "opens": True,
    }
    assert market.buffer == 2_880, "3 * 120 * 8"


def test_nothing_opens_on_a_stale_mark_or_on_none() -> None:
    exchange = Exchange()
    exchange.wait(60_001)
    quoted = marks_of(exchange.state).staleness(RULES, BTC)
    assert (quoted["opens"], quoted["data_age_ms"]) == (False, 60_001)
    assert Marks(Sequence(0)).staleness(RULES, BTC) == {
        "data_age_ms": None,
        "volatility": None,
        "buffer": None,
        "opens": False,
    }
