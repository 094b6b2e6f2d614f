"""Signatures: who signed, and every way in which nobody can have."""

import msgspec
import pytest
from coincurve import PrivateKey

from node.codec.signatures import address_of, authenticate, recover, sign
from node.types.errors import BadSignature, UnknownMarket, WrongSigner
from node.types.ids import MarketId
from tests.unit.codec.example_actions import (
    ACTIONS,
    AGENT,
    AGENT_KEY,
    LOG,
    OWNER,
    OWNER_KEY,
    REPORTER,
    SIGNING,
    SYSTEM,
    oracle_round,
    signed,
)

DIGEST = bytes(range(32))
GOOD = sign(OWNER_KEY, DIGEST)
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def test_the_signer_is_recovered() -> None:
    assert recover(DIGEST, GOOD) == OWNER
    assert address_of(PrivateKey(OWNER_KEY).public_key) == OWNER
    assert recover(bytes(32), GOOD) != OWNER


def test_the_address_of_a_key_is_ethereums() -> None:
    key = PrivateKey((1).to_bytes(32))
    known = "7e5f4552091a69125d5dfcb7b8c2659029395bdf"
    assert address_of(key.public_key).hex() == known


@pytest.mark.parametrize(
    "signature",
    [
        b"",
        GOOD[:64],
        GOOD + b"\x00",
        GOOD[:64] + b"\x02",
        GOOD[:64] + b"\x1b",
        # The same signature from the upper half of s, which OpenSSL would take.
        GOOD[:32] + (ORDER - int.from_bytes(GOOD[32:64])).to_bytes(32) + bytes([1 - GOOD[64]]),
        bytes(65),
        b"\xff" * 32 + GOOD[32:],
        ORDER.to_bytes(32) + GOOD[32:],
        # No point of the curve has this x.
        (5).to_bytes(32) + GOOD[32:],
    ],
    ids=["empty", "short", "long", "parity 2", "parity 27", "high s", "zero", "r", "order", "x"],
)
def test_what_nobody_signed_is_refused_with_its_digest(signature: bytes) -> None:
    with pytest.raises(BadSignature) as refusal:
        recover(DIGEST, signature)
    assert refusal.value.digest == DIGEST


def test_every_command_of_an_honest_log_passes() -> None:
    for command in LOG:
        authenticate(command, SIGNING)


def test_a_changed_field_is_found() -> None:
    action = msgspec.structs.replace(signed(ACTIONS["withdraw"]), nonce=2)
    with pytest.raises(WrongSigner) as refusal:
        authenticate(action, SIGNING)
    assert refusal.value.digest == SIGNING.digest(action)
    assert refusal.value.expected == OWNER
    assert refusal.value.signer == recover(refusal.value.digest, action.signature)


def test_the_name_of_another_signer_is_found() -> None:
    action = msgspec.structs.replace(signed(ACTIONS["withdraw"], AGENT_KEY), signer=OWNER)
    with pytest.raises(WrongSigner) as refusal:
        authenticate(action, SIGNING)
    assert refusal.value.signer == AGENT


def test_a_report_by_another_key_is_found() -> None:
    with pytest.raises(WrongSigner) as refusal:
        authenticate(oracle_round(AGENT_KEY), SIGNING)
    assert refusal.value.expected == REPORTER
    assert refusal.value.signer == AGENT


def test_an_unreadable_signature_is_found() -> None:
    action = msgspec.structs.replace(signed(ACTIONS["withdraw"]), signature=bytes(65))
    with pytest.raises(BadSignature):
        authenticate(action, SIGNING)


def test_an_action_in_an_unknown_market_cannot_be_checked() -> None:
    action = msgspec.structs.replace(signed(ACTIONS["add_margin"]), market=MarketId(9))
    with pytest.raises(UnknownMarket):
        authenticate(action, SIGNING)


def test_what_nobody_signs_passes() -> None:
    authenticate(SYSTEM["settle_funding"], SIGNING)
