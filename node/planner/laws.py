"""The node's ceilings, stage by stage, and their minimum: the limit and the resource that sets it.

All rates are items (commands) from outside per second, all times are seconds. A ceiling of
``math.inf`` means that the resource never binds. Nothing here is random; what a ceiling does to
waiting is in ``node.planner.waiting``.
"""

import math
from collections.abc import Iterable, Mapping

import msgspec


def _at_least_zero(**values: float) -> None:
    """Raise ``ValueError`` naming every value that is negative or not a number."""
    faults = [f"{name} = {value}" for name, value in values.items() if not value >= 0]
    if faults:
        raise ValueError("must not be negative: " + ", ".join(faults))


def _above_zero(**values: float) -> None:
    """Raise ``ValueError`` naming every value that is not above zero and finite."""
    faults = [f"{name} = {value}" for name, value in values.items() if not 0 < value < math.inf]
    if faults:
        raise ValueError("must be positive and finite: " + ", ".join(faults))


class LoopStage(msgspec.Struct, frozen=True):
    """One stage of those that share an event loop."""

    visits_per_item: float
    service_s: float
    """Mean seconds of one visit."""


def loop_limit_per_s(stages: Iterable[LoopStage]) -> float:
    """Return 1 / sum(v_s S_s), the items per second that saturate one event loop.

    The utilization law U = X D with the service demands D_s = v_s S_s added, as the stages share
    one server (Denning and Buzen 1978). Valid for any arrival process and any order of service;
    infinite where nothing takes time. ``1 / max S_s`` would hold only for stages with a processor
    each.
    """
    demand_s = 0.0
    for stage in stages:
        _at_least_zero(visits_per_item=stage.visits_per_item, service_s=stage.service_s)
        demand_s += stage.visits_per_item * stage.service_s
    return 1 / demand_s if demand_s else math.inf


def journal_limit_per_s(records_per_commit: float, fsync_s: float, record_s: float = 0.0) -> float:
    """Return n / (T + n r): the records per second of a journal that commits groups of n.

    ``fsync_s`` (T) is the fixed cost of a commit, ``record_s`` (r) the cost of each record in it. A
    group commit takes what has gathered, so ``records_per_commit`` is the *largest* group; below
    the limit, groups are smaller. With r = 0 this is the brief form n / T.
    """
    _above_zero(records_per_commit=records_per_commit)
    _at_least_zero(fsync_s=fsync_s, record_s=record_s)
    commit_s = fsync_s + records_per_commit * record_s
    return records_per_commit / commit_s if commit_s else math.inf


def pool_limit_per_s(workers: int, service_s: float) -> float:
    """Return c / S: the items per second of ``workers`` that work side by side.

    Valid while each worker has a processor of its own.
    """
    _above_zero(workers=workers)
    _at_least_zero(service_s=service_s)
    return workers / service_s if service_s else math.inf


class BatchOnChain(msgspec.Struct, frozen=True):
    """What one batch takes on L1, and what one L1 block has."""

    items: float
    gas: float
    bytes: float
    block_gas: float
    """The gas of an L1 block that this node can get."""
    block_bytes: float
    fixed_gas: float
    """Of ``gas``, what any batch takes, however little it holds."""

    @property
    def item_gas(self) -> float:
        """Return what each item takes beside that."""
        return (self.gas - self.fixed_gas) / self.items

    def per_block(self) -> int:
        """Return how many whole batches fit an L1 block; a batch never spans two."""
        _above_zero(items=self.items, gas=self.gas, bytes=self.bytes)
        _at_least_zero(block_gas=self.block_gas, block_bytes=self.block_bytes)
        return math.floor(min(self.block_gas / self.gas, self.block_bytes / self.bytes))


def settlement_limit_per_s(
    batch: BatchOnChain, in_flight: int, block_s: float, inclusion: float
) -> float:
    """Return items · p · min(in flight, batches per block) / block time.

    One account posts, so its batches have one order, and a block takes either none of those that
    wait (it is built elsewhere, or gas is dearer than the node pays at that moment) or as many as
    it has room for: with the probability p = ``inclusion``. By Little's law no more than in flight
    / E[confirmation] leave a second, and E[confirmation] is block time / p; room counts times p as
    well. Zero where no batch fits a block.
    """
    _at_least_zero(in_flight=in_flight, inclusion=inclusion)
    _above_zero(block_s=block_s)
    return batch.items * inclusion * min(in_flight, batch.per_block()) / block_s


class NodeLimit(msgspec.Struct, frozen=True):
    """The node's ceiling, what sets it, and what would set it next."""

    per_s: float
    bottleneck: str
    next_per_s: float
    """The ceiling once the bottleneck is gone; infinite where there was one resource only."""
    next_bottleneck: str | None


def node_limit(limits_per_s: Mapping[str, float]) -> NodeLimit:
    """Return the minimum over resources, each given by its own ceiling in items per second.

    Exact for resources that work side by side, as throughput is the same through all of them
    (forced flow law, visits already counted in each ceiling). Raises ``ValueError`` where none is
    given or one is negative or not a number.
    """
    if not limits_per_s:
        raise ValueError("a node has at least one resource")
    _at_least_zero(**limits_per_s)
    ranked = sorted(limits_per_s, key=lambda name: (limits_per_s[name], name))
    return NodeLimit(
        per_s=limits_per_s[ranked[0]],
        bottleneck=ranked[0],
        next_per_s=limits_per_s[ranked[1]] if len(ranked) > 1 else math.inf,
        next_bottleneck=ranked[1] if len(ranked) > 1 else None,
    )
