"""The node's own counters become a price, and the price a quote."""

import asyncio
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from node.adapters.devnet.settings import DEFAULT_CHAIN_ID
from node.app import work_price
from node.app.fees_config import FeesConfig, check_fees_config
from node.app.work_price import WorkPrice
from node.batcher.config import BatcherConfig
from node.capacity.l1_forecast import L1Forecast, unit_cost
from node.capacity.telemetry import LoopCounters
from node.codec.l1_gas import posting_gas_estimated
from node.settlement.config import SettlementConfig
from node.settlement.sealed import Taken
from node.transition.apply import apply
from node.transition.open_block import next_fees
from node.transition.state import State
from node.types.blocks import Domain
from node.types.commands import OpenBlock
from node.types.errors import ConfigInvalid
from node.types.events import BlockOpened
from node.types.fees import FREE, FeeRules
from node.types.marks import Standing
from node.types.units import Millis, Money, units_from_decimal
from tests.examples import DOMAIN, RULES, START_MS

FEES = FeeRules()
SECOND_NS = 10**9


class Machine:
    """A node as the price sees it: counters that a test sets."""

    def __init__(
        self,
        config: FeesConfig | None = None,
        fees: FeeRules = FEES,
        chain_id: int = DEFAULT_CHAIN_ID,
    ) -> None:
        self.now = START_MS
        self.loop = self.waited = 0
        self.head = (1, 0)
        self.block_ms: int | None = None
        self.block_gas = 0
        self.taken = Taken(0, 0)
        self.standings = SimpleNamespace(unposted=0, reached=dict.fromkeys(Standing, 0))
        state = State.genesis(msgspec.structs.replace(RULES, fees=fees), DOMAIN)
        state.time = START_MS
        clock = SimpleNamespace(now_ms=lambda: self.now)
        lag = SimpleNamespace(age=lambda _time: Millis(7))
        journal = SimpleNamespace(bytes_written=0)
        node: Any = SimpleNamespace(
            config=SimpleNamespace(batcher=BatcherConfig(), settlement=SettlementConfig()),
            base=SimpleNamespace(
                rules=state.rules,
                state=state,
                clock=clock,
                lag=lag,
                journal=journal,
                domain=Domain(chain_id, DOMAIN.rollup),
            ),
            meters=SimpleNamespace(busy_ns=lambda: self.loop, loop=self.counters),
            risk=SimpleNamespace(busy_ns=[0]),
            standings=self.standings,
            settlement=self,
            publisher=SimpleNamespace(tell=lambda _channel: None),
        )
        self.state = state
        self.price = WorkPrice(node, config or FeesConfig())

    @property
    def pace(self) -> "Machine":
        return self

    def seal(self, data_bytes: int, batches: int = 1) -> None:
        """Hand so many equal batches to settlement, which hold ``data_bytes`` together."""
        gas = batches * posting_gas_estimated(data_bytes // batches, 0)
        self.taken = Taken(self.taken.data_bytes + data_bytes, self.taken.gas + gas)

    def counters(self) -> LoopCounters:
        elapsed_ns = (self.now - START_MS) * 10**6
        return LoopCounters(self.loop, elapsed_ns, turns=0, waited_ns=self.waited)

    def work(
        self, share: float, seconds: int, waits: float = 0.0, seals: int = 0, batches: int = 1
    ) -> int:
        """Work so much of each second and wait for a core; return what is asked for then.

        In each second ``batches`` are sealed, which hold ``seals`` bytes together.
        """
        for tenth in range(10 * seconds):
            self.now = Millis(self.now + 100)
            if seals and not tenth % 10:
                self.seal(seals, batches)
            self.loop += int(share * SECOND_NS / 10)
            self.waited += int(waits * SECOND_NS / 10)
            self.price.wished()
        return self.price.wished()


def test_an_idle_node_asks_for_the_floor() -> None:
    machine = Machine()
    assert machine.work(0.3, 60) == FEES.floor
    assert machine.price.quote().dearest is None


def test_a_busy_loop_raises_the_price_and_rest_lowers_it() -> None:
    machine = Machine()
    busy = machine.work(1.0, 60)
    assert busy > 4 * FEES.floor
    assert machine.price.line().dearest == "loop"
    assert machine.work(0.0, 700) == FEES.floor


def test_what_was_used_before_the_first_look_has_been_worked_off() -> None:
    machine = Machine()
    machine.loop = 100 * SECOND_NS
    assert machine.work(0.0, 1) == FEES.floor
    assert not any(machine.price.line().backlogs["loop"].values())


@pytest.mark.parametrize(("each_ms", "dearest"), [(6, "risk"), (3, None)])
def test_watching_positions_is_charged_beyond_what_all_that_watch_may_take(
    each_ms: int, dearest: str | None
) -> None:
    machine = Machine(FeesConfig(risk_ms=100))
    busy_ns = machine.price._node.risk.busy_ns = [0, 0]
    for _ in range(600):
        busy_ns[:] = [each + each_ms * 10**6 for each in busy_ns]
        machine.work(0.0, 0)
        machine.now = Millis(machine.now + 100)
    assert machine.price.line().dearest == dearest


def test_a_loop_that_is_full_for_want_of_a_core_raises_the_price() -> None:
    """It works for 0.74 of each second and gets no more: there is next to nothing idle."""
    machine = Machine()
    assert machine.work(0.74, 60, waits=0.25) > 4 * FEES.floor
    assert machine.price.line().dearest == "loop"
    assert machine.work(0.74, 180, waits=0.25) > 50 * FEES.floor


@pytest.mark.parametrize(("works", "waits"), [(0.02, 0.01), (0.2, 0.6), (0.29, 0.71)])
def test_what_neighbours_take_is_not_charged(works: float, waits: float) -> None:
    machine = Machine()
    assert machine.work(works, 400, waits=waits) == FEES.floor
    assert machine.price.quote().dearest is None


def test_what_is_charged_moves_no_faster_than_the_rules_allow() -> None:
    machine = Machine()
    machine.work(1.0, 60)
    terms = machine.price.terms(Millis(START_MS + 1))
    assert terms.fee == -(-FEES.floor * 9 // 8)
    assert terms.lag == 7
    assert machine.price.line().price > terms.fee


def test_unposted_bytes_press_on_the_price_before_they_are_posted() -> None:
    machine = Machine()
    machine.work(0.0, 1)
    machine.seal(40_000_000, batches=400)
    machine.work(0.0, 1)
    assert machine.price.line().dearest == "l1_bytes"
    backlogs = machine.price.line().backlogs["l1_bytes"]
    machine.work(0.0, 1)
    assert machine.price.line().backlogs["l1_bytes"]["30"] < backlogs["30"]


def on_l1(block_ms: int | None, config: FeesConfig | None = None, block_gas: int = 0) -> Machine:
    """Return a node of the shipped limits on a chain with a block in so many milliseconds."""
    machine = Machine(config)
    machine.block_ms, machine.block_gas = block_ms, block_gas
    return machine


def test_what_l1_takes_without_delay_costs_nothing_more() -> None:
    """1,000 singles a second are 60 KB; four full batches in blocks of a second are 400 KB."""
    machine = on_l1(1_000, block_gas=30_000_000)
    assert machine.work(0.3, 600, seals=60_000) == FEES.floor
    assert machine.work(0.3, 30, seals=600_000) > 10 * FEES.floor
    assert machine.price.line().dearest == "l1_bytes"


def test_of_slower_blocks_less_is_sold() -> None:
    """Of 12 seconds each: 33 KB a second, of which a quarter of an hour's target is 65 %."""
    assert on_l1(12_000).work(0.3, 600, seals=20_000) == FEES.floor
    assert on_l1(12_000).work(0.3, 60, seals=60_000) > 10 * FEES.floor


def test_many_small_batches_make_gas_the_dearest() -> None:
    """Ten KB a second are little in one batch; of twenty, each takes gas for itself."""
    machine = on_l1(12_000, block_gas=30_000_000)
    assert machine.work(0.3, 60, seals=10_000) == FEES.floor
    assert machine.work(0.3, 60, seals=10_000, batches=20) > 10 * FEES.floor
    assert machine.price.line().dearest == "l1_gas"


def test_small_blocks_make_gas_the_dearest() -> None:
    """60 KB are 2.4 million gas; blocks of a second hold 1.2 million here."""
    machine = on_l1(1_000, block_gas=1_200_000)
    assert machine.work(0.3, 60, seals=60_000) > 10 * FEES.floor
    assert machine.price.line().dearest == "l1_gas"


@pytest.mark.parametrize("bound", [FeesConfig(l1_bytes=30_000), FeesConfig(l1_gas=1_200_000)])
def test_the_configuration_may_leave_the_node_a_part_of_l1(bound: FeesConfig) -> None:
    machine = on_l1(1_000, bound, block_gas=30_000_000)
    assert machine.work(0.3, 60, seals=60_000) > 10 * FEES.floor


def test_no_configuration_makes_l1_larger_than_it_is() -> None:
    machine = on_l1(12_000, FeesConfig(l1_bytes=10**9, l1_gas=10**12))
    assert machine.work(0.3, 60, seals=60_000) > 10 * FEES.floor


def test_a_reorg_makes_l1_no_faster() -> None:
    machine = on_l1(12_000)
    busy = machine.work(0.3, 10, seals=60_000)
    machine.block_ms = None
    assert machine.work(0.3, 5, seals=60_000) > busy


async def test_blocks_that_pass_while_nobody_trades_are_not_missed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A batch is posted, and fifty blocks with nothing to take follow before the next order."""
    machine = Machine(FeesConfig(l1_bytes=20_000))
    machine.work(0.0, 1)
    machine.standings.reached[Standing.POSTED] = 1

    async def turn(seconds: float) -> None:
        if machine.head[0] == 50:
            raise asyncio.CancelledError
        machine.now = Millis(machine.now + int(seconds * 1_000))
        machine.head = (1 + (machine.now - START_MS) // 12_000, 0)

    monkeypatch.setattr(work_price, "asyncio", SimpleNamespace(sleep=turn))
    with pytest.raises(asyncio.CancelledError):
        await machine.price.push()
    machine.work(0.0, 1)
    machine.seal(15_000)
    machine.work(0.0, 1)
    # L1 is whole: so many bytes are below what it takes in a second.
    assert machine.price.line().backlogs["l1_bytes"]["5"] == 0


def test_the_cost_of_l1_is_the_least_that_is_asked_for() -> None:
    machine = Machine(FeesConfig(quote_per_ether=3_000))
    machine.head = (2, 20 * 10**9)
    machine.work(0.0, 1)
    assert machine.price.wished() == 19_200
    assert machine.price.line().dearest == "l1_forecast"


def dearer_each_block(machine: Machine) -> L1Forecast:
    """Let nine blocks pass, each an eighth dearer than the last; return what they forecast."""
    forecast, wei = L1Forecast(), 10**10
    for block in range(1, 10):
        wei = wei * 9 // 8
        machine.head = (block, wei)
        forecast.observe(block, wei)
        machine.work(0.0, 1)
    return forecast


def cost_of(wei: int) -> Money:
    return unit_cost(wei, 320, Money(3_000_000_000))


@pytest.mark.parametrize(("unposted", "blocks"), [(0, 2), (3, 2), (4, 3), (40, 12)])
def test_what_waits_longer_for_l1_is_charged_a_later_forecast(unposted: int, blocks: int) -> None:
    """In blocks of 12 seconds a batch is sealed by the next one, and each takes four of them."""
    machine = on_l1(12_000, FeesConfig(quote_per_ether=3_000))
    forecast = dearer_each_block(machine)
    machine.standings.unposted = unposted
    assert machine.work(0.0, 1) == cost_of(forecast.fee(blocks))


def test_while_blocks_pass_batches_by_what_comes_is_charged_a_later_forecast() -> None:
    machine = on_l1(12_000, FeesConfig(quote_per_ether=3_000))
    machine.standings.unposted = 1
    forecast = dearer_each_block(machine)
    assert machine.work(0.0, 1) > cost_of(forecast.fee(3))


@pytest.mark.parametrize(("chain_id", "level"), [(DEFAULT_CHAIN_ID, "info"), (1, "warning")])
def test_a_node_says_that_l1_has_no_price_in_money(chain_id: int, level: str) -> None:
    with capture_logs() as logs:
        Machine(chain_id=chain_id)
    assert [(log["event"], log["log_level"]) for log in logs] == [("l1_cost_not_priced", level)]


def test_a_node_whose_prices_hold_l1_or_nothing_at_all_does_not() -> None:
    with capture_logs() as logs:
        Machine(FeesConfig(quote_per_ether=3_000), chain_id=1)
        Machine(fees=FREE, chain_id=1)
    assert logs == []


def test_a_quote_says_how_high_the_price_can_be_soon() -> None:
    machine = Machine()
    quote = machine.price.quote()
    assert quote.price == quote.floor == "0.0001"
    assert quote.within == {"1": "0.000128", "5": "0.000206", "30": "0.003967"}


def test_no_block_after_the_quoted_one_is_dearer_than_its_reach_says() -> None:
    """The price falls while nobody looks: until the step ends it may still rise again."""
    machine = Machine()
    state = machine.state
    state.fee = state.fee_anchor = Money(50_000)
    machine.now = Millis(START_MS // 1_000 * 1_000 + 4_000)
    quote = machine.price.quote()
    price, within = (units_from_decimal(text, 6) for text in (quote.price, quote.within["1"]))
    open_block(state, machine.now, price)
    soon = Millis(machine.now + 999)
    open_block(state, soon, next_fees(state, soon)[1])
    later = Millis(machine.now + 1_000)
    assert next_fees(state, later)[1] == within


def open_block(state: State, time: int, fee: int) -> None:
    events = apply(state, OpenBlock(state.block + 1, Millis(time), Money(fee)))
    assert isinstance(events[0], BlockOpened)


def test_every_fault_is_told() -> None:
    with pytest.raises(ConfigInvalid) as failure:
        check_fees_config(FeesConfig(loop_ms=0, risk_ms=0, l1_bytes=-1, quote_per_ether=-1))
    assert len(failure.value.faults) == 4
    check_fees_config(FeesConfig())
