"""JSON from someone who may be hostile, read without a type to hold it against.

A reader follows nested brackets by recursion, and Python's limit is what stops it in time. But
py_ecc, which web3 brings along, lifts that limit to 100,000 for the whole process when it is
imported, and somewhere past 20,000 the C stack ends first: sixty thousand ``[`` then end the
process. So the limit is put back before such a text is read. Nothing of ours needs more.
"""

import sys
from typing import Any, Final

import msgspec

NESTING_MAX: Final = 15_000
"""A stack of 8 MiB, the usual one, holds more than 20,000 of the reader's frames."""


def decode_untrusted(data: bytes) -> Any:
    """Return the value that the JSON text ``data`` holds. Raises ``ValueError``."""
    if sys.getrecursionlimit() > NESTING_MAX:
        sys.setrecursionlimit(NESTING_MAX)
    try:
        return msgspec.json.decode(data)
    except RecursionError:
        raise ValueError("nested too deeply") from None
