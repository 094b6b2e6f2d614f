"""A state machine small enough to see through: it keeps what each account was paid.

The sequencer knows nothing of the exchange's rules, and so its tests need none of them.
"""

from collections.abc import Iterator

from node.codec.commands import encode_command
from node.types.blocks import Domain
from node.types.commands import Command, Deposit, OpenBlock
from node.types.errors import BlockOutOfOrder
from node.types.events import BlockOpened, Deposited, Event, Rejected
from node.types.hashing import keccak256
from node.types.ids import Address, Sequence
from node.types.units import Millis, Money

DOMAIN = Domain(chain_id=31337, rollup=bytes(range(20)))
FIVE = Money(5)
REFUSED = Money(0)
FATAL = Money(13)
ALICE = Address(b"\xa1" * 20)


def pay(index: int, amount: Money = FIVE, account: Address = ALICE) -> Deposit:
    """Return a command that is accepted, or rejected (``REFUSED``), or breaks it (``FATAL``)."""
    return Deposit(index=index, account=account, amount=amount)


def name_of(command: Command) -> bytes:
    """Return the id of an unsigned command."""
    return keccak256(encode_command(command))


class Ledger:
    """A ``LogState``: sums by account."""

    def __init__(self) -> None:
        self.sequence = Sequence(0)
        self.block = 0
        self.time = 0
        self.sums: dict[bytes, int] = {}
        self.changed: set[bytes] = set()
        self.due: list[Command] = []
        """What the test wants to stand at the end of the next block."""

    def opening(self) -> tuple[int, ...]:
        return self.sequence, self.block, self.time

    def reopen(self, opening: tuple[int, ...]) -> None:
        sequence, self.block, self.time = opening
        self.sequence = Sequence(sequence)

    def closing(self) -> tuple[Command, ...]:
        return tuple(self.due)

    def drain_changes(self) -> dict[bytes, bytes | None]:
        changes: dict[bytes, bytes | None] = {key: _value(self.sums[key]) for key in self.changed}
        changes[_POSITION] = self._position()
        self.changed = set()
        return changes

    def leaves(self) -> Iterator[tuple[bytes, bytes]]:
        yield _POSITION, self._position()
        yield from ((key, _value(total)) for key, total in self.sums.items())

    def _position(self) -> bytes:
        return b"".join(_value(number) for number in (self.sequence, self.block, self.time))

    @classmethod
    def of(cls, leaves: tuple[tuple[bytes, bytes], ...]) -> "Ledger":
        ledger = cls()
        for key, value in leaves:
            numbers = [int.from_bytes(value[at : at + 8], "big") for at in range(0, len(value), 8)]
            if key == _POSITION:
                ledger.sequence = Sequence(numbers[0])
                ledger.block, ledger.time = numbers[1:]
            else:
                ledger.sums[key] = numbers[0]
        return ledger


_POSITION = bytes(32)


def _value(number: int) -> bytes:
    return number.to_bytes(8, "big")


def apply(state: Ledger, command: Command) -> tuple[Event, ...]:
    """Apply a deposit or open a block."""
    event: Event
    match command:
        case OpenBlock():
            if command.number != state.block + 1 or command.time < state.time:
                return (Rejected(BlockOutOfOrder.code, "BlockOutOfOrder", {}),)
            state.block, state.time = command.number, command.time
            event = BlockOpened(command.number, Millis(command.time))
        case Deposit():
            if command.amount == REFUSED:
                return (Rejected(1304, "AmountInvalid", {}),)
            key = command.account.rjust(32, b"\x01")
            state.sums[key] = state.sums.get(key, 0) + command.amount
            state.changed.add(key)
            if command.amount == FATAL:
                raise ZeroDivisionError
            event = Deposited(command.index, command.account, command.amount)
        case _:
            raise NotImplementedError
    state.sequence = Sequence(state.sequence + 1)
    return (event,)
