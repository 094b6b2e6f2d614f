"""The adapter's configuration, read: a slip is told when the exchange is made, not later."""

from typing import Any, Final

from node.client.ccxt_errors import AuthenticationError, BadRequest, translated
from node.client.pinned import Pinned
from node.types.ids import Address, address_from_hex

_MS_MAX: Final = 10**10
"""Four months, in milliseconds: longer than anybody waits."""


def timeout_in(told: object) -> float | None:
    """Return a ``timeout`` in milliseconds, None for none. Raises ``BadRequest``."""
    if told is None:
        return None
    if isinstance(told, bool) or not isinstance(told, int | float) or not 0 < told < _MS_MAX:
        raise BadRequest("plimsoll: timeout is a number of milliseconds above 0")
    return told


def flag_in(name: str, told: object) -> bool:
    """Return the flag called ``name``. Raises ``BadRequest``."""
    if not isinstance(told, bool):
        raise BadRequest(f"plimsoll: {name} is True or False")
    return told


def require_no_options(told: object) -> None:
    """Raise ``BadRequest`` for options of CCXT: one that does nothing must not pass."""
    if not isinstance(told, dict):
        raise BadRequest("plimsoll: options is a dictionary, and an empty one")
    if told:
        raise BadRequest(f"plimsoll: there are no such options: {sorted(map(str, told))}")


def secret_in(text: str) -> bytes:
    """Return the 32 bytes of a private key, none for none. Raises ``AuthenticationError``."""
    try:
        secret = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        secret = b"?"
    if len(secret) not in {0, 32}:
        # The text goes into no message: it may be a key with a digit too many.
        raise AuthenticationError("plimsoll: a privateKey is 64 hexadecimal digits")
    return secret


def address_in(text: object) -> Address | None:
    """Return the address in ``text``, None for none. Raises ``BadRequest``."""
    with translated():
        return None if text is None else address_from_hex(str(text))


def pinned_in(asked: dict[str, Any]) -> Pinned:
    """Take out of ``asked`` what is known of the exchange. Raises ``BadRequest``."""
    chain_id = asked.pop("chainId", None)
    if chain_id is not None and (isinstance(chain_id, bool) or not isinstance(chain_id, int)):
        raise BadRequest("plimsoll: chainId is a number")
    return Pinned(
        rollup=address_in(asked.pop("rollup", None)),
        chain_id=chain_id,
        sequencer=address_in(asked.pop("sequencer", None)),
        rules=_digest(asked.pop("rules", None)),
    )


def _digest(text: object) -> bytes | None:
    """Return the digest of rules in ``text``, None for none. Raises ``BadRequest``."""
    if text is None:
        return None
    try:
        digest = bytes.fromhex(str(text).removeprefix("0x"))
    except ValueError:
        digest = b""
    if len(digest) != 32:
        raise BadRequest("plimsoll: rules is a digest of 64 hexadecimal digits")
    return digest
