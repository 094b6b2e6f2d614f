"""The lanes: where submissions wait, most urgent first, each lane with its own limit and counters.

A lane that is full refuses, and no lane takes room from another: a flood of taking orders fills
its own lane and nothing else. When the gate is closed the lanes that add risk refuse everything,
and the others stay open; what already waits is still taken.
"""

from collections import deque
from collections.abc import Mapping

from node.capacity.queue import BoundedQueue
from node.capacity.stage import Stage
from node.ports.intake import Deliver
from node.types.commands import Action, CancelAll, Command, OracleRound, OrderType, PlaceOrders
from node.types.errors import GateClosed
from node.types.lanes import Lane

GATED = frozenset((Lane.RESTING, Lane.TAKING))
"""The lanes that a closed gate shuts: all that can add risk goes through them."""


REHEARSAL_WORK = 10
"""What a fill-or-kill counts for: it crosses a copy of the book, and pays nothing if that fails."""


class Submission:
    """A command on its way into the log, and who waits for what becomes of it."""

    __slots__ = ("command", "id", "key", "waiting", "work")

    def __init__(self, command: Command, command_id: bytes, deliver: Deliver) -> None:
        """Take on ``command``; submissions with one ``key`` are the same action.

        An action's id does not name its signer. With the id alone, a stranger who signs somebody's
        action in his own name, and is rejected, could have that rejection answered to its owner.
        """
        self.command = command
        self.id = command_id
        self.key = command_id + command.signer if isinstance(command, Action) else command_id
        self.work = work_of(command)
        self.waiting = [deliver]


def work_of(command: Command) -> int:
    """Return how much work ``command`` may be, a single order being 1.

    It only bounds the time that a block takes; a wrong guess delays, and changes no result.
    """
    if isinstance(command, PlaceOrders):
        rehearsed = sum(order.type is OrderType.FOK for order in command.orders)
        return len(command.orders) + len(command.cancels) + (REHEARSAL_WORK - 1) * rehearsed
    # Of these, each may go through every order of an account, or through every market.
    return 10 if isinstance(command, CancelAll | OracleRound) else 1


class Lanes:
    """One bounded queue for each lane, emptied in their order."""

    __slots__ = ("_cause", "_queues", "_works")

    def __init__(self, limits: Mapping[Lane, int]) -> None:
        """Start empty, with the gate open; ``limits`` are the submissions that each lane holds."""
        self._queues = tuple(
            BoundedQueue[Submission](f"lane_{lane.name.lower()}", limits[lane]) for lane in Lane
        )
        # The work of each waiting submission, so that what fits is known before it is taken.
        self._works = tuple(deque[int]() for _ in Lane)
        self._cause: str | None = None

    def __len__(self) -> int:
        """Return the number of waiting submissions."""
        return sum(map(len, self._queues))

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Return the counters of each lane, in the lanes' order."""
        return tuple(queue.stage for queue in self._queues)

    @property
    def gate(self) -> str | None:
        """Return why the gate is closed, None while it is open."""
        return self._cause

    def close_gate(self, cause: str) -> None:
        """Refuse new risk from now on; ``cause`` is one of few fixed words, and is counted."""
        self._cause = cause

    def open_gate(self) -> None:
        """Take new risk again."""
        self._cause = None

    def offer(self, submission: Submission, lane: Lane, now_ns: int) -> None:
        """Queue ``submission``.

        Raises ``Overloaded``, which names the lane, when it is full, ``GateClosed`` (``cause``)
        when it adds risk and the gate is closed.
        """
        queue = self._queues[lane]
        if self._cause is not None and lane in GATED:
            queue.stage.turn_away(f"gate_{self._cause}")
            raise GateClosed(cause=self._cause, lane=queue.name)
        queue.offer(submission, now_ns)
        self._works[lane].append(submission.work)

    def take(self, work: int, now_ns: int) -> list[Submission]:
        """Remove and return what goes into the next block: the most urgent, ``work`` in all.

        The last one may exceed it; so while anything waits, something is taken.
        """
        taken: list[Submission] = []
        for queue, works in zip(self._queues, self._works, strict=True):
            count = 0
            while works and work > 0:
                work -= works.popleft()
                count += 1
            if count:
                taken += queue.take(count, now_ns)
        return taken
