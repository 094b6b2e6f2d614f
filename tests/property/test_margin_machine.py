"""Margin of two accounts against exact fractions, over fills, funding and moves of margin.

The model follows what the exchange accepts. It knows each account's lots, entry, margin and free
collateral without a rounding (``naive_margin``), so whatever the two differ by was rounded: a unit
or so for each division of each fill, and in sum never in favour of the account.
"""

from fractions import Fraction

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from node.transition.apply import apply
from node.transition.state import Market
from node.types.commands import Command, OrderType, SettleFunding, Side
from node.types.events import Event, Filled, Rejected
from node.types.ids import Address
from tests.examples import ALICE, BOB, CAROL, DOLLAR, Person
from tests.property.naive_margin import Holding, fee, filled, required
from tests.unit.transition.exchange import COIN, Exchange, order

PAIR = (ALICE, BOB)
DOLLARS = 1_000
ROUNDINGS = 7
"""Divisions of one fill; see ``test_margin``."""

people = st.sampled_from(PAIR)


class Margins(RuleBasedStateMachine):
    """``exact`` is what each of the two holds without roundings, ``fills`` how often it traded."""

    def __init__(self) -> None:
        super().__init__()
        self.exchange = Exchange()
        for person in (*PAIR, CAROL):
            self.exchange.fund(person, DOLLARS)
        none = Fraction(0)
        start = Holding(0, none, none, Fraction(DOLLARS * DOLLAR))
        self.exact = {person.address: start for person in PAIR}
        self.fills = {person.address: 0 for person in PAIR}

    @property
    def _market(self) -> Market:
        return self.exchange.market

    def _try(self, command: Command) -> tuple[Event, ...]:
        """Apply ``command``; return what happened, nothing where it was refused."""
        events = apply(self.exchange.state, command)
        return () if isinstance(events[0], Rejected) else events

    @initialize()
    def positions(self) -> None:
        """Begin with a position, so that funding and margin have something to move."""
        self.trade(ALICE, Side.BUY, 30_000, 0)

    @rule(maker=people, side=st.sampled_from(Side), size=st.integers(1_000, 60_000),
          away=st.integers(-300, 300))  # fmt: skip
    def trade(self, maker: Person, side: Side, size: int, away: int) -> None:
        """Let one rest and the other take; cancel what is left."""
        taker = BOB if maker is ALICE else ALICE
        price = max(1, self._market.mark + away)
        other = Side.SELL if side is Side.BUY else Side.BUY
        if self._try(self.exchange.orders(maker, order(side, size, price))):
            taking = order(other, size, price, OrderType.IOC)
            for event in self._try(self.exchange.orders(taker, taking)):
                if isinstance(event, Filled):
                    self._follow(event)
            self._try(self.exchange.cancel_all(maker))

    def _follow(self, event: Filled) -> None:
        """Fill both without roundings."""
        lots = event.size if event.taker_side is Side.BUY else -event.size
        rules, mark = self._market.rules, self._market.mark
        sides = (
            (event.taker, lots, rules.taker_fee, event.taker_fee),
            (event.maker, -lots, rules.maker_fee, event.maker_fee),
        )
        for account, signed, rate, paid in sides:
            assert 0 <= paid - fee(rate, signed, event.price) < 1
            before, slack = self.exact[account], self._slack(account) + ROUNDINGS
            terms = mark, signed, event.price, rate, self._market.buffer
            after = filled(rules, before, *terms)
            if after is None:
                # At the very border a few units decide: then the model lends them for this fill.
                richer = msgspec.structs.replace(
                    before, margin=before.margin + slack, free=before.free + slack
                )
                after = filled(rules, richer, *terms)
                assert after is not None, "what was filled could not be borne"
                after = msgspec.structs.replace(after, free=after.free - 2 * slack)
                self.fills[account] += 2 * slack
            self.exact[account] = after
            self.fills[account] += 1

    @rule(away=st.integers(-200, 200))
    def move_the_mark(self, away: int) -> None:
        self.exchange.mark(max(5_000, self._market.mark + away))

    @rule(premium=st.integers(-60, 60))
    def settle_funding(self, premium: int) -> None:
        """Let somebody else quote around a premium, and let an interval pass."""
        mark = self._market.mark
        quotes = (
            order(Side.BUY, COIN, mark + premium - 1),
            order(Side.SELL, COIN, mark + premium + 1),
        )
        self._try(self.exchange.orders(CAROL, *quotes))
        self.exchange.mark(mark)
        self._try(self.exchange.cancel_all(CAROL))
        self.exchange.wait(self._market.rules.funding_interval_ms)
        before = self._market.funding_index
        self._try(SettleFunding())
        step = self._market.funding_index - before
        self.exchange.mark(mark)
        for account, held in self.exact.items():
            margin = held.margin - held.size * step
            self.exact[account] = msgspec.structs.replace(held, margin=margin)

    @rule(person=people, cents=st.integers(-200_000, 200_000))
    def move_margin(self, person: Person, cents: int) -> None:
        """Move money between margin and what is free; it must be enough before and after."""
        held, slack = self.exact[person.address], self._slack(person.address) + 1
        amount = cents * DOLLAR // 100
        accepted = bool(self._try(self.exchange.adjust(person, amount)))
        needed = required(
            self._market.rules, held.size, self._market.mark, initial=True,
            buffer=self._market.buffer,
        ) if held.size else Fraction(0)  # fmt: skip
        if not amount or not held.size:
            assert not accepted
            return
        # Each is how much there would be too much: below 0 it must be refused, above accepted.
        spare = [held.free - amount]
        if amount < 0:
            spare = [held.margin + amount, held.equity(self._market.mark) + amount - needed]
        assert accepted or min(spare) < slack
        assert not accepted or min(spare) > -slack
        if accepted:
            self.exact[person.address] = msgspec.structs.replace(
                held, margin=held.margin + amount, free=held.free - amount
            )

    def _slack(self, account: Address) -> int:
        return ROUNDINGS * self.fills[account]

    @invariant()
    def roundings_are_all_that_differs(self) -> None:
        for person in PAIR:
            account, held = self.exchange.account(person), self.exact[person.address]
            position, slack = self.exchange.position(person), self._slack(person.address)
            margin = position.margin - position.owed_funding(self._market.funding_index)
            assert position.size == held.size
            assert abs(position.entry - held.entry) <= self.fills[person.address]
            assert abs(margin - held.margin) <= slack
            assert abs(account.free - held.free) <= slack
            assert account.free >= 0
            lost = held.free + held.margin - held.entry - (account.free + margin - position.entry)
            assert 0 <= lost <= self.fills[person.address], "a rounding was a gift"

    @invariant()
    def money_is_conserved(self) -> None:
        """Sizes sum to nothing, so what all have, at any price at all, is what came in."""
        state, index = self.exchange.state, self._market.funding_index
        owned = sizes = 0
        for account in state.accounts.values():
            owned += account.free + sum(one.reserve for one in account.orders.values())
            for one in account.positions.values():
                owned += one.margin - one.entry - one.owed_funding(index)
                sizes += one.size
        assert sizes == 0
        assert owned + state.fees + state.insurance == state.deposited


TestMargins = Margins.TestCase
TestMargins.settings = settings(max_examples=60, stateful_step_count=40)
