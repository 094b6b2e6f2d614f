"""The way into the log for every station that has commands: ingress, oracle, inbox, risk."""

from collections.abc import Callable
from typing import Protocol

import msgspec

from node.types.commands import Command
from node.types.durable import Outcome
from node.types.errors import PlimsollError, Shed
from node.types.lanes import Lane

NEVER_NS = 1 << 63
"""The deadline of who did not name one: the clock's nanoseconds never come so far."""

Deliver = Callable[[Outcome | PlimsollError], None]
"""Called once with the outcome of a command, or with why there is none. Must not raise."""


class Intake(Protocol):
    """Takes commands in; their outcome follows once it is durable."""

    def offer(
        self,
        command: Command,
        command_id: bytes,
        deliver: Deliver,
        lane: Lane | None = None,
        deadline_ns: int = NEVER_NS,
    ) -> None:
        """Queue ``command``, by default in the lane that it belongs to; ``deliver`` is called once.

        Past ``deadline_ns``, on the node's clock, it is not begun any more. Never waits. Raises
        ``Overloaded``, ``Shed``, ``GateClosed`` or ``ShuttingDown``, and then never calls
        ``deliver``.
        """
        ...


class Late(msgspec.Struct, frozen=True, gc=False):
    """A lane in which even a newcomer waits too long, and what it says to what adds risk."""

    lane: Lane
    refusal: Shed
