"""From raw bytes to signed actions whose signer is known. Pure; a worker process runs it.

    bytes ─▶ body (strict, bounded) ─▶ action in ticks and lots ─▶ digest ─▶ recovered signer

Recovery takes 40 of the 60 µs, so a worker reads many messages at a time and its answers travel as
MessagePack.
"""

from collections.abc import Iterable

import msgspec

from node.codec.eip712 import Signing
from node.codec.json_actions import ActionReader
from node.codec.signatures import recover
from node.ports.admission import Admission, Admitted, Refused
from node.types.blocks import Domain
from node.types.errors import ActionExpired, CommandRejected
from node.types.rules import Rules


class Admitter:
    """Admits actions of one exchange. Immutable; build it once for each process."""

    __slots__ = ("_encoder", "_reader", "_signing")

    def __init__(self, domain: Domain, rules: Rules) -> None:
        self._signing = Signing(domain, rules)
        self._reader = ActionReader(rules)
        self._encoder = msgspec.msgpack.Encoder()

    def admit(self, raw: bytes, now_ms: int = 0) -> Admitted:
        """Return the action in the JSON body ``raw``, with its signer and digest.

        Raises what ``ActionReader.read`` raises, ``ActionExpired`` when it had expired by
        ``now_ms``, before anything is recovered for it, or ``BadSignature``. What has expired may
        have been executed in time: ``sent`` names it with its signature; see ``Replies``.
        """
        action = self._reader.read(raw)
        digest = self._signing.digest(action)
        if action.expires <= now_ms:
            sent = digest + action.signature
            raise ActionExpired(expires=action.expires, now=now_ms, sent=sent)
        signer = recover(digest, action.signature)
        return Admitted(msgspec.structs.replace(action, signer=signer), digest)

    def admit_many(self, raws: Iterable[bytes], now_ms: int = 0) -> list[Admission]:
        """Return an answer for each of ``raws``, in their order."""
        return [self._answer(raw, now_ms) for raw in raws]

    def admit_encoded(self, raws: Iterable[bytes], now_ms: int = 0) -> bytes:
        """Return the MessagePack form of ``admit_many(raws, now_ms)``."""
        return self._encoder.encode(self.admit_many(raws, now_ms))

    def _answer(self, raw: bytes, now_ms: int) -> Admission:
        try:
            return self.admit(raw, now_ms)
        except CommandRejected as error:
            return Refused(error.code, error.values)
