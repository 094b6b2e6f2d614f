"""The answer to ``/stats``: the whole node at a glance."""

from typing import TYPE_CHECKING, Any

from node.settlement.service import SettlementService
from node.transition.invariants import money
from node.transition.tree.tree import StateTree
from node.types.marks import Standing
from node.types.units import MONEY_DECIMALS, decimal_from_units

if TYPE_CHECKING:
    from node.app.node import Node

_S = 1_000_000_000


def stats_of(node: "Node") -> dict[str, Any]:
    """Return the figures since the start. Money is in decimals of the quote asset."""
    base, tally = node.base, node.tally
    now_ns = base.clock.now_ns()
    reports = node.capacity.reports(now_ns)
    ingress = node.ingress.stage
    return {
        "commands": {
            "offered": ingress.arrived,
            "accepted": ingress.done,
            "refused": sum(ingress.refused.values()),
            "causes": dict(ingress.refused),
        },
        "orders": tally.orders,
        "fills": tally.fills,
        "liquidations": tally.liquidations,
        "deleveragings": tally.deleveragings,
        "inbox_cursor": tally.inbox_cursor,
        "batches": _batches(node),
        "l1": _l1(node.settlement, node),
        "money": _money(node),
        "stages": reports,
        "conserved": node.capacity.all_conserved,
        "risk": node.risk.report(),
        "gate": node.sequencer.gate,
        "history": node.history.report(),
        "sequence": tally.sequence or base.state.sequence,
        "block": tally.block or base.state.block,
        "uptime_s": round((now_ns - node.capacity.started_ns) / _S, 3),
    }


def final_stats_of(node: "Node", l1_root: bytes) -> dict[str, Any]:
    """Return the figures of a node that has stopped, with the root of its own state.

    That root is built from every leaf of the state that the sequencer holds, by nobody else's help:
    neither the replica's tree nor what was posted goes into it.
    """
    tree = StateTree.build(dict(node.base.state.leaves()))
    roots = {"sequencer": "0x" + tree.root.hex(), "l1": "0x" + l1_root.hex()}
    return {**stats_of(node), "roots": roots}


def _batches(node: "Node") -> dict[str, Any]:
    reached = node.standings.reached
    return {
        "sealed": reached[Standing.SEALED],
        "posted": reached[Standing.POSTED],
        "safe": reached[Standing.SAFE],
        "final": reached[Standing.FINAL],
        "causes": {cause.value: count for cause, count in node.batcher.causes.items()},
    }


def _l1(settlement: SettlementService, node: "Node") -> dict[str, Any]:
    spending, pressure = settlement.spending, settlement.pressure
    return {
        "rpc": node.config.l1.rpc,
        "chain_id": node.base.domain.chain_id,
        "away": settlement.chain_away,
        "gas_used": spending.gas_used,
        "wei": spending.wei,
        "failed_wei": spending.failed_wei,
        "da_bytes": node.standings.da_bytes,
        "unposted_batches": pressure.batches,
        "unposted_bytes": pressure.data_bytes,
        "oldest_unposted_ms": pressure.age_ms,
    }


def _money(node: "Node") -> dict[str, str]:
    report = money(node.base.state)
    return {
        name: decimal_from_units(getattr(report, name), MONEY_DECIMALS)
        for name in report.__struct_fields__
    }
