"""The record of one command's effects: its events, and which accounts and positions it changed."""

from node.margin.position import Position
from node.matching.book import Order
from node.transition.account import Account
from node.transition.state import State
from node.transition.waiting import Waiting
from node.types.events import BalanceChanged, Event, PositionChanged


class Effects:
    """Events in order; changed positions and balances are told once each, when all is done.

    ``others`` are orders to be cancelled because the other of their group was filled or left; see
    ``node.transition.orders``.
    """

    __slots__ = ("_accounts", "_positions", "events", "others", "state")

    def __init__(self, state: State) -> None:
        self.state = state
        self.events: list[Event] = []
        self.others: list[Order | Waiting] = []
        self._accounts: dict[Account, None] = {}
        self._positions: dict[Position, None] = {}

    def account_changed(self, account: Account) -> None:
        """Note that the account's leaf is another now."""
        self._accounts[account] = None

    def position_changed(self, position: Position) -> None:
        """Note that the position's leaf is another now; its rank follows, see ``rank_changed``."""
        self._positions[position] = None

    def nonce_used(self, account: Account) -> None:
        """Note that the account's leaf changed, though not its balance."""
        self.state.touched.accounts.add(account)

    def rank_changed(self) -> None:
        """Bring the auto-deleveraging queues in step with the positions changed so far.

        Once a command is enough, and before the queues are used: a bulk of takers moves its own
        position with each fill.
        """
        markets = self.state.markets
        for position in self._positions:
            markets[position.market - 1].rank(position)

    def finish(self) -> tuple[Event, ...]:
        """Rank what changed, mark it for the state tree and return all events."""
        self.rank_changed()
        touched, events = self.state.touched, self.events
        for position in self._positions:
            touched.positions.add(position)
            events.append(_position_event(position))
        for account in self._accounts:
            touched.accounts.add(account)
            free, reserved = account.free, account.reserved
            events.append(BalanceChanged(account.address, free, reserved))  # type: ignore[arg-type]  # Money() costs a call.
        return tuple(events)


def _position_event(position: Position) -> PositionChanged:
    # Lots() and Money() would cost a call each.
    size, entry, margin = position.size, position.entry, position.margin
    return PositionChanged(position.account, position.market, size, entry, margin, position.funding)  # type: ignore[arg-type]  # Money() costs a call.
