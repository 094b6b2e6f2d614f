"""The answer to ``/stats``: the whole node at a glance."""

from typing import TYPE_CHECKING, Any

import msgspec

from node.capacity.report import StageReport
from node.codec.answers import Decimal
from node.risk.report import RiskReport
from node.settlement.service import SettlementService
from node.transition.invariants import money
from node.transition.tree.tree import StateTree
from node.types.marks import Standing
from node.types.units import NS_PER_S, money_text

if TYPE_CHECKING:
    from node.app.node import Node


class CommandStats(msgspec.Struct, frozen=True):
    """Requests with actions and oracle rounds; ``causes`` count the refused ones by their error."""

    offered: int
    accepted: int
    refused: int
    causes: dict[str, int]


class BatchStats(msgspec.Struct, frozen=True):
    """Batches that have come at least so far; ``causes``: what sealed them."""

    sealed: int
    posted: int
    safe: int
    final: int
    causes: dict[str, int]


class BlockStats(msgspec.Struct, frozen=True):
    """A block of L1. Its hash tells chains apart that have one id, as devnets do."""

    number: int
    hash: str


class L1Stats(msgspec.Struct, frozen=True):
    """The chain, what was spent on it (wei), and what waits to be posted.

    ``inbox_block`` is the last one whose deposits were read, null before the first.
    """

    rpc: str
    chain_id: int
    away: bool
    gas_used: int
    wei: int
    failed_wei: int
    da_bytes: int
    unposted_batches: int
    unposted_bytes: int
    oldest_unposted_ms: int
    inbox_block: BlockStats | None


class MoneyStats(msgspec.Struct, frozen=True):
    """Where all money is: deposits = equity + fees + insurance + withdrawals."""

    deposits: Decimal
    equity: Decimal
    fees: Decimal
    insurance: Decimal
    withdrawals: Decimal


class HistoryStats(msgspec.Struct, frozen=True):
    """Where history is written, up to which command, and how many commands it is behind.

    Since the start so many ``rows`` were written, and so many commands ``caught_up`` with from the
    journal. ``fault`` is why nothing can be written now, empty where all is well.
    """

    where: str
    sequence: int
    behind: int
    rows: int
    caught_up: int
    fault: str


class StatsAnswer(msgspec.Struct, frozen=True):
    """The figures since the start. ``gate``: why new risk is refused, null while it is taken."""

    commands: CommandStats
    orders: int
    fills: int
    liquidations: int
    deleveragings: int
    inbox_cursor: int
    batches: BatchStats
    l1: L1Stats
    money: MoneyStats
    stages: tuple[StageReport, ...]
    conserved: bool
    risk: RiskReport
    gate: str | None
    history: HistoryStats | None
    sequence: int
    block: int
    uptime_s: float


def stats_of(node: "Node") -> StatsAnswer:
    """Return the figures since the start. Money is in decimals of the quote asset."""
    base, tally, history = node.base, node.tally, node.history.report()
    now_ns = base.clock.now_ns()
    ingress = node.ingress.stage
    return StatsAnswer(
        commands=CommandStats(
            offered=ingress.arrived,
            accepted=ingress.done,
            refused=sum(ingress.refused.values()),
            causes=dict(ingress.refused),
        ),
        orders=tally.orders,
        fills=tally.fills,
        liquidations=tally.liquidations,
        deleveragings=tally.deleveragings,
        inbox_cursor=tally.inbox_cursor,
        batches=_batches(node),
        l1=_l1(node.settlement, node),
        money=_money(node),
        stages=node.capacity.reports(now_ns),
        conserved=node.capacity.all_conserved,
        risk=node.risk.report(),
        gate=node.sequencer.gate,
        history=None if history is None else HistoryStats(**history),
        sequence=tally.sequence or base.state.sequence,
        block=tally.block or base.state.block,
        uptime_s=round((now_ns - node.capacity.started_ns) / NS_PER_S, 3),
    )


def final_stats_of(node: "Node", l1_root: bytes) -> dict[str, Any]:
    """Return the figures of a node that has stopped, with the root of its own state.

    That root is built from every leaf of the state that the sequencer holds, by nobody else's help:
    neither the replica's tree nor what was posted goes into it.
    """
    tree = StateTree.build(dict(node.base.state.leaves()))
    roots = {"sequencer": "0x" + tree.root.hex(), "l1": "0x" + l1_root.hex()}
    return {**msgspec.structs.asdict(stats_of(node)), "roots": roots}


def _batches(node: "Node") -> BatchStats:
    reached = node.standings.reached
    return BatchStats(
        sealed=reached[Standing.SEALED],
        posted=reached[Standing.POSTED],
        safe=reached[Standing.SAFE],
        final=reached[Standing.FINAL],
        causes={cause.value: count for cause, count in node.batcher.causes.items()},
    )


def _l1(settlement: SettlementService, node: "Node") -> L1Stats:
    spending, pressure = settlement.spending, settlement.pressure
    read = node.inbox.read_up_to
    return L1Stats(
        rpc=node.config.l1.rpc,
        chain_id=node.base.domain.chain_id,
        away=settlement.chain_away,
        gas_used=spending.gas_used,
        wei=spending.wei,
        failed_wei=spending.failed_wei,
        da_bytes=node.standings.da_bytes,
        unposted_batches=pressure.batches,
        unposted_bytes=pressure.data_bytes,
        oldest_unposted_ms=pressure.age_ms,
        inbox_block=None if read is None else BlockStats(read.number, "0x" + read.hash.hex()),
    )


def _money(node: "Node") -> MoneyStats:
    report = money(node.base.state)
    return MoneyStats(
        **{name: money_text(getattr(report, name)) for name in report.__struct_fields__}
    )
