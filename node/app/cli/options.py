"""What the trader's commands have in common: whose key, which node, how the answer is written."""

import os
import re
import sys
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer
from rich.console import Console

from node.adapters.devnet.keys import DEV_KEY_MAX, dev_key
from node.adapters.key_signer import KeySigner, is_key, read_key_file
from node.app.cli.arguments import read_address
from node.client.pinned import Pinned
from node.types.errors import ConfigInvalid
from node.types.ids import Address

DEFAULT_KEY: Final = "dev:1"
DEFAULT_NODE: Final = "http://127.0.0.1:8480"

KeyOption = Annotated[
    str,
    typer.Option(
        "--key",
        help="A file with the account's private key (chmod 600), env:NAME for a variable that"
        " holds it, or dev:N, the devnet's public key number N.",
        envvar="PLIMSOLL_KEY",
    ),
]
NodeOption = Annotated[
    str, typer.Option("--node", help="The node's address.", envvar="PLIMSOLL_NODE")
]
RollupOption = Annotated[
    str | None,
    typer.Option(
        "--rollup",
        help="The exchange's rollup contract, where you know it: a node that names another one is"
        " refused. Without it the node is believed.",
        envvar="PLIMSOLL_ROLLUP",
    ),
]
AccountOption = Annotated[
    str, typer.Option("--account", help="The account, where the key is only its agent's.")
]
AnyAccountOption = Annotated[
    str, typer.Option("--account", help="Any account; default: the key's own.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Write the answer as JSON, for programs.")]

_UNBOUNDED: Final = 10_000
"""Columns that no table needs."""

_PUBLIC: Final = re.compile(r"dev:[0-9]{1,10}")
_LOOKS_LIKE_A_KEY: Final = re.compile(r"(0x)?[0-9a-fA-F]{60,68}")


def read_key(named: str) -> bytes:
    """Return the private key that ``named`` points to. Raises ``ConfigInvalid``."""
    if named.startswith("dev:"):
        if not _PUBLIC.fullmatch(named) or int(named[4:]) > DEV_KEY_MAX:
            raise ConfigInvalid(faults=(f"key: {named}: dev:0 to dev:{DEV_KEY_MAX} allowed",))
        return dev_key(int(named[4:]))
    if named.startswith("env:"):
        return _key_of_variable(named[4:])
    if _LOOKS_LIKE_A_KEY.fullmatch(named):
        # Whoever lists the processes of the machine has seen it by now. It is not shown once more.
        fault = "key: names a file or env:NAME; a key that stood among arguments is not secret"
        raise ConfigInvalid(faults=(fault,))
    return read_key_file(Path(named), "key")


def _key_of_variable(name: str) -> bytes:
    text = os.environ.get(name)
    if text is None:
        raise ConfigInvalid(faults=(f"key: there is no variable {name}",))
    try:
        secret = bytes.fromhex(text.strip().removeprefix("0x"))
    except ValueError:
        secret = b""
    if not is_key(secret):
        # What the variable holds goes into no message: it may be a key with a digit too many.
        fault = f"key: variable {name}: a private key of 64 hexadecimal digits allowed"
        raise ConfigInvalid(faults=(fault,))
    return secret


def account_of(key: str, account: str) -> Address:
    """Return the account that is asked about: the one that is named, else the key's own."""
    return read_address("account", account) if account else KeySigner(read_key(key)).address


def pinned_to(rollup: str | None) -> Pinned:
    """Return what is known of the exchange: its rollup, if one is named."""
    return Pinned(rollup=None if rollup is None else read_address("rollup", rollup))


def print_json(body: Any) -> None:
    """Write ``body`` as one line of JSON."""
    sys.stdout.write(msgspec.json.encode(body).decode() + "\n")
    sys.stdout.flush()


def for_people(*, stderr: bool = False) -> Console:
    """Return where tables and sentences go; a pipe or a file is as wide as they are."""
    stream = sys.stderr if stderr else sys.stdout
    narrow = stream.isatty() or "COLUMNS" in os.environ
    width = None if narrow else _UNBOUNDED
    return Console(stderr=stderr, soft_wrap=True, highlight=False, width=width)
