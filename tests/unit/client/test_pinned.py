"""What a user knows of an exchange is held against every hello; L1 tells it where it can."""

from typing import Any
from unittest.mock import AsyncMock

import msgspec
import pytest
from aiohttp import web

from node.client.ccxt_adapter import PlimsollExchange
from node.client.ccxt_errors import BadRequest, ExchangeError
from node.client.pinned import Pinned, pinned_on_l1
from node.client.session import connect
from node.codec.l1_calls import INBOX, INBOX_ROLLUP, INBOX_TOKEN, RULES_HASH, SEQUENCER
from node.types.errors import CallReverted, WrongChain, WrongContract
from node.types.ids import Address, hex_from_address
from tests.examples import DOMAIN, RULES
from tests.unit.client import test_session
from tests.unit.client.test_session import GREETING, Behaviour, echo, server_with

ROLLUP = Address(DOMAIN.rollup)
OTHER = Address(b"\xbb" * 20)
PLACE = Address(b"\x1b" * 20)
KNOWN = Pinned(
    rollup=ROLLUP,
    chain_id=DOMAIN.chain_id,
    sequencer=test_session.SEQUENCER,
    rules=RULES.digest(),
)


def introducing(**change: Any) -> Behaviour:
    """Return what a server does whose hello is the true one, but for ``change``."""

    async def introduce(socket: web.WebSocketResponse, _request: web.Request) -> None:
        await socket.send_json(GREETING | change)
        async for message in socket:
            asked = msgspec.json.decode(message.data)
            await socket.send_json({"id": asked["id"], "result": {}})

    return introduce


LIES: list[tuple[str, Any, Any]] = [
    ("rollup", "0x" + OTHER.hex(), OTHER),
    ("chain_id", 1, 1),
    ("sequencer", "0x" + OTHER.hex(), OTHER),
]


@pytest.mark.parametrize(("field", "told", "found"), LIES)
async def test_a_hello_that_differs_from_what_is_known_opens_no_session(
    field: str, told: Any, found: Any
) -> None:
    async with server_with(introducing(**{field: told})) as url:
        with pytest.raises(WrongChain) as wrong:
            await connect(url, pinned=KNOWN).__aenter__()
    values = {"field": field, "expected": getattr(KNOWN, field), "found": found}
    assert wrong.value.values == values


async def test_rules_that_differ_from_what_is_known_open_no_session() -> None:
    async with server_with(echo) as url:
        with pytest.raises(WrongChain) as wrong:
            await connect(url, pinned=Pinned(rules=b"\x11" * 32)).__aenter__()
    assert wrong.value.values["field"] == "rules"
    assert wrong.value.values["found"] == RULES.digest()


@pytest.mark.parametrize(
    "pinned", [KNOWN, Pinned(), *(Pinned(**{name: getattr(KNOWN, name)}) for name, *_ in LIES)]
)
async def test_what_is_known_and_told_alike_opens_a_session(pinned: Pinned) -> None:
    async with server_with(echo) as url, connect(url, pinned=pinned) as session:
        assert await session.request("ping", {}) == {"method": "ping"}


@pytest.mark.parametrize(("field", "told", "found"), LIES)
async def test_the_adapter_holds_a_node_to_what_its_configuration_knows(
    field: str, told: Any, found: Any
) -> None:
    known = {"rollup": hex_from_address(ROLLUP), "chainId": DOMAIN.chain_id}
    known["sequencer"] = hex_from_address(test_session.SEQUENCER)
    known["rules"] = "0x" + RULES.digest().hex()
    async with server_with(introducing(**{field: told})) as url:
        exchange = PlimsollExchange({"url": url, **known})
        with pytest.raises(ExchangeError) as wrong:
            await exchange.fetch_time()
        await exchange.close()
    assert wrong.value.code == WrongChain.code
    assert wrong.value.values["field"] == field
    assert wrong.value.values["found"] == found


@pytest.mark.parametrize(
    "config",
    [
        {"rollup": "0x12"},
        {"rollup": ""},
        {"rollup": 7},
        {"sequencer": "x"},
        {"chainId": "1"},
        {"rules": "0x11"},
    ],
)
def test_the_adapter_refuses_what_names_no_exchange(config: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        PlimsollExchange(config)


def l1_with(**change: bytes | Exception) -> AsyncMock:
    """Return an L1 that has the exchange of ``KNOWN``, but for ``change``, by a function's name."""
    answers: dict[str, bytes | Exception] = {
        SEQUENCER.signature: test_session.SEQUENCER.rjust(32, b"\0"),
        RULES_HASH.signature: RULES.digest(),
        INBOX.signature: PLACE.rjust(32, b"\0"),
        INBOX_ROLLUP.signature: ROLLUP.rjust(32, b"\0"),
        INBOX_TOKEN.signature: PLACE.rjust(32, b"\0"),
    }
    answers.update((f"{name}()", answer) for name, answer in change.items())
    functions = (SEQUENCER, RULES_HASH, INBOX, INBOX_ROLLUP, INBOX_TOKEN)

    async def call(_to: Address, data: bytes) -> bytes:
        [asked] = [one for one in functions if one.selector == data[:4]]
        answer = answers[asked.signature]
        if isinstance(answer, Exception):
            raise answer
        return answer

    chain = AsyncMock()
    chain.chain_id.return_value = DOMAIN.chain_id
    chain.call = AsyncMock(side_effect=call)
    return chain


async def test_l1_tells_all_of_an_exchange_whose_rollup_is_known() -> None:
    assert await pinned_on_l1(l1_with(), ROLLUP) == KNOWN


async def test_an_inbox_of_another_rollup_is_not_paid() -> None:
    with pytest.raises(WrongChain) as wrong:
        await pinned_on_l1(l1_with(rollup=OTHER.rjust(32, b"\0")), ROLLUP)
    assert wrong.value.values == {"field": "inbox.rollup", "expected": ROLLUP, "found": OTHER}


@pytest.mark.parametrize("name", ["sequencer", "rulesHash", "inbox", "rollup"])
@pytest.mark.parametrize("answer", [b"", CallReverted(error="")])
async def test_what_is_no_rollup_is_named(name: str, answer: bytes | Exception) -> None:
    with pytest.raises(WrongContract) as wrong:
        await pinned_on_l1(l1_with(**{name: answer}), ROLLUP)
    assert wrong.value.address == (PLACE if name == "rollup" else ROLLUP)
