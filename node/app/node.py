"""A whole node: every station made and joined here, and nowhere else.

    ingress ─▶ lanes ─▶ sequencer ─▶ journal ─┬─▶ publisher ─▶ readers
       ▲                    ▲                 ├─▶ risk ─▶ Liquidate ─▶ lanes
       │                    │                 ├─▶ triggers ─▶ TriggerOrder, Expire ─▶ lanes
    clients        inbox, funding clock       ├─▶ batcher ─▶ settlement ─▶ L1
                                              ├─▶ history ─▶ database
                                              └─▶ tally

One ``TaskGroup`` holds all of them: if one fails, the node stops, because an exchange with a part
missing is worse than none. Stopping goes down the pipeline, so that nothing accepted is left lying.
"""

import asyncio
from collections.abc import Callable
from functools import partial

import structlog

from node.adapters.collector import Collector
from node.adapters.http.server import HttpServer
from node.adapters.mailbox import Mailbox
from node.app.clock_watch import ClockWatch
from node.app.config import NodeConfig
from node.app.ending import done_unless, end_by, reached_by
from node.app.figures import register_figures, register_stages
from node.app.foundation import Foundation
from node.app.front import door_of, gate_of, ingress_of, publisher_of, views_of
from node.app.funding_clock import FundingClock
from node.app.health import faults_of
from node.app.history import history_of
from node.app.knee import KneeBoard
from node.app.load_figures import register_load_figures
from node.app.load_line import LoadWatch, push_load
from node.app.long_commands import warn_of_long_commands
from node.app.loop_lag import LoopLag
from node.app.overload import insight_of, limits_of, register_overload_figures
from node.app.probes import probes_of
from node.app.risk_fleet import make_fleet
from node.app.standings import NotingSealer, Standings
from node.app.tally import Tally
from node.app.telemetry import Meters
from node.app.withdrawals import WithdrawalDesk
from node.app.work_price import WorkPrice
from node.batcher.service import BatcherService
from node.capacity.loadline import LoadLine
from node.capacity.queue import BoundedQueue
from node.capacity.registry import Capacity
from node.codec.commands import command_id
from node.codec.receipts import BlockSigning
from node.ports.api import Faucet
from node.ports.intake import Deliver
from node.risk.balancer import Balancer
from node.risk.service import RiskService
from node.sequencer.builder import Builder
from node.sequencer.service import Sequencer
from node.settlement.inbox import InboxScan
from node.settlement.inbox_service import InboxService
from node.settlement.service import SettlementService
from node.triggers.due import Proposal
from node.triggers.seed import due_book_of
from node.triggers.service import TriggerService
from node.types.blocks import Batch
from node.types.commands import Deposit, Liquidate
from node.types.durable import DurableBlock, Outcome
from node.types.errors import PlimsollError
from node.types.hold_up import HoldUp
from node.types.ids import Sequence
from node.types.lanes import Lane
from node.types.marks import Mark, Standing
from node.types.rules import Ordering

OUTBOX_BATCHES = 16
"""Sealed batches between batcher and settlement; the others wait on disk."""

_GATE_STEP_S = 0.5

_log = structlog.get_logger(__name__)


class Node:
    """Every station of one node. ``run`` works until ``stop`` is called or something fails."""

    def __init__(self, config: NodeConfig, base: Foundation, faucet: Faucet | None = None) -> None:
        """Make and join the stations; nothing runs yet. Only a devnet's node has a ``faucet``."""
        self._faucet = faucet
        self.config = config
        self.base = base
        self.capacity = Capacity(base.clock.now_ns())
        self.desk = WithdrawalDesk(base.replica.prove, base.state.next_withdrawal_id - 1)
        self.tally = Tally(self.desk.opened, base.state.inbox_cursor)
        self.stopping = asyncio.Event()
        self.serving = asyncio.Event()
        self.loop_lag = LoopLag(base.clock)
        self.collector = Collector()
        self.meters = Meters(self)
        self.knee = KneeBoard(base.folder.path)
        self._finals: asyncio.Queue[Mark] = asyncio.Queue()
        self.history = history_of(base, config.history)
        self.clock_watch = ClockWatch(base)
        self._make_log()
        self._make_triggers()
        self._make_door()
        self._make_risk()
        self._make_settlement()
        register_stages(self, (self._told, self._watched, self._timed, self._batched))
        register_figures(self)
        register_overload_figures(self)
        self.load = LoadWatch(self, self.meters)
        register_load_figures(self)

    # --- making ----------------------------------------------------------------------------------

    def _blocks(self, name: str) -> Mailbox[DurableBlock]:
        limit = self.config.sequencer.outlet_blocks
        return Mailbox(BoundedQueue[DurableBlock](name, limit))

    def _make_log(self) -> None:
        """The sequencer, and the mailboxes of those who follow it."""
        base = self.base
        self._told, self._watched = self._blocks("publisher"), self._blocks("risk")
        self._timed, self._batched = self._blocks("triggers"), self._blocks("batch_inlet")
        followers = (self._watched, self._timed, self._told, self._batched)
        self.price = WorkPrice(self, self.config.fees)
        self.sequencer = Sequencer(
            Builder(
                base.state,
                base.platform.apply,
                partial(command_id, signing=base.signing),
                base.recovery.parent,
                self.price.terms,
                meter=self.meters.kinds,
                cancels_first=base.rules.ordered(Ordering.CANCELS_FIRST),
            ),
            base.journal,
            base.signer,
            BlockSigning(base.domain),
            base.clock,
            limits_of(self.config.sequencer),
            outlets=(self.tally, base.lag, *followers, *self.history.outlets),
            insight=insight_of(self),
        )
        self.funding = FundingClock(base.rules, base.signing, self.sequencer, base.clock)

    def _make_door(self) -> None:
        """What clients meet: the server, the gate behind it, and the publisher that answers."""
        self.publisher = publisher_of(self, self._told)
        self.gate = gate_of(self)
        self.ingress = ingress_of(self)
        self.door = door_of(self)
        self.views = views_of(self)
        told = (probes_of(self), self.meters.traffic, self._faucet, self.history.asked)
        self.server = HttpServer(self.config.http, self.door, self.views, *told)

    def _make_triggers(self) -> None:
        config = self.config.triggers
        self.triggers = TriggerService(
            due_book_of(self.base.state, config.reconnect_grace_ms, config.retry_ms),
            self._timed,
            self._propose_due,
            self.base.clock,
            config,
        )

    def _make_risk(self) -> None:
        base, config = self.base, self.config
        self.risk = make_fleet(base, config.risk)
        self._risk_service = RiskService(
            self.risk,
            Balancer(self.risk, config.risk, base.clock),
            self._watched,
            self._propose,
            self.sequencer.hasten,
            base.clock,
            config.risk.blocks_per_turn,
        )

    def _make_settlement(self) -> None:
        """From durable blocks to L1, and from L1's inbox back into the log."""
        base, config = self.base, self.config
        oldest = next(base.batches.read(), None)
        first = base.position.next_sequence if oldest is None else oldest.header.first_sequence
        self.standings = Standings(Sequence(first - 1), base.clock, config.settlement.in_flight_max)
        self.outbox = Mailbox(BoundedQueue[Batch]("batch_outbox", OUTBOX_BATCHES))
        base.lag.finalized(Sequence(first - 1))
        self.sealer = NotingSealer(base.replica, self._on_sealed, self.history.sealed)
        self.batcher = BatcherService(
            config.batcher,
            base.rules.root_interval,
            self.sealer,
            self._batched,
            self.outbox,
            base.clock,
            self._on_backlog,
            base.position.next_sequence,
            config.settlement.in_flight_max,
        )
        # Their data stay on the disk: an outage may have left hundreds of megabytes.
        for batch in base.batches.read():
            self.standings.sealed(batch)
            self.history.stored(batch)
            self.batcher.backlog.add(batch.header.index, len(batch.data))
            if batch.header.index < base.posted:
                self.batcher.backlog.post(batch.header.index)
        self.publisher.set_cursors(self.standings.cursors())
        scan = InboxScan(base.state.inbox_cursor, config.l1.first_block, base.deposits)
        self.settlement = SettlementService(
            base.chain,
            base.contracts,
            base.signer,
            base.batches,
            self.outbox,
            self._on_mark,
            base.clock,
            config.settlement,
        )
        self.settlement.costs.included = self.history.included
        self.settlement.compared = lambda: scan.standing
        self.inbox = InboxService(
            base.chain,
            base.contracts.inbox,
            scan,
            self._submit_deposit,
            base.clock,
            config.settlement,
        )

    # --- what the stations call back -------------------------------------------------------------

    def _propose(self, command: Liquidate) -> None:
        name = command_id(command, self.base.signing)
        self.sequencer.offer(command, name, _ignore, Lane.LIQUIDATION)

    def _propose_due(self, proposal: Proposal, lane: Lane, deliver: Deliver) -> None:
        self.sequencer.offer(proposal, command_id(proposal, self.base.signing), deliver, lane)

    def _submit_deposit(self, command: Deposit) -> "asyncio.Future[Outcome]":
        return self.sequencer.submit(command, command_id(command, self.base.signing), Lane.SYSTEM)

    def _on_sealed(self, batch: Batch) -> None:
        self.standings.sealed(batch)
        self.publisher.set_cursors(self.standings.cursors())

    def _on_backlog(self, full: bool) -> None:
        """Close the gate to new risk while too much waits for L1; reducing goes on.

        Whatever L1 suffers from, only what it does to the backlog closes the gate; the cause is for
        those who are refused, and for who has to mend it.
        """
        if full:
            self.sequencer.close_gate((self.settlement.hold_up or HoldUp.BYTES).value)
        else:
            self.sequencer.open_gate()

    async def _watch_gate(self) -> None:
        """Tell the cause anew while the gate is closed: it changes without anybody's word."""
        while True:
            await asyncio.sleep(_GATE_STEP_S)
            if self.batcher.backlog.full:
                self._on_backlog(full=True)

    def _on_mark(self, mark: Mark) -> None:
        if mark.standing is Standing.POSTED:
            self.batcher.posted(mark.index)
        elif mark.standing < Standing.POSTED:
            # Sent as well: what L1 had at the start, a reorg may have taken before the first look.
            self.batcher.dropped(mark.index, self.standings.data_bytes(mark.index))
        elif mark.standing is Standing.FINAL:
            self._finals.put_nowait(mark)
        self.history.moved(mark)
        cursors = self.standings.moved(mark)
        self.base.lag.finalized(cursors.final)
        self.publisher.set_cursors(cursors)

    async def _let_go_of_final(self) -> None:
        """Note each final batch, keep what proves by it, and forget what no restart needs."""
        while True:
            mark = await self._finals.get()
            self.desk.finalized(mark.index)
            # At once: a history that lags holds up what may be forgotten, but not what must stay.
            await self.base.replica.pin(mark.index)
            free = self.history.let_go(mark.index, mark.last_sequence)
            if free is not None:
                oldest = await self.base.replica.finalize(free)
                await self.base.journal.prune(Sequence(oldest + 1))

    # --- running ---------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serve until ``stop``, then drain; raises what a station failed with."""
        warn_of_long_commands(self.base.rules, self.config.sequencer.block_ms_max)
        try:
            if await done_unless(self.stopping, self.risk.start()):
                await self._run()
        finally:
            await self.history.close()
            await self.risk.close()

    async def _run(self) -> None:
        base = self.base
        journaled = base.journal.read(base.position.next_sequence)
        async with asyncio.TaskGroup() as group:
            gate = group.create_task(self.gate.run())
            writer = group.create_task(self.sequencer.run(), name="sequencer")
            batcher = group.create_task(self.batcher.run(journaled), name="batcher")
            others = [
                group.create_task(work)
                for work in (
                    self.publisher.run(),
                    self._risk_service.run(),
                    self.triggers.run(),
                    self.settlement.run(),
                    self.inbox.run(),
                    self.funding.run(),
                    self._let_go_of_final(),
                    self.loop_lag.run(),
                    self.price.push(),
                    push_load(self.publisher, self.load),
                    self._watch_gate(),
                    self.clock_watch.run(),
                    self.history.run(),
                )
            ]
            if await done_unless(self.stopping, self._ready()):
                await self.server.start()
                others.append(group.create_task(self.server.run()))
                self.serving.set()
                _log.info("serving", port=self.server.port, sequence=base.state.sequence)
                await self.stopping.wait()
            _log.info("stopping")
            self.door.stop()
            await self.server.stop()
            # Both may wait for room without an L1; what was acknowledged is in the journal.
            deadline = asyncio.get_running_loop().time() + self.config.drain_s
            self.sequencer.stop()
            await end_by(deadline, writer)
            await self._until(
                deadline, lambda: not (len(self._told) or len(self._watched) or len(self._timed))
            )
            self.batcher.stop()
            await end_by(deadline, batcher)
            await self._until(deadline, self._is_drained)
            for task in (gate, *others):
                task.cancel()

    async def _ready(self) -> None:
        """Return once clients can be let in."""
        await self.gate.ready()
        await self.history.look()

    def stop(self) -> None:
        """Begin to stop; ``run`` returns when everything accepted is on L1, or in time."""
        self.stopping.set()

    def _is_drained(self) -> bool:
        """Return whether every batch is posted, and the history knows what it can know of them."""
        if self.config.history.enabled and self.settlement.awaits_receipts:
            return False
        return not self.standings.unposted and self.history.settled

    async def _until(self, deadline: float, reached: Callable[[], bool]) -> None:
        if not await reached_by(deadline, reached):
            _log.warning(
                "drain_cut_short",
                unposted=self.standings.unposted,
                without_receipt=self.settlement.unaccounted,
                history_settled=self.history.settled,
            )

    # --- what operators ask ----------------------------------------------------------------------

    def load_line(self) -> LoadLine:
        """Return how much the node carries, how much it could, and what would stop it."""
        return self.load.line()

    def faults(self) -> list[str]:
        """Return why the node cannot do its work now; nothing when it can."""
        return faults_of(
            stopping=self.stopping.is_set(),
            gate=self.sequencer.gate,
            settlement=self.settlement,
            clock=self.clock_watch,
            silent={"signature worker": self.gate.silent, "replica": self.sealer.silent},
            stuck_after_ms=self.config.settlement.stuck_after_ms,
        )


def _ignore(outcome: Outcome | PlimsollError) -> None:
    """The risk processor hears of outcomes as everyone does: from the events of the block."""
