"""Events in, proposals out: once, again after the back-off, and with honest figures."""

import msgspec
import pytest

from node.risk.book import RiskBook
from node.risk.config import RiskConfig
from node.risk.processor import RiskProcessor
from node.types.commands import Liquidate
from node.types.errors import ConfigInvalid
from node.types.events import Deleveraged, Event, Liquidated
from node.types.ids import MarketId
from node.types.units import Lots, Money
from tests.unit.risk.risk_cases import (
    CONFIG,
    MARKET,
    NS_PER_MS,
    START_MS,
    address,
    block,
    funding,
    mark,
    position,
    rules,
)

LONG = position(1, 100, 1_000, 2_000)
"""Fails below a mark of 990 (1 % maintenance): equity 100·(P - 980) against P."""


class Bench:
    """A processor fed one block a second."""

    def __init__(self, config: RiskConfig = CONFIG, markets: int = 1) -> None:
        self.processor = RiskProcessor(RiskBook(rules(markets)), config)
        self.number = 0

    @property
    def now_ms(self) -> int:
        return START_MS + 1_000 * self.number

    def feed(self, *events: Event, late_ms: int = 3) -> list[int]:
        """Feed one block; return the accounts proposed after it, ``late_ms`` after its time."""
        self.number += 1
        now_ns = (self.now_ms + late_ms) * NS_PER_MS
        commands = self.processor.on_events([block(self.number), *events], now_ns)
        return [int.from_bytes(command.account, "big") for command in commands]

    def move(self, price: int) -> list[int]:
        return self.feed(mark(price, self.now_ms + 1_000))


def liquidated(number: int, remaining: int = 0) -> Liquidated:
    return Liquidated(
        account=address(number),
        market=MARKET,
        closed=Lots(1),
        remaining=Lots(remaining),
        fee=Money(0),
        shortfall=Money(0),
    )


def test_a_position_is_proposed_when_the_mark_crosses_its_trigger() -> None:
    bench = Bench()
    assert bench.feed(LONG) == []
    assert bench.move(1_000) == []
    assert bench.move(990) == []
    assert bench.move(989) == [1]
    assert bench.processor.report().open_cases == 1


def test_the_command_names_market_and_account() -> None:
    processor = RiskProcessor(
        RiskBook.from_positions(rules(2), [position(4, 10, 100, 0, market=MarketId(2))]), CONFIG
    )
    commands = processor.on_events([block(1), mark(99, START_MS, MarketId(2))], 0)
    assert commands == [Liquidate(market=MarketId(2), account=address(4))]


def test_what_is_crossed_at_the_start_is_proposed_at_once_and_is_not_late() -> None:
    book = RiskBook.from_positions(rules(), [LONG, position(2, 100, 1_000, 9_000), mark(980)])
    processor = RiskProcessor(book, CONFIG)
    assert [c.account for c in processor.on_events([], START_MS * NS_PER_MS)] == [address(1)]
    report = processor.report()
    assert (report.positions, report.crossings, report.round_crossings) == (2, 1, 0)


def test_funding_alone_can_cross_a_position() -> None:
    bench = Bench()
    bench.feed(LONG, mark(1_000))
    assert bench.feed(funding(10)) == []
    assert bench.feed(funding(11)) == [1]


def test_a_position_can_cross_by_its_own_event_while_the_mark_stands() -> None:
    bench = Bench()
    bench.feed(LONG, mark(1_000))
    assert bench.feed(position(1, 100, 1_000, 999)) == [1]
    assert bench.processor.report().round_crossings == 0


def test_a_position_in_flight_is_not_proposed_again_until_its_back_off_is_over() -> None:
    bench = Bench(msgspec.structs.replace(CONFIG, retry_rounds=2, retry_rounds_max=4))
    bench.feed(LONG)
    proposed = [bool(bench.move(980)) for _ in range(12)]
    assert [place for place, was in enumerate(proposed) if was] == [0, 2, 6, 10]
    report = bench.processor.report()
    assert (report.proposals, report.repeats, report.detection.count) == (1, 3, 1)


def test_blocks_without_an_oracle_round_do_not_repeat_a_proposal() -> None:
    bench = Bench()
    bench.feed(LONG)
    assert bench.move(980) == [1]
    assert [bench.feed() for _ in range(50)] == [[]] * 50


def test_a_partial_liquidation_is_followed_by_the_next_proposal_at_once() -> None:
    bench = Bench()
    bench.feed(LONG)
    assert bench.move(980) == [1]
    assert bench.feed(liquidated(1, 50), position(1, 50, 1_000, 900)) == [1]
    assert bench.feed(liquidated(1, 0), position(1, 0, 0, 0)) == []
    report = bench.processor.report()
    assert (report.liquidated, report.crossings, report.proposals) == (2, 2, 2)
    assert (report.open_cases, report.positions, report.recovered) == (0, 0, 0)


def test_a_liquidation_that_only_cleared_the_book_is_followed_by_the_next_at_once() -> None:
    """What it took out of its way was more than its steps: the position is as it was."""
    bench = Bench(msgspec.structs.replace(CONFIG, retry_rounds=2, retry_rounds_max=4))
    bench.feed(LONG, funding(5))
    assert bench.move(900) == [1]
    # Funding was settled into the margin, which moves neither size nor threshold.
    settled = position(1, 100, 1_000, 2_000 - 100 * 5, funding=5)
    for _ in range(3):
        assert bench.feed(liquidated(1, 100), settled) == [1]
    assert bench.feed(liquidated(1, 0), position(1, 0, 0, 0)) == []
    report = bench.processor.report()
    assert (report.crossings, report.open_cases, report.liquidation.count) == (1, 0, 1)


def test_margin_that_does_not_suffice_ends_the_flight_but_not_the_case() -> None:
    bench = Bench()
    bench.feed(LONG)
    assert bench.move(900) == [1]
    assert bench.feed(position(1, 100, 1_000, 2_001)) == [1]
    assert bench.feed(liquidated(1, 0), position(1, 0, 0, 0)) == []
    report = bench.processor.report()
    assert (report.crossings, report.proposals, report.repeats) == (1, 1, 1)
    assert (report.liquidation.count, report.recovered) == (1, 0)


def test_margin_added_in_time_closes_the_case() -> None:
    bench = Bench()
    bench.feed(LONG)
    bench.move(980)
    assert bench.feed(position(1, 100, 1_000, 50_000)) == []
    report = bench.processor.report()
    assert (report.open_cases, report.recovered, report.liquidated) == (0, 1, 0)


def test_a_recovered_mark_closes_the_case_and_a_new_fall_opens_another() -> None:
    bench = Bench()
    bench.feed(LONG)
    assert bench.move(980) == [1]
    assert bench.move(1_000) == []
    assert bench.processor.report().recovered == 1
    assert bench.move(980) == [1]


def test_a_crossing_undone_within_the_same_read_is_counted_but_not_proposed() -> None:
    processor = RiskProcessor(RiskBook.from_positions(rules(), [LONG]), CONFIG)
    events: list[Event] = [block(1), mark(980, START_MS), block(2), mark(1_000, START_MS + 1)]
    assert processor.on_events(events, START_MS * NS_PER_MS) == []
    report = processor.report()
    assert (report.rounds, report.crossings, report.recovered, report.proposals) == (2, 1, 1, 0)


def test_a_command_that_the_queue_refused_comes_again_in_the_next_turn() -> None:
    bench = Bench()
    bench.feed(LONG)
    assert bench.move(980) == [1]
    bench.processor.refused(Liquidate(market=MARKET, account=address(1)))
    assert bench.feed() == [1]
    assert bench.feed() == []
    assert bench.processor.report().refused == 1


def test_a_turn_proposes_at_most_its_limit_and_the_next_goes_on() -> None:
    bench = Bench(msgspec.structs.replace(CONFIG, proposals_per_turn=2))
    bench.feed(*(position(n, 100, 1_000, 1_000 + n) for n in range(1, 6)))
    # The deepest go first.
    assert bench.move(980) == [1, 2]
    assert bench.feed() == [3, 4]
    assert bench.feed() == [5]
    assert bench.feed() == []


def test_markets_do_not_mix() -> None:
    bench = Bench(markets=2)
    bench.feed(LONG, position(1, -100, 1_000, 2_000, market=MarketId(2)))
    assert bench.feed(mark(980), mark(980, market=MarketId(2))) == [1]
    assert bench.feed(mark(1_020), mark(1_020, market=MarketId(2))) == [1]
    assert bench.processor.report().recovered == 1


def test_delays_count_from_the_time_of_the_oracle_round() -> None:
    bench = Bench()
    bench.feed(LONG)
    bench.feed(mark(980, bench.now_ms + 1_000 - 250), late_ms=4)
    bench.feed(liquidated(1), position(1, 0, 0, 0), late_ms=4)
    report = bench.processor.report()
    assert report.detection.count == report.liquidation.count == 1
    for told, true_ms in ((report.detection.p50_ns, 254), (report.liquidation.max_ns, 1_254)):
        assert true_ms * NS_PER_MS <= told <= true_ms * NS_PER_MS * 33 // 32


def test_an_oracle_clock_that_runs_ahead_makes_no_negative_delay() -> None:
    bench = Bench()
    bench.feed(LONG)
    bench.feed(mark(980, bench.now_ms + 60_000))
    assert bench.processor.report().detection.max_ns == 0


def test_deleveraging_closes_the_case_of_the_bankrupt_position() -> None:
    bench = Bench()
    bench.feed(LONG)
    bench.move(900)
    event = Deleveraged(
        account=address(1),
        counterparty=address(2),
        market=MARKET,
        size=Lots(100),
        value=Money(1),
    )
    assert bench.feed(event, position(1, 0, 0, 0)) == []
    report = bench.processor.report()
    assert (report.deleveraged, report.open_cases, report.liquidation.count) == (1, 0, 1)


def test_a_sleeper_is_late_without_wake_up_and_found_by_it_with() -> None:
    for share, late, woken in ((0.0, 1, 0), (0.5, 0, 1)):
        config = msgspec.structs.replace(CONFIG, wake_share=share, volatility_floor=1e-5)
        bench = Bench(config)
        bench.feed(LONG, mark(100_000))
        assert bench.processor.report().tiers[3].members == 1
        assert bench.move(980) == [1]
        report = bench.processor.report()
        assert (report.round_crossings, report.late, report.found_by_wake) == (1, late, woken)
        assert report.late_share == late
        assert 0 < report.late_share_upper <= 1


def test_checks_stand_beside_those_of_a_full_scan() -> None:
    bench = Bench()
    bench.feed(position(1, 100, 1_000, 1_200), position(2, 100, 1_000, 90_000), mark(1_000))
    for step in range(100):
        bench.move(1_000 + step % 2)
    report = bench.processor.report()
    assert report.rounds == 101
    assert report.full_scan_checks == 202
    assert report.tier_checks == sum(tier.checks for tier in report.tiers)
    assert 0 < report.tier_checks < 202
    assert report.checks_share == report.tier_checks / 202


def test_the_audit_looks_at_cold_positions_and_finds_no_miss() -> None:
    bench = Bench()
    bench.feed(*(position(n, 100, 1_000, 90_000) for n in range(1, 50)), mark(1_000))
    for _ in range(20):
        bench.move(1_000)
    report = bench.processor.report()
    assert report.audit_samples > 0
    assert report.audit_misses == 0
    assert report.audit_miss_upper < 0.1


def test_the_limit_of_checks_is_kept_and_told() -> None:
    bench = Bench(msgspec.structs.replace(CONFIG, checks_per_round=3, volatility_prior=0.5))
    bench.feed(*(position(n, 100, 1_000, 90_000) for n in range(1, 11)), mark(1_000))
    bench.move(1_000)
    bench.move(1_000)
    report = bench.processor.report()
    assert report.tiers[0].members == 10
    assert (report.tier_checks, report.rounds_at_limit) == (6, 2)


def test_nothing_happens_before_the_first_mark() -> None:
    bench = Bench()
    assert bench.feed(LONG, funding(10**9)) == []
    assert bench.processor.report().rounds == 0


def test_a_faulty_configuration_is_refused() -> None:
    with pytest.raises(ConfigInvalid):
        RiskProcessor(RiskBook(rules()), msgspec.structs.replace(CONFIG, late_share=7.0))


def test_a_report_is_json_even_before_anything_happened() -> None:
    report = Bench().processor.report()
    read = msgspec.json.decode(msgspec.json.encode(report))
    assert [tier["tier"] for tier in read["tiers"]] == ["critical", "near", "watch", "far"]
    assert read["late_share_upper"] == read["audit_miss_upper"] == 1.0
    assert read["detection"] == {"count": 0, "p50_ns": 0, "p99_ns": 0, "max_ns": 0}
