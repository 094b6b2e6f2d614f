"""Parts of the load line: each figure is the one that its name says, in the unit that it says."""

from types import SimpleNamespace
from typing import Any

from node.app.load_parts import batch_line, mark_line, risk_line
from node.capacity.loadline import Audit, Delay
from node.margin.staleness import buffer_for
from node.settlement.sealed import Pressure
from node.transition.state import State
from node.types.marks import Standing
from node.types.units import Millis, Ticks
from tests.examples import DOMAIN, RULES
from tests.unit.app.hand_clock import HandClock


def watcher(seen: int) -> Any:
    """Return a node whose risk has detected so many positions."""
    report = SimpleNamespace(
        detection=SimpleNamespace(count=seen, p50_ns=2_000_000, p99_ns=30_000_000),
        tiers=(SimpleNamespace(tier="near", checks=5),),
        late=1,
        audit_samples=9,
        audit_misses=3,
    )
    return SimpleNamespace(risk=SimpleNamespace(expected=0, report=lambda: report))


def test_detection_is_told_in_milliseconds_once_there_was_any() -> None:
    line = risk_line(watcher(seen=4))
    assert line.detection_ms == Delay(p50=2.0, p99=30.0)
    assert (line.tiers, line.late, line.audit) == ({"near": 5}, 1, Audit(9, 3))
    assert risk_line(watcher(seen=0)).detection_ms == Delay(p50=None, p99=None)


def test_batches_are_told_by_how_far_they_have_come_and_lags_in_seconds() -> None:
    standings = SimpleNamespace(
        reached={
            Standing.SEALED: 9,
            Standing.POSTED: 7,
            Standing.SAFE: 5,
            Standing.FINAL: 3,
        },
        unposted=2,
        lag_ns={Standing.POSTED: 12_500_000_000},
    )
    settlement = SimpleNamespace(pressure=Pressure(1, 700, age_ms=3_500))
    node: Any = SimpleNamespace(standings=standings, settlement=settlement)
    line = batch_line(node)
    assert (line.sealed, line.posted, line.safe, line.final) == (9, 7, 5, 3)
    assert (line.unposted, line.unposted_bytes, line.oldest_unposted_s) == (2, 700, 3.5)
    assert line.lag_s == {"posted": 12.5}


def test_marks_are_told_with_their_age_and_what_that_costs() -> None:
    clock, lag_ms = HandClock(), 3_600_000
    state = State.genesis(RULES, DOMAIN)
    market, other = state.markets[0], state.markets[1]
    market.mark = Ticks(5)
    market.mark_time = Millis(clock.ms - market.rules.mark_stale_ms)
    base = SimpleNamespace(clock=clock, state=state, lag=SimpleNamespace(age=lambda _now: lag_ms))
    node: Any = SimpleNamespace(base=base)
    line = mark_line(node)
    assert line.oldest_age_s == market.rules.mark_stale_ms / 1_000
    assert line.stale == (other.rules.symbol,)
    age_ms = market.data_age(clock.ms, lag_ms)
    buffer = buffer_for(market.rules, market.variance, age_ms)[0]
    assert line.buffer_ppm == {market.rules.symbol: buffer}
    assert buffer != buffer_for(market.rules, market.variance, market.data_age(clock.ms, 0))[0]
    clock.ms = Millis(clock.ms + 1)
    assert mark_line(node).stale == (market.rules.symbol, other.rules.symbol)
