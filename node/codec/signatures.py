"""secp256k1 signatures over digests: r (32 bytes), s (32, the lower half), parity (1: 0 or 1).

The lower half of s (EIP-2) and a parity of 0 or 1 leave each signed digest one signature per nonce
of the signer: nobody can turn a posted signature into another valid one. Wallets write the parity
as 27 or 28; only the JSON boundary knows (``node.ingress.admission``).
"""

from typing import Final

from coincurve import PrivateKey, PublicKey

from node.codec.eip712 import Signing
from node.codec.ranges import SIGNATURE_BYTES
from node.types.commands import Action, Command, OracleRound
from node.types.errors import BadSignature, WrongSigner
from node.types.hashing import keccak256
from node.types.ids import Address

_HALF_ORDER: Final = bytes.fromhex(
    "7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0"
)
"""Half the order of the curve: the largest s that is allowed, big-endian."""


def recover(digest: bytes, signature: bytes) -> Address:
    """Return the address whose key made ``signature`` over ``digest``. About 40 µs.

    Raises ``BadSignature`` (``digest``) if its form is wrong or no key can have made it.
    """
    well_formed = (
        len(signature) == SIGNATURE_BYTES and signature[64] <= 1 and signature[32:64] <= _HALF_ORDER
    )
    if well_formed:
        try:
            key = PublicKey.from_signature_and_message(signature, digest, hasher=None)
        # coincurve raises a bare Exception or ValueError, by what libsecp256k1 refused.
        except Exception:  # noqa: BLE001
            raise BadSignature(digest=digest) from None
        return address_of(key)
    raise BadSignature(digest=digest)


def address_of(key: PublicKey) -> Address:
    """Return the Ethereum address of a public key: the last 20 bytes of the hash of (x, y)."""
    return Address(keccak256(key.format(compressed=False)[1:])[12:])


def address_of_private(private_key: bytes) -> Address:
    """Return the Ethereum address of the 32-byte ``private_key``."""
    return address_of(PrivateKey(private_key).public_key)


def sign(private_key: bytes, digest: bytes) -> bytes:
    """Return the 65-byte signature over ``digest``: deterministic (RFC 6979), lower half of s."""
    return PrivateKey(private_key).sign_recoverable(digest, hasher=None)


def authenticate(command: Command, signing: Signing) -> None:
    """Check that whoever ``command`` names as its signer did sign it; unsigned commands pass.

    For an oracle round that is every reporter. Whether a signer *may* act is the transition's
    question. Raises ``BadSignature``, ``WrongSigner`` (``digest``, ``signer``) or, for an action in
    a market that the rules do not know, ``UnknownMarket``.
    """
    if isinstance(command, Action):
        _require_signer(command.signer, signing.digest(command), command.signature)
    elif isinstance(command, OracleRound):
        for report in command.reports:
            digest = signing.report_digest(command.time, report.prices)
            _require_signer(report.reporter, digest, report.signature)


def _require_signer(expected: Address, digest: bytes, signature: bytes) -> None:
    signer = recover(digest, signature)
    if signer != expected:
        raise WrongSigner(digest=digest, signer=signer, expected=expected)
