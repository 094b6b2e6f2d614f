"""What an action of the naive engine pays for its work, and how many steps it may take."""

from node.types import errors
from node.types.commands import (
    AmendOrder,
    NewOrder,
    PlaceOrders,
    Trigger,
)
from node.types.errors import CommandRejected
from node.types.events import (
    WorkCharged,
)
from node.types.rules import Ordering
from node.types.units import Money
from tests.property.naive_exchange import Exchange, Open, Owner, Waiting


class Work:
    """What an action owes for its work, ``charged`` orders' worth, and the steps it has left.

    ``charged_amends`` are the places of the items that are amends and to be paid for.
    """

    def __init__(self, exchange: Exchange, owner: Owner, max_fee: int) -> None:
        self.exchange = exchange
        self.owner = owner
        self.max_fee = max_fee
        self.charged = 0
        self.charged_amends: set[int] = set()
        self.price = exchange.totals.fee
        self.steps_left = exchange.rules.limits.steps_per_action
        self.paid = self.fills = 0
        self.fault: CommandRejected | None = None

    @property
    def steps_of_order(self) -> int:
        """Return the most steps that the next order may take."""
        return min(self.exchange.rules.limits.fills_per_order, self.steps_left)

    @property
    def per_fill(self) -> int:
        """Return what each fill of an order that adds risk costs."""
        return self.price * self.exchange.rules.fees.per_fill if self.charged else 0

    @property
    def units(self) -> int:
        """Return the work of the attempt, without its fills."""
        rules = self.exchange.rules.fees
        return rules.per_action + rules.per_order * self.charged

    def hold_back(self, command: PlaceOrders) -> None:
        """Take what the attempt costs, or note why no order that adds risk may enter."""
        auctions = self.exchange.rules.ordered(Ordering.AUCTION)
        named = []
        for place, change in enumerate(command.amends, start=len(command.cancels)):
            order = self.exchange.named(self.owner.address, change.order_id, change.client_id)
            if order is None or order in named or self.is_charged(order, change):
                anew = change.market in auctions and not isinstance(order, Waiting)
                self.charged += 2 if anew else 1
                self.charged_amends.add(place)
            named.append(order)
        for new in command.orders:
            later = new.trigger or new.market in auctions
            self.charged += self.adds_risk(new) * (2 if later else 1)
        if not self.price or not self.charged:
            return
        owed, free = self.price * self.units, self.owner.free
        if self.price > self.max_fee:
            self.fault = errors.FeeAboveMax(price=self.price, max_fee=self.max_fee)
        elif owed > free:
            self.fault = errors.InsufficientCollateral(required=owed, free=free)
        else:
            self.owner.free -= owed
            self.paid = owed

    def adds_risk(self, new: NewOrder) -> bool:
        """Return whether ``new`` pays; one that waits to reduce does where nothing is to reduce."""
        held = self.exchange.held.get((self.owner.address, new.market))
        reduces = held is not None and held.reducible(new.side) > 0
        return not new.reduce_only or (new.trigger is not Trigger.NONE and not reduces)

    def is_charged(self, order: Open | Waiting, change: AmendOrder) -> bool:
        """Return whether the amend is paid for; just to take half or more off is free."""
        free = not self.adds_risk(order.new) if isinstance(order, Waiting) else order.reduce_only
        left = left_after(order, change)
        halves = change.price == order.price and 2 * left <= order.remaining
        return not free and left > 0 and not (halves and not new_terms(order, change))

    def take(self, steps: int) -> None:
        """Count steps; the last order may have overdrawn them."""
        self.steps_left = max(0, self.steps_left - steps)

    def book(self) -> None:
        """Give the exchange what was paid, and tell of it with the fills that paid on their own."""
        amount = Money(self.paid + self.fills * self.per_fill)
        if not amount:
            return
        self.exchange.totals.fees += self.paid
        self.exchange.balance_changed(self.owner.address)
        units = self.units + self.fills * self.exchange.rules.fees.per_fill
        told = WorkCharged(self.owner.address, units, Money(self.price), amount)
        self.exchange.events.append(told)


def left_after(order: Open | Waiting, change: AmendOrder) -> int:
    """Return what is open of ``order`` afterwards: its new size without what is filled."""
    return change.size - (order.size - order.remaining)


def new_terms(order: Open | Waiting, change: AmendOrder) -> bool:
    """Return whether the amend names another trigger price or another end than the order has."""
    waits_for = order.new.trigger_price if isinstance(order, Waiting) else 0
    keeps_price = change.trigger_price in {0, waits_for}
    return not keeps_price or change.good_till not in {0, order.good_till}
