"""What must hold after every command. Slow and complete: for tests, audits and verifiers."""

from collections.abc import Mapping

import msgspec

from node.matching.book import Order
from node.transition.account import Account
from node.transition.client_ids import pairs
from node.transition.state import Market, State
from node.transition.waiting import Waiting
from node.types.commands import Side
from node.types.errors import StateDiverged
from node.types.ids import ClientOrderId
from node.types.units import Money


class MoneyReport(msgspec.Struct, frozen=True):
    """Where all money is: ``deposits == equity + fees + insurance + withdrawals``, exactly.

    ``equity`` is that of all accounts at the marks: free, reserved, margin, profit and loss.
    """

    deposits: Money
    equity: Money
    fees: Money
    insurance: Money
    withdrawals: Money

    @property
    def conserved(self) -> bool:
        """Return whether not one unit is missing or too many."""
        return self.deposits == self.equity + self.fees + self.insurance + self.withdrawals


def money(state: State) -> MoneyReport:
    """Return where all money is now."""
    equity = 0
    for account in state.accounts.values():
        equity += account.free + account.reserved
        for position in account.positions.values():
            market = state.market(position.market)
            equity += position.equity(market.mark, market.funding_index)
    return MoneyReport(
        deposits=Money(state.deposited),
        equity=Money(equity),
        fees=Money(state.fees),
        insurance=Money(state.insurance),
        withdrawals=Money(state.withdrawn),
    )


def check(state: State) -> None:
    """Raise ``StateDiverged`` naming the first invariant that does not hold."""
    report = money(state)
    _require(report.conserved, "money", report)
    _require(state.insurance >= 0 and state.fees >= 0, "exchange money", report)
    for market in state.markets:
        _check_market(state, market)
    for account in state.accounts.values():
        _check_account(account)
        _check_open_orders(state, account)


def _check_market(state: State, market: Market) -> None:
    name = market.rules.symbol
    positions = [
        account.positions[market.market_id]
        for account in state.accounts.values()
        if market.market_id in account.positions
    ]
    _require(sum(position.size for position in positions) == 0, "sizes sum to zero", name)
    ranked = {entry for queue in market.queues for entry in queue}
    expected = {(p.rank, p.account) for p in positions if p.size}
    _require(ranked == expected, "deleveraging queues", name)
    bid, ask = market.book.best_price(Side.BUY), market.book.best_price(Side.SELL)
    _require(bid is None or ask is None or bid < ask, "book not crossed", name)
    for side in Side:
        for level in market.book.ladder(side):
            ranks = [order.rank for order in level]
            _require(ranks == sorted(set(ranks)), "queues in the order of ranks", name)
            _require(ranks[-1] < state.next_order_id, "ranks were given", name)
    resting = {order.order_id for side in Side for order in market.book.orders(side)}
    resting |= {order.order_id for order in market.arrivals}
    held = {
        order.order_id
        for account in state.accounts.values()
        for order in account.orders.values()
        if order.market == market.market_id
    }
    _require(resting == held, "orders rest where their accounts say", name)
    for whose in (None, *state.accounts):
        for post_only in (False, True):
            arrived = sum(
                order.post_only is post_only and whose in (None, order.account)
                for order in market.arrivals
            )
            counted = market.arrivals.count(post_only, whose)
            _require(counted == arrived, "arrivals are counted", name)


def _check_account(account: Account) -> None:
    orders = account.orders.values()
    _require(account.free >= 0, "free collateral", account.address)
    _require(
        account.reserved == sum(order.reserve for order in orders), "reserves", account.address
    )
    for position in account.positions.values():
        _require(bool(position.size) or not position.margin, "no idle margin", account.address)
        _require(bool(position.size) or not position.entry, "no idle entry", account.address)
        for side in Side:
            resting = sum(
                order.remaining
                for order in orders
                if order.market == position.market and order.side == side and not order.reduce_only
            )
            _require(position.resting[side] == resting, "resting sizes", account.address)
            idle = any(
                order.reduce_only
                and order.market == position.market
                and order.side == side
                and not position.reducible(side)
                for order in orders
            )
            _require(not idle, "no idle reduce-only order", account.address)


def _check_open_orders(state: State, account: Account) -> None:
    """Check what is said of open orders in more than one place."""
    every: list[Order | Waiting] = [*account.orders.values(), *account.waiting.values()]
    limit = state.rules.limits.open_orders_per_account
    _require(len(every) <= limit, "open orders", account.address)
    ids = {order.order_id for order in every}
    _require(len(ids) == len(every), "order ids differ", account.address)
    _require(max(ids, default=0) < state.next_order_id, "order ids were given", account.address)
    _require(
        all(order.account == account.address for order in every), "own orders", account.address
    )
    _require(
        all(0 < order.remaining <= order.size for order in every), "order sizes", account.address
    )
    named = {order.client_id: order for order in every if order.client_id}
    _require(account.clients == named, "client ids", account.address)
    _check_client_ids(state, account, named)
    grouped = {order for order in every if order.group}
    members = [(group, order) for group, orders in account.groups.items() for order in orders]
    _require({order for _, order in members} == grouped, "groups", account.address)
    _require(all(order.group == group for group, order in members), "groups", account.address)
    _require(
        all(0 < len(orders) <= 2 for orders in account.groups.values()), "pairs", account.address
    )
    _require(
        all(one.new.price and one.new.trigger for one in account.waiting.values()),
        "waiting orders have a trigger",
        account.address,
    )


def _check_client_ids(
    state: State, account: Account, named: Mapping[ClientOrderId, Order | Waiting]
) -> None:
    """Check the client ids that the account remembers, beside its open orders that have one."""
    used = pairs(account.client_ids)
    last, given = dict(used), [order_id for _, order_id in used]
    _require(len(last) == len(used), "client ids differ", account.address)
    _require(len(used) <= state.rules.limits.client_ids_kept, "client ids kept", account.address)
    _require(
        given == sorted(given) and max(given, default=0) < state.next_order_id,
        "client ids were given in order",
        account.address,
    )
    agree = all(last.get(name, one.order_id) == one.order_id for name, one in named.items())
    _require(agree, "client ids of open orders", account.address)


def _require(holds: bool, where: str, value: object) -> None:
    if not holds:
        raise StateDiverged(where=where, value=value)
