"""The history made anew: from the journal where it reaches back to the first command, or from L1.

What comes out is what a running node would have written, row by row: rows are made by the same
functions, of the same events. L1 has the log only as far as batches are posted; behind that the
journal goes on, where there is one.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from node.adapters.chain_reader import RollupReader
from node.adapters.file_journal import FileJournal
from node.adapters.history_store import HistoryStore
from node.adapters.identity import Identity
from node.adapters.journal_segment import segments_in
from node.adapters.l1_chain import L1Chain
from node.adapters.system_clock import SystemClock
from node.codec.batch import decode_batch
from node.codec.commands import command_id
from node.codec.eip712 import Signing
from node.codec.links import block_hash, chain_ids
from node.history.batches import batch_row
from node.history.record import Recorder, happenings, recorded
from node.ports.chain import Tag
from node.ports.chain_reader import PostedBatch
from node.sequencer.recovery import replay
from node.settlement.config import SettlementConfig
from node.settlement.reader import standing
from node.transition.apply import apply
from node.transition.state import State
from node.types.blocks import GENESIS_PARENT, Block
from node.types.commands import Command, OpenBlock
from node.types.errors import ChainUnavailable, StateDiverged, WrongChain
from node.types.events import Event, Rejected
from node.types.hashing import keccak256
from node.types.history import HistoryMark, Row
from node.types.history_rows import RecordedBlock
from node.types.ids import Address, Sequence
from node.types.marks import Standing
from node.types.rules import Rules
from node.types.units import Millis

GROUP_COMMANDS: Final = 5_000
"""Commands of one transaction, or a few more."""

Progress = Callable[[int, int], None]
"""Told up to which command history is written, and up to which it will be."""


class Rebuild:
    """Executes a log from its beginning and writes what comes of it into an empty history."""

    def __init__(self, store: HistoryStore, identity: Identity, rules: Rules) -> None:
        """Begin at the genesis state; ``store`` must be empty."""
        self._store = store
        self._recorder = Recorder({})
        self._state = State.genesis(rules, identity.domain)
        self._state.drain_changes()
        self._signing = Signing(identity.domain, rules)
        self._parent = GENESIS_PARENT
        self._waiting: list[RecordedBlock] = []
        self._commands = 0
        self.rows = 0

    @property
    def sequence(self) -> Sequence:
        """Return the last command that was executed."""
        return Sequence(self._state.sequence)

    def journaled(self, block: Block) -> None:
        """Go on with a block of the journal.

        Raises ``JournalCorrupt`` or ``StateDiverged`` where it does not fit.
        """
        self._take(recorded(replay(self._state, apply, block, self._parent)))

    def posted(self, commands: Iterable[Command]) -> None:
        """Go on with the commands of a batch, which are whole blocks.

        Raises ``StateDiverged`` where one of them does not apply.
        """
        for block in _split(commands):
            first = Sequence(self._state.sequence + 1)
            events = tuple(self._applied(command) for command in block)
            self._state.drain_changes()
            ids = [command_id(command, self._signing) for command in block]
            number, time = self._state.block, Millis(self._state.time)
            links = chain_ids(self._parent, ids)
            self._take(
                RecordedBlock(
                    number,
                    time,
                    first,
                    self.sequence,
                    self._parent,
                    block_hash(number, time, first, len(block), links[-1]),
                    happenings(first, block, events),
                )
            )

    def flush(self) -> HistoryMark:
        """Write what is gathered, and return where history then ends."""
        if not self._waiting:
            return self._store.mark()
        group, gathering = self._recorder.group(self._waiting)
        mark = self._store.append(group)
        self._recorder.keep(gathering)
        self.rows += group.count
        self._waiting, self._commands = [], 0
        return mark

    def _take(self, block: RecordedBlock) -> None:
        self._parent = block.hash
        self._waiting.append(block)
        self._commands += block.last_sequence - block.first_sequence + 1
        if self._commands >= GROUP_COMMANDS:
            self.flush()

    def _applied(self, command: Command) -> tuple[Event, ...]:
        events = apply(self._state, command)
        if events and isinstance(rejected := events[0], Rejected):
            raise StateDiverged(
                where="posted log", sequence=self._state.sequence + 1, rejected=rejected.code
            )
        return events


async def from_journal(rebuild: Rebuild, folder: Path, identity: Identity, told: Progress) -> None:
    """Go on with what the journal in ``folder`` holds behind what was executed."""
    if not segments_in(folder):
        return
    journal = FileJournal(folder, identity, SystemClock())
    try:
        for block in journal.read(Sequence(rebuild.sequence + 1)):
            rebuild.journaled(block)
            told(rebuild.sequence, journal.last_sequence)
    finally:
        await journal.close()
    rebuild.flush()


async def from_l1(
    rebuild: Rebuild,
    store: HistoryStore,
    chain: L1Chain,
    identity: Identity,
    config: SettlementConfig,
    first_block: int,
    told: Progress,
) -> int:
    """Execute every batch that L1 holds; return how many. Batches get their rows on the way.

    Raises ``WrongChain`` where the rollup's rules are others, ``ChainUnavailable``,
    ``ChainDisagrees``, ``StateDiverged``.
    """
    reader = RollupReader(chain, Address(identity.rollup), from_block=first_block)
    terms = await reader.terms()
    expected, found = identity.rules, keccak256(terms.rules)
    if found != expected:
        raise WrongChain(where="rollup", field="rules", expected=expected, found=found)
    count = (await reader.tip()).batches
    head = await chain.block(Tag.LATEST)
    if head is None:
        raise ChainUnavailable(detail="the endpoint has no latest block")
    safe, final = await standing(chain, head, config)
    done = 0
    async for batch in reader.batches():
        rebuild.posted(decode_batch(batch.data))
        if rebuild.sequence != batch.header.last_sequence:
            raise StateDiverged(where="posted log", batch=batch.header.index)
        rebuild.flush()
        store.put_batches([_row_of(batch, safe, final)])
        done += 1
        told(done, count)
    return done


def _row_of(batch: PostedBatch, safe: int, final: int) -> Row:
    """Return the row of a batch, as it stands below the last safe and the last final block."""
    header = batch.header
    row = batch_row(
        header.index, header.first_sequence, header.last_sequence, len(batch.data), header.new_root
    )
    level = Standing.POSTED
    if batch.block <= safe:
        level = Standing.FINAL if batch.block <= final else Standing.SAFE
    row["status"] = level.name.lower()
    row["l1_block"] = batch.block
    row["l1_transaction"] = "0x" + batch.transaction.hex()
    return row


def _split(commands: Iterable[Command]) -> Iterator[list[Command]]:
    """Yield the blocks of whole blocks' commands."""
    block: list[Command] = []
    for command in commands:
        if isinstance(command, OpenBlock) and block:
            yield block
            block = []
        block.append(command)
    if block:
        yield block
