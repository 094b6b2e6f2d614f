"""What clients are told of a market's data is what the transition asks of their orders."""

from node.margin.funding import mean_premium, rate_so_far
from node.publisher.marks import Marks
from node.publisher.seed import marks_of
from node.types.commands import OpenBlock, SettleFunding
from node.types.ids import Sequence
from node.types.units import Millis
from tests.examples import ALICE, RULES
from tests.unit.transition.exchange import BTC, BUY, COIN, SELL, Exchange, order


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


def test_the_rate_so_far_is_what_the_next_step_pays() -> None:
    """The premium is 0.5 % of 100.00, and so 0.0625 % in one hour of eight: 6.25 ticks."""
    exchange = Exchange()
    exchange.fund(ALICE, 10_000)
    exchange.place(ALICE, order(BUY, COIN, 100_00), order(SELL, COIN, 101_00))
    assert Marks(Sequence(0)).funding(RULES, BTC) is None
    exchange.mark(100_00)
    exchange.mark(100_00)
    due = exchange.market.funding_time
    assert marks_of(exchange.state).funding(RULES, BTC) == {
        "index": "0",
        "premium": "0.005",
        "samples": 2,
        "rate": "0.000625",
        "next_time": due,
    }
    exchange.wait(due - exchange.state.time)
    exchange.do(SettleFunding())
    assert exchange.market.funding_index == 6
    assert marks_of(exchange.state).funding(RULES, BTC) == {
        "index": "0.000006",
        "premium": "0",
        "samples": 0,
        "rate": "0",
        "next_time": due + RULES.markets[0].funding_interval_ms,
    }


def test_a_premium_is_rounded_toward_minus_infinity() -> None:
    assert (mean_premium(-1, 1, 3 * 10**9), mean_premium(1, 1, 3 * 10**9)) == (-1, 0)
    assert rate_so_far(RULES.markets[0], -1, 3, 100_00) == -2_084
    assert rate_so_far(RULES.markets[0], 1, 3, 100_00) == 2_083
