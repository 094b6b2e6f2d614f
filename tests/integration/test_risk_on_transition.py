"""The risk processor beside the real transition: one mirror, one judgement, nobody forgotten.

A seeded exchange trades through a mark that drifts and jumps. Each block's events go to the
processor, and what it proposes is applied in the next block.
"""

import random
from collections import Counter

import pytest

from node.margin.position import maintenance_margin
from node.risk.book import RiskBook
from node.risk.config import RiskConfig
from node.risk.processor import RiskProcessor
from node.transition.apply import apply
from node.transition.state import State
from node.types.blocks import Domain
from node.types.commands import (
    Command,
    Deposit,
    Liquidate,
    NewOrder,
    OpenBlock,
    OracleRound,
    OrderType,
    PlaceOrders,
    PriceReport,
    SettleFunding,
    Side,
)
from node.types.errors import LiquidationStalled
from node.types.events import Event, FundingMoved, MarkMoved, PositionChanged, Rejected
from node.types.ids import Address, MarketId
from node.types.rules import Rules
from node.types.units import Lots, Millis, Money, Ticks
from tests.unit.risk.risk_cases import NS_PER_MS, START_MS, address, rules

ACCOUNTS = 24
MARKETS = 2
BLOCKS = 400
OPENING_MARK = 1_000_00


class Exchange:
    """The transition and the processor, one block after another."""

    def __init__(self, seed: int, exchange_rules: Rules) -> None:
        self.draw = random.Random(seed)
        self.rules = exchange_rules
        self.state = State.genesis(exchange_rules, Domain(chain_id=1, rollup=bytes(20)))
        self.processor = RiskProcessor(RiskBook(exchange_rules), RiskConfig(audit_per_round=5))
        self.nonces: Counter[int] = Counter()
        self.marks = [OPENING_MARK] * MARKETS
        self.outcomes: Counter[str] = Counter()

    @property
    def time(self) -> Millis:
        return Millis(START_MS + 30_000 * (self.state.block + 1))

    def run_block(self, commands: list[Command]) -> list[Liquidate]:
        """Apply one block and return what the processor proposes after it."""
        time = self.time
        opening = OpenBlock(number=self.state.block + 1, time=time)
        events: list[Event] = []
        changed: set[tuple[MarketId, Address]] = set()
        for command in [opening, *commands]:
            told = apply(self.state, command)
            if isinstance(command, Liquidate):
                self._judge(told[0], excused=(command.market, command.account) in changed)
            changed |= {(e.market, e.account) for e in told if isinstance(e, PositionChanged)}
            events += told
        return self.processor.on_events(events, time * NS_PER_MS)

    def _judge(self, outcome: Event, *, excused: bool) -> None:
        """A proposal is right, unless an earlier one of its block changed that very position.

        A position may be the maker of another's liquidation, or be deleveraged by it.
        """
        if isinstance(outcome, Rejected):
            assert excused or outcome.code == LiquidationStalled.code, outcome
            self.outcomes[outcome.error] += 1
        else:
            self.outcomes["Liquidated"] += 1

    def oracle_round(self) -> OracleRound:
        for place, price in enumerate(self.marks):
            jump = self.draw.gauss(0, 0.05) if self.draw.random() < 0.05 else 0
            self.marks[place] = max(100, round(price * (1 + self.draw.gauss(0, 0.004) + jump)))
        report = PriceReport(
            reporter=self.rules.reporters[0],
            prices=tuple(Ticks(price) for price in self.marks),
            signature=b"",
        )
        return OracleRound(time=self.time, reports=(report,))

    def order(self) -> PlaceOrders:
        number = self.draw.randrange(1, ACCOUNTS + 1)
        self.nonces[number] += 1
        place = self.draw.randrange(MARKETS)
        offset = 1 + self.draw.gauss(0, 0.004)
        return PlaceOrders(
            account=address(number),
            signer=address(number),
            nonce=self.nonces[number],
            expires=Millis(self.time + 60_000),
            signature=b"",
            cancels=(),
            orders=(
                NewOrder(
                    market=MarketId(place + 1),
                    side=self.draw.choice((Side.BUY, Side.SELL)),
                    type=self.draw.choice((OrderType.GTC, OrderType.IOC)),
                    price=Ticks(round(self.marks[place] * offset)),
                    size=Lots(self.draw.randrange(20, 1_200)),
                ),
            ),
        )

    def failing(self) -> set[tuple[MarketId, Address]]:
        """Return what the transition itself would liquidate now."""
        return {
            (market.market_id, account.address)
            for account in self.state.accounts.values()
            for market in self.state.markets
            if (position := account.positions.get(market.market_id)) is not None
            and position.size
            and position.equity(market.mark, market.funding_index)
            < maintenance_margin(market.rules, position.size, market.mark)
        }

    def known(self) -> set[tuple[MarketId, Address]]:
        """Return what the processor holds to be liquidatable now."""
        return {
            (watch.view.market, account)
            for watch in self.processor._watches.values()
            for account in watch.cases
        }

    def told_positions(self) -> list[PositionChanged | MarkMoved | FundingMoved]:
        """Return the state as the events that seed a mirror."""
        told: list[PositionChanged | MarkMoved | FundingMoved] = [
            PositionChanged(
                account=account.address,
                market=market_id,
                size=Lots(position.size),
                entry=Money(position.entry),
                margin=Money(position.margin),
                funding=position.funding,
            )
            for account in self.state.accounts.values()
            for market_id, position in account.positions.items()
        ]
        for market in self.state.markets:
            told.append(MarkMoved(market.market_id, Ticks(market.mark), Millis(market.mark_time)))
            told.append(FundingMoved(market.market_id, 0, market.funding_index))
        return told


def mirror_of(book: RiskBook) -> list[tuple[object, ...]]:
    return [
        (
            view.mark,
            view.funding,
            sorted(
                (held.account, held.size, held.entry, held.margin, held.funding)
                for held in view.holdings.values()
            ),
        )
        for view in book.views
    ]


def processor_mirror(processor: RiskProcessor) -> RiskBook:
    book = RiskBook.__new__(RiskBook)
    book.views = tuple(watch.view for watch in processor._watches.values())
    return book


@pytest.mark.parametrize("seed", range(4))
def test_the_processor_knows_exactly_whom_the_transition_would_liquidate(seed: int) -> None:
    exchange = Exchange(seed, rules(MARKETS))
    deposits: list[Command] = [
        Deposit(index=place, account=address(place + 1), amount=Money(40_000_000))
        for place in range(ACCOUNTS)
    ]
    proposals = exchange.run_block([*deposits, exchange.oracle_round()])
    for turn in range(BLOCKS):
        commands: list[Command] = [*proposals]
        if turn % 3 == 0:
            commands += (SettleFunding(), exchange.oracle_round())
        commands += [exchange.order() for _ in range(8)]
        proposals = exchange.run_block(commands)
        assert exchange.known() == exchange.failing(), f"seed {seed}, block {turn}"
    seeded = RiskBook.from_positions(exchange.rules, exchange.told_positions())
    assert mirror_of(seeded) == mirror_of(processor_mirror(exchange.processor))
    report = exchange.processor.report()
    print(seed, dict(exchange.outcomes), report)
    assert report.liquidated == exchange.outcomes["Liquidated"] > 20
    assert report.audit_misses == 0
    assert report.audit_samples > 400
