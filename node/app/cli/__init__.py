"""The command line: ``plimsoll`` = ``python -m node``.

Exit codes: 0 done · 1 a check found a difference, or the exchange refused an action · 2 the
command or the configuration is wrong · 3 integrity: data or chain are not what they must be ·
4 something did not answer, try again.
"""

import os
import sys
from collections.abc import Iterator
from typing import Final

# Read when numpy is first imported. Its matrices are small here: threads of the linear algebra
# would wait for each other, and make a fit several times slower on a machine that does other work.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import typer
from rich.console import Console

from node.app.cli import (
    calibrate,
    daemon,
    fees,
    keys,
    look,
    money,
    plan,
    ramp,
    rehearse,
    simulate,
    status,
    trade,
    verify,
)
from node.app.cli.advice import advice
from node.types.errors import CommandRejected, IntegrityError, PlimsollError, Unavailable

EXIT_CODES: Final = (
    "Exit codes: 0 done · 1 refused by the exchange, or a check found a difference · 2 the command"
    " or the configuration is wrong · 3 integrity: data or chain are not what they must be · 4 no"
    " answer, or not now: try again."
)

app = typer.Typer(
    name="plimsoll",
    help="A sequencer and rollup batching node for a derivatives exchange.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for commands in (
    daemon, verify, money, keys, trade, look, status, simulate, ramp, calibrate, plan, rehearse,
    fees,
):  # fmt: skip
    commands.add_to(app)


def main() -> None:
    """Run the command line; an error of this project is one line and an exit code."""
    try:
        app()
    except (PlimsollError, BaseExceptionGroup) as raised:
        errors = list(_ours(raised))
        if not errors:
            raise
        _tell(errors[0])
        sys.exit(_exit_code(errors[0]))


def _ours(raised: BaseException) -> Iterator[PlimsollError]:
    """Yield the errors of this project in ``raised``, however deep in groups they are."""
    if isinstance(raised, PlimsollError):
        yield raised
    elif isinstance(raised, BaseExceptionGroup):
        for inner in raised.exceptions:
            yield from _ours(inner)


def _tell(error: PlimsollError) -> None:
    console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    faults = error.values.get("faults")
    if isinstance(faults, tuple | list):
        console.print(f"error {error.code}: {type(error).__name__}")
        for fault in faults:
            console.print(f"  {fault}")
    else:
        console.print(f"error {error.code}: {error}")
    console.print(f"  to do: {advice(error)}")


def _exit_code(error: PlimsollError) -> int:
    if isinstance(error, IntegrityError):
        return 3
    if isinstance(error, Unavailable):
        return 4
    return 1 if isinstance(error, CommandRejected) else 2
