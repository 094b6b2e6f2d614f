"""What the exchange weighs: state root, bytes on L1, gas, recovery, memory, and pauses.

One row a measurement, with its unit: these are not rates of one thing beside another's.
"""

import gc
import json
import subprocess
import sys
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from statistics import median
from time import perf_counter, perf_counter_ns
from typing import Final

import msgspec

from node.codec.batch import decode_batch, encode_batch
from node.codec.batch_actions import write_actions
from node.codec.batch_system import write_system
from node.codec.columns import AddressBook, Columns
from node.codec.l1_gas import posting_gas_estimated
from node.codec.varint import encode_varints
from node.transition.apply import apply
from node.transition.state import State
from node.transition.tree.tree import StateTree
from node.types.commands import Action, Command
from node.types.hashing import keccak256
from node.types.ids import Address
from tests.benchmarks.rounds import seconds_of
from tests.benchmarks.transition_tape import ActionTape, action_tape
from tests.examples import DOMAIN, RULES

SEED: Final = 20_190_523
ITEMS: Final = 40_000
ROUNDS: Final = 3
ROOT_COMMANDS: Final = 10_000
BATCH_COMMANDS: Final = 3_000
MILLION: Final = 1_000_000


class Crowd(msgspec.Struct, frozen=True):
    """How large the state is whose memory is measured."""

    accounts: int = 100_000
    orders_each: int = 5


class Burden(msgspec.Struct, frozen=True):
    """``value`` in ``unit``; ``of`` says what was measured, and on how much."""

    what: str
    value: float
    unit: str
    of: str


def measure_burdens(
    items: int = ITEMS, rounds: int = ROUNDS, crowd: Crowd | None = None
) -> list[Burden]:
    """Return every row."""
    tape = action_tape(SEED, items, 1)
    return [
        *_measure_root(tape, rounds),
        *_measure_bytes(tape),
        *_measure_replay(tape, rounds),
        *_measure_pauses(tape, rounds),
        *_measure_crowd(crowd or Crowd()),
    ]


def _warm(tape: ActionTape) -> State:
    state = State.genesis(RULES, DOMAIN)
    for command in tape.warm:
        apply(state, command)
    return state


def _measure_root(tape: ActionTape, rounds: int) -> list[Burden]:
    """Time the update of the tree with what a stretch of commands has changed, and a whole tree."""
    commands = tape.commands[:ROOT_COMMANDS]
    state = _warm(tape)
    before = StateTree.build(dict(state.leaves()))
    state.drain_changes()
    for command in commands:
        apply(state, command)
    changes, whole = state.drain_changes(), dict(state.leaves())
    update = median(seconds_of(lambda: _root(before.update(changes))) for _ in range(rounds))
    build = median(seconds_of(lambda: _root(StateTree.build(whole))) for _ in range(rounds))
    scale = ROOT_COMMANDS / len(commands)
    return [
        _row("state root", 1e3 * update * scale, "ms per 10,000 commands", len(changes), "leaves"),
        _row("state root, whole tree", 1e3 * build, "ms", len(whole), "leaves"),
    ]


def _root(tree: StateTree) -> None:
    assert len(tree.root) == 32


def _measure_bytes(tape: ActionTape) -> list[Burden]:
    """Compare a batch with plain encodings of the same commands, and share out what it holds.

    Signatures are the same 64 bytes each in any encoding, so they are left out on both sides.
    """
    plain = tuple(map(_with_real_address, tape.commands[:BATCH_COMMANDS]))
    posted, count = _signed(plain), len(plain)
    of = f"{count:,} commands of one item, without signatures"
    batch = encode_batch(posted)
    gas = posting_gas_estimated(len(batch), 1) / count
    rows = [
        Burden(
            "batch with signatures", len(batch) / count, "bytes a command", f"{count:,} commands"
        ),
        Burden("gas of posting", gas, "gas a command", f"{count:,} commands, as calldata"),
        Burden("batch", _unsigned_size(posted) / count, "bytes a command", of),
    ]
    for name, encode in (("MessagePack", msgspec.msgpack.encode), ("JSON", msgspec.json.encode)):
        encoded = encode(plain)
        for packer, pack in _packers().items():
            size = len(pack(encoded)) / count
            rows.append(Burden(f"{name}, {packer}", size, "bytes a command", of))
    rows += _shares(posted)
    return [msgspec.structs.replace(row, value=round(row.value, 2)) for row in rows]


def _with_real_address(command: Command) -> Command:
    """Return the command with an address like any: those of the tape are mostly zeros."""
    if not isinstance(command, Action):
        return command
    address = Address(keccak256(command.account)[-20:])
    return msgspec.structs.replace(command, account=address, signer=address)


def _signed(commands: Sequence[Command]) -> tuple[Command, ...]:
    """Give every action a signature; nobody looks at it, but it has its length."""
    random = Random(SEED)
    return tuple(
        msgspec.structs.replace(one, signature=random.randbytes(64) + b"\0")
        if isinstance(one, Action)
        else one
        for one in commands
    )


def _unsigned_size(commands: Sequence[Command]) -> int:
    signatures = sum(isinstance(one, Action) for one in commands)
    return len(encode_batch(commands)) - 64 * signatures - -(-signatures // 8)


def _shares(commands: tuple[Command, ...]) -> list[Burden]:
    """Return what each kind adds to a batch, and each column of it, once deflated on its own."""
    whole, rows = _unsigned_size(commands), []
    for kind in sorted({type(one) for one in commands}, key=lambda one: one.__name__):
        others = [one for one in commands if type(one) is not kind]
        number = len(commands) - len(others)
        added = (whole - _unsigned_size(others)) / number
        rows.append(Burden(f"batch: {kind.__name__}", added, "bytes each", f"{number:,} of them"))
    return [*rows, *_columns(commands)]


def _columns(commands: tuple[Command, ...]) -> list[Burden]:
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


def _packers() -> dict[str, Callable[[bytes], bytes]]:
    """Return what packs; libraries that are installed on demand only where they are."""
    found: dict[str, Callable[[bytes], bytes]] = {"zlib 9": lambda data: zlib.compress(data, 9)}
    try:
        import brotli  # noqa: PLC0415 - installed on demand
        import zstandard  # noqa: PLC0415 - as above
    except ImportError:
        return found
    found["zstd 19"] = zstandard.ZstdCompressor(level=19).compress
    found["brotli 11"] = lambda data: bytes(brotli.compress(data, quality=11))
    return found


def _measure_replay(tape: ActionTape, rounds: int) -> list[Burden]:
    """Time what recovery does with a log, and what a verifier does with a batch, unsigned."""
    commands = tape.commands
    encoded = encode_batch(_signed(commands[:BATCH_COMMANDS]))

    def played(log: tuple[Command, ...]) -> float:
        state = _warm(tape)
        started = perf_counter()
        for command in log:
            apply(state, command)
        state.drain_changes()
        return perf_counter() - started

    recover = median(played(commands) for _ in range(rounds)) * MILLION / len(commands)
    first = commands[:BATCH_COMMANDS]
    sequence = median(played(first) for _ in range(rounds))
    decode = median(seconds_of(lambda: _decoded(encoded)) for _ in range(rounds))
    ratio = sequence / (decode + sequence)
    return [
        _row("recovery", recover, "s per million commands", len(commands), "commands, scaled"),
        _row("verifier over sequencer", ratio, "times", len(first), "commands: decoded, applied"),
    ]


def _decoded(data: bytes) -> None:
    assert decode_batch(data)


def _measure_pauses(tape: ActionTape, rounds: int) -> list[Burden]:
    """Return the longest time of one command, with the collector as it is, frozen, and off."""

    def longest_ms() -> float:
        state, longest = _warm(tape), 0
        last = perf_counter_ns()
        for command in tape.commands:
            apply(state, command)
            now = perf_counter_ns()
            longest, last = max(longest, now - last), now
        return longest / 1e6

    def frozen_ms() -> float:
        gc.collect()
        gc.freeze()
        try:
            return longest_ms()
        finally:
            gc.unfreeze()

    def off_ms() -> float:
        gc.disable()
        try:
            return longest_ms()
        finally:
            gc.enable()

    ways = {"as it is": longest_ms, "frozen before": frozen_ms, "off": off_ms}
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            found[name].append(way())
    return [
        _row(f"longest command, collector {name}", median(times), "ms", tape.items, "items")
        for name, times in found.items()
    ]


def _measure_crowd(crowd: Crowd) -> list[Burden]:
    """Let a process of its own build the state, and tell its memory and the collector's pauses."""
    program = [sys.executable, "-m", "tests.benchmarks.crowd"]
    sizes = [str(crowd.accounts), str(crowd.orders_each)]
    top = Path(__file__).parents[2]
    answer = subprocess.run([*program, *sizes], check=True, capture_output=True, cwd=top)
    told = json.loads(answer.stdout)
    of = (
        f"{told['accounts']:,} accounts, {told['positions']:,} positions, {told['orders']:,} orders"
    )
    return [
        Burden("memory of the state", told["mib"], "MiB", of),
        Burden("full collection", told["collect_ms"], "ms", of),
        Burden("full collection, frozen before", told["collect_frozen_ms"], "ms", of),
    ]


def _row(what: str, value: float, unit: str, count: int, of: str) -> Burden:
    return Burden(what, round(value, 3), unit, f"{count:,} {of}")
