"""What the adapter's constructor is told: CCXT's usual keys, and what they come to here."""

import asyncio
from typing import Any

import pytest

from node.client.ccxt_adapter import PlimsollExchange
from node.client.ccxt_errors import BadRequest, RequestTimeout
from node.client.session import Session
from node.client.subscription import Message
from tests.examples import ALICE, START_MS
from tests.integration.api_node import running_node
from tests.integration.test_ccxt_adapter import BTC


async def test_the_usual_keys_of_a_constructor_are_taken() -> None:
    async with running_node() as node:
        config = {"url": node.url, "enableRateLimit": True, "timeout": 10_000, "options": {}}
        async with PlimsollExchange(config) as exchange:
            assert (exchange.enableRateLimit, exchange.timeout) == (True, 10_000)
            assert (await exchange.fetch_status())["status"] == "ok"


@pytest.mark.parametrize(
    "config",
    [
        {"timeout": 0}, {"timeout": -1}, {"timeout": "1000"}, {"timeout": True},
        {"timeout": float("nan")}, {"enableRateLimit": "yes"}, {"rateLimit": 50},
        {"options": {"defaultType": "swap"}}, {"options": "swap"},
    ],
)  # fmt: skip
def test_what_would_do_nothing_is_refused_by_its_name(config: dict[str, Any]) -> None:
    with pytest.raises(BadRequest) as refused:
        PlimsollExchange(config)
    asked = config["options"] if isinstance(config.get("options"), dict) else config
    assert all(name in str(refused.value) for name in asked)


async def test_a_request_that_nobody_answers_in_time_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answered, silent = Session.get, [""]

    async def get(session: Session, path: str) -> Message:
        if silent[0] and path.startswith(silent[0]):
            await asyncio.Event().wait()
        return await answered(session, path)

    monkeypatch.setattr(Session, "get", get)
    async with running_node() as node:
        config = {"url": node.url, "privateKey": ALICE.key.hex(), "timeout": 60_000}
        async with PlimsollExchange(config, now_ms=lambda: START_MS) as exchange:
            for path, asking in (
                ("/account", exchange.fetch_open_orders),
                ("/account", exchange.fetch_balance),
                ("/markets", exchange.fetch_markets),
                ("/book", lambda: exchange.fetch_order_book(BTC)),
                ("/history", lambda: exchange.fetch_liquidations(BTC)),
            ):
                silent[0], exchange.timeout = path, 50
                with pytest.raises(RequestTimeout) as late:
                    await asking()
                assert late.value.values["timeout_ms"] == 50
                silent[0], exchange.timeout = "", 60_000
            assert await exchange.fetch_open_orders() == []
