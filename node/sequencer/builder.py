"""From submissions to the next block: which commands it holds, in what order, and what they did.

A pure decision: the time is an argument, nothing is awaited and nothing is written. The caller
makes the block durable before anyone hears of it.
"""

from collections.abc import Callable
from collections.abc import Sequence as Ordered
from typing import Generic

import msgspec

from node.capacity.kinds import KindMeter
from node.codec.changes import changes_digest
from node.codec.links import block_hash, chain_ids
from node.ports.machine import Apply, State
from node.ports.terms import Terms, free_terms
from node.sequencer.submission import Submission
from node.types.blocks import Block
from node.types.commands import Command, OpenBlock
from node.types.durable import DurableBlock
from node.types.errors import IntegrityError
from node.types.events import Event, Rejected
from node.types.ids import Sequence
from node.types.units import Millis


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


class Builder(Generic[State]):
    """Drives ``state`` by ``apply``, and knows the hash that the next block goes on from."""

    __slots__ = ("_apply", "_name", "_parent", "_terms", "meter", "state")

    def __init__(
        self,
        state: State,
        apply: Apply[State],
        name: Callable[[Command], bytes],
        parent: bytes,
        terms: Callable[[Millis], Terms] = free_terms,
        meter: KindMeter | None = None,
    ) -> None:
        """Go on from ``state``, as it is after the block whose hash is ``parent``.

        ``name`` gives a command's id: submissions bring theirs along, an ``OpenBlock`` does not.
        ``terms`` gives what a block at a time charges, and how far finality lags behind it.
        ``meter`` counts what it all costs; without one the counts stay, but no time is measured.
        """
        self.meter = KindMeter(_no_time) if meter is None else meter
        self._terms = terms
        self.state = state
        self._apply = apply
        self._name = name
        self._parent = parent

    def build(self, submissions: Ordered[Submission], now_ms: Millis) -> Draft:
        """Apply ``submissions`` in order and return the block that they make.

        Its time is ``now_ms``, or the last block's where the clock ran back. Whatever is rejected
        stands in ``results`` alone: it never reaches the log. Raises ``IntegrityError`` when the
        state does anything but accept or reject; nothing may be built on it after that.
        """
        state, meter = self.state, self.meter
        meter.begin()
        before = state.opening()
        time = max(now_ms, Millis(state.time))
        terms = self._terms(time)
        opening = OpenBlock(state.block + 1, time, terms.fee, terms.lag)
        commands: list[Command] = [opening]
        ids = [self._name(opening)]
        events = [self._run(opening)]
        if isinstance(refused := events[0][0], Rejected):
            raise IntegrityError(what="opening", block=opening.number, values=refused.values)
        meter.opened()
        results: list[int | Rejected] = []
        for submission in submissions:
            happened = self._run(submission.command)
            meter.ran(submission.command, happened)
            if len(happened) == 1 and isinstance(rejected := happened[0], Rejected):
                results.append(rejected)
                continue
            results.append(len(commands))
            commands.append(submission.command)
            ids.append(submission.id)
            events.append(happened)
        if len(commands) == 1:
            # Rejections move nothing: with the OpenBlock undone the state is as it was, and an
            # idle exchange leaves no blocks behind.
            state.reopen(before)
            meter.closed(0)
            return Draft(unsigned=None, results=tuple(results))
        unsigned = self._close(opening, commands, ids, events)
        meter.closed(len(commands))
        return Draft(unsigned=unsigned, results=tuple(results))

    def _close(
        self,
        opening: OpenBlock,
        commands: list[Command],
        ids: list[bytes],
        events: list[tuple[Event, ...]],
    ) -> Unsigned:
        """Chain the ids, take the changes, and make the next block go on from this one."""
        count = len(commands)
        first = Sequence(self.state.sequence - count + 1)
        links = chain_ids(self._parent, ids)
        leaves = self.state.drain_changes()
        block = Block(
            number=opening.number,
            time=opening.time,
            first_sequence=first,
            commands=tuple(commands),
            ids=tuple(ids),
            parent=self._parent,
            hash=block_hash(opening.number, opening.time, first, count, links[-1]),
            signature=b"",
            changes=changes_digest(leaves),
        )
        self._parent = block.hash
        return Unsigned(block=block, events=tuple(events), links=tuple(links), leaves=leaves)

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
