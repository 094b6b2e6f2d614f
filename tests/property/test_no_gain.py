"""Accounts of one owner, however they trade with each other, take nothing out of the exchange.

As long as no position is worth less than nothing at a mark, the insurance fund never pays: not for
trades far from the mark, for margin that is taken out, or for a liquidation that is met by bids of
the liquidated's own choice of size and price. And with a mark that stands still the owner never has
more than was deposited. A search from printed seeds; each looks for the next harm by itself.
"""

from random import Random
from typing import Final

import pytest

from node.margin.liquidation import worst_price
from node.margin.position import initial_margin, maintenance_margin
from node.transition import invariants
from node.transition.apply import apply
from node.types.commands import Command
from node.types.events import Filled, Liquidated
from tests.examples import ALICE, BOB, DOLLAR, MALLORY, Person
from tests.unit.transition.exchange import BUY, COIN, SELL, Exchange, order

OWNED: Final = (ALICE, BOB, MALLORY)
SEEDS: Final = 150
STEPS: Final = 60
FUND: Final = 1_000_000
FUNDED: Final = (20, 2_000, 10_000_000)


class Owner:
    """Whoever has all accounts of an exchange, and draws what to do with them from a seed."""

    def __init__(self, seed: int, farthest: float) -> None:
        """The mark moves by up to ``farthest`` of itself at a time."""
        self.random = Random(seed)
        self.exchange = Exchange()
        self.exchange.endow(FUND)
        self.farthest = farthest
        for person in OWNED:
            self.exchange.fund(person, self.random.choice(FUNDED))
        self.met: set[type] = set()

    @property
    def wealth(self) -> int:
        """What all accounts are worth at the mark, beside what was deposited."""
        state = self.exchange.state
        worth = invariants.money(state)
        return worth.equity + worth.withdrawals - (state.deposited - FUND * DOLLAR)

    @property
    def owes(self) -> bool:
        """Whether a position is worth less than nothing."""
        mark = self.exchange.market.mark
        return any(self.exchange.position(one).equity(mark, 0) < 0 for one in OWNED)

    def step(self) -> None:
        """Do one thing; what can be liquidated mostly is."""
        failing = [one for one in OWNED if self._fails(one)]
        if failing and self.random.random() < 0.8:
            self.meet_liquidation(self.random.choice(failing))
        else:
            act = self.random.choice((self.trade, self.squeeze, self.squeeze, self.move_mark))
            act()

    def trade(self) -> None:
        """Trade between two of the accounts, at any price that is allowed."""
        one, other = self.random.sample(OWNED, 2)
        price = self.random.randint(*self.exchange.market.band)
        size = int(COIN * 10 ** self.random.uniform(-3, 3))
        for person, side in ((one, BUY), (other, SELL)):
            self._try(self.exchange.orders(person, order(side, size, price)))

    def squeeze(self) -> None:
        """Take all the margin out that there is beyond the least."""
        person = self.random.choice(OWNED)
        market, position = self.exchange.market, self.exchange.position(person)
        least = initial_margin(market.rules, position.size, market.mark, market.buffer)
        beyond = position.equity(market.mark, 0) - least
        self._try(self.exchange.adjust(person, -max(1, min(beyond, position.margin))))

    def meet_liquidation(self, person: Person) -> None:
        """Liquidate into another account's bid, of any size, at the worst price that is allowed."""
        other = self.random.choice([one for one in OWNED if one is not person])
        market, position = self.exchange.market, self.exchange.position(person)
        fund = self.exchange.state.insurance
        price = worst_price(market.rules, position, 0, market.mark, fund)
        size = max(1, int(abs(position.size) * self.random.random()))
        self._try(self.exchange.cancel_all(other))
        self._try(
            self.exchange.orders(other, order(BUY if position.size > 0 else SELL, size, price))
        )
        self._try(self.exchange.liquidate(person))

    def move_mark(self) -> None:
        """Move the mark, if it moves at all."""
        if self.farthest:
            by = 1 + self.random.uniform(-self.farthest, self.farthest)
            self.exchange.mark(max(1, round(self.exchange.market.mark * by)))

    def _fails(self, person: Person) -> bool:
        market, position = self.exchange.market, self.exchange.position(person)
        needed = maintenance_margin(market.rules, position.size, market.mark)
        return position.equity(market.mark, 0) < needed

    def _try(self, command: Command) -> None:
        self.met |= {type(event) for event in apply(self.exchange.state, command)}
        invariants.check(self.exchange.state)


@pytest.mark.parametrize("farthest", [0.0, 0.05])
def test_the_fund_pays_nothing_to_those_who_never_owed(farthest: float) -> None:
    met: set[type] = set()
    for seed in range(SEEDS):
        owner = Owner(seed, farthest)
        for _ in range(STEPS):
            before = owner.exchange.state.insurance
            owner.step()
            if owner.owes:
                break
            assert owner.exchange.state.insurance >= before, f"seed {seed}"
            assert farthest or owner.wealth <= 0, f"seed {seed}"
        met |= owner.met
    # It is no search where nothing happens.
    assert Filled in met
    assert (Liquidated in met) == bool(farthest)
