"""Cursors of the history's pages: opaque to whoever holds one, and good for one table alone."""

import re
from typing import Final

from node.types.errors import MalformedMessage
from node.types.history import Row, Table

_INT64_MAX: Final = 2**63 - 1
_TEXT_MAX: Final = 200
_PLAIN: Final = re.compile(r"(\w+)((?:\.\d{1,19})+)", re.ASCII)


def cursor_of(table: Table, row: Row) -> str:
    """Return the cursor that goes on behind ``row``."""
    plain = ".".join((table.name, *(str(row[name]) for name in table.key)))
    return plain.encode("ascii").hex()


def key_of(table: Table, cursor: str) -> tuple[int, ...]:
    """Return the key behind which ``cursor`` goes on. Raises ``MalformedMessage``."""
    try:
        found = _PLAIN.fullmatch(bytes.fromhex(cursor[:_TEXT_MAX]).decode("ascii"))
    except ValueError:
        found = None
    if found is not None and found[1] == table.name:
        key = tuple(map(int, found[2][1:].split(".")))
        if len(key) == len(table.key) and max(key) <= _INT64_MAX:
            return key
    raise MalformedMessage(detail=f"no cursor of /history/{table.name}", text=cursor[:40])
