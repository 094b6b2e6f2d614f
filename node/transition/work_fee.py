"""What an action pays for the work that its risk-adding orders make: units of work × block's price.

Paid is the attempt. An order that is refused inside an action that applies is charged like any
other, because it stands on L1 and was looked at. A fill-or-kill order that is killed has walked the
book: its action is logged, and pays, even where nothing else in it applied. Any other action that
is rejected as a whole reaches neither log nor L1 and is free.

Cancels, top-ups, reduce-only orders and liquidations are free: a price must never stand between an
account and less risk. Withdrawals are free: a price on the way out could hold money hostage. Fills
are charged to the taker alone: when a maker's order rested, nobody could know what it would meet.

A price above what the signer allowed refuses the orders that it is for, and no others: the cancels
beside them take effect.
"""

from node.transition.effects import Effects
from node.transition.state import Account
from node.types.commands import PlaceOrders
from node.types.errors import CommandRejected, FeeAboveMax, InsufficientCollateral
from node.types.events import WorkCharged
from node.types.units import Money


class WorkFee:
    """The charge on one action. Taken from free collateral before the first order is looked at.

    ``fault`` is why no order that adds risk may enter. ``per_fill`` is what each fill costs on top.
    """

    __slots__ = ("_account", "_paid", "_price", "_units", "_units_of_fill", "fault", "per_fill")

    def __init__(
        self, effects: Effects, account: Account, price: Money, charged: int, max_fee: Money
    ) -> None:
        """Hold back what ``charged`` orders owe at ``price``. Use ``hold_back`` instead."""
        rules = effects.state.rules.fees
        self._account = account
        self._price = price
        self._paid = 0
        self._units = rules.units(charged)
        self._units_of_fill = rules.per_fill
        self.per_fill = Money(price * rules.per_fill)
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
        if not self._paid:
            return
        effects.state.fees += self._paid
        effects.account_changed(self._account)
        units = self._units + fills * self._units_of_fill
        amount = Money(self._paid + fills * self.per_fill)
        effects.events.append(WorkCharged(self._account.address, units, self._price, amount))


def hold_back(effects: Effects, account: Account, command: PlaceOrders) -> WorkFee | None:
    """Hold back what ``command`` owes for its orders; None where it owes nothing."""
    price = effects.state.fee
    if not price:
        return None
    charged = 0
    for order in command.orders:
        if not order.reduce_only:
            charged += 1
    return WorkFee(effects, account, price, charged, command.max_fee) if charged else None
