"""A second execution of the log: what batcher, verifier and recovery have in common.

A replica takes the log in whole blocks and answers with roots. The commands between two roots are a
*stretch*: a dispute over a root is about one stretch and nothing else, so stretches are kept short
(``Rules.root_interval`` commands, and on to the end of the block).

The tree is brought up to date at the end of a stretch only, because what many blocks touch (the
clock, a busy market's leaf) is then hashed once.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Self

import msgspec

from node.codec.changes import changes_digest
from node.transition.apply import apply
from node.transition.state import State
from node.transition.tree.tree import StateTree
from node.types.blocks import Domain
from node.types.commands import Command, OpenBlock
from node.types.errors import AuctionPending, BatchMalformed, StateDiverged
from node.types.events import Rejected
from node.types.ids import Sequence
from node.types.rules import Rules


class Stretch(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """The commands between two roots, both ends included; ``root`` is the one after them."""

    first_sequence: Sequence
    last_sequence: Sequence
    root: bytes


class Replica:
    """A state and its tree, brought forward by whole blocks.

    After an error the replica stands inside a block and can only be thrown away.
    """

    __slots__ = ("_changes", "_next_stretch", "state", "tree")

    def __init__(self, state: State, tree: StateTree) -> None:
        """Go on from ``state``, whose leaves are those of ``tree``."""
        self.state = state
        self.tree = tree
        self._next_stretch = Sequence(state.sequence + 1)
        self._changes: dict[bytes, bytes | None] = {}

    @classmethod
    def genesis(cls, rules: Rules, domain: Domain) -> Self:
        """Return the replica before the first command."""
        state = State.genesis(rules, domain)
        return cls(state, StateTree.build(dict(state.leaves())))

    @classmethod
    def from_leaves(
        cls, rules: Rules, domain: Domain, leaves: Iterable[tuple[bytes, bytes]]
    ) -> Self:
        """Return the replica of the state with exactly these leaves. Raises ``StateDiverged``."""
        items = dict(leaves)
        return cls(State.from_leaves(rules, domain, items.items()), StateTree.build(items))

    @property
    def root(self) -> bytes:
        """Return the root after the last whole stretch."""
        return self.tree.root

    def stretches(
        self, commands: Iterable[Command], changes: Mapping[int, bytes] | None = None
    ) -> Iterator[Stretch]:
        """Apply ``commands``, which are whole blocks; yield each stretch once its root is known.

        The last stretch ends with the last command, however short it is. ``changes`` holds, by
        block number, the digests of what another execution saw the blocks change.
        Raises ``StateDiverged``: ``where="command"`` with ``sequence``, ``code`` and ``error`` at
        one that the transition rejects; ``where="block"`` with ``number``, ``first_sequence``,
        ``expected`` and ``found`` at one that changed something else. Where orders still wait for
        an auction when a block ends, what lacks is the command. Raises ``BatchMalformed`` where the
        first command does not open a block, or a block holds nothing else: it would cost whoever
        replays it more than whoever posts it.
        """
        interval = self.state.rules.root_interval
        first: Sequence | None = None
        for command in commands:
            if isinstance(command, OpenBlock):
                if first is not None:
                    self._close_block(first, changes)
                    if self.state.sequence - self._next_stretch + 1 >= interval:
                        yield self._close_stretch()
                first = Sequence(self.state.sequence + 1)
            elif first is None:
                raise BatchMalformed(detail="the first command does not open a block")
            self._apply(command)
        if first is not None:
            self._close_block(first, changes)
            yield self._close_stretch()

    def execute(
        self, commands: Iterable[Command], changes: Mapping[int, bytes] | None = None
    ) -> tuple[Stretch, ...]:
        """Apply ``commands`` and return all of their stretches; see ``stretches``."""
        return tuple(self.stretches(commands, changes))

    def _apply(self, command: Command) -> None:
        events = apply(self.state, command)
        if events and isinstance(events[0], Rejected):
            rejected = events[0]
            raise StateDiverged(
                where="command",
                sequence=self.state.sequence + 1,
                code=rejected.code,
                error=rejected.error,
                values=rejected.values,
            )

    def _close_block(self, first: Sequence, expected: Mapping[int, bytes] | None) -> None:
        number = self.state.block
        if first == self.state.sequence:
            raise BatchMalformed(detail=f"block {number} holds nothing but its opening")
        if self.state.gathering:
            # The last block of a log has no next one to refuse it.
            raise StateDiverged(
                where="command",
                sequence=self.state.sequence + 1,
                code=AuctionPending.code,
                error=AuctionPending.__name__,
                values={"market": min(self.state.gathering)},
            )
        changes = self.state.drain_changes()
        if expected is not None:
            found = changes_digest(changes)
            if found != expected.get(number):
                raise StateDiverged(
                    where="block",
                    number=number,
                    first_sequence=first,
                    expected=expected.get(number),
                    found=found,
                )
        self._changes.update(changes)

    def _close_stretch(self) -> Stretch:
        self.tree = self.tree.update(self._changes)
        stretch = Stretch(self._next_stretch, self.state.sequence, self.tree.root)
        self._next_stretch = Sequence(self.state.sequence + 1)
        self._changes = {}
        return stretch
