"""``plimsoll keys``: a new key in a file of its owner's alone, its address, and its agents."""

import asyncio
import os
import secrets
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from node.adapters.key_signer import KEY_BYTES, KeySigner, is_key
from node.app.cli.arguments import read_address
from node.app.cli.options import (
    DEFAULT_KEY,
    DEFAULT_NODE,
    AnyAccountOption,
    JsonOption,
    KeyOption,
    NodeOption,
    RollupOption,
    account_of,
    for_people,
    pinned_to,
    print_json,
    read_key,
)
from node.app.cli.trade_tables import moment
from node.client.addresses import checksummed
from node.client.pinned import Pinned
from node.client.session import connect
from node.client.trader import Trader
from node.types.errors import PathUnusable
from node.types.ids import Address, hex_from_address
from node.types.units import MS_PER_S, Millis

REVOKED: Final = Millis(0)
"""An authority until then is none; 0 alone is taken on with what reduces risk."""

MS_PER_H: Final = 3_600 * MS_PER_S

HOURS_MAX: Final = 1_000_000
"""How long an agent may be approved for: more than a hundred years, and a time that can be told."""

keys = typer.Typer(help="Make keys, and say who may act for an account.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Add this module's commands to ``app``."""
    app.add_typer(keys, name="keys")


@keys.command()
def new(
    file: Annotated[Path, typer.Argument(help="Where to write it; nothing may stand there.")],
    *,
    json: JsonOption = False,
) -> None:
    """Make a new private key in a file that only you can read, and show its address.

    The key itself is never shown. Whoever loses the file loses the account: keep a copy.

    Example: plimsoll keys new ~/trader.key
    """
    address = make_key_file(file.expanduser())
    _tell(
        {"address": checksummed(address), "file": str(file)},
        f"{checksummed(address)}   in {file}",
        json,
    )


@keys.command()
def show(key: KeyOption = DEFAULT_KEY, *, json: JsonOption = False) -> None:
    """Show the address of a key.

    Example: plimsoll keys show --key ~/trader.key
    """
    address = checksummed(KeySigner(read_key(key)).address)
    _tell({"address": address}, address, json)


@keys.command()
def approve(
    agent: Annotated[str, typer.Argument(help="The agent's address (keys show).")],
    hours: Annotated[
        float,
        typer.Option(min=0.01, max=HOURS_MAX, help="How long it may act."),
    ] = 24.0,
    key: KeyOption = DEFAULT_KEY,
    node: NodeOption = DEFAULT_NODE,
    rollup: RollupOption = None,
    *,
    json: JsonOption = False,
) -> None:
    """Let another key trade for the account: everything but withdrawing and approving.

    Example: plimsoll keys approve 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 --hours 8
    """
    address = read_address("agent", agent)
    lasts_ms, pinned = int(hours * MS_PER_H), pinned_to(rollup)
    result = asyncio.run(_approve(address, lasts_ms, read_key(key), node, pinned))
    _tell(result, f"{checksummed(address)} may act for {hours:g} hours", json)


@keys.command()
def revoke(
    agent: Annotated[str, typer.Argument(help="The agent's address.")],
    key: KeyOption = DEFAULT_KEY,
    node: NodeOption = DEFAULT_NODE,
    rollup: RollupOption = None,
    *,
    json: JsonOption = False,
) -> None:
    """Take an agent's authority away, from the next block on.

    Example: plimsoll keys revoke 0x70997970C51812dc3A010C7d01b50e0d17dc79C8
    """
    address = read_address("agent", agent)
    result = asyncio.run(_approve(address, 0, read_key(key), node, pinned_to(rollup)))
    _tell(result, f"{checksummed(address)} may not act any more", json)


@keys.command()
def agents(
    account: AnyAccountOption = "",
    key: KeyOption = DEFAULT_KEY,
    node: NodeOption = DEFAULT_NODE,
    *,
    json: JsonOption = False,
) -> None:
    """Show which keys may trade for an account, and until when.

    One whose time is over may not act. It stays in the list until another takes its place, which
    can be once action_lifetime_ms of the rules (7 days) have passed since its end.

    Example: plimsoll keys agents --key ~/trader.key
    """
    address = account_of(key, account)
    known, now = asyncio.run(_agents(address, node))
    lines = [
        f"{agent}   {'until' if until > now else 'ended'} {moment(until)}"
        for agent, until in known.items()
    ]
    _tell({"agents": known}, "\n".join(lines) or "no agents", json)


def make_key_file(file: Path) -> Address:
    """Write a new private key to ``file``, for its owner alone, and return its address.

    Raises ``PathUnusable`` where something stands there already or nothing can.
    """
    secret = _new_secret()
    try:
        # With O_EXCL no key is ever overwritten, and with the mode nobody reads it in between.
        number = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(number, "w", encoding="ascii") as opened:
            opened.write(secret.hex() + "\n")
            opened.flush()
            os.fsync(opened.fileno())
    except OSError as error:
        raise PathUnusable(path=str(file), detail=str(error.strerror)) from error
    return KeySigner(secret).address


def _new_secret() -> bytes:
    """Return a private key; of 2^256 numbers 2^128 are none, so once is all but always enough."""
    while True:
        secret = secrets.token_bytes(KEY_BYTES)
        if is_key(secret):
            return secret


async def _approve(
    agent: Address, lasts_ms: int, secret: bytes, node: str, pinned: Pinned
) -> dict[str, Any]:
    """Let ``agent`` act for so long by the node's clock; 0: not any more."""
    async with connect(node, pinned=pinned) as session:
        trader = await Trader.open(session, secret)
        until = Millis(trader.now_ms() + lasts_ms) if lasts_ms else REVOKED
        return await trader.approve_agent(agent, until)


async def _agents(account: Address, node: str) -> tuple[dict[str, int], int]:
    """Return the agents of ``account``, each with its end, and the node's clock."""
    async with connect(node) as session:
        shown = await session.get(f"/account/{hex_from_address(account)}")
        known = {
            checksummed(read_address("agent", key)): end for key, end in shown["agents"].items()
        }
        return known, (await session.request("ping", {}))["time"]


def _tell(body: dict[str, Any], line: str, as_json: bool) -> None:
    if as_json:
        print_json(body)
    else:
        for_people().print(line)
