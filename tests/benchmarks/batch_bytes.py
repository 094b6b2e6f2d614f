"""What commands of each kind weigh on L1, beside plain encodings of the same commands.

What a kind adds to a batch is what the batch has less without it. Signatures are the same 64 bytes
each in any encoding, so they are left out on both sides but in the row that says so.
"""

import zlib
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from node.codec.batch import encode_batch
from node.codec.batch_actions import write_actions
from node.codec.batch_system import write_system
from node.codec.columns import AddressBook, Columns
from node.codec.l1_gas import posting_gas_estimated
from node.codec.varint import encode_varints
from node.transition.apply import apply
from node.transition.state import State
from node.types.commands import Action, Command, OracleRound, PlaceOrders
from node.types.events import Rejected
from tests.benchmarks.burden import Burden
from tests.property.random_log import DOMAIN, MIXED, RandomLog
from tests.property.tempers import CRASHES

Pack = Callable[[bytes], bytes]

BULK: Final = 20

_UNSIGNED: Final = b""
_ANY_SIGNATURE: Final = bytes(65)


def packers() -> dict[str, Pack]:
    """Return what packs; libraries that are installed on demand only where they are."""
    found: dict[str, Pack] = {"zlib 9": lambda data: zlib.compress(data, 9)}
    try:
        import brotli  # noqa: PLC0415 - installed on demand
        import zstandard  # noqa: PLC0415 - as above
    except ImportError:
        return found
    found["zstd 19"] = zstandard.ZstdCompressor(level=19).compress
    found["brotli 11"] = lambda data: bytes(brotli.compress(data, quality=11))
    return found


def log_of_all_kinds(seed: int, count: int) -> tuple[Command, ...]:
    """Return ``count`` commands that the transition takes, of every kind, on a day of crashes."""
    state = State.genesis(MIXED, DOMAIN)
    draw = RandomLog(seed, CRASHES, state)
    found: list[Command] = []
    while len(found) < count:
        command = draw.draw()
        if not isinstance(apply(state, command)[0], Rejected):
            found.append(command)
    return tuple(found)


def kind_of(command: Command) -> str:
    """Return the kind; an action on orders is told by what it does, where that is one thing."""
    if not isinstance(command, PlaceOrders):
        return type(command).__name__
    items = len(command.cancels), len(command.amends), len(command.orders)
    match items:
        case (1, 0, 0):
            what = "a cancel"
        case (0, 1, 0):
            what = "an amend"
        case (0, 0, 1) if command.orders[0].trigger:
            what = "an order that waits for a trigger"
        case (0, 0, 1):
            what = "an order"
        case _:
            what = "several items"
    return f"PlaceOrders, {what}"


def measure_bytes(
    singles: Sequence[Command], bulks: Sequence[Command], others: Sequence[Command]
) -> list[Burden]:
    """Return the rows of a batch of single items, of one of bulks, and of one of all kinds."""
    rows = [
        *_whole(singles),
        *_shares("batch of single items", singles),
        *_shares(f"batch of bulks of {BULK}", bulks),
        *_shares("batch of all kinds", others),
        *_columns(singles),
    ]
    return [msgspec.structs.replace(row, value=round(row.value, 2)) for row in rows]


def _whole(commands: Sequence[Command]) -> list[Burden]:
    count = len(commands)
    of = f"{count:,} commands of one item, without signatures"
    size = len(encode_batch(_signed(commands, _ANY_SIGNATURE)))
    gas = posting_gas_estimated(size, 1) / count
    rows = [
        Burden("batch with signatures", size / count, "bytes a command", f"{count:,} commands"),
        Burden("gas of posting", gas, "gas a command", f"{count:,} commands, as calldata"),
        Burden("batch", _batch_size(commands) / count, "bytes a command", of),
    ]
    plain = _signed(commands, _UNSIGNED)
    for name, encode in (("MessagePack", msgspec.msgpack.encode), ("JSON", msgspec.json.encode)):
        encoded = encode(plain)
        for packer, pack in packers().items():
            packed = len(pack(encoded)) / count
            rows.append(Burden(f"{name}, {packer}", packed, "bytes a command", of))
    return rows


def _shares(batch: str, commands: Sequence[Command]) -> list[Burden]:
    """Return what each kind adds to a batch, and to the packed MessagePack beside it."""
    kinds = [kind_of(command) for command in commands]
    packed = packers()
    whole, whole_packed = _batch_size(commands), _packed_sizes(commands, packed)
    rows = []
    for kind in sorted(set(kinds)):
        others = [one for one, its in zip(commands, kinds, strict=True) if its != kind]
        number = len(commands) - len(others)
        added = (whole - _batch_size(others)) / number
        beside = ", ".join(
            f"{name} {(whole_packed[name] - size) / number:.2f}"
            for name, size in _packed_sizes(others, packed).items()
        )
        of = f"{number:,} of {len(commands):,} commands; of MessagePack: {beside}"
        rows.append(Burden(f"{batch}: {kind}", added, "bytes each", of))
    return rows


def _packed_sizes(commands: Sequence[Command], packed: dict[str, Pack]) -> dict[str, int]:
    encoded = msgspec.msgpack.encode(_signed(commands, _UNSIGNED))
    return {name: len(pack(encoded)) for name, pack in packed.items()}


def _columns(commands: Sequence[Command]) -> list[Burden]:
    """Return the columns that take more than a hundredth of a byte a command."""
    columns: Columns = {}
    book = AddressBook()
    write_actions([one for one in commands if isinstance(one, Action)], book, columns)
    write_system([one for one in commands if not isinstance(one, Action)], book, columns)
    rows = []
    for name, values in columns.items():
        size = len(zlib.compress(encode_varints(values), 9)) / len(commands)
        if size > 0.01:
            of = f"{len(values):,} values, deflated alone"
            rows.append(Burden(f"column: {name}", size, "bytes a command", of))
    return rows


def _batch_size(commands: Sequence[Command]) -> int:
    """Return the bytes of a batch but for those of its signatures."""
    signatures = sum(
        len(one.reports) if isinstance(one, OracleRound) else isinstance(one, Action)
        for one in commands
    )
    data = encode_batch(_signed(commands, _ANY_SIGNATURE))
    return len(data) - 64 * signatures - -(-signatures // 8)


def _signed(commands: Sequence[Command], signature: bytes) -> list[Command]:
    """Give every action and every report ``signature``; nobody looks at it, but it has a length."""
    found: list[Command] = []
    for command in commands:
        match command:
            case Action():
                found.append(msgspec.structs.replace(command, signature=signature))
            case OracleRound():
                reports = [msgspec.structs.replace(o, signature=signature) for o in command.reports]
                found.append(OracleRound(command.time, tuple(reports)))
            case _:
                found.append(command)
    return found
