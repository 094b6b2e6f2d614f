"""A command imports what it needs, and the table of commands is what the modules add."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from node.app.cli import FAMILIES, app, application, families_of
from node.client.addresses import checksummed
from node.types.ids import address_from_hex
from tests.architecture.sources import TOP

HEAVY = ("numpy", "scipy", "eth_account", "web3", "eth", "py_ecc")
ALL = [command for commands in FAMILIES.values() for command in commands]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_adds_the_commands_that_the_table_names(family: str) -> None:
    group = get_command(application((family,)))
    assert tuple(getattr(group, "commands")) == FAMILIES[family]  # noqa: B009 - of a click group


def test_the_whole_has_them_all_and_shows_the_exit_codes() -> None:
    told = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200", "NO_COLOR": "1"})
    assert told.exit_code == 0
    assert "Exit codes: 0 done" in told.output
    assert all(f" {command} " in told.output for command in ALL)


def commands_of(group: Any, words: str = "plimsoll") -> Iterator[tuple[str, str]]:
    """Yield every command that does something, and its help."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands_of(command, f"{words} {name}")
        else:
            yield f"{words} {name}", command.help or ""


def test_every_command_shows_an_example() -> None:
    told = dict(commands_of(get_command(app)))
    assert len(told) >= len(ALL)
    assert [words for words, text in told.items() if f"Example: {words}" not in text] == []


def test_a_known_command_needs_its_family_and_anything_else_needs_all() -> None:
    assert families_of(["order", "--help"]) == ("trade",)
    assert families_of(["--help"]) is families_of([]) is families_of(["orde"]) is FAMILIES


def test_a_family_of_one_command_still_wants_its_name() -> None:
    told = CliRunner().invoke(application(("status",)), ["status", "--help"])
    assert (told.exit_code, "load line" in told.output) == (0, True)


# One command of each family: the others come with the same modules.
@pytest.mark.parametrize("command", ["order", "amend", "positions", "status"])
def test_a_trader_does_not_wait_for_libraries_that_he_never_uses(command: str) -> None:
    script = (
        f"import sys; sys.argv = ['plimsoll', '{command}', '--help']\n"
        "from node.app.cli import main\n"
        "try:\n    main()\n"
        f"except SystemExit:\n    print(*(set({HEAVY}) & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=TOP
    )
    assert done.stderr.split() == []


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("plimsoll ", ALL),
        ("plimsoll ord", ["order", "ordering", "orders"]),
        ("plimsoll order BTC-PERP b", ["buy"]),
    ],
)
def test_a_shell_is_told_through_the_real_entry(line: str, offered: list[str]) -> None:
    script = "import sys; sys.argv = ['plimsoll']\nfrom node.app.cli import main\nmain()"
    variables = {
        "_PLIMSOLL_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split(" ")) - 1),
        "PYTHONPATH": str(TOP),
    }
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True, text=True, check=False, cwd=TOP, env=variables,
    )  # fmt: skip
    assert sorted(done.stdout.split()) == sorted(offered)


@pytest.mark.parametrize(
    "address",
    [
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
    ],
)
def test_an_address_bears_its_checksum(address: str) -> None:
    assert checksummed(address_from_hex(address)) == address
