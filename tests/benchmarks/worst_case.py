"""What the dearest command of each kind takes: the state that makes it dear is built, then it runs.

``node.capacity.worst_case`` says what bounds each of them. Every round builds the state anew, as a
command can be applied once.
"""

import gc
from collections.abc import Callable
from statistics import median
from time import perf_counter_ns
from typing import Final

import msgspec

from node.capacity.kinds import Kind
from node.capacity.worst_case import worst_case
from node.transition.apply import apply
from node.transition.gather import SHARES
from node.transition.state import State
from node.types.commands import (
    AdjustMargin,
    ApproveAgent,
    CancelAll,
    CancelOrder,
    Command,
    Deposit,
    Expire,
    Liquidate,
    NewOrder,
    OpenBlock,
    OracleRound,
    OrderType,
    PlaceOrders,
    PriceReport,
    SetSwitch,
    SettleFunding,
    Side,
    Trigger,
    TriggerOrder,
    Uncross,
    Withdraw,
)
from node.types.events import Event, Filled, ItemRejected, Rejected
from node.types.ids import EVERY_MARKET, Address
from node.types.rules import Ordering, Rules
from node.types.units import PPM_ONE, Lots, Millis, Money, Ticks
from tests.benchmarks.book_tape import MARKET, MIDDLE
from tests.examples import DOLLAR, DOMAIN, REPORTERS, RULES, START_MS

ROUNDS: Final = 5
LOTS: Final = 10_000
EXPIRES: Final = Millis(START_MS + 3_600_000)
RICH: Final = Money(1_000_000 * DOLLAR)
AUCTIONS: Final = msgspec.structs.replace(
    RULES,
    markets=tuple(
        msgspec.structs.replace(market, ordering=Ordering.AUCTION) for market in RULES.markets
    ),
)
FAR: Final = 60
"""Ticks between the orders that a command meets and those that only wait."""


class WorstCost(msgspec.Struct, frozen=True):
    """A command of ``kind`` at its worst, in microseconds: the median and the longest round.

    ``bound`` is its worst case in units of work, ``fills`` and ``events`` what this one made.
    """

    kind: str
    case: str
    bound: int
    fills: int
    events: int
    us: float
    us_max: float


class Siege:
    """A state that is made as hard as the rules allow, by accounts that are rich enough."""

    def __init__(self, rules: Rules = RULES) -> None:
        self.state = State.genesis(rules, DOMAIN)
        self._nonces: dict[Address, int] = {}
        self.put(OpenBlock(1, START_MS))
        self.mark(MIDDLE)

    def put(self, command: Command) -> tuple[Event, ...]:
        """Apply ``command``, which must apply in full."""
        events = apply(self.state, command)
        for event in events:
            assert not isinstance(event, Rejected | ItemRejected), event
        return events

    def mark(self, price: int) -> None:
        """Move every mark to ``price``, in the next millisecond."""
        self.put(self.round(price))

    def round(self, price: int) -> OracleRound:
        """Return the next round, in which every reporter names ``price`` for every market."""
        time = Millis(self.state.oracle_time + 1 if self.state.oracle_time else START_MS)
        prices = tuple(Ticks(price) for _ in RULES.markets)
        return OracleRound(time, tuple(PriceReport(one.address, prices, b"") for one in REPORTERS))

    def account(self, money: Money = RICH) -> Address:
        """Open the next account."""
        number = len(self._nonces)
        address = Address((number + 1).to_bytes(20, "big"))
        self._nonces[address] = 0
        self.put(Deposit(number, address, money))
        return address

    def action(self, account: Address) -> tuple[Address, Address, int, Millis, bytes]:
        """Return the head of the account's next action; ``apply`` leaves signatures to the gate."""
        self._nonces[account] += 1
        return account, account, self._nonces[account], EXPIRES, b""

    def orders(self, account: Address, *orders: NewOrder) -> PlaceOrders:
        """Return an action with these orders."""
        return PlaceOrders(*self.action(account), (), orders)

    def rest(self, account: Address, count: int, order: NewOrder) -> None:
        """Let ``account`` place the same order so many times."""
        most = RULES.limits.items_per_action
        for begun in range(0, count, most):
            self.put(self.orders(account, *[order] * min(most, count - begun)))

    def gather(self, account: Address, *orders: NewOrder) -> None:
        """Let ``account`` place orders into an auction; one that has no room for them ends."""
        limits, share = RULES.limits, RULES.limits.orders_per_auction // SHARES
        for begun in range(0, len(orders), share):
            some = orders[begun : begun + share]
            arrivals = [one.account for one in self.state.market(MARKET).arrivals]
            room = limits.orders_per_auction - len(arrivals)
            if len(some) > min(room, share - arrivals.count(account)):
                self.uncross()
            self.put(self.orders(account, *some))

    def uncross(self) -> None:
        """End the auction, and open the next block."""
        self.put(Uncross(MARKET))
        self.put(OpenBlock(self.state.block + 1, Millis(self.state.time)))

    def makers_who_close(self, count: int) -> None:
        """Let ``count`` accounts offer all they hold, each with orders that then have no use."""
        seller = self.account()
        idle = RULES.limits.open_orders_per_account - 1
        makers = [self.account() for _ in range(count)]
        for maker in makers:
            self.put(self.orders(seller, order(Side.SELL, MIDDLE)))
            self.put(self.orders(maker, order(Side.BUY, MIDDLE)))
        for maker in makers:
            self.put(self.orders(maker, order(Side.SELL, MIDDLE)))
            self.rest(maker, idle, order(Side.SELL, MIDDLE + FAR, reduce_only=True))


def order(
    side: Side,
    price: int,
    size: int = LOTS,
    kind: OrderType = OrderType.GTC,
    *,
    reduce_only: bool = False,
) -> NewOrder:
    """Return an order of the one market that is besieged."""
    return NewOrder(MARKET, side, kind, Ticks(price), Lots(size), reduce_only)


def place(siege: Siege) -> Command:
    """One order that takes from as many makers as it may, each of which drops all its orders."""
    fills = RULES.limits.fills_per_order
    siege.makers_who_close(fills)
    return siege.orders(siege.account(), order(Side.BUY, MIDDLE, fills * LOTS))


def kill(siege: Siege) -> Command:
    """A fill-or-kill order: it is tried out on copies of all the makers that it may meet."""
    fills = RULES.limits.fills_per_order
    for _ in range(fills):
        siege.put(siege.orders(siege.account(), order(Side.SELL, MIDDLE)))
    taking = order(Side.BUY, MIDDLE, fills * LOTS, OrderType.FOK)
    return siege.orders(siege.account(), taking)


def bulk(siege: Siege) -> Command:
    """As many orders as an action holds, which together meet as many makers as they may."""
    limits = RULES.limits
    steps = min(limits.steps_per_action, limits.items_per_action * limits.fills_per_order)
    rows = -(-steps // limits.open_orders_per_account)
    for _ in range(rows):
        siege.rest(siege.account(), limits.open_orders_per_account, order(Side.SELL, MIDDLE))
    each = order(Side.BUY, MIDDLE, steps // limits.items_per_action * LOTS)
    return siege.orders(siege.account(), *[each] * limits.items_per_action)


def resting(siege: Siege) -> Command:
    """As many orders as an action holds; none of them crosses."""
    each = order(Side.BUY, MIDDLE - FAR)
    return siege.orders(siege.account(), *[each] * RULES.limits.items_per_action)


def cancel(siege: Siege) -> Command:
    """As many cancels as an action holds."""
    account = siege.account()
    siege.rest(account, RULES.limits.items_per_action, order(Side.BUY, MIDDLE - FAR))
    cancels = tuple(CancelOrder(number) for number in siege.state.accounts[account].orders)
    return PlaceOrders(*siege.action(account), cancels, ())


def cancel_all(siege: Siege) -> Command:
    """Everything that an account may have open."""
    account = siege.account()
    siege.rest(account, RULES.limits.open_orders_per_account, order(Side.BUY, MIDDLE - FAR))
    return CancelAll(*siege.action(account), EVERY_MARKET)


def liquidate(siege: Siege) -> Command:
    """A position with all the orders there may be, closed against as many makers as may be."""
    fills = RULES.limits.fills_per_order
    size = fills * LOTS
    rate = RULES.market(MARKET).bracket(size).initial
    money = Money(MIDDLE * size * rate // PPM_ONE * 11 // 10)
    other, victim = siege.account(), siege.account(money)
    siege.put(siege.orders(other, order(Side.SELL, MIDDLE, size)))
    siege.put(siege.orders(victim, order(Side.BUY, MIDDLE, size)))
    waiting = RULES.limits.open_orders_per_account
    siege.rest(victim, waiting, order(Side.SELL, MIDDLE + FAR, reduce_only=True))
    fallen = MIDDLE * (PPM_ONE - rate * 7 // 10) // PPM_ONE
    siege.mark(fallen)
    siege.rest(siege.account(), waiting, order(Side.BUY, fallen, LOTS // 4))
    return Liquidate(MARKET, victim)


def oracle_round(siege: Siege) -> Command:
    """A report by everyone, for every market."""
    return siege.round(MIDDLE + 1)


def funding(siege: Siege) -> Command:
    """Every market at once."""
    due = max(market.funding_time for market in siege.state.markets)
    siege.put(OpenBlock(siege.state.block + 1, Millis(due)))
    return SettleFunding()


def deposit(siege: Siege) -> Command:
    """A new account."""
    return Deposit(0, Address(b"\x77" * 20), RICH)


def margin(siege: Siege) -> Command:
    """More margin for a position of an account with all the orders there may be."""
    buyer, seller = siege.account(), siege.account()
    siege.put(siege.orders(seller, order(Side.SELL, MIDDLE)))
    siege.put(siege.orders(buyer, order(Side.BUY, MIDDLE)))
    siege.rest(buyer, RULES.limits.open_orders_per_account, order(Side.BUY, MIDDLE - FAR))
    return AdjustMargin(*siege.action(buyer), MARKET, Money(DOLLAR))


def withdraw(siege: Siege) -> Command:
    """A part of what is free."""
    return Withdraw(*siege.action(siege.account()), Money(5 * DOLLAR))


def agent(siege: Siege) -> Command:
    """The last agent that an account may have."""
    account = siege.account()
    for number in range(RULES.limits.agents_per_account - 1):
        one = Address((1_000 + number).to_bytes(20, "big"))
        siege.put(ApproveAgent(*siege.action(account), one, EXPIRES))
    return ApproveAgent(*siege.action(account), Address(b"\x78" * 20), EXPIRES)


def switch(siege: Siege) -> Command:
    """A switch, which is a word in the account's leaf."""
    return SetSwitch(*siege.action(siege.account()), Millis(START_MS + 1_000))


def expire(siege: Siege) -> Command:
    """Everything that an account may have open, whose time is over at once."""
    account, over = siege.account(), Millis(START_MS + 10)
    ends = msgspec.structs.replace(order(Side.BUY, MIDDLE - FAR), good_till=over)
    siege.rest(account, RULES.limits.open_orders_per_account, ends)
    siege.put(OpenBlock(siege.state.block + 1, over))
    return Expire(account)


def trigger(siege: Siege) -> Command:
    """A waiting order that meets what ``place`` meets."""
    fills = RULES.limits.fills_per_order
    siege.makers_who_close(fills)
    account, met = siege.account(), Ticks(MIDDLE + 1)
    taking = order(Side.BUY, MIDDLE, fills * LOTS)
    waiting = msgspec.structs.replace(taking, trigger=Trigger.STOP, trigger_price=met)
    siege.put(siege.orders(account, waiting))
    siege.mark(met)
    (order_id,) = siege.state.accounts[account].waiting
    return TriggerOrder(account, order_id)


def uncross(siege: Siege) -> Command:
    """As many arrivals as an auction holds, and as many makers; all close and drop all orders."""
    most = RULES.limits.orders_per_auction
    idle = RULES.limits.open_orders_per_account - 1
    longs = [siege.account() for _ in range(most)]
    shorts = [siege.account() for _ in range(most)]
    for buyer, seller in zip(longs, shorts, strict=True):
        siege.gather(buyer, order(Side.BUY, MIDDLE))
        siege.gather(seller, order(Side.SELL, MIDDLE))
    for accounts, side, far in ((longs, Side.SELL, FAR), (shorts, Side.BUY, -FAR)):
        waits = order(side, MIDDLE + far, reduce_only=True)
        for account in accounts:
            siege.gather(account, *[waits] * idle)
    for account in longs:
        siege.gather(account, order(Side.SELL, MIDDLE))
    siege.uncross()
    for account in shorts:
        siege.gather(account, order(Side.BUY, MIDDLE))
    return Uncross(MARKET)


def uncross_dead(siege: Siege) -> Command:
    """All the dead that an auction may find, on both sides and in the way, each with a partner."""
    most, over = RULES.limits.orders_per_auction, Millis(START_MS + 10)

    def dying(count: int, side: Side, price: int, far: int) -> None:
        dies = msgspec.structs.replace(order(side, price), good_till=over, group=1)
        other = msgspec.structs.replace(order(side, price + far), group=1)
        for _ in range(count):
            siege.gather(siege.account(), dies, other)

    dying(2 * most, Side.SELL, MIDDLE, FAR)
    dying(most, Side.BUY, MIDDLE - 1, -FAR)
    siege.uncross()
    siege.put(OpenBlock(siege.state.block + 1, over))
    for _ in range(most - 1):
        siege.gather(siege.account(), order(Side.BUY, MIDDLE))
    siege.gather(siege.account(), order(Side.SELL, MIDDLE - 1))
    return Uncross(MARKET)


def uncross_halves(siege: Siege) -> Command:
    """As many arrivals as an auction holds, half of them against the other half."""
    for number in range(RULES.limits.orders_per_auction):
        side = Side.SELL if number % 2 else Side.BUY
        siege.gather(siege.account(), order(side, MIDDLE))
    return Uncross(MARKET)


CASES: Final[tuple[tuple[Kind, str, Callable[[Siege], Command]], ...]] = (
    (Kind.PLACE, "meets all makers it may; each closes and drops all its orders", place),
    (Kind.PLACE, "fill-or-kill: the same number of makers, rehearsed, then taken", kill),
    (Kind.BULK, "full action, all the steps that it may take", bulk),
    (Kind.BULK, "full action that rests", resting),
    (Kind.CANCEL, "full action", cancel),
    (Kind.CANCEL_ALL, "all orders that an account may have", cancel_all),
    (Kind.LIQUIDATE, "all orders of the account, then fills", liquidate),
    (Kind.ORACLE_ROUND, "every reporter, every market", oracle_round),
    (Kind.FUNDING, "every market", funding),
    (Kind.DEPOSIT, "a new account", deposit),
    (Kind.MARGIN, "an account with all its orders", margin),
    (Kind.WITHDRAW, "a part of what is free", withdraw),
    (Kind.AGENT, "the last agent that may be", agent),
    (Kind.SWITCH, "a dead man's switch", switch),
    (Kind.EXPIRE, "all orders that an account may have", expire),
    (Kind.TRIGGER, "meets what a place may meet", trigger),
    (Kind.UNCROSS, "all arrivals and makers it may have; each closes, drops its orders", uncross),
    (Kind.UNCROSS, "all the dead that it may find, each with a partner", uncross_dead),
    (Kind.UNCROSS, "all arrivals that it may have, half against half", uncross_halves),
)
"""Every kind, and what makes it dear; the longest of a kind stands first."""


def measure_worst_cases(rounds: int = ROUNDS) -> list[WorstCost]:
    """Return a row for each case."""
    return [_measured(kind, case, prepare, rounds) for kind, case, prepare in CASES]


def _measured(kind: Kind, case: str, prepare: Callable[[Siege], Command], rounds: int) -> WorstCost:
    spent: list[float] = []
    events: tuple[Event, ...] = ()
    for _ in range(rounds):
        siege = Siege(AUCTIONS if kind is Kind.UNCROSS else RULES)
        command = prepare(siege)
        # What waits for an auction stands in no leaf yet.
        if kind is not Kind.UNCROSS:
            siege.state.drain_changes()
        gc.collect()
        started_ns = perf_counter_ns()
        events = siege.put(command)
        spent.append((perf_counter_ns() - started_ns) / 1_000)
    return WorstCost(
        kind=kind.word,
        case=case,
        bound=worst_case(kind, RULES).units,
        fills=sum(isinstance(event, Filled) for event in events),
        events=len(events),
        us=round(median(spent), 1),
        us_max=round(max(spent), 1),
    )
