"""The node's figures beside its stages, under the names that dashboards know."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from node.adapters.mailbox import Mailbox
from node.app.history import register_history_figures
from node.capacity.metric import Reading
from node.transition.state import State
from node.types.durable import DurableBlock
from node.types.hold_up import HoldUp
from node.types.marks import Standing
from node.types.units import MS_PER_S, NS_PER_S, Millis

if TYPE_CHECKING:
    from node.app.node import Node


def register_figures(node: "Node") -> None:
    """Register every figure of ``node`` with its capacity registry."""
    _register_journal(node)
    _register_settlement(node)
    _register_risk(node)
    _register_triggers(node)
    _register_loop(node)
    _register_collector(node)
    _register_exchange(node)
    register_history_figures(node)


def register_stages(node: "Node", followers: Iterable[Mailbox[DurableBlock]]) -> None:
    """Register every stage of ``node``; ``followers`` are the mailboxes of who follows its log."""
    for stage in (
        node.ingress.stage,
        node.gate.stage,
        *node.sequencer.stages,
        *(mailbox.stage for mailbox in followers),
        node.batcher.stage,
        node.outbox.stage,
        node.settlement.stage,
        node.inbox.stage,
        *node.history.stages,
    ):
        node.capacity.add(stage)


def _register_journal(node: "Node") -> None:
    capacity, journal = node.capacity, node.base.journal
    capacity.distribution(
        "journal_fsync_seconds",
        "How long the disk took to make a block durable.",
        journal.fsync_ns.snapshot,
        per_unit=NS_PER_S,
    )
    capacity.distribution(
        "journal_group_records", "Commands that shared one write.", journal.group_records.snapshot
    )


def _register_settlement(node: "Node") -> None:
    capacity, settlement, standings = node.capacity, node.settlement, node.standings
    capacity.counter(
        "batch_sealed",
        "Sealed batches, by what sealed them.",
        lambda: {(cause.value,): count for cause, count in node.batcher.causes.items()},
        labels=("cause",),
    )
    capacity.gauge(
        "batches_in_flight",
        "Sealed batches that are in no block of L1.",
        lambda: standings.unposted,
    )
    capacity.gauge(
        "unposted_bytes",
        "Data of batches that are in no block of L1.",
        lambda: settlement.pressure.data_bytes,
    )
    capacity.gauge(
        "oldest_unposted_seconds",
        "Age of the oldest batch that is in no block of L1.",
        lambda: settlement.pressure.age_ms,
        per_unit=MS_PER_S,
    )
    capacity.gauge(
        "l1_held_up_batches",
        "Batches that are in no block of L1, by what they wait for now.",
        lambda: {
            (cause.value,): standings.unposted if settlement.hold_up is cause else 0
            for cause in HoldUp
        },
        labels=("cause",),
    )
    _register_standing(node)


def _register_standing(node: "Node") -> None:
    capacity, standings = node.capacity, node.standings
    capacity.gauge(
        "oldest_not_final_seconds",
        "Age of the oldest command that L1 could still take back.",
        lambda: node.base.lag.age(node.base.clock.now_ms()),
        per_unit=MS_PER_S,
    )
    capacity.counter("l1_gas_used", "Gas of the batches on L1.", lambda: node.meters.on_l1()["gas"])
    capacity.gauge(
        "log_sequence",
        "The last command of the log that has come so far.",
        lambda: {
            ("durable",): node.tally.sequence or node.base.state.sequence,
            ("sealed",): node.publisher.cursors.sealed,
            ("posted",): node.publisher.cursors.posted,
            ("safe",): node.publisher.cursors.safe,
            ("final",): node.publisher.cursors.final,
        },
        labels=("level",),
    )
    capacity.gauge(
        "finality_lag_seconds",
        "From sealing to standing so far on L1, of the last batch that came there.",
        lambda: {(level.name.lower(),): lag for level, lag in standings.lag_ns.items()},
        labels=("level",),
        per_unit=NS_PER_S,
    )
    capacity.gauge(
        "batches_standing",
        "Batches that have come at least so far, since the start.",
        lambda: {
            (standing.name.lower(),): standings.reached[standing]
            for standing in (Standing.SEALED, Standing.POSTED, Standing.SAFE, Standing.FINAL)
        },
        labels=("level",),
    )


def _register_triggers(node: "Node") -> None:
    capacity, triggers = node.capacity, node.triggers
    capacity.gauge(
        "orders_watched",
        "Open orders that wait for a price or end by themselves.",
        lambda: triggers.watched,
    )
    capacity.counter(
        "trigger_proposals",
        "What came due and was proposed: triggers, ends, switches, disconnections.",
        lambda: triggers.proposed,
    )
    capacity.counter(
        "trigger_proposals_refused",
        "Of those, the ones that the transition refused or no lane had room for.",
        lambda: triggers.refused,
    )


def _register_risk(node: "Node") -> None:
    capacity, risk = node.capacity, node.risk
    capacity.counter(
        "risk_checks",
        "Checks that the tiers made.",
        lambda: {(tier.tier,): tier.checks for tier in risk.report().tiers},
        labels=("tier",),
    )
    capacity.counter(
        "risk_full_scan_checks",
        "Checks that a full scan would have made.",
        lambda: risk.report().full_scan_checks,
    )
    capacity.counter(
        "liquidation_late",
        "Crossed positions that the tiers alone would have looked at too late.",
        lambda: risk.report().late,
    )
    capacity.counter(
        "risk_audit_samples",
        "Cold positions checked at random.",
        lambda: risk.report().audit_samples,
    )
    capacity.counter(
        "risk_audit_misses",
        "Of those, the ones nobody had noticed.",
        lambda: risk.report().audit_misses,
    )
    capacity.distribution(
        "liquidation_detection_seconds",
        "From the round that made a position liquidatable to its proposal.",
        risk.detection,
        per_unit=NS_PER_S,
    )


def _register_loop(node: "Node") -> None:
    capacity = node.capacity
    capacity.distribution(
        "loop_lag_seconds",
        "How late the event loop ran what was due.",
        node.loop_lag.lag_ns.snapshot,
        per_unit=NS_PER_S,
    )
    capacity.counter(
        "loop_seconds",
        "Time of the event loop's thread, by what it did: it worked, or waited for a core.",
        lambda: {
            ("busy",): (loop := node.meters.loop()).busy_ns,
            ("waiting",): loop.waited_ns,
        },
        labels=("state",),
        per_unit=NS_PER_S,
    )


def _register_collector(node: "Node") -> None:
    capacity, collector = node.capacity, node.collector
    capacity.counter(
        "gc_pause_seconds",
        "How long the garbage collector held this process up, by generation: 2 is a full one.",
        lambda: {(str(place),): ns for place, ns in enumerate(collector.total_ns)},
        labels=("generation",),
        per_unit=NS_PER_S,
    )
    capacity.gauge(
        "gc_pause_longest_seconds",
        "The longest of those pauses.",
        lambda: {(str(place),): ns for place, ns in enumerate(collector.longest_ns)},
        labels=("generation",),
        per_unit=NS_PER_S,
    )


def _register_exchange(node: "Node") -> None:
    capacity, state, tally = node.capacity, node.base.state, node.tally
    capacity.gauge(
        "mark_age_seconds",
        "Age of the oldest mark; no sample before the first.",
        lambda: _known(oldest_mark_ms(state, node.base.clock.now_ms())),
        per_unit=MS_PER_S,
    )
    capacity.gauge("accounts", "Accounts of the exchange.", lambda: len(state.accounts))
    capacity.gauge(
        "resting_orders",
        "Orders in the books.",
        lambda: sum(len(market.book) for market in state.markets),
    )
    capacity.gauge("connections", "Open WebSocket connections.", lambda: node.server.connections)
    crowd = node.server.crowd
    capacity.gauge(
        "http_connections",
        "Open connections that are no WebSockets: the public's, and those in the reserve.",
        lambda: {("public",): len(crowd.plain), ("reserve",): len(crowd.reserve)},
        labels=("place",),
    )
    capacity.counter(
        "http_turned_away",
        "Connections that idled and had to make room, requests refused for lack of it, connections"
        " hung up at once, and those cut because they did not read their answer.",
        lambda: {(cause,): count for cause, count in crowd.turned_away.items()},
        labels=("cause",),
    )
    capacity.counter("fills", "Fills since the start.", lambda: tally.fills)
    capacity.counter("liquidations", "Liquidations since the start.", lambda: tally.liquidations)
    capacity.counter(
        "deleveragings", "Auto-deleveragings since the start.", lambda: tally.deleveragings
    )
    capacity.counter(
        "slow_readers",
        "Readers cut because they did not read.",
        lambda: node.publisher.slow_readers,
    )
    capacity.counter(
        "feeds_conflated",
        "Times a reader that was behind was told how a channel stands instead of what it missed.",
        lambda: node.publisher.conflated,
    )
    capacity.gauge(
        "feeds_remembered_bytes",
        "Messages kept for readers who come back.",
        lambda: node.publisher.remembered_bytes,
    )


def oldest_mark_ms(state: State, now: Millis) -> int | None:
    """Return the age of the oldest mark; a market that never had one has no age."""
    return max((market.mark_age(now) for market in state.markets if market.mark_time), default=None)


def _known(value: int | None) -> Reading:
    """Return the one sample, or none: what is not known is left out."""
    return {} if value is None else value
