"""A tape for the risk processor: marks move, whoever is proposed is liquidated and replaced."""

import random

import msgspec

from node.risk.book import RiskBook
from node.risk.config import RiskConfig
from node.risk.processor import RiskProcessor
from node.risk.report import RiskReport
from node.risk.scan import Columns, scan
from node.types.events import Event, Liquidated, PositionChanged
from node.types.ids import Address
from node.types.units import Lots, Money
from tests.unit.risk.risk_cases import (
    MARKET,
    NS_PER_MS,
    START_MS,
    address,
    block,
    mark,
    position,
    rules,
)

SCAN_EVERY = 37


class TapeResult(msgspec.Struct, frozen=True):
    """The processor's own figures, and what the tape knows better.

    ``missed``: positions that a full scan found and that were not known, over all scanned rounds.
    ``mean_life_s``: position-seconds lived for each liquidation.
    """

    report: RiskReport
    scans: int
    missed: int
    mean_life_s: float

    def summary(self, name: str) -> str:
        """Return the figures in a line for a person."""
        report = self.report
        return (
            f"{name}: {report.round_crossings} crossings, late {report.late}"
            f" ({report.late_share:.2%}, at most {report.late_share_upper:.2%}"
            f" at {report.confidence:.0%}), found by wake-up {report.found_by_wake},"
            f" checks {report.checks_share:.2%} of a full scan's {report.full_scan_checks},"
            f" mean life {self.mean_life_s / 86_400:.2f} d"
        )


def fresh_position(draw: random.Random, number: int, price: int) -> PositionChanged:
    """A position of either side, opened at ``price`` with 1.5 % to 40 % of margin."""
    size = draw.randrange(1, 900) * draw.choice((1, -1))
    leverage = 1 / draw.uniform(0.015**-1, 0.4**-1)
    return position(number, size, price, round(abs(size) * price * leverage))


def run_tape(
    prices: list[int], step_ms: int, config: RiskConfig, accounts: int, seed: int
) -> TapeResult:
    """Drive a processor along ``prices`` with so many positions at all times."""
    draw = random.Random(seed)
    seeds = [fresh_position(draw, number, prices[0]) for number in range(accounts)]
    book = RiskBook.from_positions(rules(), seeds)
    processor = RiskProcessor(book, config)
    scans = missed = 0
    due: list[Address] = []
    for turn, price in enumerate(prices):
        time = START_MS + turn * step_ms
        events: list[Event] = [block(2 * turn + 1, time), mark(price, time)]
        due = [c.account for c in processor.on_events(events, time * NS_PER_MS)]
        if turn % SCAN_EVERY == 0:
            held = list(book.view(MARKET).holdings.values())
            failing = {h.account for h in scan(book.view(MARKET).rules, Columns(held), price, 0)}
            scans += 1
            missed += len(failing.symmetric_difference(due))
        closed: list[Event] = [block(2 * turn + 2, time + 1)]
        for account in due:
            number = int.from_bytes(account, "big")
            closed += (_liquidated(number), fresh_position(draw, number, price))
        assert processor.on_events(closed, (time + 1) * NS_PER_MS) == []
    report = processor.report()
    lived_s = accounts * len(prices) * step_ms / 1_000
    return TapeResult(
        report=report,
        scans=scans,
        missed=missed,
        mean_life_s=lived_s / max(1, report.liquidated),
    )


def _liquidated(number: int) -> Liquidated:
    return Liquidated(
        account=address(number),
        market=MARKET,
        closed=Lots(1),
        remaining=Lots(0),
        fee=Money(0),
        shortfall=Money(0),
    )
