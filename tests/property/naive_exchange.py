"""The state of the naive engine: plain values in plain lists.

Nothing is kept sorted, summed or indexed: whoever wants an order looks through all orders.
"""

from dataclasses import dataclass, field, replace

from node.types import errors
from node.types.commands import NewOrder, OrderType, SelfTrade, Side, Trigger
from node.types.events import BalanceChanged, Event, PositionChanged
from node.types.ids import Address, MarketId
from node.types.rules import MarketRules, Rules
from node.types.units import Lots, Millis, Money
from tests.property import naive_rules as rules_of

NEVER = Millis(0)
MARK_MAX = 2**48


@dataclass
class Signer:
    """A key's used nonces, 0 among them; ``until`` is when an agent's authority ends."""

    used: frozenset[int] = frozenset((0,))
    until: Millis = NEVER

    def bits(self, window: int) -> int:
        """Return a bit for each of the last ``window`` nonces, the highest used being bit 0."""
        top = max(self.used)
        return sum(1 << behind for behind in range(window) if top - behind in self.used)


@dataclass
class Owner:
    """One account."""

    address: Address
    free: int = 0
    key: Signer = field(default_factory=Signer)
    agents: dict[Address, Signer] = field(default_factory=dict)
    switch_at: Millis = NEVER
    switch_on_disconnect: bool = False
    names: list[tuple[int, int]] = field(default_factory=list)
    """Each client id that it ever gave, with the order that it gave it to."""


@dataclass
class Held:
    """One account's position in one market."""

    account: Address
    market: MarketId
    size: int = 0
    entry: int = 0
    margin: int = 0
    funding: int = 0

    def reducible(self, side: Side) -> int:
        """Return the lots that an order on ``side`` could close."""
        return max(0, -self.size if side is Side.BUY else self.size)


@dataclass(eq=False)
class Open:
    """An order; ``rank`` is its time, ``reserve`` the money that it holds back.

    ``size`` is what it was, less what it lost without a fill; from ``good_till`` on (0: never) it
    is dead; ``batch`` is the block in which it came to rest. ``gathered`` is the type of one that
    waits for its auction, None of one that rests.
    """

    order_id: int
    client_id: int
    account: Address
    market: MarketId
    side: Side
    price: int
    remaining: int
    reduce_only: bool
    reserve: int = 0
    size: int = 0
    rank: int = 0
    post_only: bool = False
    self_trade: SelfTrade = SelfTrade.CANCEL_MAKER
    good_till: int = 0
    group: int = 0
    batch: int = 0
    gathered: OrderType | None = None


@dataclass(eq=False)
class Waiting:
    """An order that waits for its trigger, as its owner wrote or amended it; nothing is held back.

    ``max_fee`` is the most that its owner pays for a unit of work when its time comes.
    """

    order_id: int
    account: Address
    new: NewOrder
    max_fee: Money

    @property
    def client_id(self) -> int:
        """Return the owner's name of it."""
        return self.new.client_id

    @property
    def market(self) -> MarketId:
        """Return the market that it will arrive in."""
        return self.new.market

    @property
    def side(self) -> Side:
        """Return the side that it will arrive on."""
        return self.new.side

    @property
    def price(self) -> int:
        """Return its limit."""
        return self.new.price

    @property
    def size(self) -> int:
        """Return its size, of which nothing is filled."""
        return self.new.size

    @property
    def remaining(self) -> int:
        """Return its size, of which nothing is filled."""
        return self.new.size

    @property
    def reduce_only(self) -> bool:
        """Return whether it may only reduce."""
        return self.new.reduce_only

    @property
    def good_till(self) -> int:
        """Return when it is dead (0: never)."""
        return self.new.good_till

    @property
    def group(self) -> int:
        """Return the group that it shares with at most one other (0: none)."""
        return self.new.group

    def is_met(self, mark: int) -> bool:
        """Return whether the mark is where its trigger wants it."""
        rises = (self.new.trigger is Trigger.STOP) is (self.new.side is Side.BUY)
        return self.new.trigger_price <= mark if rises else mark <= self.new.trigger_price


@dataclass
class Listed:
    """One market."""

    market_id: MarketId
    rules: MarketRules
    variance: int
    mark: int = 0
    mark_time: int = 0
    anchor: int = 0
    anchor_time: int = 0
    index: int = 0
    funding_time: int = 0
    carry: int = 0
    premium_sum: int = 0
    samples: int = 0
    taking_block: int = -1


@dataclass
class Totals:
    """The clock, the counters and the exchange's own money."""

    fee: int
    fee_anchor: int
    time: int = 0
    block: int = 0
    sequence: int = 0
    next_order: int = 1
    first_order: int = 1
    next_withdrawal: int = 1
    inbox: int = 0
    oracle_time: int = 0
    lag: int = 0
    insurance: int = 0
    fees: int = 0
    deposited: int = 0
    withdrawn: int = 0


class Exchange:
    """Everything there is, and what the present command has changed so far."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.totals = Totals(fee=rules.fees.floor, fee_anchor=rules.fees.floor)
        self.markets = [
            Listed(MarketId(place), one, one.staleness.volatility_prior**2 * 2**24)
            for place, one in enumerate(rules.markets, start=1)
        ]
        self.owners: dict[Address, Owner] = {}
        self.held: dict[tuple[Address, MarketId], Held] = {}
        self.orders: list[Open] = []
        self.waiting: list[Waiting] = []
        self.others: list[Open | Waiting] = []
        self.withdrawals: dict[int, tuple[Address, int]] = {}
        self.events: list[Event] = []
        self.changed: dict[Address | tuple[Address, MarketId], None] = {}

    def copy(self) -> "Exchange":
        """Return a second exchange that shares nothing which can change."""
        twin = Exchange.__new__(Exchange)
        twin.rules = self.rules
        twin.totals = replace(self.totals)
        twin.markets = [replace(one) for one in self.markets]
        twin.owners = {
            address: replace(
                one,
                key=replace(one.key),
                names=list(one.names),
                agents={name: replace(agent) for name, agent in one.agents.items()},
            )
            for address, one in self.owners.items()
        }
        twin.held = {key: replace(one) for key, one in self.held.items()}
        twin.orders = [replace(one) for one in self.orders]
        twin.waiting = [replace(one) for one in self.waiting]
        twin.others = []
        twin.withdrawals = dict(self.withdrawals)
        twin.events = list(self.events)
        twin.changed = dict(self.changed)
        return twin

    # --- looking ---------------------------------------------------------------------------------

    def position(self, account: Address, market: MarketId) -> Held:
        """Return the account's position, an empty one where there was none."""
        return self.held.setdefault((account, market), Held(account, market))

    def equity(self, held: Held) -> int:
        """Return what the position is worth at the mark."""
        mark = self.markets[held.market - 1].mark
        return self.settled(held) + held.size * mark - held.entry

    def settled(self, held: Held) -> int:
        """Return the position's margin once its funding is paid."""
        return held.margin - held.size * (self.markets[held.market - 1].index - held.funding)

    def book(self, market: MarketId, side: Side) -> list[Open]:
        """Return the resting orders of one side: best price first, older first."""
        sign = -1 if side is Side.BUY else 1
        mine = [
            one
            for one in self.orders
            if one.market == market and one.side is side and one.gathered is None
        ]
        return sorted(mine, key=lambda one: (sign * one.price, one.rank))

    def gathered(self, market: MarketId) -> list[Open]:
        """Return the orders that wait for the market's auction, oldest first."""
        mine = [one for one in self.orders if one.market == market and one.gathered is not None]
        return sorted(mine, key=lambda one: one.rank)

    def is_dead(self, order: Open | Waiting) -> bool:
        """Return whether the order's time is over."""
        return 0 < order.good_till <= self.totals.time

    def living(self, market: MarketId, side: Side, most: int) -> Open | None:
        """Return the best order that is not dead, if it is among the first ``most``."""
        return next((one for one in self.book(market, side)[:most] if not self.is_dead(one)), None)

    def orders_of(self, account: Address, market: int = 0) -> list[Open]:
        """Return the account's open orders in ``market`` (0: in all), oldest first."""
        mine = [
            one
            for one in self.orders
            if one.account == account and (not market or one.market == market)
        ]
        return sorted(mine, key=lambda one: one.order_id)

    def open_of(self, account: Address, market: int = 0) -> list[Open | Waiting]:
        """Return the account's orders that rest or wait, oldest first."""
        mine = [
            one
            for one in self.waiting
            if one.account == account and (not market or one.market == market)
        ]
        return sorted([*self.orders_of(account, market), *mine], key=lambda one: one.order_id)

    def named(self, account: Address, order_id: int, client_id: int) -> Open | Waiting | None:
        """Return the open order of that name; the client's goes before the exchange's."""
        for one in self.open_of(account):
            if one.client_id == client_id if client_id else one.order_id == order_id:
                return one
        return None

    def open_order(self, owner: Owner, order_id: int, client_id: int) -> Open | Waiting:
        """Return the open order of that name, or tell which one had it, if it had one lately."""
        order = self.named(owner.address, order_id, client_id)
        if order is None:
            lately = owner.names[-self.rules.limits.client_ids_kept :]
            ids = [number for name, number in lately if name == client_id] if client_id else []
            number = ids[0] if ids else order_id
            raise errors.UnknownOrder(order_id=number, client_id=client_id)
        return order

    def other(self, order: Open | Waiting) -> Open | Waiting | None:
        """Return the open order that shares the group of ``order``."""
        if not order.group:
            return None
        group = [one for one in self.open_of(order.account) if one.group == order.group]
        return next((one for one in group if one is not order), None)

    def is_open(self, order: Open | Waiting) -> bool:
        """Return whether ``order`` rests or waits."""
        return order in self.orders or order in self.waiting

    def reserved(self, account: Address) -> int:
        """Return what the account's open orders hold back."""
        return sum(one.reserve for one in self.orders if one.account == account)

    def reserve_of(self, order: Open, own: "Open | Waiting | None" = None) -> int:
        """Return what ``order`` holds back: for the lots that it may open, and no others.

        It opens what is beyond the lots that are left to close; those that the account's other
        orders on the same side will close, but for ``own``, are not there to be closed again.
        """
        held = self.position(order.account, order.market)
        ahead = sum(
            one.remaining
            for one in self.orders_of(order.account, order.market)
            if one.side is order.side and not one.reduce_only and one not in (order, own)
        )
        opening = order.remaining - max(0, held.reducible(order.side) - ahead)
        exposure = abs(held.size) + order.remaining
        market = self.markets[order.market - 1]
        return rules_of.reserve(market.rules, order.price, opening, exposure, self.buffer(market))

    def mark_age(self, market: Listed) -> int:
        """Return the age of the mark in milliseconds."""
        return max(0, self.totals.time - market.mark_time)

    def data_age(self, market: Listed) -> int:
        """Return the age of what is opened now, in milliseconds."""
        return self.mark_age(market) + max(self.totals.lag, self.rules.finality_ms)

    def buffer(self, market: Listed) -> int:
        """Return what the age of the data asks beyond initial margin, in millionths."""
        return rules_of.buffer_of(market.rules, market.variance, self.data_age(market))[0]

    # --- telling ---------------------------------------------------------------------------------

    def balance_changed(self, account: Address) -> None:
        """Note that the account's money moved."""
        self.changed.setdefault(account)

    def position_changed(self, held: Held) -> None:
        """Note that the position moved."""
        self.changed.setdefault((held.account, held.market))

    def finish(self) -> tuple[Event, ...]:
        """Return the events of the command: at the end each position and balance that moved."""
        told, self.events = self.events, []
        changed, self.changed = list(self.changed), {}
        for key in changed:
            if isinstance(key, tuple):
                one = self.held[key]
                told.append(
                    PositionChanged(
                        *key, Lots(one.size), Money(one.entry), Money(one.margin), one.funding
                    )
                )
        for key in changed:
            if not isinstance(key, tuple):
                owner = self.owners[key]
                reserved = Money(self.reserved(key))
                told.append(BalanceChanged(key, Money(owner.free), reserved))
        return tuple(told)
