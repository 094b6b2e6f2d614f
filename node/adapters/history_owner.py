"""Whose history a database holds, and in which form: looked at before it is read or written."""

from collections.abc import Mapping
from typing import Any, Final

import sqlalchemy as sql

from node.adapters.history_tables import METADATA, PROGRESS
from node.adapters.identity import Identity
from node.types.errors import HistoryUnusable, WrongChain
from node.types.history import SCHEMA_VERSION

Owner = Mapping[str, Any]
"""The columns of the progress that name the exchange; it may be known in part."""

_NAMED: Final = ("schema_version", "chain_id", "rollup", "rules")
"""No more than every version has."""


def owner_of(identity: Identity) -> Owner:
    """Return what the progress of that exchange's history says."""
    return {
        "chain_id": identity.chain_id,
        "rollup": hex_text(identity.rollup),
        "rules": hex_text(identity.rules),
    }


def hex_text(data: bytes) -> str:
    """Return ``data`` as it stands in the tables."""
    return "0x" + data.hex()


def found_in(connection: sql.Connection, where: str) -> Owner | None:
    """Return what the progress there says, with ``schema_version``; None where there is none.

    Raises ``HistoryUnusable`` where tables of these names are not a history's.
    """
    there = METADATA.tables.keys() & set(sql.inspect(connection).get_table_names())
    if PROGRESS.name not in there:
        if there:
            detail = f"it has tables ({', '.join(sorted(there))}) that are not a history's"
            raise HistoryUnusable(where=where, detail=detail)
        return None
    known = connection.execute(sql.select(*(PROGRESS.c[name] for name in _NAMED))).one_or_none()
    return None if known is None else known._asdict()


def require_owner(found: Owner, mine: Owner, where: str) -> None:
    """Raise ``WrongChain`` with the first field of ``mine`` in which ``found`` differs."""
    for field, expected in mine.items():
        if found[field] != expected:
            raise WrongChain(where=where, field=field, expected=expected, found=found[field])


def is_outdated(found: Owner, mine: Owner, where: str) -> bool:
    """Return whether the tables are of another version; raise where they are another exchange's.

    Rules that differ in another version may differ in form alone.
    """
    # Whose they are comes first: another exchange's make way for nobody.
    require_owner(found, {field: mine[field] for field in mine if field != "rules"}, where)
    if found["schema_version"] != SCHEMA_VERSION:
        return True
    require_owner(found, mine, where)
    return False


def outdated(found: Owner, where: str) -> HistoryUnusable:
    """Return the error for tables of another version."""
    return HistoryUnusable(
        where=where,
        detail=f"its tables are of version {found['schema_version']}, not {SCHEMA_VERSION}:"
        " plimsoll history rebuild makes them anew",
    )
