"""Client ids and open orders against a model of two dictionaries, over whatever happens."""

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from node.transition import invariants
from node.transition.apply import apply
from node.types.commands import CancelAll, CancelOrder, NewOrder, OrderType, PlaceOrders, Side
from node.types.errors import DuplicateClientId, UnknownOrder
from node.types.events import Event, Filled, OrderAccepted, OrderCancelled, OrderRested, Rejected
from node.types.ids import EVERY_MARKET, Address, ClientOrderId
from node.types.units import Lots, Millis, Ticks
from tests.examples import ALICE, BOB, RULES, START_MS, Person
from tests.unit.transition.exchange import BTC, COIN, Exchange

PEOPLE = (ALICE, BOB)
people = st.sampled_from(PEOPLE)
client_ids = st.integers(1, 9)
KEPT = 4


class ClientIds(RuleBasedStateMachine):
    """``open`` holds what each account has resting: client id, then order id and lots.

    ``given`` holds the orders of all client ids of an account, the last one last.
    """

    def __init__(self) -> None:
        super().__init__()
        limits = msgspec.structs.replace(RULES.limits, client_ids_kept=KEPT)
        self.exchange = Exchange(msgspec.structs.replace(RULES, limits=limits))
        self.nonce = 0
        self.open: dict[tuple[Address, int], tuple[int, int]] = {}
        self.given: dict[Address, dict[int, int]] = {person.address: {} for person in PEOPLE}
        for person in PEOPLE:
            self.exchange.fund(person, 1_000_000)

    def _head(self, account: Address) -> tuple[Address, Address, int, Millis, bytes]:
        self.nonce += 1
        return account, account, self.nonce, Millis(START_MS + 1_000), b""

    def _do(self, command: PlaceOrders | CancelAll) -> tuple[Event, ...]:
        return apply(self.exchange.state, command)

    @rule(person=people, client_id=client_ids, side=st.sampled_from(Side), away=st.integers(-2, 2),
          lots=st.integers(1, 3), kind=st.sampled_from((OrderType.GTC, OrderType.IOC)))  # fmt: skip
    def place(
        self, person: Person, client_id: int, side: Side, away: int, lots: int, kind: OrderType
    ) -> None:
        account = person.address
        new = NewOrder(
            BTC,
            side,
            kind,
            Ticks(100_00 + away),
            Lots(lots * COIN),
            client_id=ClientOrderId(client_id),
        )
        events = self._do(PlaceOrders(*self._head(account), (), (new,)))
        taken = dict(list(self.given[account].items())[-KEPT:])
        if (account, client_id) in self.open:
            taken[client_id] = self.open[account, client_id][0]
        if client_id in taken:
            assert isinstance(events[0], Rejected)
            assert events[0].code == DuplicateClientId.code
            assert events[0].values["order_id"] == taken[client_id]
            return
        self._follow(events, account, client_id)

    @rule(person=people, client_id=client_ids)
    def cancel(self, person: Person, client_id: int) -> None:
        account = person.address
        cancel = CancelOrder(client_id=ClientOrderId(client_id))
        events = self._do(PlaceOrders(*self._head(account), (cancel,), ()))
        known = self.open.pop((account, client_id), None)
        if known is None:
            assert isinstance(events[0], Rejected)
            assert events[0].code == UnknownOrder.code
        else:
            assert isinstance(events[0], OrderCancelled)
            assert (events[0].order_id, events[0].remaining) == known

    @rule(person=people)
    def cancel_all(self, person: Person) -> None:
        account = person.address
        events = self._do(CancelAll(*self._head(account), EVERY_MARKET))
        gone = [order for (owner, _), order in self.open.items() if owner == account]
        self.open = {key: order for key, order in self.open.items() if key[0] != account}
        told = [(e.order_id, e.remaining) for e in events if isinstance(e, OrderCancelled)]
        assert told == sorted(gone)

    def _follow(self, events: tuple[Event, ...], account: Address, client_id: int) -> None:
        """Bring the model forward by what the events tell, and by nothing else."""
        names = {order_id: key for key, (order_id, _) in self.open.items()}
        for event in events:
            if isinstance(event, OrderAccepted):
                assert (event.account, event.client_id) == (account, client_id)
                self.given[account].pop(client_id, None)
                self.given[account][client_id] = event.order_id
            elif isinstance(event, Filled):
                key = names[event.maker_order]
                assert key[0] == event.maker != account
                self.open[key] = (event.maker_order, event.maker_remaining)
                if not event.maker_remaining:
                    del self.open[key]
            elif isinstance(event, OrderCancelled) and event.resting:
                assert self.open.pop(names[event.order_id]) == (event.order_id, event.remaining)
            elif isinstance(event, OrderRested):
                self.open[account, client_id] = (event.order_id, event.remaining)

    @invariant()
    def state_agrees(self) -> None:
        found = {
            (account.address, client_id): (order.order_id, order.remaining)
            for account in self.exchange.state.accounts.values()
            for client_id, order in account.clients.items()
        }
        assert found == self.open
        invariants.check(self.exchange.state)


TestClientIds = ClientIds.TestCase
TestClientIds.settings = settings(max_examples=40, stateful_step_count=40)
