"""A command imports what it needs, and the table of commands is what the modules add."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from node.app import cli
from node.app.cli import app, application, families_of
from node.app.cli.families import FAMILIES
from node.client.addresses import checksummed
from node.types.errors import UnknownAccount
from node.types.ids import address_from_hex
from tests.architecture.sources import TOP

HEAVY = (
    *("numpy", "scipy", "pandas", "dask", "plotly", "pyarrow", "sqlalchemy"),
    *("eth_account", "web3", "eth", "py_ecc"),
)
ALL = [command for commands in FAMILIES.values() for command in commands]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_adds_the_commands_that_the_table_names(family: str) -> None:
    group = get_command(application((family,)))
    commands = getattr(group, "commands")  # noqa: B009 - of a click group
    told = {name: command.help.split("\n\n")[0] for name, command in commands.items()}
    assert {name: " ".join(text.split()) for name, text in told.items()} == FAMILIES[family]
    assert list(told) == list(FAMILIES[family])


def entered(words: list[str], **variables: str) -> list[str]:
    """Return what ``plimsoll`` prints for ``words``, and in the last line what heavy it loaded."""
    script = (
        f"import sys; sys.argv = ['plimsoll', *{words}]\n"
        "from node.app.cli import main\n"
        "try:\n    main()\n"
        f"finally:\n    print('loaded', *sorted({set(HEAVY)} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True, text=True, check=False, cwd=TOP,
        env={"COLUMNS": "200", "NO_COLOR": "1", "PYTHONPATH": str(TOP), **variables},
    )  # fmt: skip
    return (done.stdout + done.stderr).splitlines()


def test_the_help_of_the_whole_has_them_all_and_the_exit_codes() -> None:
    told = "\n".join(entered(["--help"]))
    assert "Exit codes: 0 done" in told
    for commands in FAMILIES.values():
        for command, sentence in commands.items():
            assert f" {command} " in told
            assert sentence in told


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


def test_a_known_command_needs_its_family_and_what_names_none_needs_none() -> None:
    assert families_of(["order", "--help"]) == ("trade",)
    assert families_of(["--help"]) == families_of([]) == families_of(["orde"]) == ()
    assert families_of(["--", "order"]) is FAMILIES


def test_a_family_of_one_command_still_wants_its_name() -> None:
    told = CliRunner().invoke(application(("status",)), ["status", "--help"])
    assert (told.exit_code, "load line" in told.output) == (0, True)


# One command of each family: the others come with the same modules. The last uses its key.
@pytest.mark.parametrize(
    "line",
    [
        *("--help", "", "orde", "order --help", "amend --help", "positions --help"),
        *("status --help", "keys --help", "deposit --help", "verify --help"),
        "orders --key dev:1 --node http://127.0.0.1:1",
    ],
)
def test_nobody_waits_for_libraries_that_he_does_not_use(line: str) -> None:
    assert "loaded" in entered(line.split())


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("plimsoll ", ALL),
        ("plimsoll ord", ["order", "ordering", "orders"]),
        ("plimsoll order BTC-PERP b", ["buy"]),
    ],
)
def test_a_shell_is_told_through_the_real_entry(line: str, offered: list[str]) -> None:
    variables = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)}
    told = entered([], _PLIMSOLL_COMPLETE="complete_bash", **variables)
    assert sorted(told) == sorted([*offered, "loaded"])


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


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("cancel", "7", "--json"), True),
        (("cancel", "7"), False),
        (("keys", "new", "f", "--json"), True),
        # There it names a file, of which the caller wants no other line.
        (("export", "--to", "f", "--json", "g"), False),
    ],
)
def test_who_asked_for_json_is_told_of_an_error_in_it_as_over_rest(
    words: tuple[str, ...],
    said: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    error = UnknownAccount(signer=bytes(2), nonce=2**64)

    def fail() -> None:
        raise error

    monkeypatch.setattr(cli, "_application_for", lambda _words: fail)
    monkeypatch.setattr(sys, "argv", ["plimsoll", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    told = capsys.readouterr()
    assert (ended.value.code, told.err.startswith("error 1111: UnknownAccount")) == (1, True)
    values = {"signer": "0x0000", "nonce": "18446744073709551616"}
    body = {"error": {"code": 1111, "name": "UnknownAccount", "values": values}}
    assert told.out == (json.dumps(body, separators=(",", ":")) + "\n" if said else "")
