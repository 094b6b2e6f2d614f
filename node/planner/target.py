"""What must change to carry a rate, and in what order: the bottlenecks, one after the other.

Each step takes the resource that binds, works out by which factor it has to grow, applies the
change to the scenario and looks again. A change of a configuration key is an integer or a time that
can be written into the file; where no key helps, the step says what the code would have to take.
"""

import math
from collections.abc import Callable

import msgspec
from scipy.optimize import brentq

from node.codec.block_bytes import block_work_max
from node.planner.model import mean_bytes, pipeline_of, settlement_of, with_laws
from node.planner.scenario import FlowKind, Scenario
from node.types.rules import Limits

ROUNDS_MAX = 16
"""More changes than this are not a plan any more."""
BYTES_FACTOR_MIN = 0.01
LOOP_FACTOR_MIN = 0.001
CORES_MAX = 1_024
ENOUGH_CORES = 0.98
"""Of what any number of cores carries, what is enough: more of them gain hardly anything."""


class Change(msgspec.Struct, frozen=True):
    """One step of the way."""

    resource: str
    limit_per_s: float
    """What it carried before."""
    factor: float
    """By which it has to grow."""
    key: str
    """Of the scenario."""
    node_key: str
    """Of the node's configuration file; empty where none is."""
    now: float
    needed: float
    because: str


class Way(msgspec.Struct, frozen=True):
    """The steps, in the order in which they bind, and what the node carries after them."""

    target_per_s: float
    carried_per_s: float
    """Before any change."""
    changes: list[Change]
    reached_per_s: float
    stuck: str
    """Why it ends short of the target; empty where it does not."""


def way_to(scenario: Scenario, target_per_s: float) -> tuple[Way, Scenario]:
    """Return what must change so that the law's limit is at least the target, and the outcome.

    Every kind of the scenario gives its times (``node.planner.model.with_laws`` sees to that).
    """
    first = limit = pipeline_of(scenario).limit()
    changes: list[Change] = []
    stuck = ""
    while limit.per_s < target_per_s * (1 - 1e-9):
        step = _STEPS[limit.bottleneck](scenario, target_per_s)
        if step is None or len(changes) == ROUNDS_MAX:
            stuck = f"nothing in the scenario lets {limit.bottleneck} carry {target_per_s:g}/s"
            break
        change, scenario = step
        changes.append(msgspec.structs.replace(change, limit_per_s=limit.per_s))
        limit = pipeline_of(scenario).limit()
    return Way(target_per_s, first.per_s, changes, limit.per_s, stuck), scenario


def _widen_l1(scenario: Scenario, target_per_s: float) -> tuple[Change, Scenario] | None:
    """Return the step of L1: its price, or the tighter of slots in flight and room in blocks."""
    settlement, chain = settlement_of(scenario), scenario.l1
    if not settlement.sends:
        return _pay_for_gas(scenario)
    wanted, batch = target_per_s + 1 / scenario.oracle.interval_s, settlement.batch
    by_slots = batch.items * chain.in_flight_max / settlement.confirmation_s
    whole = _room_per_s(_with(scenario, "l1", block_share=1.0))
    if by_slots > _room_per_s(scenario) or whole < wanted:
        # Fewer bytes an action need fewer slots, so slots come last.
        return _take_room(scenario, wanted)
    needed = math.ceil(wanted * settlement.confirmation_s / batch.items)
    change = Change(
        resource="l1",
        limit_per_s=by_slots,
        factor=needed / chain.in_flight_max,
        key="l1.in_flight_max",
        node_key="settlement.in_flight_max",
        now=chain.in_flight_max,
        needed=needed,
        because="so many batches are unconfirmed at a time, at this rate",
    )
    return change, _with(scenario, "l1", in_flight_max=needed)


def _pay_for_gas(scenario: Scenario) -> tuple[Change, Scenario]:
    chain = scenario.l1
    change = Change(
        resource="l1",
        limit_per_s=0.0,
        factor=chain.gas_price_gwei / chain.fee_cap_gwei if chain.fee_cap_gwei else math.inf,
        key="l1.fee_cap_gwei",
        node_key="settlement.fees.max_fee_cap",
        now=chain.fee_cap_gwei,
        needed=chain.gas_price_gwei,
        because="nothing is sent while gas costs more than that",
    )
    return change, _with(scenario, "l1", fee_cap_gwei=chain.gas_price_gwei)


def _room_per_s(scenario: Scenario) -> float:
    settlement = settlement_of(scenario)
    batch = settlement.batch
    return batch.items * batch.per_block() / settlement.confirmation_s


def _take_room(scenario: Scenario, wanted_per_s: float) -> tuple[Change, Scenario] | None:
    """Return more of each L1 block, as long as there is more; fewer bytes an action then."""
    chain, settlement = scenario.l1, settlement_of(scenario)
    batch = settlement.batch
    gas = math.ceil(wanted_per_s * settlement.confirmation_s / batch.items) * batch.gas
    share = min(math.ceil(gas / max(chain.block_gas, 1.0) * 1_000) / 1_000, 1.0)
    if share <= chain.block_share:
        return _shrink_bytes(scenario, wanted_per_s)
    change = Change(
        resource="l1",
        limit_per_s=_room_per_s(scenario),
        factor=share / chain.block_share if chain.block_share else math.inf,
        key="l1.block_share",
        node_key="",
        now=chain.block_share,
        needed=share,
        because="batches need so much of each block: it has to be bid for (settlement.fees)",
    )
    return change, _with(scenario, "l1", block_share=share)


def _shrink_bytes(scenario: Scenario, wanted_per_s: float) -> tuple[Change, Scenario] | None:
    """Return the last resort on L1: fewer bytes an action, found in steps of 1 %."""
    each, changed, factor = mean_bytes(scenario), scenario, 1.0
    while _room_per_s(changed) < wanted_per_s:
        factor *= 0.99
        if factor < BYTES_FACTOR_MIN:
            return None
        changed = _with_bytes(scenario, factor)
    change = Change(
        resource="l1",
        limit_per_s=_room_per_s(scenario),
        factor=1 / factor,
        key="kinds[].bytes",
        node_key="",
        now=each,
        needed=each * factor,
        because="a whole block is not enough: more orders under one signature (6 bytes an order "
        "instead of 66), or blobs",
    )
    return change, changed


def _add_workers(scenario: Scenario, target_per_s: float) -> tuple[Change, Scenario] | None:
    limit = pipeline_of(scenario).limits_per_s()["workers"]
    workers = scenario.service.workers
    needed = math.ceil(workers * target_per_s / limit - 1e-9)
    change = Change(
        resource="workers",
        limit_per_s=limit,
        factor=target_per_s / limit,
        key="service.workers",
        node_key="sequencer.signature_workers",
        now=workers,
        needed=needed,
        because="each signature takes a worker its time; each worker needs a processor of its own",
    )
    return change, _with(scenario, "service", workers=needed)


def _quicken_journal(scenario: Scenario, target_per_s: float) -> tuple[Change, Scenario] | None:
    """Return the step of n / (a + b n) >= λ, which is n (1 − λ b) >= λ a.

    None where no n is enough, or only one with which a block might be too long for L1.
    """
    wanted = target_per_s + 1 / scenario.oracle.interval_s
    journal = pipeline_of(scenario).journal
    left = 1 - wanted * journal.record_s
    if left <= 0:
        return None
    needed = math.ceil(wanted * journal.commit_s / left)
    if needed > block_work_max(Limits().items_per_action):
        return None
    change = Change(
        resource="journal",
        limit_per_s=pipeline_of(scenario).limits_per_s()["journal"],
        factor=needed / journal.records_max,
        key="service.records_max",
        node_key="sequencer.block_work",
        now=journal.records_max,
        needed=needed,
        because="more commands share one write to the disk, and each waits for all of its block",
    )
    return change, _with(scenario, "service", records_max=needed)


def _widen_loop(scenario: Scenario, target_per_s: float) -> tuple[Change, Scenario] | None:
    """Return more cores while the loop waits for them; then its work must become less."""
    return _add_cores(scenario, target_per_s) or _quicken_loop(scenario, target_per_s)


def _add_cores(scenario: Scenario, target_per_s: float) -> tuple[Change, Scenario] | None:
    """Return the step to so many cores that the loop is not kept from the target.

    Where no number of them is enough, it will have to do less, and at the target the others hold
    more cores than now: so many are chosen that with more it would have to do hardly more less.
    """
    now = with_laws(scenario, None).service.cores
    if not now:
        return None
    first = _by_cores(scenario, now)
    lighter = scenario
    if _by_cores(scenario, CORES_MAX) < target_per_s:
        roomy = _with(scenario, "service", cores=CORES_MAX)
        eased = _quicken_loop(roomy, target_per_s / ENOUGH_CORES)
        if eased is None:
            return None
        lighter = eased[1]
    enough = (c for c in range(now, CORES_MAX + 1) if _by_cores(lighter, c) >= target_per_s)
    needed = next(enough, now)
    if needed == now:
        return None
    change = Change(
        resource=_slower(scenario),
        limit_per_s=first,
        factor=needed / now,
        key="service.cores",
        node_key="",
        now=now,
        needed=needed,
        because="the loop waits for a core while workers, replica and chain hold them",
    )
    return change, _with(scenario, "service", cores=needed)


def _by_cores(scenario: Scenario, cores: int) -> float:
    return _carried(_with(scenario, "service", cores=cores))


def _carried(scenario: Scenario) -> float:
    """Return what loop and machine carry."""
    return pipeline_of(scenario).limits_per_s()[_slower(scenario)]


def _slower(scenario: Scenario) -> str:
    """Return which of loop and machine carries less; the loop where its cores are its own."""
    limits = pipeline_of(scenario).limits_per_s()
    return min("loop", "machine", key=lambda name: limits.get(name, math.inf))


def _quicken_loop(scenario: Scenario, target_per_s: float) -> tuple[Change, Scenario] | None:
    """Return the loop's step: no key makes one event loop faster, so its work must become less."""

    def quicker(factor: float) -> Scenario:
        return _with_kinds(scenario, lambda kind: {"loop_us": (kind.loop_us or 0.0) * factor})

    def missing(factor: float) -> float:
        return _carried(quicker(factor)) - target_per_s

    if missing(LOOP_FACTOR_MIN) < 0:
        return None
    # A little less than is needed, so that rounding does not ask for another step.
    factor = float(brentq(missing, LOOP_FACTOR_MIN, 1.0, rtol=1e-9)) * (1 - 1e-6)
    weight = sum(kind.share for kind in scenario.kinds)
    now_us = sum(kind.share * (kind.loop_us or 0.0) for kind in scenario.kinds) / weight
    change = Change(
        resource=_slower(scenario),
        limit_per_s=_carried(scenario),
        factor=1 / factor,
        key="kinds[].loop_us",
        node_key="",
        now=now_us,
        needed=now_us * factor,
        because="no key makes one event loop faster: more orders under one signature (some 60 µs "
        "each instead of 210), or work taken off the loop",
    )
    return change, quicker(factor)


_STEPS: dict[str, Callable[[Scenario, float], tuple[Change, Scenario] | None]] = {
    "l1": _widen_l1,
    "workers": _add_workers,
    "journal": _quicken_journal,
    "loop": _widen_loop,
    "machine": _widen_loop,
}


def _with(scenario: Scenario, section: str, **values: float) -> Scenario:
    changed = msgspec.structs.replace(getattr(scenario, section), **values)
    return msgspec.structs.replace(scenario, **{section: changed})


def _with_kinds(scenario: Scenario, change: Callable[[FlowKind], dict[str, float]]) -> Scenario:
    kinds = tuple(msgspec.structs.replace(kind, **change(kind)) for kind in scenario.kinds)
    return msgspec.structs.replace(scenario, kinds=kinds)


def _with_bytes(scenario: Scenario, factor: float) -> Scenario:
    return _with_kinds(scenario, lambda kind: {"bytes": kind.bytes * factor})
