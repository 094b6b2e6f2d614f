"""The gate's answer to one message, and the station that gives it."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import msgspec

from node.ports.intake import NEVER_NS
from node.types.commands import SignedAction
from node.types.errors import CommandRejected, PlimsollError


class Admitted(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=1):
    """A message that is well formed, and whose signer was recovered over ``digest``.

    ``digest`` names the action. Whether ``action.signer`` may act for the account is the
    transition's question; an error body shows both, so that a client sees what went wrong.
    """

    action: SignedAction
    digest: bytes


class Refused(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=2):
    """A message that cannot be an action: the code and the values of the error.

    Values are integers, texts and bytes.
    """

    code: int
    values: dict[str, Any]

    def error(self) -> CommandRejected:
        """Return the error as it was raised in the process that read the message."""
        return _REJECTIONS[self.code](**self.values)


Admission = Admitted | Refused


class Origin(NamedTuple):
    """Where a message comes from, before anyone knows who signed it: both by number."""

    address: int = 0
    connection: int = 0


class Passage(msgspec.Struct, frozen=True, gc=False):
    """How a message comes to the gate, as far as that can be known before it is read.

    Messages of one address share one place in the queue, and there those of one connection.
    ``reduces`` is what the message claims and its origin is trusted with; past ``deadline_ns``, on
    the node's clock, nobody waits for the answer any more.
    """

    origin: Origin = Origin()
    reduces: bool = False
    deadline_ns: int = NEVER_NS


ORDINARY = Passage()


class Gate(Protocol):
    """Reads messages and recovers their signers, many at a time and off the caller's thread."""

    def submit(
        self,
        raw: bytes,
        answer: Callable[[Admitted | PlimsollError], None],
        passage: Passage = ORDINARY,
    ) -> None:
        """Take on the JSON body ``raw``; ``answer`` is called once with what became of it.

        Raises ``OversizedMessage``, ``Overloaded``, ``Shed`` or ``ShuttingDown``; then ``answer``
        is never called.
        """
        ...

    async def admit(self, raw: bytes) -> Admitted:
        """Return what became of ``raw``. Raises what refused it."""
        ...


def _rejections(kind: type[CommandRejected]) -> dict[int, type[CommandRejected]]:
    found = {kind.code: kind}
    for below in kind.__subclasses__():
        found |= _rejections(below)
    return found


_REJECTIONS = _rejections(CommandRejected)
