"""Cursors lead back to their row, and nothing else is one."""

import pytest

from node.codec.history_cursor import cursor_of, key_of
from node.types.errors import MalformedMessage
from node.types.history import FILLS, ORDERS, TABLES

ROW = {"sequence": 12, "place": 3, "order_id": 7}


def test_a_cursor_leads_back_to_its_row() -> None:
    assert key_of(FILLS, cursor_of(FILLS, dict(ROW))) == (12, 3)
    assert key_of(ORDERS, cursor_of(ORDERS, dict(ROW))) == (7,)


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "zz",
        "0",
        "ff" * 200,
        cursor_of(ORDERS, dict(ROW)),
        b"fills.1".hex(),
        b"fills.1.2.3".hex(),
        b"fills.1.-2".hex(),
        f"fills.1.{2**63}".encode().hex(),
        b"fills.1.2 ".hex(),
    ],
)
def test_anything_else_is_refused(cursor: str) -> None:
    with pytest.raises(MalformedMessage):
        key_of(TABLES["fills"], cursor)
