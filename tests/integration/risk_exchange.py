"""A seeded exchange on the real transition: what the risk station is held against.

It trades through a mark that drifts and jumps. What becomes of each block's proposals is judged as
they are applied.
"""

import random
from collections import Counter

from node.margin.position import maintenance_margin
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
from node.types.events import Event, PositionChanged, Rejected
from node.types.ids import Address, MarketId
from node.types.rules import Rules
from node.types.units import Lots, Millis, Money, Ticks
from tests.unit.risk.risk_cases import NS_PER_MS, START_MS, address, rules

ACCOUNTS = 24
MARKETS = 2
OPENING_MARK = 1_000_00


class Exchange:
    """The transition, one block after another; ``markets`` of them trade."""

    def __init__(self, seed: int, markets: int = MARKETS) -> None:
        self.draw = random.Random(seed)
        self.markets = markets
        self.rules: Rules = rules(markets)
        self.state = State.genesis(self.rules, Domain(chain_id=1, rollup=bytes(20)))
        self.nonces: Counter[int] = Counter()
        self.marks = [OPENING_MARK] * markets
        self._turn = 0
        self.outcomes: Counter[str] = Counter()

    @property
    def time(self) -> Millis:
        return Millis(START_MS + 30_000 * (self.state.block + 1))

    def commands(self, proposals: list[Liquidate]) -> list[Command]:
        """Return what the next block holds: ``proposals``, now and then a round, and orders."""
        self._turn += 1
        if self._turn == 1:
            deposits: list[Command] = [
                Deposit(index=place, account=address(place + 1), amount=Money(40_000_000))
                for place in range(ACCOUNTS)
            ]
            return [*deposits, self.oracle_round()]
        commands: list[Command] = [*proposals]
        if self._turn % 3 == 2:
            commands += (SettleFunding(), self.oracle_round())
        return commands + [self.order() for _ in range(8)]

    def execute(self, commands: list[Command]) -> tuple[list[Event], int]:
        """Apply one block; return its events, and its time in nanoseconds."""
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
        return events, time * NS_PER_MS

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
        place = self.draw.randrange(self.markets)
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
