"""The laws of the load line: from what a window counted to what each resource could carry.

An *item* is a command as the transition takes it: an action, a round, a deposit, a liquidation.
Every limit is in items per second at the present mix, so that they can be compared and the least
of them is the node's (forced flow law; Denning and Buzen 1978).

- loop: stages that share one event loop share its time. With v_s visits of S_s seconds each, the
  limit is 1 / sum(v_s S_s). What the loop does with nobody there (timers, looks at L1) is taken off
  first, where U_0 is its utilization when nothing came in. While the loop is ready and has no core
  its time passes too: of each second it gets L / (L + W) at the most, so that the limit is
  (L / (L + W) - U_0) / ((U - U_0) / rate).
- machine: the same with all processes together and its cores in place of 1.
- pools: c / S. A process that works in batches: 1 / S, S being its processor time for an item.
- journal: the next block is built while one is made durable, once enough waits to fill it. So disk
  and loop do not wait for each other, and with n the commands of a full block and T the time of a
  commit the disk's limit is n / T. What n is, the time that a block may take decides as well.
- L1, three laws that do not multiply: gas of a block over its time and the gas of an item; batches
  in flight over the time of their flight (Little 1961), which begins when a batch could be sent and
  not while it waits for those before it, each as full as gas, bytes and commands allow; and the
  same batches' bytes, at most so many a block. The flight is the median, as the mean of a few
  batches is that of those that an outage held. Only a part p of its blocks takes what waits
  for them: gas and bytes count times p, and inclusion takes 1 / p blocks at the least. While L1
  takes nothing, for want of an answer, a price or money, one limit of 0 stands for all three.

A limit is told at today's block size. Blocks grow with load and share their fixed cost among more
commands, so a loop's limit read at a low load is on the safe side.
"""

from collections.abc import Iterable
from math import inf

import msgspec

from node.capacity.loadline import Backlog, Limit, StageLine
from node.capacity.report import StageReport
from node.capacity.telemetry import RunsOn
from node.types.hold_up import HoldUp
from node.types.units import US_PER_MS


class Work(msgspec.Struct, frozen=True):
    """What the machine did over ``elapsed_s`` for ``items``; times are seconds of processor.

    ``loop_waited_s`` is what the loop was ready without a core. ``loop_idle`` and ``machine_idle``
    are the utilizations, in cores, when nothing came in.
    """

    elapsed_s: float
    items: int
    loop_busy_s: float
    machine_busy_s: float
    cores: int
    loop_idle: float = 0.0
    machine_idle: float = 0.0
    loop_waited_s: float = 0.0


class Chain(msgspec.Struct, frozen=True):
    """What items take of L1, as the batches so far say, and what there is of it.

    ``block_gas`` is 0 where the endpoint does not tell. ``inclusion_s`` is the median from when a
    batch could be sent to the L1 block that holds it, 0 where none was sent. ``batch_*`` are the
    limits that seal a batch. ``included`` is the part of L1's blocks that takes what waits for
    them.
    """

    item_bytes: float
    item_gas: float
    in_flight: int
    inclusion_s: float
    block_s: float
    block_gas: int
    batch_items: float
    batch_bytes: int
    batch_gas: int
    included: float

    @property
    def full_batch(self) -> float:
        """Return how many items a batch holds when the first of its limits is reached."""
        return min(
            self.batch_items, self.batch_bytes / self.item_bytes, self.batch_gas / self.item_gas
        )


def loop_limit(work: Work) -> Limit | None:
    """Return the limit of the event loop; None where nothing came in or nothing took time."""
    taken_s = work.loop_busy_s + work.loop_waited_s
    gets = work.loop_busy_s / taken_s if taken_s else 1.0
    law = "(L/(L + W) - U0) / sum(v S)"
    return _shared("loop", law, work, work.loop_busy_s, work.loop_idle, gets)


def machine_limit(work: Work) -> Limit | None:
    """Return the limit of all cores together; None as for the loop."""
    law = f"({work.cores} cores - U0) / sum over processes of v S"
    return _shared("machine", law, work, work.machine_busy_s, work.machine_idle, work.cores)


def process_limit(resource: str, work: Work, busy_s: float) -> Limit | None:
    """Return the limit of one process by its processor time; None as for the loop.

    For one that works in batches: while it waits for its disk it costs nothing, and a batch that is
    larger waits no longer.
    """
    return _shared(resource, "1 / (v S)", work, busy_s, 0.0, 1)


def _shared(
    resource: str, law: str, work: Work, busy_s: float, idle: float, servers: float
) -> Limit | None:
    spent_s = busy_s - idle * work.elapsed_s
    if work.items <= 0 or spent_s <= 0 or idle >= servers:
        return None
    item_s = spent_s / work.items
    told = f"{law} = ({servers:.3g} - {idle:.3f}) / {_micros(item_s)}"
    return Limit(resource, (servers - idle) / item_s, told)


def stage_limit(resource: str, report: StageReport, servers: int, items: int) -> Limit | None:
    """Return the limit that a stage with servers of its own sets to the items from outside."""
    served = report.done + sum(report.refused.values())
    if items <= 0 or not served or report.limit is None:
        return None
    visits = served / items
    mean_s = servers / report.limit
    told = f"c / (v S) = {servers} / ({visits:.3f} x {_micros(mean_s)})"
    return Limit(resource, report.limit / visits, told)


def journal_limit(group: float, commit_s: float) -> Limit | None:
    """Return the limit of a disk that takes ``commit_s`` for a block, of ``group`` commands."""
    if group <= 0 or commit_s <= 0:
        return None
    return Limit("journal", group / commit_s, f"n / T = {group:.0f} / {_micros(commit_s)}")


def chain_limits(chain: Chain) -> list[Limit]:
    """Return the limits of L1: batches in flight, bytes, and gas where it is known."""
    if min(chain.item_bytes, chain.item_gas, chain.block_s) <= 0:
        return []
    # The measured time tells of batches that came through: it says nothing while none does.
    blocks_s = chain.block_s / chain.included if chain.included else inf
    confirmed_s = max(chain.inclusion_s, blocks_s)
    full = chain.full_batch
    limits = [
        Limit(
            "l1_in_flight",
            full * chain.in_flight / confirmed_s,
            f"items of a full batch x in flight / time to inclusion = "
            f"{full:.0f} x {chain.in_flight} / {confirmed_s:.2f} s",
        ),
        Limit(
            "l1_bytes",
            chain.batch_bytes * chain.in_flight / blocks_s / chain.item_bytes,
            f"bytes of a batch x in flight / block time x p / bytes of an item = "
            f"{chain.batch_bytes} x {chain.in_flight} / {chain.block_s:.2f} s x "
            f"{chain.included:.2f} / {chain.item_bytes:.1f}",
        ),
    ]
    if chain.block_gas:
        told = (
            f"gas of a block / block time x p / gas of an item = {chain.block_gas} / "
            f"{chain.block_s:.2f} s x {chain.included:.2f} / {chain.item_gas:.1f}"
        )
        limits.append(Limit("l1_gas", chain.block_gas / blocks_s / chain.item_gas, told))
    return limits


def held_up_limit(cause: HoldUp) -> Limit:
    """Return the limit of an L1 that takes nothing now, and why it does not."""
    return Limit("l1", 0.0, f"takes nothing now: {cause.value}")


def ranked(limits: Iterable[Limit | None]) -> list[Limit]:
    """Return the limits that are known, the least first: the bottleneck, the next one, …."""
    known = [limit for limit in limits if limit is not None]
    return sorted(known, key=lambda limit: (limit.limit_per_s, limit.resource))


def headroom(rate_per_s: float, limit_per_s: float | None) -> float | None:
    """Return 1 - rate / limit: below 0 past the limit, None where there is no limit.

    Of a limit of 0 nothing is left, whatever comes in: 0.
    """
    if limit_per_s is None:
        return None
    return 1 - rate_per_s / limit_per_s if limit_per_s else 0.0


def drain_s(items: int, limit_per_s: float | None, arrivals_per_s: float) -> float | None:
    """Return items / (limit - arrivals): the seconds until a backlog is gone.

    0 where nothing waits; None where it never clears, or where the limit is not known.
    """
    if items <= 0:
        return 0.0
    spare_per_s = 0.0 if limit_per_s is None else limit_per_s - arrivals_per_s
    return items / spare_per_s if spare_per_s > 0 else None


def stage_line(
    report: StageReport,
    runs_on: RunsOn,
    resource: Limit | None,
    items_per_s: float,
    backlog: Backlog,
) -> StageLine:
    """Return the line of one stage.

    ``resource`` is the limit of what it runs on, in items from outside, of which ``items_per_s``
    came; the stage's own limit is as much larger as its visits are more. Without one, or without
    visits in the window, it is what the stage could serve alone; a limit of 0 needs no visits.
    ``backlog`` is what waits there, the time to drain left open.
    """
    arrivals_per_s = report.arrived / report.elapsed_s if report.elapsed_s else 0.0
    limit_per_s = report.limit
    visits = arrivals_per_s / items_per_s if items_per_s > 0 else 0.0
    if resource is not None and (visits or not resource.limit_per_s):
        limit_per_s = resource.limit_per_s * visits
    return StageLine(
        name=report.name,
        runs_on=runs_on,
        utilization=report.utilization,
        limit_per_s=limit_per_s,
        headroom=headroom(arrivals_per_s, limit_per_s),
        depth=report.depth,
        capacity=report.capacity,
        held=report.held,
        backlog=msgspec.structs.replace(
            backlog, drain_s=drain_s(backlog.items, limit_per_s, arrivals_per_s)
        ),
        wait_p99_ms=None if report.wait_us is None else report.wait_us.p99 / US_PER_MS,
        service_p50_us=None if report.service_us is None else report.service_us.p50,
        refused=report.refused,
    )


def _micros(seconds: float) -> str:
    return f"{seconds * 1e6:.1f} us"
