"""The devnet's accounts: keys that its public mnemonic gives, as BIP-39 and BIP-32 say.

The library that knows this too takes longer to import than a whole command runs.
"""

import hashlib
import hmac
from typing import Final

from coincurve import PrivateKey

from node.adapters.devnet.settings import DERIVATION_PATH, MNEMONIC

DEV_KEY_MAX: Final = 2**31 - 1
"""The last key that is derived without the secret half of the one above it."""

_HARDENED: Final = 2**31


def dev_key(index: int) -> bytes:
    """Return key ``index`` of the devnet's mnemonic; funded there, and known to everyone."""
    assert 0 <= index <= DEV_KEY_MAX
    seed = hashlib.pbkdf2_hmac("sha512", MNEMONIC.encode(), b"mnemonic", 2048)
    above = hmac.digest(b"Bitcoin seed", seed, "sha512")
    for step in [*DERIVATION_PATH.split("/")[1:], str(index)]:
        above = _child(above, step)
    return above[:32]


def _child(above: bytes, step: str) -> bytes:
    """Return key and chain code, 32 bytes each, one ``step`` below those of ``above``."""
    key, code = PrivateKey(above[:32]), above[32:]
    if step.endswith("'"):
        number, parent = int(step[:-1]) + _HARDENED, b"\0" + key.secret
    else:
        number, parent = int(step), key.public_key.format()
    drawn = hmac.digest(code, parent + number.to_bytes(4, "big"), "sha512")
    return key.add(drawn[:32]).secret + drawn[32:]
