"""The faucet's own key on L1, ``plimsoll faucet`` and ``plimsoll api``."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console

from node.adapters.devnet.keys import dev_key
from node.adapters.key_signer import KeySigner
from node.app.cli.arguments import read_address, require_places
from node.app.cli.money import deposits_made, patient, until_taken_in
from node.app.cli.options import NodeOption
from node.app.contract.documents import asyncapi_text, openapi_text
from node.app.faucet import FaucetConfig, FaucetDesk, Poured, require_devnet
from node.client.errors import ConnectionLost, NotTakenIn
from node.client.l1 import L1Account
from node.client.session import Session, connect
from node.client.trader import OutcomeUnknown
from node.codec.l1_calls import FAUCET_LIMIT
from node.types.errors import TransactionUnseen
from node.types.ids import Address, hex_from_address
from node.types.units import Money

if TYPE_CHECKING:
    from node.app.foundation import Foundation

FAUCET_KEY: Final = 9
"""Which key of the devnet pays: the last of those that are funded, and nobody else's here."""

_console = Console(soft_wrap=True, highlight=False)


def add_to(app: typer.Typer) -> None:
    """Add this module's commands to ``app``."""
    app.command()(faucet)
    app.command()(api)


def faucet(
    address: Annotated[str, typer.Argument(help="The account: 0x and 40 hexadecimal digits.")],
    node: NodeOption = "http://127.0.0.1:8480",
) -> None:
    """Get test money for an account of an exchange on a devnet, and wait until it is there.

    Example: plimsoll faucet 0x70997970C51812dc3A010C7d01b50e0d17dc79C8
    """
    asyncio.run(_ask(read_address("address", address), node))


def api(
    openapi: Annotated[Path | None, typer.Option(help="Write the REST side's document.")] = None,
    asyncapi: Annotated[Path | None, typer.Option(help="Write the WebSocket's.")] = None,
) -> None:
    """Write the documents of the API: OpenAPI 3.1 and AsyncAPI 3, made of the node's types.

    A node serves the same at /openapi.json and /asyncapi.json. Without a file, the REST side's is
    printed.

    Example: plimsoll api --openapi docs/api/openapi.json --asyncapi docs/api/asyncapi.json
    """
    require_places(openapi=openapi, asyncapi=asyncapi)
    if openapi is None and asyncapi is None:
        print(openapi_text().decode(), end="")
    if openapi is not None:
        openapi.write_bytes(openapi_text())
    if asyncapi is not None:
        asyncapi.write_bytes(asyncapi_text())


def faucet_of(config: FaucetConfig, base: "Foundation") -> FaucetDesk | None:
    """Return the faucet of a node on a devnet, if it is to have one. Raises ``ConfigInvalid``."""
    if not require_devnet(config, base.domain.chain_id):
        return None
    return FaucetDesk(config, base.clock, _Payer(base).pour)


class _Payer:
    """The faucet's key in front of the contracts; opened when somebody first asks."""

    def __init__(self, base: "Foundation") -> None:
        self._base = base
        self._account: L1Account | None = None

    async def pour(self, account: Address, amount: Money) -> Poured:
        """See ``node.app.faucet.Pour``; called once at a time."""
        payer = self._account
        if payer is None:
            base, signer = self._base, KeySigner(dev_key(FAUCET_KEY))
            payer = await L1Account.open(
                base.chain, signer, base.contracts.rollup, base.domain.chain_id
            )
            self._account = payer
        if await payer.balance() < amount:
            await payer.faucet(FAUCET_LIMIT)
        receipt = await payer.deposit(account, amount)
        block = receipt.block_number
        try:
            return Poured(receipt.transaction, block, await deposits_made(payer, block))
        except NotTakenIn as paid:
            # That one is the client's: no server sends it.
            raise TransactionUnseen(transaction=receipt.transaction, **paid.values) from paid


async def _ask(account: Address, node: str) -> None:
    named = hex_from_address(account)
    async with connect(node) as session:
        answer = await _request(session, named)
        _console.print(f"{answer['amount']} on L1 in block {answer['block']}; waiting for it")
        get = patient(session.get, _console.print)
        await until_taken_in(get, answer["deposits"], answer["block"])
        shown = await get(f"/account/{named}")
        _console.print(f"free collateral: {shown['free']}")


async def _request(session: Session, account: str) -> dict[str, Any]:
    """Return the faucet's answer. Raises ``OutcomeUnknown`` where it is lost: it may have paid."""
    try:
        return await session.post("/faucet", {"account": account})
    except ConnectionLost as lost:
        raise OutcomeUnknown(account=account, answer=lost.code) from lost
