"""The last rows of an account: as many as are wanted, of a history that is up to date."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from node.app.cli import past
from node.app.cli.look import OPEN
from node.app.cli.past import last_rows
from node.types.errors import HistoryUnusable
from node.types.ids import hex_from_address
from tests.examples import ALICE

Row = dict[str, Any]


class FakeHistory:
    """A node whose log has come to 7; its history has ``statuses``, and is behind for a while."""

    def __init__(self, statuses: list[str], behind: int = 0, *, kept: bool = True) -> None:
        self._rows = [{"order_id": place, "status": one} for place, one in enumerate(statuses)]
        self._behind = behind
        self._kept = kept
        self.asked: list[dict[str, list[str]]] = []

    async def get(self, path: str) -> dict[str, Any]:
        if path == "/stats":
            return {"sequence": 7, "history": {} if self._kept else None}
        parts = urlsplit(path)
        assert parts.path == "/history/orders"
        query = parse_qs(parts.query)
        self.asked.append(query)
        limit, begin = int(query["limit"][0]), int(query.get("cursor", ["0"])[0])
        rows = self._rows[begin : begin + limit]
        self._behind -= 1
        following = str(begin + limit) if len(rows) == limit else None
        return {"rows": rows, "next": following, "sequence": 6 if self._behind >= 0 else 7}


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(past, "PAUSE_S", 0)


@pytest.mark.parametrize(
    ("limit", "found"), [(1, [1]), (2, [1, 3]), (3, [1, 3, 4]), (9, [1, 3, 4])]
)
async def test_what_has_not_ended_does_not_count_among_those_wanted(
    limit: int, found: list[int]
) -> None:
    node = FakeHistory(["resting", "filled", "waiting", "cancelled", "filled"])
    told = await last_rows(node.get, "orders", ALICE.address, limit, OPEN)
    assert [row["order_id"] for row in told["rows"]] == found
    assert (told["account"], told["sequence"]) == (hex_from_address(ALICE.address), 7)
    assert len(node.asked) == 1, "who has many open asks no question for each"


async def test_a_page_is_never_longer_than_every_node_allows() -> None:
    node = FakeHistory(["filled"] * 250)
    told = await last_rows(node.get, "orders", ALICE.address, 250)
    assert len(told["rows"]) == 250
    assert [query["limit"] for query in node.asked] == [["100"]] * 3


@pytest.mark.parametrize(("behind", "sequence"), [(0, 7), (3, 7), (99, 6)])
async def test_a_history_that_is_behind_is_waited_for_but_not_for_ever(
    behind: int, sequence: int
) -> None:
    node = FakeHistory(["filled"], behind)
    told = await last_rows(node.get, "orders", ALICE.address, 5)
    assert (told["sequence"], len(told["rows"])) == (sequence, 1)
    assert len(node.asked) == min(behind + 1, past.LOOKS)


async def test_a_node_without_a_history_is_said_to_keep_none() -> None:
    node = FakeHistory([], kept=False)
    with pytest.raises(HistoryUnusable, match="keeps no history"):
        await last_rows(node.get, "orders", ALICE.address, 5)
    assert node.asked == []
