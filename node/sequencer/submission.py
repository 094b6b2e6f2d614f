"""What waits in the lanes: a command, what it may cost, and who wants to hear of its outcome."""

from node.ports.intake import NEVER_NS, Deliver
from node.types.commands import (
    Action,
    CancelAll,
    Command,
    Disconnected,
    Expire,
    OracleRound,
    OrderType,
    PlaceOrders,
    TriggerOrder,
)
from node.types.ids import NO_ADDRESS, Address

REHEARSAL_WORK = 10
"""What a fill-or-kill counts for: it crosses a copy of the book before it crosses the book."""

_CLOCKS = TriggerOrder | Expire | Disconnected
_MANY = CancelAll | OracleRound | Expire | Disconnected


class Submission:
    """A command on its way into the log, and who waits for what becomes of it."""

    __slots__ = ("command", "deadline_ns", "expires", "id", "key", "waiting", "whose", "work")

    def __init__(
        self,
        command: Command,
        command_id: bytes,
        deliver: Deliver,
        deadline_ns: int = NEVER_NS,
    ) -> None:
        """Take on ``command``; submissions with one ``key`` are the same action.

        An action's id does not name its signer. With the id alone, a stranger who signs somebody's
        action in his own name, and is rejected, could have that rejection answered to its owner.
        """
        self.command = command
        self.id = command_id
        self.deadline_ns = deadline_ns
        if isinstance(command, Action):
            self.key = command_id + command.signer
            self.whose: Address = command.account
            self.expires: int = command.expires
        else:
            self.key = command_id
            # What is done for an account takes its turn among what the account does itself.
            self.whose = command.account if isinstance(command, _CLOCKS) else NO_ADDRESS
            self.expires = NEVER_NS
        self.work = work_of(command)
        self.waiting = [deliver]


def work_of(command: Command) -> int:
    """Return how much work ``command`` may be, a single order being 1.

    It only bounds the time that a block takes; a wrong guess delays, and changes no result.
    """
    if isinstance(command, PlaceOrders):
        rehearsed = sum(order.type is OrderType.FOK for order in command.orders)
        items = len(command.orders) + len(command.cancels) + len(command.amends)
        return max(1, items + (REHEARSAL_WORK - 1) * rehearsed)
    # Of these, each may go through every order of an account, or through every market.
    return 10 if isinstance(command, _MANY) else 1
