"""The bundled flow over the transition alone: it shows what the demo has to show, and repeats."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from node.app.config import read_config
from node.simulation.flow.generator import Intent, Quotes
from node.simulation.keys import dev_keys
from node.simulation.replay.sources import Source, flow_source, read_flow_config
from node.transition.apply import apply
from node.transition.invariants import check
from node.transition.state import State
from node.types.commands import (
    AdjustMargin,
    Command,
    Deposit,
    Liquidate,
    OpenBlock,
    OracleRound,
    PlaceOrders,
    PriceReport,
)
from node.types.events import Event, Liquidated, Rejected
from node.types.units import Lots, Millis
from tests.examples import DOMAIN, START_MS

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
BUNDLED = read_flow_config(CONFIGS / "flows" / "demo.toml")
RULES = read_config(CONFIGS / "devnet.toml").rules
REPORTERS = dev_keys("reporter", 3)
NS_PER_MS = 1_000_000


class Exchange:
    """A state, and a counter of its events; every command opens a block of its own."""

    def __init__(self, source: Source) -> None:
        self.state = State.genesis(RULES, DOMAIN)
        self.seen: Counter[str] = Counter()
        self._source = source
        self._nonces: Counter[int] = Counter()

    def play(self) -> None:
        """Deposit, open, and play the source to its end."""
        source = self._source
        self._open_block(0)
        for index, (key, amount) in enumerate(zip(source.accounts, source.deposits, strict=True)):
            self._apply(Deposit(index, key.address, amount))
        self._quote(Quotes(0, "opening", source.first_prices), 1)
        for intent in source.opening:
            self._intend(intent, 1)
        for item in source.events:
            time_ms = 2 + item.time_ns // NS_PER_MS
            self._open_block(time_ms)
            if isinstance(item, Quotes):
                self._quote(item, time_ms)
            else:
                self._intend(item, time_ms)

    def _open_block(self, time_ms: int) -> None:
        self._apply(OpenBlock(self.state.block + 1, Millis(START_MS + time_ms), self.state.fee))

    def _intend(self, intent: Intent, time_ms: int) -> None:
        key = self._source.accounts[intent.account]
        self._nonces[intent.account] += 1
        expires = Millis(START_MS + time_ms + 3_600_000)
        head = (key.address, key.address, self._nonces[intent.account], expires, bytes(65))
        if intent.margin:
            self._apply(AdjustMargin(*head, intent.market, intent.margin))
        else:
            self._apply(PlaceOrders(*head, intent.cancels, intent.orders, self.state.fee))

    def _quote(self, quotes: Quotes, time_ms: int) -> None:
        reports = tuple(PriceReport(key.address, quotes.prices, bytes(65)) for key in REPORTERS)
        self._apply(OracleRound(Millis(START_MS + time_ms), reports))
        for command in list(self._liquidatable()):
            while isinstance(self._apply(command)[0], Liquidated):
                pass

    def _liquidatable(self) -> Iterator[Liquidate]:
        for account in self.state.accounts.values():
            for position in account.positions.values():
                market = self.state.market(position.market)
                equity = position.equity(market.mark, market.funding_index)
                bracket = market.rules.bracket(Lots(abs(position.size)))
                worth = abs(position.size) * market.mark
                if position.size and equity * 1_000_000 < worth * bracket.maintenance:
                    yield Liquidate(position.market, account.address)

    def _apply(self, command: Command) -> tuple[Event, ...]:
        events = apply(self.state, command)
        self.seen.update(type(event).__name__ for event in events)
        self.seen["rejected opening"] += self.state.block == 1 and isinstance(events[0], Rejected)
        return events


@pytest.mark.lengthy
def test_the_bundled_flow_has_the_orders_and_the_liquidations_of_a_demo() -> None:
    exchange = Exchange(flow_source(BUNDLED, RULES))
    exchange.play()
    check(exchange.state)
    assert exchange.seen["OrderAccepted"] >= 50_000
    assert exchange.seen["Liquidated"] >= 20
    assert exchange.seen["Filled"] >= 1_000
    assert exchange.seen["rejected opening"] == 0


def test_a_flow_leads_to_the_same_state_each_time() -> None:
    phases = tuple(msgspec.structs.replace(phase, seconds=1.0) for phase in BUNDLED.phases)
    config = msgspec.structs.replace(BUNDLED, phases=phases)
    leaves = []
    for _ in range(2):
        exchange = Exchange(flow_source(config, RULES))
        exchange.play()
        leaves.append(dict(exchange.state.leaves()))
    assert leaves[0] == leaves[1]
    assert len(leaves[0]) > BUNDLED.accounts
