"""Random logs: every kind of command, right and wrong, drawn from one seed.

The draw looks at the state that the commands change, as real senders do, so that it can aim: at an
open order, at a failing position, at a nonce that was used before. A ``Temper`` says what kind of
day it is. The same seed and temper give the same log.
"""

from collections.abc import Callable
from random import Random
from typing import TypeVar

import msgspec

from node.matching.book import Order
from node.transition.open_block import next_fees
from node.transition.state import State
from node.transition.waiting import Waiting
from node.types.blocks import Domain
from node.types.commands import (
    AdjustMargin,
    AmendOrder,
    ApproveAgent,
    CancelAll,
    CancelOrder,
    Command,
    Deposit,
    Disconnected,
    Expire,
    Liquidate,
    NewOrder,
    OpenBlock,
    OracleRound,
    OrderType,
    PlaceOrders,
    PriceReport,
    SelfTrade,
    SetSwitch,
    SettleFunding,
    Side,
    SignedAction,
    Trigger,
    TriggerOrder,
    Uncross,
    Withdraw,
)
from node.types.fees import FeeRules
from node.types.ids import Address, ClientOrderId, MarketId, OrderId
from node.types.rules import Bracket, Limits, MarketRules, Ordering, Rules
from node.types.units import UINT64_MAX, Lots, Millis, Money, Ppm, Ticks
from tests.property.tempers import Temper

T = TypeVar("T")

DOLLAR = 1_000_000
ACCOUNTS = tuple(Address(bytes([1]) * 19 + bytes([number])) for number in range(7))
AGENTS = tuple(Address(bytes([2]) * 19 + bytes([number])) for number in range(5))
STRANGER = Address(bytes([3]) * 20)
REPORTERS = tuple(Address(bytes([9]) * 19 + bytes([number])) for number in range(3))
DOMAIN = Domain(chain_id=1, rollup=bytes(20))
START = 1_000_000


def _market(symbol: str, maker_fee: int, stale_ms: int = 5_000) -> MarketRules:
    return MarketRules(
        symbol=symbol,
        tick_decimals=1,
        lot_decimals=5,
        min_notional=Money(DOLLAR),
        price_band=Ppm(200_000),
        brackets=(
            Bracket(Lots(20_000), Ppm(50_000), Ppm(25_000)),
            Bracket(Lots(200_000), Ppm(100_000), Ppm(50_000)),
        ),
        maker_fee=Ppm(maker_fee),
        taker_fee=Ppm(500),
        liquidation_fee=Ppm(5_000),
        mark_stale_ms=Millis(stale_ms),
        funding_interval_ms=Millis(10_000),
        funding_cap=Ppm(5_000),
    )


# Every limit is low, so that a few hundred commands run into each.
RULES = Rules(
    name="random",
    markets=(_market("BTC", 200), _market("ETH", 0, 3_000)),
    reporters=REPORTERS,
    quorum=2,
    limits=Limits(
        items_per_action=8,
        fills_per_order=4,
        open_orders_per_account=6,
        agents_per_account=2,
        deleverage_steps=3,
        nonce_window=64,
        nonce_jump=1_000,
        client_ids_kept=4,
        action_lifetime_ms=Millis(60_000),
    ),
    fees=FeeRules(floor=Money(90), ceiling=Money(5_000), step_ms=Millis(300)),
)


MIXED = msgspec.structs.replace(
    RULES,
    name="mixed",
    markets=tuple(
        msgspec.structs.replace(_market(ordering.name, 200), ordering=ordering)
        for ordering in Ordering
    ),
    limits=msgspec.structs.replace(RULES.limits, orders_per_auction=9),
)
"""A market of each ordering."""


class RandomLog:
    """Draws the next command for ``state``, which the caller brings forward."""

    def __init__(self, seed: int, temper: Temper, state: State) -> None:
        """Draw for the markets that ``state`` has."""
        self._random = Random(seed)
        self._temper = temper
        self._state = state
        markets = len(state.markets)
        self._prices = [500_000, 300_000, 400_000][:markets]
        # In the last one most happens, where it is one of auctions.
        self._drawn = (1, 1, 2) if markets == 2 else (1, 2, 3, 3)
        self._nonces: dict[tuple[Address, Address], int] = {}
        self._pending: list[Command] = [
            OpenBlock(1, Millis(START), RULES.fees.floor),
            *(Deposit(i, one, self._wealth()) for i, one in enumerate(ACCOUNTS)),
            self._round(Millis(START)),
        ]
        self._kinds: list[tuple[int, Callable[[], Command]]] = [
            (80, self._place),
            (14, self._oracle),
            (12, self._block),
            (6, self._liquidate),
            (6, self._expire),
            (8, self._trigger),
            (3, self._disconnect),
            (4, self._switch),
            (3, SettleFunding),
            (6, self._adjust),
            (3, self._cancel_all),
            (3, self._withdraw),
            (6, self._approve),
            (3, self._deposit),
        ]
        if any(market.ordering is Ordering.AUCTION for market in state.markets):
            self._kinds.append((4, self._uncross))

    def draw(self) -> Command:
        """Return the next command."""
        if self._pending:
            return self._pending.pop(0)
        weights = [weight for weight, _ in self._kinds]
        return self._random.choices(self._kinds, weights)[0][1]()

    # --- the exchange's own commands -----------------------------------------------------------

    def _block(self) -> Command:
        number = self._state.block + self._rarely(0, 1)
        wait = self._random.choice((0, 10, 300, 1_000))
        if self._chance(self._temper.pause):
            wait = self._random.choice((7_000, 40_000, 130_000))
        time = Millis(self._state.time + self._rarely(-1, wait))
        low, high = next_fees(self._state, time)
        fee = self._rarely(Money(high + 1), self._random.choice((low, high, high, self._state.fee)))
        block = OpenBlock(number, time, fee, Millis(self._random.randrange(10_000)))
        closing = self._state.closing()
        if not closing or self._chance(0.03):
            return block
        self._pending += [*closing[1:], block]
        return closing[0]

    def _uncross(self) -> Command:
        return Uncross(self._market_id())

    def _deposit(self) -> Command:
        index = self._state.inbox_cursor + self._rarely(1, 0)
        account = self._random.choice((*ACCOUNTS, *AGENTS))
        return Deposit(index, account, self._rarely(Money(0), self._wealth()))

    def _oracle(self) -> Command:
        """Move the prices, now and then far, and then ask for the liquidation of all."""
        state, temper = self._state, self._temper
        scale = 30 if self._chance(temper.crash) else 1
        for place, price in enumerate(self._prices):
            move = max(-0.4, min(0.4, self._random.gauss(0, temper.swing * scale)))
            self._prices[place] = min(10**9, max(1_000, int(price * (1 + move))))
        holders = [
            Liquidate(market, account.address)
            for account in state.accounts.values()
            for market, position in account.positions.items()
            if position.size
        ]
        self._pending += holders if scale > 1 else holders[:2]
        return self._round(self._time_of_round())

    def _time_of_round(self) -> Millis:
        """Return mostly now; after a silence often about as long ago as a round may be."""
        now, last = self._state.time, self._state.oracle_time
        oldest = now - max(market.mark_stale_ms for market in self._state.rules.markets)
        if oldest > last and self._chance(0.5):
            return Millis(oldest + self._random.choice((-1_000, -1, 0, 1)))
        return Millis(self._rarely(last, max(now, 1)))

    def _round(self, time: Millis) -> OracleRound:
        reporters = list(REPORTERS[: self._random.choice((2, 3, 3))])
        fault = self._rarely(self._random.choice((1, 2, 3)), 0)
        if fault == 1:
            reporters[0] = STRANGER
        elif fault == 2:
            reporters = reporters[:1] * 2
        reports = []
        for reporter in reporters:
            prices = [Ticks(price + self._random.randint(-5, 5)) for price in self._prices]
            if fault == 3:
                prices[0] = Ticks(self._random.choice((0, 2**48, UINT64_MAX)))
            reports.append(PriceReport(reporter, tuple(prices), b""))
        return OracleRound(time, tuple(reports))

    def _liquidate(self) -> Command:
        account = self._rarely(STRANGER, self._random.choice(ACCOUNTS))
        return Liquidate(self._market_id(), account)

    def _expire(self) -> Command:
        return Expire(self._rarely(STRANGER, self._random.choice(ACCOUNTS)))

    def _trigger(self) -> Command:
        """Name a waiting order, mostly one that the mark has reached: as a watcher would."""
        waiting = [one for a in self._state.accounts.values() for one in a.waiting.values()]
        marks = self._state.markets
        met = [one for one in waiting if one.is_met(marks[one.market - 1].mark)]
        if not waiting:
            return TriggerOrder(self._rarely(STRANGER, ACCOUNTS[0]), OrderId(1))
        one = self._random.choice(met if met and self._chance(0.9) else waiting)
        return TriggerOrder(one.account, self._rarely(OrderId(1), one.order_id))

    def _disconnect(self) -> Command:
        return Disconnected(self._rarely(STRANGER, self._random.choice(ACCOUNTS)))

    # --- signed actions --------------------------------------------------------------------------

    def _head(self) -> tuple[Address, Address, int, Millis, bytes]:
        """Return what every action begins with; now and then something of it is wrong."""
        state = self._state
        account = self._rarely(STRANGER, self._random.choice(ACCOUNTS))
        signer = account
        agents = list(state.accounts[account].agents) if account in state.accounts else []
        if agents and self._chance(0.3):
            signer = self._rarely(STRANGER, self._random.choice(agents))
        last = self._nonces.get((account, signer), 0)
        far = last + self._random.choice((2, 5, 900, 1_100))
        near = max(0, last - self._random.choice((0, 1, 5, 70)))
        nonce = self._rarely(self._random.choice((far, near)), last + 1)
        if nonce <= last + 1_000:
            self._nonces[account, signer] = max(last, nonce)
        lifetime = self._random.choice((1, 2_000, 60_000))
        expires = state.time + self._rarely(self._random.choice((0, 60_001)), lifetime)
        return account, signer, nonce, Millis(expires), b""

    def _place(self) -> SignedAction:
        head = self._head()
        orders = tuple(self._order() for _ in range(self._random.choice((0, 1, 1, 2, 4))))
        amends = tuple(self._amend(head[0]) for _ in range(self._random.choice((0, 0, 0, 1, 2))))
        count = self._random.choice((0, 0, 0, 1)) if orders or amends else 1
        cancels = tuple(self._cancel(head[0]) for _ in range(count))
        if self._chance(0.005):
            orders *= 9
        max_fee = self._rarely(Money(self._state.fee - 1), Money(2 * self._state.fee))
        return PlaceOrders(*head, cancels, orders, max_fee, amends)

    def _order(self) -> NewOrder:
        market, temper = self._market_id(), self._temper
        mark = self._prices[(market or 1) % (len(self._prices) + 1) - 1]
        kind = self._random.choice((*[OrderType.GTC] * 3, *OrderType))
        side = self._random.choice(tuple(Side))
        price = max(1, int(mark * (1 + self._random.gauss(0, temper.depth))))
        if self._chance(0.03):
            price = self._random.choice((0, 1, mark // 2, 2 * mark, UINT64_MAX))
        size = int(10 ** self._random.uniform(1, 5))
        if self._chance(0.03):
            size = self._random.choice((0, 1, 1, 200_000, 200_001, UINT64_MAX))
        client_id = ClientOrderId(self._random.choice((0, self._random.randint(1, 40))))
        reduce_only = self._chance(0.2)
        new = NewOrder(market, side, kind, Ticks(price), Lots(size), reduce_only, client_id)
        return self._with_more(new, mark) if self._chance(0.6) else new

    def _with_more(self, new: NewOrder, mark: int) -> NewOrder:
        """Return ``new`` with some of what few orders have: a mode, a time, a trigger, a group."""
        random = self._random
        good_till = random.choice((0, 0, 0, self._end()))
        trigger, trigger_price = Trigger.NONE, self._rarely(mark, 0)
        if self._chance(0.3):
            trigger = random.choice((Trigger.STOP, Trigger.TAKE_PROFIT))
            trigger_price = self._trigger_price(new.side, trigger, mark)
        return msgspec.structs.replace(
            new,
            self_trade=random.choice(tuple(SelfTrade)),
            good_till=Millis(good_till),
            trigger=trigger,
            trigger_price=Ticks(trigger_price),
            group=random.choice((0, 0, 1, 2)),
        )

    def _end(self) -> int:
        return max(0, self._state.time + self._random.choice((-1, 0, 1, 300, 2_000, 20_000)))

    def _trigger_price(self, side: Side, trigger: Trigger, mark: int) -> int:
        """Return a price that the mark has mostly not met."""
        upward = (trigger is Trigger.STOP) == (side is Side.BUY)
        away = abs(self._random.gauss(0, self._temper.swing)) * self._rarely(-1, 1)
        price = int(mark * (1 + away if upward else 1 - away))
        return self._rarely(self._random.choice((0, 2**48)), price)

    def _amend(self, address: Address) -> AmendOrder:
        """Name an open order, and what it shall be: mostly not far from what it is."""
        account, random = self._state.accounts.get(address), self._random
        every: list[Order | Waiting] = []
        if account:
            every = [*account.orders.values(), *account.waiting.values()]
        if not every or self._chance(0.05):
            order_id = OrderId(random.randint(0, self._state.next_order_id))
            return AmendOrder(self._market_id(), Ticks(1), Lots(1), order_id, ClientOrderId(0))
        order = random.choice(every)
        mark = self._prices[order.market - 1]
        near = max(1, int(mark * (1 + random.gauss(0, self._temper.depth))))
        price = random.choice((order.price, order.price, near, self._rarely(0, near)))
        less = order.size * random.choice((0, 1, 4, 5, 9)) // 10
        size = random.choice((order.size, less, less, int(order.size * 1.5), self._rarely(0, less)))
        name = (order.order_id, ClientOrderId(0))
        if order.client_id and self._chance(0.5):
            name = (OrderId(0), order.client_id)
        trigger_price = self._rarely(mark, 0)
        if isinstance(order, Waiting):
            another = self._trigger_price(order.side, order.trigger, mark)
            trigger_price = random.choice((0, order.trigger_price, another, another))
        good_till = random.choice((0, 0, 0, 0, order.good_till, self._end()))
        market = self._rarely(self._market_id(), order.market)
        return AmendOrder(
            market, Ticks(price), Lots(size), *name, Ticks(trigger_price), Millis(good_till)
        )

    def _cancel(self, address: Address) -> CancelOrder:
        account = self._state.accounts.get(address)
        open_orders = [*account.orders, *account.waiting] if account else []
        if open_orders and self._chance(0.7):
            return CancelOrder(self._random.choice(open_orders))
        if self._chance(0.5):
            return CancelOrder(OrderId(0), ClientOrderId(self._random.randint(0, 40)))
        return CancelOrder(OrderId(self._random.randint(0, self._state.next_order_id)))

    def _cancel_all(self) -> SignedAction:
        return CancelAll(*self._head(), self._random.choice((MarketId(0), self._market_id())))

    def _switch(self) -> SignedAction:
        ahead = self._random.choice((-1, 0, 1, 300, 2_000, 60_000, 60_001))
        cancel_at = self._random.choice((0, self._state.time + ahead))
        return SetSwitch(*self._head(), Millis(cancel_at), self._chance(0.6))

    def _adjust(self) -> SignedAction:
        amount = self._amount() * self._random.choice((-1, 1))
        return AdjustMargin(*self._head(), self._market_id(), Money(amount))

    def _withdraw(self) -> SignedAction:
        return Withdraw(*self._head(), Money(self._rarely(-1, 1) * self._amount()))

    def _approve(self) -> SignedAction:
        head = self._head()
        agent = self._random.choice((*AGENTS, *AGENTS, head[0], bytes(20)))
        until = self._state.time + self._random.choice((-1_000, 0, 3_000, 100_000))
        return ApproveAgent(*head, Address(agent), Millis(until))

    # --- single values ---------------------------------------------------------------------------

    def _chance(self, probability: float) -> bool:
        return self._random.random() < probability

    def _rarely(self, rare: T, usual: T) -> T:
        return rare if self._chance(0.03) else usual

    def _market_id(self) -> MarketId:
        unknown = (MarketId(0), MarketId(len(self._prices) + 1))
        return self._rarely(self._random.choice(unknown), self._one_market())

    def _one_market(self) -> MarketId:
        return MarketId(self._random.choice(self._drawn))

    def _wealth(self) -> Money:
        dollars = self._random.choice(self._temper.wealth)
        return Money(dollars * DOLLAR + self._random.randint(0, DOLLAR))

    def _amount(self) -> int:
        """Return an amount of money: dust, a fair sum, or far too much."""
        return int(10 ** self._random.choice((0, 3, 6, 7, 7.7, 8, 9, 18)) * self._random.random())
