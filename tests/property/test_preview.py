"""A preview says what then happens: the same events, the same numbers, to the last unit."""

from collections import Counter
from random import Random

import msgspec
import pytest

from node.codec.json_actions import action_to_json
from node.margin.liquidation import liquidation_price
from node.margin.position import maintenance_margin
from node.ports.terms import Terms
from node.publisher.preview import Previewer
from node.transition.apply import apply
from node.transition.open_block import next_fees
from node.transition.state import State
from node.types.commands import NewOrder, OpenBlock, OrderType, PlaceOrders, Side
from node.types.errors import UnknownMarket
from node.types.events import BalanceChanged, Event, Filled, ItemRejected, Rejected, WorkCharged
from node.types.ids import Address, ClientOrderId, MarketId
from node.types.units import MONEY_DECIMALS, Lots, Millis, Money, Ticks, units_from_decimal
from tests.property.random_log import ACCOUNTS, DOMAIN, RULES, RandomLog
from tests.property.tempers import TEMPERS

SEEDS = range(4)
STEPS = 1_200
SIGNED = bytes(65)


class HandClock:
    """Stands where it was put."""

    def __init__(self) -> None:
        self.ms = Millis(0)

    def now_ns(self) -> int:
        return self.ms * 1_000_000

    def now_ms(self) -> Millis:
        return self.ms


class Market:
    """A random exchange, and someone who asks before he sends."""

    def __init__(self, seed: int, temper: str) -> None:
        self.random = Random(seed)
        self.state = State.genesis(RULES, DOMAIN)
        self.log = RandomLog(seed, TEMPERS[temper], self.state)
        self.clock = HandClock()
        self.terms = Terms(Money(0), Millis(0))
        self.previewer = Previewer(self.state, self.clock, lambda _time: self.terms)

    def go_on(self) -> None:
        apply(self.state, self.log.draw())

    def opening(self) -> OpenBlock:
        time = Millis(self.state.time + self.random.choice((0, 5, 400, 6_000)))
        low, high = next_fees(self.state, time)
        fee = Money(self.random.choice((low, high)))
        return OpenBlock(self.state.block + 1, time, fee, Millis(self.random.randrange(5_000)))

    def order(self) -> NewOrder:
        random, market = self.random, MarketId(self.random.choice((1, 2)))
        mark = self.state.market(market).mark or 500_000
        return NewOrder(
            market,
            random.choice(tuple(Side)),
            random.choice(tuple(OrderType)),
            Ticks(max(1, int(mark * (1 + random.gauss(0, 0.02))))),
            Lots(int(10 ** random.uniform(1, 5.2))),
            random.random() < 0.25,
            ClientOrderId(random.choice((0, 0, 3, 7))),
        )

    def copy(self) -> State:
        return State.from_leaves(RULES, DOMAIN, list(self.state.leaves()))


def sent(state: State, account: Address, order: NewOrder, max_fee: Money) -> PlaceOrders:
    nonce = state.accounts[account].nonces.top + 1
    head = (account, account, nonce, Millis(state.time + 1), SIGNED)
    return PlaceOrders(*head, (), (order,), max_fee)


def as_seen_by(account: Address, events: tuple[Event, ...]) -> list[Event]:
    """Return ``events`` but those of others alone: what rests beyond the reach is not copied."""
    return [event for event in events if getattr(event, "account", account) == account]


@pytest.mark.parametrize("temper", sorted(TEMPERS))
@pytest.mark.parametrize("seed", SEEDS)
def test_a_preview_is_what_then_happens(seed: int, temper: str) -> None:
    print(f"seed {seed}, {temper}")
    market, seen = Market(seed, temper), Counter[str]()
    for step in range(STEPS):
        market.go_on()
        if step % 4 or step < 40:
            continue
        account, order, opening = market.random.choice(ACCOUNTS), market.order(), market.opening()
        max_fee = market.random.choice((opening.fee, Money(max(0, opening.fee - 1))))
        before = dict(market.state.leaves())
        trial = market.previewer.attempt(account, order, max_fee, opening)
        assert dict(market.state.leaves()) == before
        real = market.copy()
        apply(real, opening)
        happened = apply(real, sent(real, account, order, max_fee))
        assert trial.exact
        assert as_seen_by(account, trial.events) == as_seen_by(account, happened)
        after, there = trial.stage.accounts[account], real.accounts[account]
        assert (after.free, after.reserved) == (there.free, there.reserved)
        seen.update(type(event).__name__ for event in happened)
    # Otherwise the orders were too tame to show anything.
    assert {"Filled", "OrderRested", "OrderCancelled", "Rejected", "WorkCharged"} <= set(seen)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_answer_tells_the_numbers_of_the_transition(seed: int) -> None:
    print(f"seed {seed}")
    market, refused, filled = Market(seed, "calm"), 0, 0
    for step in range(STEPS):
        market.go_on()
        if step % 4 or step < 40:
            continue
        account, order, opening = market.random.choice(ACCOUNTS), market.order(), market.opening()
        market.clock.ms, market.terms = opening.time, Terms(opening.fee, opening.lag)
        real = market.copy()
        apply(real, opening)
        reserved = real.accounts[account].reserved
        command = sent(real, account, order, opening.fee)
        body = {"account": "0x" + account.hex(), "order": _body(command)}
        sequence, answer = market.previewer.preview(msgspec.json.encode(body))
        told = msgspec.json.decode(answer)
        happened = apply(real, command)
        holder = real.accounts[account]
        assert money(told["free"]) == holder.free
        assert money(told["reserved"]) == holder.reserved - reserved
        fills = [event for event in happened if isinstance(event, Filled)]
        assert money(told["value"]) == sum(fill.price * fill.size for fill in fills)
        assert money(told["fees"]["trade"]) == sum(fill.taker_fee for fill in fills)
        work = sum(event.amount for event in happened if isinstance(event, WorkCharged))
        assert money(told["fees"]["work"]) == work
        assert told["sequence"] == market.state.sequence == sequence
        faults = [event for event in happened if isinstance(event, Rejected | ItemRejected)]
        told_codes = [told["error"]["code"]] if told["error"] else []
        assert told_codes == [one.code for one in faults]
        held = holder.positions.get(order.market)
        if held is not None and held.size:
            assert told["position"]["margin"] is not None
            assert money(told["position"]["margin"]) == held.margin
            check_liquidation_price(real, account, order.market)
        else:
            assert told["position"] is None
        refused += bool(faults)
        filled += bool(fills)
        assert any(isinstance(event, BalanceChanged) for event in happened) or faults
    assert refused > 10
    assert filled > 10


def check_liquidation_price(state: State, account: Address, market_id: MarketId) -> None:
    market = state.market(market_id)
    position = state.accounts[account].positions[market_id]
    price = liquidation_price(market.rules, position, market.funding_index)

    def fails(at: int) -> bool:
        equity = position.equity(at, market.funding_index)
        return equity < maintenance_margin(market.rules, position.size, at)

    if price is None:
        assert position.size > 0
        assert not fails(1)
        return
    healthy = price + 1 if position.size > 0 else price - 1
    assert fails(price)
    assert healthy == 0 or not fails(healthy)


def test_an_order_that_reaches_far_is_still_exact() -> None:
    """Makers that leave in droves, with nothing to reduce: more orders are met than steps taken."""
    market = Market(1, "crashes")
    for _ in range(400):
        market.go_on()
    limit = RULES.limits.fills_per_order
    for account in ACCOUNTS:
        for side in Side:
            price = Ticks(2 * market.state.market(MarketId(1)).mark if side is Side.BUY else 1)
            order = NewOrder(MarketId(1), side, OrderType.MARKET, price, Lots(200_000))
            opening = market.opening()
            trial = market.previewer.attempt(account, order, None, opening)
            real = market.copy()
            apply(real, opening)
            assert trial.exact
            happened = apply(real, sent(real, account, order, opening.fee))
            assert as_seen_by(account, trial.events) == as_seen_by(account, happened)
    assert limit < 10


def test_what_cannot_be_read_is_refused_like_an_action() -> None:
    market = Market(1, "calm")
    for _ in range(60):
        market.go_on()
    order = {"market": "DOGE", "side": "buy", "type": "gtc", "price": "1", "size": "1"}
    body = msgspec.json.encode({"account": "0x" + ACCOUNTS[0].hex(), "order": order})
    with pytest.raises(UnknownMarket):
        market.previewer.preview(body)


def money(text: str) -> int:
    return units_from_decimal(text, MONEY_DECIMALS)


def _body(command: PlaceOrders) -> dict[str, object]:
    order: dict[str, object] = action_to_json(command, RULES)["orders"][0]
    return order
