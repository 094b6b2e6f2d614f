"""The command line: ``plimsoll`` = ``python -m node``. ``EXIT_CODES`` says how it ends."""

import importlib
import os
import sys
import traceback
from collections.abc import Iterable, Iterator
from typing import Any, Final

# Read when numpy is first imported. Its matrices are small here: threads of the linear algebra
# would wait for each other, and make a fit several times slower on a machine that does other work.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import typer
from rich.console import Console
from typer.main import get_command

from node.app.cli.advice import advice
from node.app.cli.families import FAMILIES
from node.client.errors import NotTakenIn, refusals
from node.codec.json_errors import encode_error
from node.types.errors import (
    CommandRejected,
    DiskFailed,
    EveryItemRejected,
    IntegrityError,
    PlimsollError,
    TransactionUnseen,
    Unavailable,
)

EXIT_CODES: Final = (
    "Exit codes: 0 done · 1 refused by the exchange, or a check found a difference · 2 the command"
    " or the configuration is wrong · 3 integrity: data or chain are not what they must be · 4 no"
    " answer, or not now: try again · 5 an answer was lost, or what was sent to L1 not confirmed:"
    " look before sending again · 6 a fault of this program."
)

_OUR_FAULT: Final = 6

_PERHAPS_DONE: Final = (2110, NotTakenIn.code, TransactionUnseen.code)
"""The first by number, like its advice: the client that raises it is not always imported."""


def application(families: Iterable[str] = FAMILIES) -> typer.Typer:
    """Return the command line with the commands of ``families``, whose modules are imported now."""
    made = _empty()
    for family in families:
        importlib.import_module(f"{__name__}.{family}").add_to(made)
    return made


def families_of(words: list[str]) -> Iterable[str]:
    """Return what the command line ``words`` needs: of a known command its own family alone.

    None where no word is a command: what is left is the help of the whole, or a slip.
    """
    for family, commands in FAMILIES.items():
        if words and words[0] in commands:
            return (family,)
    known = {command for commands in FAMILIES.values() for command in commands}
    return FAMILIES if known & set(words) else ()


def __getattr__(name: str) -> typer.Typer:
    """Return the whole command line as ``app``, for whoever imports it."""
    if name == "app":
        return application()
    raise AttributeError(name)


def main() -> None:
    """Run the command line; an error of this project is one line and an exit code."""
    try:
        _application_for(sys.argv[1:])()
    except (Exception, BaseExceptionGroup) as raised:  # noqa: BLE001 - it is shown whole
        errors = list(_ours(raised))
        if not errors:
            # Python's own exit code would be 1, which says that a check found a difference.
            traceback.print_exception(raised)
            sys.exit(_OUR_FAULT)
        words = sys.argv[1:]
        _tell(errors[0], words)
        if _asks_for_json(words):
            sys.stdout.write(f'{{"error":{encode_error(errors[0]).decode()}}}\n')
        sys.exit(_exit_code(errors[0]))


def _application_for(words: list[str]) -> typer.Typer:
    # A shell that completes passes the line in a variable: bash in one, all others in another.
    line = os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS")
    if not words and line:
        words = line.split()[1:]
        if len(words) == 1 and not line[-1:].isspace():
            return _names()
    families = families_of(words)
    return application(families) if families else _names()


def _empty() -> typer.Typer:
    made = typer.Typer(
        name="plimsoll",
        help="A sequencer and rollup batching node for a derivatives exchange.",
        epilog=EXIT_CODES,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
    )
    # Without a callback an application of one command would be that command, without its name.
    made.callback()(_nothing)
    return made


def _names() -> typer.Typer:
    """Return all commands with nothing behind them: what the help shows and a shell asks about."""
    made = _empty()
    for commands in FAMILIES.values():
        for command, told in commands.items():
            made.command(command, help=told)(_nothing)
    return made


def _nothing() -> None:
    pass


def _ours(raised: BaseException) -> Iterator[PlimsollError]:
    """Yield the errors of this project in ``raised``, however deep in groups they are."""
    if isinstance(raised, PlimsollError):
        yield raised
    elif isinstance(raised, BaseExceptionGroup):
        for inner in raised.exceptions:
            yield from _ours(inner)


def _tell(error: PlimsollError, words: list[str]) -> None:
    console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    faults = error.values.get("faults")
    if isinstance(error, EveryItemRejected):
        faults = [f"{one.code}: {one}" for one in refusals(error)]
    if isinstance(faults, tuple | list):
        console.print(f"error {error.code}: {type(error).__name__}")
        for fault in faults:
            console.print(f"  {fault}")
    else:
        console.print(f"error {error.code}: {error}")
    console.print(f"  to do: {advice(error, words)}")


def _asks_for_json(words: list[str]) -> bool:
    """Return whether ``words`` have the flag --json. Of some commands it names a file instead."""
    if "--json" not in words:
        return False
    command: Any = get_command(application(families_of(words)))
    for word in words:
        command = getattr(command, "commands", {}).get(word, command)
    return any(option.name == "json" and option.is_flag for option in command.params)


def _exit_code(error: PlimsollError) -> int:
    if error.code in _PERHAPS_DONE:
        return 5
    if isinstance(error, Unavailable | DiskFailed):
        return 4
    if isinstance(error, IntegrityError):
        return 3
    return 1 if isinstance(error, CommandRejected) else 2
