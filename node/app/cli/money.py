"""``plimsoll deposit`` and ``plimsoll withdraw``: money in and out, by way of L1."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console

from node.app.cli.arguments import read_money
from node.app.cli.one_exchange import Ends, Get, open_account
from node.app.cli.options import (
    DEFAULT_KEY,
    DEFAULT_NODE,
    JsonOption,
    KeyOption,
    NodeOption,
    RollupOption,
    pinned_to,
    print_json,
    read_key,
)
from node.client.addresses import checksummed
from node.client.errors import NotTakenIn
from node.client.l1 import Claim, L1Account
from node.client.session import Session
from node.client.trader import OutcomeUnknown, Trader
from node.ports.chain import L1Receipt
from node.types.errors import (
    CallReverted,
    ChainUnavailable,
    NonceUsed,
    NotFound,
    Unavailable,
)
from node.types.units import UINT64_MAX, Money, money_text

POLL_S = 0.5
TAKEN_IN_WITHIN_S = 60
"""How long nothing may be seen to happen to a deposit."""
EXPIRY_MS = 10 * 60_000

RpcOption = Annotated[str, typer.Option("--rpc", help="L1's JSON-RPC endpoint.")]

T = TypeVar("T")


def add_to(app: typer.Typer) -> None:
    """Add this module's commands to ``app``."""
    app.command()(deposit)
    app.command()(withdraw)


def deposit(
    amount: Annotated[str, typer.Argument(help="Dollars, as a decimal: 1000 or 12.50.")],
    key: KeyOption = DEFAULT_KEY,
    node: NodeOption = DEFAULT_NODE,
    rpc: RpcOption = "http://127.0.0.1:8545",
    rollup: RollupOption = None,
    *,
    faucet: Annotated[
        bool, typer.Option("--faucet", help="Take the dollars from the test token's faucet.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Deposit on L1 for the key's own account, and wait until the exchange has it.

    Example: plimsoll deposit 1000 --key dev:1 --faucet
    """
    dollars, secret = read_money("amount", amount), read_key(key)
    ends = Ends(node, rpc, pinned_to(rollup))
    _finish(asyncio.run(_deposit(dollars, secret, ends, _console(json), faucet=faucet)), json)


def withdraw(
    amount: Annotated[str, typer.Argument(help="Dollars, as a decimal.")],
    key: KeyOption = DEFAULT_KEY,
    node: NodeOption = DEFAULT_NODE,
    rpc: RpcOption = "http://127.0.0.1:8545",
    rollup: RollupOption = None,
    nonce: Annotated[
        int,
        typer.Option(
            min=0,
            max=UINT64_MAX,
            help="The action's nonce; 0 asks the node for the next one. The one of an answer that"
            " was lost: then it cannot happen twice.",
        ),
    ] = 0,
    *,
    opened: Annotated[
        int,
        typer.Option(
            min=0,
            max=UINT64_MAX,
            help="Open no withdrawal; claim this one, of the same amount, instead.",
        ),
    ] = 0,
    json: JsonOption = False,
) -> None:
    """Withdraw: sign it, wait until its batch is final on L1, and claim it there with its proof.

    Whoever was interrupted while waiting goes on with the number that was printed.

    Example: plimsoll withdraw 250 --key dev:1

    Example: plimsoll withdraw 250 --key dev:1 --opened 7
    """
    secret, dollars = read_key(key), read_money("amount", amount)
    ends = Ends(node, rpc, pinned_to(rollup))
    work = _withdraw(dollars, secret, ends, _console(json), nonce=nonce, opened=opened)
    _finish(asyncio.run(work), json)


def _console(as_json: bool) -> Console:
    """Return where to tell of what happens; standard output is for the answer of --json alone."""
    return Console(stderr=as_json, soft_wrap=True, highlight=False)


def _finish(body: dict[str, Any], as_json: bool) -> None:
    """Write for programs what came of it; people have been told on the way."""
    if as_json:
        print_json(body)


async def _deposit(
    amount: Money, key: bytes, ends: Ends, console: Console, *, faucet: bool
) -> dict[str, Any]:
    """Deposit, wait until the exchange has it, and return the account as it then stands.

    With it stands the ``rollup`` that was paid, which is told before anything is.
    """
    async with AsyncExitStack() as stack:
        session, account = await open_account(stack, key, ends)
        rollup = checksummed(account.rollup)
        console.print(f"paying into the rollup {rollup}")
        if faucet:
            await account.faucet(amount)
            console.print(f"faucet: {money_text(amount)} for {checksummed(account.address)}")
        receipt = await _pay_in(account, amount)
        console.print(f"deposited on L1 in block {receipt.block_number}; waiting for the exchange")
        # Deposits are taken in by number: with all that L1 counts now, this one is among them.
        deposits = await deposits_made(account, receipt.block_number)
        get = patient(session.get, console.print)
        await until_taken_in(get, deposits, receipt.block_number)
        shown = await get(f"/account/{checksummed(account.address)}")
        console.print(f"free collateral: {shown['free']}")
        return {**shown, "rollup": rollup}


async def _pay_in(account: L1Account, amount: Money) -> L1Receipt:
    """Deposit on L1. Of dollars that are not there the contract does not tell the ``balance``."""
    try:
        return await account.deposit(account.address, amount)
    except CallReverted as error:
        if error.error != "TransferFailed":
            raise
        balance = money_text(await account.balance())
        raise CallReverted(**error.values, balance=balance) from error


async def deposits_made(account: L1Account, block: int) -> int:
    """Return how many deposits L1 counts, the one in ``block`` included.

    Raises ``NotTakenIn`` where L1 stays away.
    """
    deposits = await _told(account.deposits_made)
    if deposits is None:
        raise NotTakenIn(block=block, waited_s=TAKEN_IN_WITHIN_S)
    return deposits


async def _told(ask: Callable[[], Awaitable[T]]) -> T | None:
    """Return what L1 answers behind a payment, None where it stays away.

    It is paid: an endpoint that is away is asked again, and is no reason to begin anew.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(TAKEN_IN_WITHIN_S):
            while True:
                with suppress(ChainUnavailable):
                    return await ask()
                await asyncio.sleep(POLL_S)
    return None


async def until_taken_in(get: Get, deposits: int, block: int) -> None:
    """Wait until the first ``deposits`` of the inbox are in the log and in what the node shows.

    The account's money tells nothing: a fill may move it at any time. The last of them is in L1's
    ``block``: raises ``NotTakenIn`` where the node does not get there, nor nearer, in time.
    """
    loop, read = asyncio.get_running_loop(), -1
    try:
        async with asyncio.timeout(TAKEN_IN_WITHIN_S) as limit:
            # The exchange takes them in some blocks later; asking again is all there is to do.
            while (stats := await get("/stats"))["inbox_cursor"] < deposits:
                reached = min(_inbox_block(stats), block)
                if reached > read:
                    read = reached
                    limit.reschedule(loop.time() + TAKEN_IN_WITHIN_S)
                await asyncio.sleep(POLL_S)
            while not await _is_shown(get, stats["sequence"]):  # noqa: ASYNC110
                await asyncio.sleep(POLL_S)
    except TimeoutError as error:
        raise NotTakenIn(block=block, waited_s=TAKEN_IN_WITHIN_S) from error


def _inbox_block(stats: dict[str, Any]) -> int:
    """Return the number of the last block of L1 whose deposits the node has read; -1: of none."""
    read = stats["l1"]["inbox_block"]
    return -1 if read is None else int(read["number"])


async def _is_shown(get: Get, sequence: int) -> bool:
    """Return whether the node's publisher, which follows the log, has come to a command."""
    try:
        await get(f"/finality/{sequence}")
    except NotFound:
        return False
    return True


def patient(get: Get, tell: Callable[[str], None]) -> Get:
    """Return ``get``, which waits while no node answers or none has time for it, and says so once.

    What is asked about is on L1 or in the log: a node that restarts meanwhile knows it as well.
    """
    said = False

    async def wait_and_get(path: str) -> dict[str, Any]:
        nonlocal said
        while True:
            try:
                return await get(path)
            except NotFound:
                raise
            except Unavailable:
                if not said:
                    tell("waiting for the node")
                said = True
                await asyncio.sleep(POLL_S)

    return wait_and_get


async def _withdraw(
    amount: Money, key: bytes, ends: Ends, console: Console, *, nonce: int, opened: int
) -> dict[str, Any]:
    """Open a withdrawal, or go on with one; return what was claimed, and where."""
    async with AsyncExitStack() as stack:
        session, account = await open_account(stack, key, ends)
        withdrawal = opened
        if not withdrawal:
            result = await open_withdrawal(session, key, amount, nonce)
            withdrawal = int(result["results"][0]["withdrawal_id"])
            console.print(f"withdrawal {withdrawal} opened at sequence {result['sequence']}")
        try:
            return await _claim(session, account, withdrawal, amount, console)
        except BaseException:
            if not opened:
                console.print(f"go on with --opened {withdrawal}; without it a second is opened")
            raise


async def _claim(
    session: Session, account: L1Account, withdrawal: int, amount: Money, console: Console
) -> dict[str, Any]:
    """Claim a withdrawal as soon as it can be; return what was claimed, and where.

    The ``balance`` behind it is None where L1 does not tell it any more.
    """
    with console.status("waiting until the batch is final on L1"):
        proof = await until_proved(patient(session.get, console.print), withdrawal)
        # The node calls final what L1 does; the rollup may ask for more blocks.
        await account.wait_until_final(proof["batch"])
    console.print(f"final in batch {proof['batch']}; claiming")
    receipt = await account.claim_withdrawal(
        Claim(
            batch=proof["batch"],
            withdrawal=withdrawal,
            owner=account.address,
            amount=amount,
            bits=tuple(proof["bits"]),
            siblings=tuple(bytes.fromhex(text[2:]) for text in proof["siblings"]),
        )
    )
    console.print(f"claimed {money_text(amount)} in L1 block {receipt.block_number}")
    balance = await _told(account.balance)
    if balance is not None:
        console.print(f"balance on L1: {money_text(balance)}")
    return {
        "withdrawal_id": withdrawal,
        "batch": proof["batch"],
        "amount": money_text(amount),
        "l1_block": receipt.block_number,
        "balance": None if balance is None else money_text(balance),
    }


async def until_proved(get: Get, withdrawal: int) -> dict[str, Any]:
    """Return what claims a withdrawal, once it can. Raises ``NotFound`` if it was never opened."""
    while True:
        try:
            return await get(f"/withdrawals/{withdrawal}")
        except NotFound as error:
            if not error.values.get("waiting"):
                raise
        await asyncio.sleep(POLL_S)


async def open_withdrawal(
    session: Session, key: bytes, amount: Money, nonce: int
) -> dict[str, Any]:
    """Open a withdrawal; under ``nonce`` and no other one, where it is named.

    Raises ``OutcomeUnknown`` where that nonce is used: by the withdrawal whose answer was lost, or
    by another action. Whoever is told to send it again would withdraw twice.
    """
    trader = await Trader.open(session, key, lifetime_ms=EXPIRY_MS)
    if not nonce:
        return await trader.withdraw(amount)
    wallet = session.wallet(key, first_nonce=nonce)
    action = wallet.withdraw(amount, expires=trader.expires())
    try:
        return await trader.send(action)
    except NonceUsed as used:
        raise OutcomeUnknown.of(action, used) from used
