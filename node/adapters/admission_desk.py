"""One worker of the gate: what it owes answers for, and whether it still gives any."""

from collections import deque
from collections.abc import Callable
from typing import Final

import msgspec

from node.ports.admission import Admitted
from node.ports.worker import Worker
from node.types.errors import PlimsollError

LOOK_EVERY_S: Final = 1.0

SILENT_LOOKS: Final = 3
"""After so many looks without an answer to what it owes, a worker is one to tell of."""

HUNG_LOOKS: Final = 8
"""After so many it will not answer: 64 signatures are 3 ms of work.

Looks are counted, not time: where the loop itself stood still, the answer may lie there unread.
"""

STARTING_LOOKS: Final = 60
"""Likewise before its first answer, as it may still wait for a core to be imported on."""

Answer = Callable[[Admitted | PlimsollError], None]


class Message(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A message, whom to answer, and when it came in."""

    raw: bytes
    answer: Answer
    arrived_ns: int
    deadline_ns: int


class Desk:
    """A worker and the batches that it owes answers for."""

    __slots__ = ("_answered", "_looks", "owed", "worker")

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.owed: deque[list[Message]] = deque()
        self._answered = False
        self._looks = 0

    def answered(self) -> list[Message]:
        """Return the batch that has just been answered: the one owed for longest."""
        self._answered = True
        self._looks = 0
        return self.owed.popleft()

    def look(self) -> None:
        """Count one more look, where it owes something."""
        self._looks = self._looks + 1 if self.owed else 0

    @property
    def silent(self) -> bool:
        """Return whether it has owed the same answer for some looks."""
        return self._looks >= SILENT_LOOKS

    @property
    def hung(self) -> bool:
        """Return whether it has owed the same answer for so long that another should take over."""
        return self._looks >= (HUNG_LOOKS if self._answered else STARTING_LOOKS)
