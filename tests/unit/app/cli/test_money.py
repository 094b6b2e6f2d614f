"""A deposit is in when its number is: what the account has meanwhile says nothing."""

from typing import Any

import pytest

from node.app.cli import money
from node.app.cli.money import until_taken_in
from node.client.errors import ConnectionLost
from node.types.errors import NotFound


class FakeNode:
    """A log that takes one command in at each look; its publisher follows ``behind`` looks late."""

    def __init__(self, cursors: list[int], behind: int = 0) -> None:
        """``cursors``: the inbox cursor after each command."""
        self.away = 0
        self._cursors = cursors
        self._behind = behind
        self.asked: list[str] = []

    async def get(self, path: str) -> dict[str, Any]:
        if self.away:
            self.away -= 1
            raise ConnectionLost(path=path)
        self.asked.append(path)
        if path == "/stats":
            looks = self.asked.count(path)
            return {"inbox_cursor": self._cursors[looks - 1], "sequence": 100 + looks}
        if self._behind:
            self._behind -= 1
            raise NotFound(sequence=path)
        return {"status": "accepted"}


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(money, "POLL_S", 0)


async def test_it_waits_for_its_own_number_whoever_else_deposits_or_trades() -> None:
    node = FakeNode([3, 3, 4, 4, 5])
    await until_taken_in(node.get, 5)
    assert node.asked == ["/stats"] * 5 + ["/finality/105"]


async def test_it_waits_for_the_publisher_whose_answer_is_shown() -> None:
    node = FakeNode([7], behind=2)
    await until_taken_in(node.get, 7)
    assert node.asked == ["/stats"] + ["/finality/101"] * 3


async def test_a_node_that_restarts_meanwhile_is_waited_for() -> None:
    node = FakeNode([7])
    node.away = 2
    await until_taken_in(node.get, 7)
    assert node.asked == ["/stats", "/finality/101"]
