"""A receipt as the server writes it: read in both its forms, and nothing else taken for one."""

from typing import Any

import aiohttp
import pytest

from node.client.receipts import receipt_from_body
from node.client.session import Session
from node.codec.links import block_hash, chain_ids
from node.codec.receipts import BlockSigning
from node.types.durable import Receipt
from node.types.errors import MalformedMessage
from node.types.ids import Sequence
from node.types.units import Millis
from tests.examples import DOMAIN, RULES
from tests.unit.sequencer.surroundings import TestKey

KEY = TestKey()
IDS = (b"\x01" * 32, b"\x02" * 32, b"\x03" * 32)


def signed() -> Receipt:
    """Return the receipt of the second of three commands."""
    links = chain_ids(bytes(32), IDS)
    sealed = block_hash(4, Millis(1_000), Sequence(9), 3, links[-1])
    return Receipt(
        sequence=Sequence(10),
        number=4,
        time=Millis(1_000),
        first_sequence=Sequence(9),
        count=3,
        action=IDS[1],
        link=links[1],
        following=IDS[2:],
        hash=sealed,
        signature=KEY.sign(BlockSigning(DOMAIN).digest(4, sealed)),
    )


RECEIPT = signed()
SEALED = {
    "link": "0x" + RECEIPT.link.hex(),
    "hash": "0x" + RECEIPT.hash.hex(),
    "signature": "0x" + RECEIPT.signature.hex(),
    "number": 4,
    "first_sequence": 9,
    "count": 3,
}
PLACE = {"sequence": 10, "time": 1_000, "id": "0x" + RECEIPT.action.hex()}
SHOWN = {**PLACE, **SEALED, "following": ["0x" + IDS[2].hex()]}
RESULT = {**PLACE, "block": 4, "index": 1, "results": [], "receipt": SEALED}


def test_the_answer_of_the_api_is_the_receipt() -> None:
    assert receipt_from_body(SHOWN) == RECEIPT


def test_a_result_is_the_receipt_without_what_follows() -> None:
    receipt = receipt_from_body(RESULT)
    assert receipt.following is None
    assert (receipt.action, receipt.link) == (RECEIPT.action, RECEIPT.link)
    assert (receipt.hash, receipt.signature) == (RECEIPT.hash, RECEIPT.signature)


@pytest.mark.parametrize(
    "change",
    [
        {"sequence": "10"},
        {"number": -1},
        {"time": 2**64},
        {"count": None},
        {"id": "0x" + "11" * 31},
        {"link": "11" * 32},
        {"hash": "0x" + "11" * 32 + "\n"},
        {"signature": "0x" + "zz" * 65},
        {"following": ["0x"]},
        {"receipt": 7},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_is_no_receipt_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(MalformedMessage):
        receipt_from_body(SHOWN | change)


@pytest.mark.parametrize("field", sorted(SHOWN.keys() - {"following"}))
def test_no_field_may_be_missing(field: str) -> None:
    with pytest.raises(MalformedMessage):
        receipt_from_body({name: value for name, value in SHOWN.items() if name != field})


async def test_a_session_checks_against_the_sequencer_it_met() -> None:
    async with aiohttp.ClientSession() as http:
        session = Session(http, "", RULES, DOMAIN, KEY.address)
        assert session.verify_receipt(SHOWN)
        assert session.verify_receipt(RESULT)
        assert not session.verify_receipt(SHOWN | {"id": "0x" + "00" * 32})
        other = TestKey(b"\x08" * 32).address
        assert not Session(http, "", RULES, DOMAIN, other).verify_receipt(SHOWN)
