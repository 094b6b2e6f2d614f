"""From submissions to the next block: which commands it holds, in what order, and what they did.

A pure decision: the time is an argument, nothing is awaited and nothing is written. The caller
makes the block durable before anyone hears of it.
"""

from collections.abc import Callable
from collections.abc import Sequence as Ordered
from typing import Final, Generic

import msgspec

from node.capacity.kinds import KindMeter
from node.codec.changes import changes_digest
from node.codec.links import block_hash, chain_ids
from node.ports.machine import Apply, State
from node.ports.terms import Terms, free_terms
from node.sequencer.arrange import arrange
from node.sequencer.submission import Submission
from node.types.blocks import Block
from node.types.commands import Command, OpenBlock
from node.types.durable import DurableBlock
from node.types.errors import IntegrityError
from node.types.events import Event, Rejected
from node.types.ids import MarketId, Sequence
from node.types.units import Millis

IN_TURN: Final[frozenset[MarketId]] = frozenset()
"""No market whose cancels come first: commands stay as the lanes gave them."""


def _no_time() -> int:
    return 0


class Unsigned(msgspec.Struct, frozen=True, gc=False):
    """A block that lacks its signature, with what it did; see ``DurableBlock``."""

    block: Block
    events: tuple[tuple[Event, ...], ...]
    links: tuple[bytes, ...]
    leaves: dict[bytes, bytes | None]

    def signed(self, signature: bytes) -> DurableBlock:
        """Return the finished block; it is the caller's to make it durable."""
        block = msgspec.structs.replace(self.block, signature=signature)
        return DurableBlock(block, self.events, self.links, self.leaves)


class Draft(msgspec.Struct, frozen=True, gc=False):
    """What became of a run of submissions.

    ``results[i]`` is the index of submission ``i`` in the block, or its rejection. Where none was
    accepted there is no block.
    """

    unsigned: Unsigned | None
    results: tuple[int | Rejected, ...]


class _Run:
    """What the block under way holds so far: commands, their ids, and what each did."""

    __slots__ = ("commands", "events", "ids")

    def __init__(
        self, commands: list[Command], ids: list[bytes], events: list[tuple[Event, ...]]
    ) -> None:
        self.commands = commands
        self.ids = ids
        self.events = events

    def add(self, command: Command, command_id: bytes, events: tuple[Event, ...]) -> None:
        self.commands.append(command)
        self.ids.append(command_id)
        self.events.append(events)


class Builder(Generic[State]):
    """Drives ``state`` by ``apply``, and knows the hash that the next block goes on from."""

    __slots__ = ("_apply", "_cancels_first", "_name", "_parent", "_terms", "meter", "state")

    def __init__(
        self,
        state: State,
        apply: Apply[State],
        name: Callable[[Command], bytes],
        parent: bytes,
        terms: Callable[[Millis], Terms] = free_terms,
        meter: KindMeter | None = None,
        cancels_first: frozenset[MarketId] = IN_TURN,
    ) -> None:
        """Go on from ``state``, as it is after the block whose hash is ``parent``.

        ``name`` gives a command's id: submissions bring theirs along, an ``OpenBlock`` does not.
        ``terms`` gives what a block at a time charges, and how far finality lags behind it.
        ``meter`` counts what it all costs; without one the counts stay, but no time is measured.
        ``cancels_first`` are the markets for which blocks are sorted; see ``arrange``.
        """
        self._cancels_first = cancels_first
        self.meter = KindMeter(_no_time) if meter is None else meter
        self._terms = terms
        self.state = state
        self._apply = apply
        self._name = name
        self._parent = parent

    def build(self, submissions: Ordered[Submission], now_ms: Millis) -> Draft:
        """Apply ``submissions`` and return the block that they make.

        They are applied in order, but for markets whose cancels come first; behind them stands
        whatever the state asks for before a block may end. The block's time is ``now_ms``, or the
        last block's where the clock ran back. Whatever is rejected stands in ``results`` alone: it
        never reaches the log. Raises ``IntegrityError`` when the state does anything but accept or
        reject; nothing may be built on it after that.
        """
        state, meter = self.state, self.meter
        meter.begin()
        before = state.opening()
        time = max(now_ms, Millis(state.time))
        terms = self._terms(time)
        opening = OpenBlock(state.block + 1, time, terms.fee, terms.lag)
        run = _Run([opening], [self._name(opening)], [self._run(opening)])
        if isinstance(refused := run.events[0][0], Rejected):
            raise IntegrityError(what="opening", block=opening.number, values=refused.values)
        meter.opened()
        results = self._execute(submissions, run)
        if len(run.commands) == 1:
            # Rejections move nothing: with the OpenBlock undone the state is as it was, and an
            # idle exchange leaves no blocks behind.
            state.reopen(before)
            meter.closed(0)
            return Draft(unsigned=None, results=results)
        self._end(run)
        unsigned = self._close(opening, run)
        meter.closed(len(run.commands))
        return Draft(unsigned=unsigned, results=results)

    def _execute(self, submissions: Ordered[Submission], run: _Run) -> tuple[int | Rejected, ...]:
        """Apply ``submissions``, add to ``run`` what is accepted; return what became of each."""
        meter = self.meter
        results: list[int | Rejected] = [0] * len(submissions)
        commands = [submission.command for submission in submissions]
        for place in arrange(commands, self._cancels_first):
            command = commands[place]
            happened = self._run(command)
            meter.ran(command, happened)
            if len(happened) == 1 and isinstance(rejected := happened[0], Rejected):
                results[place] = rejected
                continue
            results[place] = len(run.commands)
            run.add(command, submissions[place].id, happened)
        return tuple(results)

    def _end(self, run: _Run) -> None:
        """Add what the state asks for before the block may end; nobody has sent it."""
        for command in self.state.closing():
            # One of them may do another's work: of a pair, a fill here cancels an arrival there.
            if command not in self.state.closing():
                continue
            happened = self._run(command)
            self.meter.ran(command, happened)
            if len(happened) == 1 and isinstance(refused := happened[0], Rejected):
                raise IntegrityError(what="closing", code=refused.code, values=refused.values)
            run.add(command, self._name(command), happened)

    def _close(self, opening: OpenBlock, run: _Run) -> Unsigned:
        """Chain the ids, take the changes, and make the next block go on from this one."""
        count = len(run.commands)
        first = Sequence(self.state.sequence - count + 1)
        links = chain_ids(self._parent, run.ids)
        leaves = self.state.drain_changes()
        block = Block(
            number=opening.number,
            time=opening.time,
            first_sequence=first,
            commands=tuple(run.commands),
            ids=tuple(run.ids),
            parent=self._parent,
            hash=block_hash(opening.number, opening.time, first, count, links[-1]),
            signature=b"",
            changes=changes_digest(leaves),
        )
        self._parent = block.hash
        return Unsigned(block=block, events=tuple(run.events), links=tuple(links), leaves=leaves)

    def _run(self, command: Command) -> tuple[Event, ...]:
        try:
            return self._apply(self.state, command)
        except IntegrityError:
            raise
        except Exception as error:
            # A fault in the transition may have left half a command behind.
            raise IntegrityError(
                what="transition",
                command=type(command).__name__,
                sequence=self.state.sequence + 1,
                detail=repr(error),
            ) from error
