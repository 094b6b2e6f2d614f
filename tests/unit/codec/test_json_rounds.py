"""Oracle rounds as JSON: read back exactly, refused with a typed error; and log-ins."""

from typing import Any

import msgspec
import pytest
from eth_account import Account

from node.codec.eip712 import Signing
from node.codec.json_rounds import read_round, round_to_json
from node.codec.signatures import sign
from node.codec.typed_data import typed_login
from node.types.errors import (
    MalformedAddress,
    MalformedMessage,
    MalformedNumber,
    OversizedMessage,
    PlimsollError,
    TooManyItems,
    ValueOutOfRange,
)
from node.types.units import Ticks
from tests.examples import ALICE, DOMAIN, RULES, START_MS, oracle_round

SIGNING = Signing(DOMAIN, RULES)
ROUND = oracle_round(START_MS, (Ticks(500_050), Ticks(20_000)), SIGNING)


def body() -> dict[str, Any]:
    return round_to_json(ROUND, RULES)


def read(fields: Any) -> object:
    return read_round(msgspec.json.encode(fields), RULES)


def test_a_round_is_read_back_as_it_was() -> None:
    assert body()["reports"][0]["prices"] == ["5000.5", "200"]
    assert read(body()) == ROUND


def changed(**fields: Any) -> dict[str, Any]:
    """Return the body with ``fields`` of its first report changed."""
    fresh = body()
    fresh["reports"][0] |= fields
    return fresh


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({}, MalformedMessage),
        ({**body(), "extra": 1}, MalformedMessage),
        ({**body(), "time": "now"}, MalformedMessage),
        ({**body(), "time": -1}, ValueOutOfRange),
        ({**body(), "time": 2**64}, ValueOutOfRange),
        ({**body(), "reports": []}, TooManyItems),
        ({**body(), "reports": body()["reports"] * 2}, TooManyItems),
        (changed(prices=["1"]), MalformedMessage),
        (changed(prices=["1", "1", "1"]), MalformedMessage),
        (changed(prices=["1.001", "1"]), MalformedNumber),
        (changed(prices=["-1", "1"]), ValueOutOfRange),
        (changed(prices=[1, 1]), MalformedMessage),
        (changed(reporter="0x12"), MalformedAddress),
        (changed(signature="0x12"), MalformedMessage),
    ],
)
def test_what_is_no_round_is_refused(fields: Any, error: type[PlimsollError]) -> None:
    with pytest.raises(error):
        read(fields)


@pytest.mark.parametrize("raw", [b"", b"\xff", b"[" * 60_000])
def test_what_is_no_json_is_refused(raw: bytes) -> None:
    with pytest.raises(MalformedMessage):
        read_round(raw, RULES)


def test_an_endless_body_is_not_read() -> None:
    with pytest.raises(OversizedMessage):
        read_round(b" " * 70_000, RULES)


def test_a_log_in_is_what_a_wallet_signs() -> None:
    challenge = bytes(range(32))
    typed = typed_login(ALICE.address, challenge, DOMAIN)
    made = Account.sign_typed_data(ALICE.key, full_message=typed)
    digest = SIGNING.login_digest(ALICE.address, challenge)
    assert bytes(made.message_hash) == digest
    assert bytes(made.signature)[:64] == sign(ALICE.key, digest)[:64]
