"""The state machine that a log drives, as far as a writer or a reader of the log must know it.

The sequencer orders commands without knowing what they mean; that is the transition's business.
"""

from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

from node.types.commands import Command
from node.types.events import Event
from node.types.ids import Sequence


class LogState(Protocol):
    """A state that only commands change."""

    sequence: Sequence
    block: int
    time: int

    def opening(self) -> tuple[int, ...]:
        """Return all that an ``OpenBlock`` moves, the sequence included."""
        ...

    def reopen(self, opening: tuple[int, ...]) -> None:
        """Undo an ``OpenBlock`` that nothing has followed: ``opening`` is from before it."""
        ...

    def closing(self) -> tuple[Command, ...]:
        """Return the commands that have to be applied before the block may end, in order."""
        ...

    def drain_changes(self) -> dict[bytes, bytes | None]:
        """Return the leaves changed since the last call (32-byte key -> value, None: gone)."""
        ...

    def leaves(self) -> Iterator[tuple[bytes, bytes]]:
        """Return every leaf; a state is its leaves."""
        ...


State = TypeVar("State", bound=LogState)

Apply = Callable[[State, Command], tuple[Event, ...]]
"""Applies one command. A rejection is ``(Rejected(...),)`` and leaves the state as it was."""
