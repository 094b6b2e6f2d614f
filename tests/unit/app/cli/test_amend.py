"""What the command line's amend asks its trader for."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from unittest.mock import AsyncMock

import pytest
from typer.testing import CliRunner

from node.app.cli import amend, app
from node.client.retry import PATIENT, RetryPolicy
from node.types.errors import ConfigInvalid
from tests.examples import ALICE, RULES, START_MS

RESTING = {"order_id": 7, "market": "BTC-PERP", "price": "60000", "filled": "0", "remaining": "1"}


def stand_in(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Put a trader in the place of the one that would speak to a node, and return it."""
    session = SimpleNamespace(rules=RULES, get=AsyncMock(return_value={"orders": [RESTING]}))
    result = {"sequence": 9, "block": 2, "results": []}
    trader = SimpleNamespace(
        wallet=SimpleNamespace(account=ALICE.address),
        now_ms=lambda: START_MS,
        place=AsyncMock(return_value=result),
        set_switch=AsyncMock(return_value=result),
    )

    @asynccontextmanager
    async def connected(_node: str, **_: object) -> AsyncIterator[SimpleNamespace]:
        yield session

    monkeypatch.setattr(amend, "connect", connected)
    monkeypatch.setattr(amend, "open_trader", AsyncMock(return_value=trader))
    return trader


@pytest.mark.parametrize(("more", "policy"), [((), None), (("--retry",), PATIENT)])
def test_an_amend_is_sent_again_only_where_that_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...], policy: RetryPolicy | None
) -> None:
    trader = stand_in(monkeypatch)
    told = CliRunner().invoke(app, ["amend", "7", "--size", "0.5", *more])
    assert told.exit_code == 0, told.exception
    assert trader.place.await_args.kwargs["retry"] is policy


@pytest.mark.parametrize(
    ("words", "field", "ahead_ms"),
    [
        (("amend", "7", "--good-till", "15m"), "good_till", 900_000),
        (("switch", "--in", "30s"), "cancel_at", 30_000),
    ],
)
def test_durations_count_from_the_nodes_clock(
    monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], field: str, ahead_ms: int
) -> None:
    trader = stand_in(monkeypatch)
    told = CliRunner().invoke(app, [*words])
    assert told.exit_code == 0, told.exception
    if field == "good_till":
        [amended] = trader.place.await_args.kwargs["amends"]
        assert amended.good_till == START_MS + ahead_ms
    else:
        assert trader.set_switch.await_args.args == (START_MS + ahead_ms,)


def test_a_duration_that_is_none_is_refused_before_anyone_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stand_in(monkeypatch)
    told = CliRunner().invoke(app, ["amend", "7", "--good-till", "soon"])
    assert isinstance(told.exception, ConfigInvalid)
