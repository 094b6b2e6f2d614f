"""The curated cases of liquidations: what is closed, what the fund pays, who takes the rest."""

from node.types.commands import Command
from tests.examples import ALICE, BOB, CAROL
from tests.unit.transition.exchange import BUY, COIN, Exchange, order
from tests.vectors.cases import case, funded, long_of_ten


@case("liquidate/partly")
def _() -> tuple[Exchange, Command]:
    exchange = long_of_ten()
    exchange.mark(94_00)
    exchange.place(CAROL, order(BUY, 10 * COIN, 94_00))
    return exchange, exchange.liquidate(BOB)


@case("liquidate/the_fund_pays")
def _() -> tuple[Exchange, Command]:
    exchange = long_of_ten()
    exchange.endow(1_000)
    exchange.mark(89_00)
    exchange.place(CAROL, order(BUY, 10 * COIN, 88_50))
    return exchange, exchange.liquidate(BOB)


@case("liquidate/the_fund_pays_for_a_part")
def _() -> tuple[Exchange, Command]:
    exchange = long_of_ten()
    exchange.endow(1_000)
    exchange.mark(89_00)
    exchange.place(CAROL, order(BUY, 7 * COIN + 1, 88_50))
    return exchange, exchange.liquidate(BOB)


@case("liquidate/deleverages")
def _() -> tuple[Exchange, Command]:
    exchange = funded()
    exchange.trade(BOB, ALICE, 3 * COIN + 1, 100_01)
    exchange.trade(BOB, CAROL, 2 * COIN, 101_00)
    exchange.endow(1)
    exchange.mark(80_00)
    return exchange, exchange.liquidate(BOB)


@case("liquidate/not_liquidatable")
def _() -> tuple[Exchange, Command]:
    exchange = long_of_ten()
    return exchange, exchange.liquidate(BOB)


@case("liquidate/stalled")
def _() -> tuple[Exchange, Command]:
    exchange = long_of_ten()
    exchange.mark(94_00)
    return exchange, exchange.liquidate(BOB)
