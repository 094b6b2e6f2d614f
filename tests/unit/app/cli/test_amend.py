"""What the command line's amend asks its trader for."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from unittest.mock import AsyncMock

import pytest
from typer.testing import CliRunner

from node.app.cli import amend, app
from node.client.retry import PATIENT, RetryPolicy
from tests.examples import ALICE, RULES

RESTING = {"order_id": 7, "market": "BTC-PERP", "price": "60000", "filled": "0", "remaining": "1"}


@pytest.mark.parametrize(("more", "policy"), [((), None), (("--retry",), PATIENT)])
def test_an_amend_is_sent_again_only_where_that_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...], policy: RetryPolicy | None
) -> None:
    session = SimpleNamespace(rules=RULES, get=AsyncMock(return_value={"orders": [RESTING]}))
    trader = SimpleNamespace(
        wallet=SimpleNamespace(account=ALICE.address),
        place=AsyncMock(return_value={"sequence": 9, "block": 2, "results": []}),
    )

    @asynccontextmanager
    async def connected(_node: str) -> AsyncIterator[SimpleNamespace]:
        yield session

    monkeypatch.setattr(amend, "connect", connected)
    monkeypatch.setattr(amend, "open_trader", AsyncMock(return_value=trader))
    told = CliRunner().invoke(app, ["amend", "7", "--size", "0.5", *more])
    assert told.exit_code == 0, told.exception
    assert trader.place.await_args.kwargs["retry"] is policy
