"""``python -m tests.benchmarks.crowd ACCOUNTS ORDERS_EACH``: a state of many, and what it weighs.

Every account holds a position, bought from or sold to its neighbour, and rests orders on its side
of the middle. Printed as JSON, memory being resident and in MiB: what the process has before the
state, and what the state adds; how long a full collection then takes, before and after
``gc.freeze``; and what all else adds that a node holds of such a state, part by part, made as a
node makes it. Its replica, which has a process of its own elsewhere, stands in this one.
"""

import asyncio
import gc
import json
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from types import SimpleNamespace
from typing import Any, Final, cast

from node.adapters.http.framing import text_frame
from node.adapters.system_clock import SystemClock
from node.app.foundation import Foundation
from node.app.risk_fleet import make_fleet
from node.publisher.feeds import Feeds
from node.publisher.seed import accounts_of, books_of, marks_of
from node.risk.config import RiskConfig
from node.risk.fleet import RiskFleet
from node.transition.apply import apply
from node.transition.state import State
from node.transition.tree.tree import StateTree
from node.triggers.config import TriggersConfig
from node.triggers.seed import due_book_of
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
from node.types.ids import Address, Sequence
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


def parts_of(state: State) -> dict[str, Callable[[], object]]:
    """Return what makes each further thing that a node's own process holds of ``state``."""
    sequence = Sequence(state.sequence)
    # As much of a node's foundation as the shards of the risk processor are made from.
    base = cast("Foundation", SimpleNamespace(rules=RULES, state=state, clock=SystemClock()))
    timing = TriggersConfig()
    return {
        "publisher's books, accounts, marks": lambda: Feeds(
            RULES, books_of(state), accounts_of(state), marks_of(state), text_frame, sequence
        ),
        "clocks of orders": lambda: due_book_of(state, timing.reconnect_grace_ms, timing.retry_ms),
        "risk processor": lambda: started(make_fleet(base, RiskConfig())),
    }


def started(fleet: RiskFleet) -> RiskFleet:
    """Return ``fleet``, watching its markets."""
    asyncio.run(fleet.start())
    return fleet


def replica_of(state: State) -> dict[str, Callable[[], object]]:
    """Return what makes each thing that a replica at ``state`` holds; see ``Replica``."""
    return {
        "state": lambda: State.from_leaves(RULES, DOMAIN, state.leaves()),
        "tree": lambda: StateTree.build(dict(state.leaves())),
    }


def weigh(parts: dict[str, Callable[[], object]], kept: list[object]) -> dict[str, float]:
    """Make each of ``parts`` and keep it; return the resident memory that it added, in MiB."""
    added = {}
    for name, make in parts.items():
        gc.collect()
        before = resident_mib()
        kept.append(make())
        gc.collect()
        added[name] = round(resident_mib() - before, 1)
    return added


def main() -> None:
    """Build, weigh, tell."""
    accounts, orders_each = int(sys.argv[1]), int(sys.argv[2])
    empty = resident_mib()
    state = crowded(accounts, orders_each)
    held = [one for a in state.accounts.values() for one in a.positions.values() if one.size]
    told: dict[str, Any] = {
        "accounts": len(state.accounts),
        "positions": len(held),
        "orders": sum(len(market.book) for market in state.markets),
        "bare_mib": round(empty, 1),
        "node_mib": {"state": round(resident_mib() - empty, 1)},
        "collect_ms": collection_ms(),
    }
    gc.freeze()
    told["collect_frozen_ms"] = collection_ms()
    kept: list[object] = []
    told["node_mib"] |= weigh(parts_of(state), kept)
    told["replica_mib"] = weigh(replica_of(state), kept)
    print(json.dumps(told))


if __name__ == "__main__":
    main()
