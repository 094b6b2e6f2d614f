"""What an action pays for the work that its risk-adding orders make: units of work × block's price.

An order in an auction pays twice, and nothing for its fills. One that waits for a trigger pays
twice at once, and for its fills later: at the price of that block or at its sender's limit, the
lower of them. An amend pays like an order, unless all that it does is to take half or more off what
is left: lot by lot, or with an end that is moved to and fro, the fee for one order would pay for a
log of any length. In a market of auctions it pays twice as well.

Paid is the attempt. An order that is refused inside an action that applies is charged like any
other, because it stands on L1 and was looked at. A fill-or-kill order that is killed has walked the
book: its action is logged, and pays, even where nothing else in it applied. Any other action that
is rejected as a whole reaches neither log nor L1 and is free.

Cancels, top-ups, reduce-only orders and liquidations are free: a price must never stand between an
account and less risk. So is a reduce-only order that waits, where there is a position to reduce:
without one it needs nothing that an account could run out of. Withdrawals are free: a price on the
way out could hold money hostage. Fills are charged to the taker alone: when a maker's order rested,
nobody could know what it would meet.

A price above what the signer allowed refuses the orders that it is for, and no others: the cancels
beside them take effect.
"""

from collections.abc import Container

from node.matching.book import NEVER, Order
from node.transition.account import Account
from node.transition.effects import Effects
from node.transition.orders import NO_PRICE
from node.transition.waiting import Waiting
from node.types.commands import AmendOrder, NewOrder, PlaceOrders
from node.types.errors import CommandRejected, FeeAboveMax, InsufficientCollateral
from node.types.events import WorkCharged
from node.types.ids import MarketId
from node.types.units import Money

_TWICE = 2
"""What arrives later than it enters is dealt with twice: a trigger order, and one in an auction."""


class WorkFee:
    """The charge on one action. Taken from free collateral before the first order is looked at.

    ``fault`` is why no order that adds risk may enter. ``per_fill`` is what each fill costs on top.
    ``amends`` are the places of the amends that are charged, which ``fault`` refuses as well.
    """

    __slots__ = (
        "_account", "_paid", "_price", "_units", "_units_of_fill", "amends", "fault", "per_fill",
    )  # fmt: skip

    def __init__(
        self,
        effects: Effects,
        account: Account,
        price: Money,
        charged: int,
        max_fee: Money,
        amends: Container[int],
    ) -> None:
        """Hold back what ``charged`` orders owe at ``price``. Use ``hold_back`` instead."""
        rules = effects.state.rules.fees
        self._account = account
        self._price = price
        self._paid = 0
        self._units = rules.units(charged)
        self._units_of_fill = rules.per_fill
        self.per_fill = Money(price * rules.per_fill)
        self.amends = amends
        self.fault: CommandRejected | None = None
        owed = price * self._units
        if price > max_fee:
            self.fault = FeeAboveMax(price=price, max_fee=max_fee)
        elif owed > account.free:
            self.fault = InsufficientCollateral(required=owed, free=account.free)
        else:
            self._paid = owed
            account.free -= owed

    @property
    def paid(self) -> bool:
        """Whether the account has paid for the attempt."""
        return self._paid > 0

    def give_back(self) -> None:
        """Return what was held back: the action is rejected as a whole."""
        self._account.free += self._paid

    def book(self, effects: Effects, fills: int) -> None:
        """Give the exchange what was held back; ``fills`` have paid for themselves as they came."""
        amount = Money(self._paid + fills * self.per_fill)
        if not amount:
            return
        effects.state.fees += self._paid
        effects.account_changed(self._account)
        units = self._units + fills * self._units_of_fill
        effects.events.append(WorkCharged(self._account.address, units, self._price, amount))


def hold_back(effects: Effects, account: Account, command: PlaceOrders) -> WorkFee | None:
    """Hold back what ``command`` owes for amends and orders; None where it owes nothing."""
    price = effects.state.fee
    if not price:
        return None
    charged, auctions = 0, effects.state.auctions
    for order in command.orders:
        if order.trigger:
            charged += _TWICE * adds_risk(account, order)
        elif not order.reduce_only:
            charged += _TWICE if order.market in auctions else 1
    amends: dict[int, int] = {}
    if command.amends:
        amends = _charged_amends(account, command.amends, auctions)
        charged += sum(amends.values())
    return WorkFee(effects, account, price, charged, command.max_fee, amends) if charged else None


def adds_risk(account: Account, new: NewOrder) -> bool:
    """Return whether ``new`` is to pay for its work: whether it does not merely reduce."""
    if not new.reduce_only:
        return True
    if not new.trigger:
        return False
    position = account.positions.get(new.market)
    return position is None or not position.reducible(new.side)


def _is_charged(account: Account, order: Order | Waiting, change: AmendOrder) -> bool:
    """Return whether amending ``order`` like this is to be paid for."""
    if not adds_risk(account, order.new) if isinstance(order, Waiting) else order.reduce_only:
        return False
    left = left_after(order, change)
    return left > 0 and (
        change.price != order.price or 2 * left > order.remaining or has_new_terms(order, change)
    )


def has_new_terms(order: Order | Waiting, change: AmendOrder) -> bool:
    """Return whether ``change`` moves the price that ``order`` waits for, or its end."""
    waits_for = order.trigger_price if isinstance(order, Waiting) else NO_PRICE
    return (
        change.trigger_price not in (NO_PRICE, waits_for)
        or change.good_till not in (NEVER, order.good_till)
    )  # fmt: skip


def left_after(order: Order | Waiting, change: AmendOrder) -> int:
    """Return how many lots ``change`` leaves open: its size less what is filled already."""
    return change.size - order.size + order.remaining


def _charged_amends(
    account: Account, amends: tuple[AmendOrder, ...], auctions: Container[MarketId]
) -> dict[int, int]:
    """Return by its place how many orders each amend counts for that is to be paid for.

    That is as things stand before the first of them. In a market of auctions one counts twice, as
    an order does: it may go into an auction anew, and its fills there are free. The second of one
    order is always among them: what it finds is not what stands there now.
    """
    charged: dict[int, int] = {}
    seen: set[Order | Waiting] = set()
    for place, change in enumerate(amends):
        order = account.named(change.order_id, change.client_id)
        if order is None or order in seen or _is_charged(account, order, change):
            again = change.market in auctions and not isinstance(order, Waiting)
            charged[place] = _TWICE if again else 1
        if order is not None:
            seen.add(order)
    return charged
