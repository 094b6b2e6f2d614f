"""What is rehearsed: the course of an hour, and what the node's work costs in it."""

import math
from typing import Literal

import msgspec


class Fault(msgspec.Struct, frozen=True):
    """What L1 does from ``from_s`` until ``until_s``.

    ``outage``: no block, and no answer. ``congestion``: gas costs ``gas_price_factor`` times as
    much, a block takes this node's transactions with probability ``inclusion`` only, and has
    ``block_share`` of its ordinary room for them. ``reorg``: the last ``depth`` blocks are replaced
    by empty ones, at ``from_s``.
    """

    from_s: float
    until_s: float
    kind: Literal["outage", "congestion", "reorg"]
    gas_price_factor: float = 1.0
    inclusion: float = 1.0
    block_share: float = 1.0
    depth: int = 0


class Costs(msgspec.Struct, frozen=True):
    """Seconds that the node's work takes; everything not named takes none.

    ``command_s``: of one command on the loop, all stations together; ``verify_s``: of one signature
    in one of ``workers``; ``commit_s``: of one block on the disk.
    """

    command_s: float
    verify_s: float
    commit_s: float
    workers: int = 1


class Script(msgspec.Struct, frozen=True):
    """One draw of a scenario, value by value each ``step_s``; the price has one more, the start.

    ``rate`` is in actions of clients a second, ``price`` relative to the start, ``oracle`` tells
    whether rounds come, every ``oracle_s``. L1 makes a block each ``block_s``, takes it with
    probability ``inclusion`` for ours, and makes it final ``finality_blocks`` later. It has room
    for ``block_batches`` full batches, each of ``batch_items`` actions of the whole flow; an empty
    one takes ``batch_overhead`` of the gas of a full one. ``unposted`` actions wait for it at the
    start; ``long_share`` of the positions are long then, at ``leverage``, each with its share.
    ``scale`` is the part of the flow that is played, after ``lead_s`` in which clients send and L1
    takes nothing, so that those actions wait.
    """

    name: str
    step_s: float
    rate: tuple[float, ...]
    price: tuple[float, ...]
    oracle: tuple[bool, ...]
    oracle_s: float
    faults: tuple[Fault, ...]
    costs: Costs
    block_s: float
    inclusion: float
    finality_blocks: int
    block_batches: float
    batch_items: float
    batch_overhead: float
    gas_price_gwei: float
    seed: int
    long_share: float
    leverage: tuple[tuple[float, float], ...]
    unposted: int = 0
    scale: float = 1.0
    lead_s: float = 0.0

    @property
    def seconds(self) -> float:
        """Return how long it lasts."""
        return len(self.rate) * self.step_s

    def stretch(self, from_s: float, seconds: float, scale: float) -> "Script":
        """Return the part from ``from_s`` on, with ``scale`` of the flow and 1/scale of the speed.

        A node that is ten times slower under a tenth of the flow is as busy, for a tenth of the
        work. What waits for L1 at the start can only be told of the start.
        """
        first = round(from_s / self.step_s)
        count = max(1, min(round(seconds / self.step_s), len(self.rate) - first))
        start_s, until_s, costs = first * self.step_s, (first + count) * self.step_s, self.costs
        waits = self.unposted and first == 0 and self.rate[0] > 0
        lead = math.ceil(self.unposted / self.rate[0] / self.step_s) if waits else 0
        lead_s = lead * self.step_s
        withheld = (Fault(0.0, lead_s, "congestion", inclusion=0.0),) if lead else ()
        return msgspec.structs.replace(
            self,
            rate=tuple(
                rate * scale for rate in (*self.rate[:1] * lead, *self.rate[first : first + count])
            ),
            price=(1.0,) * lead
            + tuple(price / self.price[first] for price in self.price[first : first + count + 1]),
            oracle=(True,) * lead + self.oracle[first : first + count],
            faults=withheld
            + tuple(
                msgspec.structs.replace(
                    fault,
                    from_s=max(fault.from_s - start_s, 0) + lead_s,
                    until_s=fault.until_s - start_s + lead_s,
                )
                for fault in self.faults
                if fault.until_s >= start_s and fault.from_s < until_s
            ),
            costs=Costs(
                costs.command_s / scale,
                costs.verify_s / scale,
                costs.commit_s / scale,
                costs.workers,
            ),
            scale=scale,
            lead_s=lead_s,
        )
