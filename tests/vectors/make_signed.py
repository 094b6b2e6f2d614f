"""Write the vectors of what is signed: ``python -m tests.vectors.make_signed``, by hand.

Each is ``tests/vectors/eip712/<case>.json``: the JSON body, the typed data that a wallet shows, and
the digest and the signature that eth_account made of it. None of them comes from the node's own
hashing or signing.
"""

import json
from pathlib import Path
from typing import Any

import msgspec
from eth_account import Account

from node.codec.json_actions import action_to_json, signature_from_hex
from node.codec.typed_data import typed_data, typed_report
from node.types.commands import SignedAction
from node.types.units import Ticks
from tests.unit.codec.example_actions import (
    ACTIONS,
    AGENT_KEY,
    DOMAIN,
    NOON,
    OWNER_KEY,
    REPORTER_KEY,
    RULES,
)

FOLDER = Path(__file__).parent / "eip712"


def signed_by_wallet(document: dict[str, Any], key: bytes) -> dict[str, Any]:
    """Return ``document`` with what eth_account makes of it under ``key``."""
    made = Account.sign_typed_data(key, full_message=document)
    return {
        "private_key": "0x" + key.hex(),
        "typed_data": document,
        "digest": "0x" + made.message_hash.hex().removeprefix("0x"),
        "signature": "0x" + made.signature.hex().removeprefix("0x"),
        "signer": Account.from_key(key).address.lower(),
    }


def action_vector(action: SignedAction, key: bytes) -> dict[str, Any]:
    """Return the vector of ``action``, its body as a client with ``key`` would send it."""
    made = signed_by_wallet(typed_data(action, DOMAIN, RULES), key)
    signature = signature_from_hex(made["signature"])
    body = action_to_json(msgspec.structs.replace(action, signature=signature), RULES)
    return {"body": body, **made}


def main() -> None:
    """Write every vector."""
    vectors = {name: action_vector(action, OWNER_KEY) for name, action in ACTIONS.items()}
    vectors["one_order_by_agent"] = action_vector(ACTIONS["one_order"], AGENT_KEY)
    prices = [Ticks(600_000), Ticks(300_000)]
    vectors["prices"] = signed_by_wallet(typed_report(NOON, prices, DOMAIN), REPORTER_KEY)
    for name, vector in vectors.items():
        path = FOLDER / f"{name}.json"
        path.write_text(json.dumps(vector, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
