"""The first command of many that was not signed by whom it names."""

from collections.abc import Iterable

import msgspec

from node.codec.eip712 import Signing
from node.codec.signatures import authenticate
from node.types.commands import Command
from node.types.errors import CommandRejected


class Forgery(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Command ``place`` of a batch, counted from 0, and why it does not authenticate."""

    place: int
    error: str
    values: dict[str, str]


def first_forgery(commands: Iterable[Command], signing: Signing, start: int = 0) -> Forgery | None:
    """Return the first of ``commands`` that does not authenticate, None where all do.

    ``start`` is the place of the first one in its batch. About 40 µs a signature.
    """
    for place, command in enumerate(commands, start):
        try:
            authenticate(command, signing)
        except CommandRejected as error:
            values = {
                name: "0x" + value.hex() if isinstance(value, bytes) else str(value)
                for name, value in error.values.items()
            }
            return Forgery(place, type(error).__name__, values)
    return None
