"""One log, two Pythons, one state: another release of CPython must compute the same roots.

    python -m tests.simulation.cross_version OTHER_PYTHON

A random log is recorded once, cut into batches and written down as L1 would hold them. This
interpreter and ``OTHER_PYTHON`` (of an environment in which the project is installed) each read
those bytes back and execute them; every root must agree. Recorded, and not drawn twice, because
what is compared is the transition: a generator of floats may round as it likes. Each process has a
hash seed of its own, so an order that depends on it shows as well.
"""

import argparse
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Final, get_args

import msgspec

from node.codec.batch import decode_batch, encode_batch
from node.transition.apply import apply
from node.transition.replay import Replica
from node.transition.state import State
from node.types.commands import Action, Command, OpenBlock, OracleRound, PlaceOrders, Uncross
from node.types.events import Rejected
from node.types.hashing import keccak256
from tests.property.random_log import DOMAIN, RULES, RandomLog
from tests.property.tempers import TEMPERS

TOP: Final = Path(__file__).resolve().parents[2]
SEED: Final = 7
DRAWS: Final = 2_500
"""For each temper: some 4,000 commands in all, since the others are rejected."""
BATCH_COMMANDS: Final = 100

Recording = dict[str, list[bytes]]
"""The batches of one log for each temper."""
Roots = dict[str, list[str]]
"""The root after each of those batches, in hex."""


def record(seed: int = SEED, draws: int = DRAWS) -> Recording:
    """Return a log for each temper, in batches of whole blocks; together they hold every kind.

    But for ``Uncross``: no market of the random logs is one of auctions.
    """
    logs = {temper: _log(seed, temper, draws) for temper in TEMPERS}
    seen = {type(command).__name__ for log in logs.values() for command in log}
    missing = {kind.__name__ for kind in get_args(Command) if kind is not Uncross} - seen
    assert not missing, f"seed {seed}: no {missing} in the log; draw more commands"
    return {
        temper: [encode_batch(batch) for batch in _batches(log)] for temper, log in logs.items()
    }


def execute(recording: Recording) -> Roots:
    """Return the roots that this interpreter computes. Raises where a command does not apply."""
    return {temper: list(_roots(batches)) for temper, batches in recording.items()}


def execute_as_other(recording: Recording) -> Roots:
    """As ``execute``, but a batch that fails stands in the place of its root, and ends its log."""
    roots: Roots = {}
    for temper, batches in recording.items():
        found = roots[temper] = []
        try:
            for root in _roots(batches):
                found.append(root)  # noqa: PERF402 - what came before a failure is kept
        # Whatever this interpreter stumbles over is a difference, and has a place in the log.
        except Exception as error:  # noqa: BLE001
            found.append(repr(error))
    return roots


def compare(ours: Roots, theirs: Roots) -> tuple[int, str | None]:
    """Return how many batches agree, and the first one that differs."""
    agreed = 0
    for temper in dict.fromkeys([*ours, *theirs]):
        pairs = zip_longest(ours.get(temper, []), theirs.get(temper, []), fillvalue="no root")
        for index, (our, their) in enumerate(pairs):
            if our != their:
                return agreed, f"{temper}, batch {index}: {our} here, {their} there"
            agreed += 1
    return agreed, None


def _roots(batches: Iterable[bytes]) -> Iterator[str]:
    replica = Replica.genesis(RULES, DOMAIN)
    for data in batches:
        yield replica.execute(decode_batch(data))[-1].root.hex()


def _log(seed: int, temper: str, draws: int) -> list[Command]:
    """Return the accepted commands among ``draws``: what a sequencer would have put in its log.

    No block of it is empty, since a sequencer opens none but for a command.
    """
    state = State.genesis(RULES, DOMAIN)
    source = RandomLog(seed, TEMPERS[temper], state)
    log: list[Command] = []
    opened = False
    for _ in range(draws):
        command = source.draw()
        opens = isinstance(command, OpenBlock)
        if not _can_be_sent(command) or (opens and opened):
            continue
        happened = apply(state, command)
        if not (happened and isinstance(happened[0], Rejected)):
            log.append(_signed(command))
            opened = opens
    return log[:-1] if opened else log


def _can_be_sent(command: Command) -> bool:
    """Return whether the codec can carry it: a cancel that names nothing never leaves a client."""
    return not isinstance(command, PlaceOrders) or all(
        cancel.order_id or cancel.client_id for cancel in command.cancels
    )


def _signed(command: Command) -> Command:
    """Return ``command`` with bytes in the place of its signatures, which no replica looks at."""
    if isinstance(command, Action):
        return msgspec.structs.replace(command, signature=_filling(command))
    if isinstance(command, OracleRound):
        reports = tuple(
            msgspec.structs.replace(report, signature=_filling(report))
            for report in command.reports
        )
        return msgspec.structs.replace(command, reports=reports)
    return command


def _filling(signed: msgspec.Struct) -> bytes:
    digest = keccak256(msgspec.msgpack.encode(signed))
    return digest + digest[::-1] + bytes([digest[0] & 1])


def _batches(log: Sequence[Command]) -> list[list[Command]]:
    """Return ``log`` cut at the first block that opens after ``BATCH_COMMANDS`` commands."""
    batches: list[list[Command]] = [[]]
    for command in log:
        if isinstance(command, OpenBlock) and len(batches[-1]) >= BATCH_COMMANDS:
            batches.append([])
        batches[-1].append(command)
    return batches


def _read(path: Path) -> Recording:
    return msgspec.msgpack.decode(path.read_bytes(), type=Recording)


def _execute_under(python: str, path: Path) -> tuple[str, Roots]:
    """Return the version of ``python`` and the roots that it computes from the recording."""
    done = subprocess.run(
        [python, "-m", "tests.simulation.cross_version", "--execute", str(path)],
        cwd=TOP,
        stdout=subprocess.PIPE,
        check=True,
    )
    version, roots = msgspec.json.decode(done.stdout, type=tuple[str, Roots])
    return version, roots


def _print_roots(here: str, there: str, ours: Roots, theirs: Roots) -> None:
    print(f"batch: root under {here} | root under {there}")
    for temper in ours:
        pairs = zip_longest(ours[temper], theirs.get(temper, []), fillvalue="no root")
        for index, (our, their) in enumerate(pairs):
            print(f"{temper} {index}: {our} | {their}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare this interpreter with another one; return 1 where a batch differs."""
    parser = argparse.ArgumentParser(prog="cross_version", description=__doc__)
    parser.add_argument("python", metavar="OTHER_PYTHON", help="its environment holds the project")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--draws", type=int, default=DRAWS, help="commands drawn for each log")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recording"
        path.write_bytes(msgspec.msgpack.encode(record(chosen.seed, chosen.draws)))
        ours = execute(_read(path))
        there, theirs = _execute_under(chosen.python, path)
    _print_roots(platform.python_version(), there, ours, theirs)
    agreed, difference = compare(ours, theirs)
    if difference is not None:
        print(f"seed {chosen.seed}: {difference}", file=sys.stderr)
    print(f"{agreed} passed, {0 if difference is None else 1} failed")
    return 0 if difference is None else 1


def _answer(path: Path) -> None:
    """Be the other interpreter."""
    answer = (platform.python_version(), execute_as_other(_read(path)))
    sys.stdout.write(msgspec.json.encode(answer).decode())


if __name__ == "__main__":
    if sys.argv[1:2] == ["--execute"]:
        _answer(Path(sys.argv[2]))
    else:
        sys.exit(main())
