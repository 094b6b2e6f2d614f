"""``python -m tests.benchmarks.crowd ACCOUNTS ORDERS_EACH``: a state of many, and what it weighs.

Every account holds a position, bought from or sold to its neighbour, and rests orders on its side
of the middle. Printed as JSON: the resident memory that the state added, in MiB, and
how long a full collection then takes, before and after ``gc.freeze``.
"""

import gc
import json
import resource
import sys
from pathlib import Path
from time import perf_counter
from typing import Final

from node.transition.apply import apply
from node.transition.state import State
from node.types.commands import (
    Command,
    Deposit,
    NewOrder,
    OpenBlock,
    OracleRound,
    OrderType,
    PlaceOrders,
    PriceReport,
    Side,
)
from node.types.events import Rejected
from node.types.ids import Address
from node.types.units import Lots, Millis, Money, Ticks
from tests.benchmarks.book_tape import DEPTH_TICKS, MARKET, MIDDLE
from tests.examples import DOLLAR, DOMAIN, REPORTERS, RULES, START_MS

LOTS: Final = Lots(10_000)
EXPIRES: Final = Millis(START_MS + 3_600_000)


def resident_mib() -> float:
    """Return the resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / (1 << 20)


def crowded(accounts: int, orders_each: int) -> State:
    """Return a state of so many accounts, all of which trade with a neighbour and then quote."""
    state = State.genesis(RULES, DOMAIN)
    put(state, OpenBlock(1, START_MS))
    reports = tuple(PriceReport(one.address, (Ticks(MIDDLE),) * 2, b"") for one in REPORTERS)
    put(state, OracleRound(START_MS, reports))
    people = [Address(number.to_bytes(20, "big")) for number in range(1, accounts + 1)]
    for index, person in enumerate(people):
        put(state, Deposit(index, person, Money(100_000 * DOLLAR)))
    for index, person in enumerate(people):
        side = Side.SELL if index % 2 else Side.BUY
        put(state, action(person, 1, (order(side, MIDDLE),)))
    for index, person in enumerate(people):
        quotes = range(orders_each)
        side = Side.SELL if index % 2 else Side.BUY
        away = 1 + index % DEPTH_TICKS
        price = MIDDLE + away if side is Side.SELL else MIDDLE - away
        put(state, action(person, 2, tuple(order(side, price) for _ in quotes)))
        state.drain_changes()
    return state


def order(side: Side, price: int) -> NewOrder:
    """Return an order of the one size."""
    return NewOrder(MARKET, side, OrderType.GTC, Ticks(price), LOTS)


def action(person: Address, nonce: int, orders: tuple[NewOrder, ...]) -> PlaceOrders:
    """Return an action that ``apply`` takes: it looks at no signature."""
    return PlaceOrders(person, person, nonce, EXPIRES, b"", (), orders)


def put(state: State, command: Command) -> None:
    """Apply ``command``, which must apply."""
    assert not isinstance(apply(state, command)[0], Rejected), command


def collection_ms() -> float:
    """Return how long the whole process stands still while all that can be garbage is looked at."""
    gc.collect()
    started = perf_counter()
    gc.collect()
    return round(1e3 * (perf_counter() - started), 2)


def main() -> None:
    """Build, weigh, tell."""
    accounts, orders_each = int(sys.argv[1]), int(sys.argv[2])
    empty = resident_mib()
    state = crowded(accounts, orders_each)
    held = [one for a in state.accounts.values() for one in a.positions.values() if one.size]
    told = {
        "accounts": len(state.accounts),
        "positions": len(held),
        "orders": sum(len(market.book) for market in state.markets),
        "mib": round(resident_mib() - empty, 1),
        "collect_ms": collection_ms(),
    }
    gc.freeze()
    told["collect_frozen_ms"] = collection_ms()
    print(json.dumps(told))


if __name__ == "__main__":
    main()
