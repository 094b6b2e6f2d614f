"""Nothing is paid before a node and an L1 endpoint are known to be of one exchange."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, nullcontext
from typing import Any
from unittest.mock import AsyncMock

import pytest
import pytest_asyncio
from aiohttp import web
from typer.testing import CliRunner

from node.app.cli import app, one_exchange
from node.app.cli.one_exchange import Ends, open_account, require_one_chain
from node.client.pinned import Pinned
from node.ports.chain import L1Block
from node.types.errors import ChainUnavailable, ConfigInvalid, WrongChain
from node.types.ids import Address
from tests.examples import ALICE, DOMAIN, RULES
from tests.unit.client.test_pinned import KNOWN, OTHER, ROLLUP, l1_with
from tests.unit.client.test_session import SEQUENCER, echo, server_with

SEEN = L1Block(7, (1).to_bytes(32, "big"), 0, 0)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one_exchange, "POLL_S", 0)


@pytest.mark.parametrize(
    ("seen", "refusal"),
    [
        ([(7, 1)], None),
        # The one was in the midst of a reorg, or behind, and is not at the next look.
        ([None, (7, 2), (8, 1), (7, 1)], None),
        ([None] * 10, ChainUnavailable),
        ([(7, 2)] * 10, WrongChain),
        ([(8, 1)] * 10, ChainUnavailable),
    ],
)
async def test_nothing_is_paid_on_a_chain_that_the_node_does_not_see(
    seen: list[tuple[int, int] | None], refusal: type[Exception] | None
) -> None:
    looks = iter(seen)

    async def get(path: str) -> dict[str, Any]:
        assert path == "/stats"
        look = next(looks)
        block = look and {"number": look[0], "hash": f"0x{look[1]:064x}"}
        return {"l1": {"inbox_block": block}}

    blocks = {7: L1Block(7, (1).to_bytes(32, "big"), 0, 0)}
    chain = AsyncMock()
    chain.block = AsyncMock(side_effect=blocks.get)
    with nullcontext() if refusal is None else pytest.raises(refusal):
        await require_one_chain(get, chain)
    assert list(looks) == []


async def tell_stats(_request: web.Request) -> web.Response:
    block = {"number": SEEN.number, "hash": "0x" + SEEN.hash.hex()}
    return web.json_response({"l1": {"inbox_block": block}})


@pytest_asyncio.fixture
async def url() -> AsyncIterator[str]:
    """A node that tells its rules, its hello, and the block of L1 that it has read."""
    async with server_with(echo, stats=tell_stats) as url:
        yield url


async def opened(url: str, chain: AsyncMock, pinned: Pinned) -> Address:
    """Open an account there and on ``chain``; return the rollup that would be paid."""
    chain.block = AsyncMock(return_value=SEEN)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(one_exchange, "L1Chain", lambda _rpc: chain)
        async with AsyncExitStack() as stack:
            _, account = await open_account(stack, ALICE.key, Ends(url, "", pinned))
            return account.rollup


async def test_what_l1_bears_out_is_opened(url: str) -> None:
    for pinned in (Pinned(), Pinned(rollup=ROLLUP), KNOWN):
        assert await opened(url, l1_with(), pinned) == ROLLUP


@pytest.mark.parametrize(
    ("on_l1", "values"),
    [
        (
            {"sequencer": OTHER.rjust(32, b"\0")},
            {"field": "sequencer", "expected": OTHER, "found": SEQUENCER},
        ),
        (
            {"rulesHash": b"\x11" * 32},
            {"field": "rules", "expected": b"\x11" * 32, "found": RULES.digest()},
        ),
        (
            {"rollup": OTHER.rjust(32, b"\0")},
            {"field": "inbox.rollup", "expected": ROLLUP, "found": OTHER},
        ),
    ],
)
async def test_a_hello_that_l1_does_not_bear_out_is_refused(
    url: str, on_l1: dict[str, bytes | Exception], values: dict[str, Any]
) -> None:
    with pytest.raises(WrongChain) as wrong:
        await opened(url, l1_with(**on_l1), Pinned())
    assert wrong.value.values == values


async def test_a_lookalike_that_l1_bears_out_is_refused_where_the_rollup_is_known(url: str) -> None:
    with pytest.raises(WrongChain) as wrong:
        await opened(url, l1_with(), Pinned(rollup=OTHER))
    assert wrong.value.values == {"field": "rollup", "expected": OTHER, "found": DOMAIN.rollup}


SIGNING = [
    ["deposit", "1"],
    ["withdraw", "1"],
    ["order", "BTC-PERP", "buy", "1", "2"],
    ["cancel", "7"],
    ["amend", "7", "--size", "1"],
    ["switch", "--off"],
    ["keys", "approve", "0x" + "11" * 20],
    ["keys", "revoke", "0x" + "11" * 20],
]


@pytest.mark.parametrize("command", SIGNING, ids=" ".join)
@pytest.mark.parametrize("by_variable", [False, True])
async def test_every_command_that_signs_refuses_a_node_of_another_rollup(
    url: str, command: list[str], *, by_variable: bool
) -> None:
    known = "0x" + OTHER.hex()
    words = [*command, "--key", "dev:1", "--node", url]
    variables = {"PLIMSOLL_ROLLUP": known} if by_variable else {}
    if not by_variable:
        words += ["--rollup", known]
    told = await asyncio.to_thread(CliRunner().invoke, app, words, env=variables)
    assert isinstance(told.exception, WrongChain)
    assert told.exception.values["field"] == "rollup"


@pytest.mark.parametrize("command", SIGNING, ids=" ".join)
@pytest.mark.parametrize("rollup", ["", "0x12", "the one"])
def test_a_rollup_that_is_no_address_is_told_before_any_node_is_asked(
    command: list[str], rollup: str
) -> None:
    words = [*command, "--key", "dev:1", "--node", "http://127.0.0.1:1", "--rollup", rollup]
    told = CliRunner().invoke(app, words)
    assert isinstance(told.exception, ConfigInvalid)
