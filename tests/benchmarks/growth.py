"""``python -m tests.benchmarks.growth ACCOUNTS ORDERS_EACH``: the collector's pauses on the way.

A process begins with nothing, grows to a crowd, then cancels and places every order anew, and then
takes a thousand deposits: once
with the collector as Python has it after one freeze at the start, once as a node has it. Printed as
JSON: the longest pause of each generation in milliseconds, of the wall and of the processor, and
how long all of them took.
"""

import gc
import json
import multiprocessing
import sys
from time import perf_counter, thread_time
from typing import Any, Final

from node.adapters.collector import GENERATIONS, LOOK_EACH_S, Collector
from node.transition.state import State
from node.types.commands import CancelAll, Deposit, Side
from node.types.ids import EVERY_MARKET, Address
from node.types.units import Money
from tests.benchmarks.book_tape import DEPTH_TICKS, MIDDLE
from tests.benchmarks.crowd import EXPIRES, action, crowded, order, put
from tests.examples import DOLLAR

BOTH: Final = {"as Python has it": False, "as a node has it": True}


class Pauses:
    """The longest of each generation in seconds, by two clocks."""

    def __init__(self) -> None:
        self.wall = [0.0] * GENERATIONS
        self.processor = [0.0] * GENERATIONS
        self.total = 0.0
        self._begun = 0.0, 0.0

    def called(self, phase: str, info: dict[str, Any]) -> None:
        """Be a callback of ``gc``."""
        now = perf_counter(), thread_time()
        if phase == "start":
            self._begun = now
            return
        place = info["generation"]
        wall, processor = (end - start for start, end in zip(self._begun, now, strict=True))
        self.wall[place] = max(self.wall[place], wall)
        self.processor[place] = max(self.processor[place], processor)
        self.total += processor

    def told(self) -> dict[str, Any]:
        """Return them in milliseconds."""
        return {
            "longest_wall_ms": [round(1e3 * one, 1) for one in self.wall],
            "longest_processor_ms": [round(1e3 * one, 1) for one in self.processor],
            "all_processor_ms": round(1e3 * self.total),
        }


def grown(name: str, accounts: int, orders_each: int) -> None:
    """Grow and churn in this process, and print what that took."""
    pauses, collector = Pauses(), Collector()
    if BOTH[name]:
        collector.__enter__()
    else:
        gc.collect()
        gc.freeze()
    gc.callbacks.append(pauses.called)
    state = crowded(accounts, orders_each)
    told = {"collector": name, "grown": pauses.told()}
    looked = perf_counter()
    for index, person in enumerate(tuple(state.accounts)):
        replace_all(state, index, person, orders_each)
        if BOTH[name] and perf_counter() - looked > LOOK_EACH_S:
            looked = perf_counter()
            collector.look()
    for index in range(accounts, accounts + 1_000):
        put(state, Deposit(index, Address((index + 1).to_bytes(20, "big")), Money(DOLLAR)))
    gc.callbacks.remove(pauses.called)
    print(json.dumps({**told, "all_replaced": pauses.told()}), flush=True)


def replace_all(state: State, index: int, person: Address, orders_each: int) -> None:
    """Cancel the orders of ``person`` and place them again."""
    side = Side.SELL if index % 2 else Side.BUY
    away = 1 + index % DEPTH_TICKS
    price = MIDDLE + away if side is Side.SELL else MIDDLE - away
    put(state, CancelAll(person, person, 3, EXPIRES, b"", EVERY_MARKET))
    put(state, action(person, 4, tuple(order(side, price) for _ in range(orders_each))))
    state.drain_changes()


def main() -> None:
    """Do it both ways, each in a process of its own."""
    accounts, orders_each = int(sys.argv[1]), int(sys.argv[2])
    for name in BOTH:
        process = multiprocessing.get_context("spawn").Process(
            target=grown, args=(name, accounts, orders_each)
        )
        process.start()
        process.join()


if __name__ == "__main__":
    main()
