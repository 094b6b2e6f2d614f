"""A subscription that is refused when it is renewed ends alone, and its reader learns why."""

import asyncio
from typing import Any

import msgspec
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from node.client import channels
from node.client.channels import pause
from node.client.errors import SubscriptionEnded
from node.client.local_book import FeedMismatch
from node.types.errors import (
    LoginRequired,
    Overloaded,
    PlimsollError,
    RateLimited,
    UnknownMarket,
    WrongSigner,
)
from tests.unit.client.test_session import HELLO, Behaviour, session_with
from tests.unit.client.test_session_books import SNAPSHOT, until_connected_again

GONE = {"code": UnknownMarket.code, "name": "UnknownMarket", "values": {"market": "BTC-PERP"}}
FULL = {"code": Overloaded.code, "values": {"queue": "subscriptions", "limit": 1}}
BUSY = {"code": Overloaded.code, "values": {"queue": "connection", "limit": 1}}
LIMITED = {"code": RateLimited.code, "values": {"of": "messages", "limit": 1, "retry_after_ms": 1}}
OF_LATER = {"code": 1999, "name": "OfALaterVersion", "values": {}}


def server(
    asked_for: list[str],
    *,
    refused: dict[str, list[dict[str, Any]]] | None = None,
    leave_after: int | None = None,
    snapshot: bool = True,
) -> Behaviour:
    """Grant what is asked for, but what ``refused`` has an error left for; note it by its name."""
    left = {} if refused is None else refused

    async def behave(socket: web.WebSocketResponse, _request: web.Request) -> None:
        await socket.send_str(HELLO)
        taken = 0
        async for message in socket:
            asked = msgspec.json.decode(message.data)
            name = asked["params"].get("channel", asked["method"])
            asked_for.append(name)
            taken += 1
            if left.get(name):
                await socket.send_json({"id": asked["id"], "error": left[name].pop(0)})
            else:
                await socket.send_json({"id": asked["id"], "result": {"resumed": False}})
                if name == "book" and snapshot:
                    await socket.send_json(SNAPSHOT)
            if taken == leave_after:
                await socket.close()

    return behave


@pytest.mark.parametrize("refusal", [GONE, FULL, OF_LATER], ids=["gone", "full", "of later"])
async def test_what_is_refused_on_renewal_ends_alone(refusal: dict[str, Any]) -> None:
    asked: list[str] = []
    heard: list[Any] = []
    behaviours = server([], leave_after=2), server(asked, refused={"book": [refusal]})
    with capture_logs() as logged:
        async with session_with(*behaviours) as session:
            await session.ready()
            book = await session.follow_book("BTC-PERP")
            assert book.bids() == [("10", "1")]
            await session.subscribe("marks", heard.append)
            await until_connected_again(session)
            await session.request("ping", {})
            # The others go on, and nobody asks for this one again.
            assert asked == ["book", "marks", "ping"]
            with pytest.raises(SubscriptionEnded) as ended:
                book.bids()
    values = {"channel": "book", "market": "BTC-PERP", "refusal": refusal["code"]}
    assert ended.value.values == values
    cause = ended.value.__cause__
    assert isinstance(cause, PlimsollError)
    assert cause.values.get("code", cause.code) == refusal["code"]
    assert [entry["event"] for entry in logged] == ["subscription_ended"]


async def test_who_asked_to_hear_of_the_end_does_and_may_ask_again() -> None:
    told: list[SubscriptionEnded] = []
    asked: list[str] = []
    behaviours = server([], leave_after=1), server(asked, refused={"trades": [GONE]})
    async with session_with(*behaviours) as session:
        await session.ready()
        first = await session.subscribe("trades", print, market="BTC-PERP", ended=told.append)
        await until_connected_again(session)
        assert [error.refusal for error in told] == [UnknownMarket.code]
        assert first.error is told[0]
        await session.subscribe("trades", print, market="BTC-PERP", ended=told.append)
        assert asked == ["trades", "trades"]
        assert len(told) == 1


async def test_who_waits_for_the_first_snapshot_of_what_ends_is_told() -> None:
    behaviours = (
        server([], leave_after=1, snapshot=False),
        server([], refused={"orders": [GONE]}),
    )
    async with session_with(*behaviours) as session:
        await session.ready()
        with pytest.raises(SubscriptionEnded):
            await session.follow_orders("BTC-PERP")


async def test_a_rate_that_is_used_up_is_waited_for_on_the_same_connection() -> None:
    asked: list[str] = []
    refused = {"marks": [LIMITED, LIMITED]}
    behaviours = server([], leave_after=1), server(asked, refused=refused)
    async with session_with(*behaviours) as session:
        await session.ready()
        renewed = await session.subscribe("marks", print)
        await until_connected_again(session)
        assert asked == ["marks"] * 3
        assert (session.connections, renewed.error) == (2, None)


async def test_a_rate_that_stays_used_up_is_waited_for_as_long_as_it_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []
    told: list[SubscriptionEnded] = []
    monkeypatch.setattr(channels, "FIRST_PAUSE_S", 0.001, raising=False)
    monkeypatch.setattr(channels, "LONGEST_PAUSE_S", 0.001, raising=False)
    behaviours = server([], leave_after=1), server(asked, refused={"marks": [LIMITED] * 30})
    async with session_with(*behaviours) as session:
        await session.ready()
        renewed = await session.subscribe("marks", print, ended=told.append)
        await until_connected_again(session)
        assert (asked, told) == (["marks"] * 31, [])
        assert (session.connections, renewed.error) == (2, None)


async def test_a_rate_that_is_used_up_holds_up_no_other_channel() -> None:
    asked: list[str] = []
    behaviours = server([], leave_after=3), server(asked, refused={"marks": [LIMITED]})
    async with session_with(*behaviours) as session:
        await session.ready()
        for channel in ("marks", "fee", "blocks"):
            await session.subscribe(channel, print)
        await until_connected_again(session)
        assert asked == ["marks", "fee", "blocks", "marks"]


def test_pauses_double_from_the_servers_hint_up_to_their_limit_and_spread_by_chance() -> None:
    pauses = [pause(made, chance=0, least_s=0.001) for made in (1, 2, 3, 4, 9, 5_000)]
    assert pauses == pytest.approx([0.025, 0.05, 0.1, 0.2, 4.0, 4.0])
    assert pause(2, chance=0, least_s=0.3) == pytest.approx(0.6)
    assert pause(2, chance=1) == pytest.approx(0.1)


async def test_what_the_server_has_no_time_for_now_is_asked_for_anew() -> None:
    asked: list[str] = []
    behaviours = server([], leave_after=1), server(asked, refused={"marks": [BUSY]})
    async with session_with(*behaviours) as session:
        await session.ready()
        renewed = await session.subscribe("marks", print)
        while session.connections < 3 or not session._ready.is_set():  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.005)
        assert asked == ["marks", "marks"]
        assert renewed.error is None


async def test_a_log_in_that_is_refused_ends_the_private_feed_with_the_reason() -> None:
    told: list[SubscriptionEnded] = []
    wrong = {"code": WrongSigner.code, "values": {}}
    behaviours = server([], leave_after=2), server([], refused={"login": [wrong]})
    async with session_with(*behaviours) as session:
        await session.ready()
        await session.login(session.wallet(b"\x07" * 32))
        fills = await session.subscribe("account", print, ended=told.append)
        await until_connected_again(session)
        assert [error.refusal for error in told] == [WrongSigner.code]
        assert fills.error is told[0]


async def test_a_first_refusal_is_the_callers_and_leaves_nothing_to_renew() -> None:
    asked: list[str] = []
    refused = {"account": [{"code": LoginRequired.code, "values": {}}], "bbo": [FULL]}
    behaviours = server([], refused=refused, leave_after=2), server(asked)
    async with session_with(*behaviours) as session:
        await session.ready()
        with pytest.raises(LoginRequired):
            await session.subscribe("account", print)
        with pytest.raises(Overloaded):
            await session.subscribe("bbo", print, market="BTC-PERP")
        await until_connected_again(session)
        await session.request("ping", {})
        assert asked == ["ping"]


@pytest.mark.parametrize("refusal", [LIMITED, BUSY], ids=["limited", "busy"])
async def test_a_first_refusal_that_may_pass_leaves_nothing_to_renew_either(
    refusal: dict[str, Any],
) -> None:
    asked: list[str] = []
    behaviours = server([], refused={"marks": [refusal]}, leave_after=1), server(asked)
    async with session_with(*behaviours) as session:
        await session.ready()
        with pytest.raises((RateLimited, Overloaded)):
            await session.subscribe("marks", print)
        await until_connected_again(session)
        await session.request("ping", {})
        assert asked == ["ping"]


async def test_snapshots_that_never_fit_are_asked_for_ever_later_and_told_of_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    paused: list[int] = []
    asked: list[dict[str, Any]] = []

    def start(_method: str, params: dict[str, Any]) -> asyncio.Future[dict[str, Any]]:
        asked.append(params)
        future = asyncio.get_running_loop().create_future()
        future.set_result({})
        return future

    async def hang_up() -> None:
        raise AssertionError

    def never_fits(_message: dict[str, Any]) -> None:
        raise FeedMismatch(expected=1, found=2)

    def at_once(made: int, _chance: float, _least_s: float = 0.0) -> float:
        paused.append(made)
        return 0.0

    monkeypatch.setattr(channels, "pause", at_once)
    known = channels.Channels(start, hang_up)
    book = await known.add("book", "X", "", never_fits, None)
    book.answered({})
    with capture_logs() as logged:
        mending = asyncio.ensure_future(known.mend())
        for seq in range(1, 6):
            known.take({"channel": "book", "market": "X", "type": "snapshot", "seq": seq})
            for _ in range(20):
                await asyncio.sleep(0)
            book.answered({})
        mending.cancel()
    assert len(asked) == 6
    assert paused == [1, 2, 3, 4]
    assert [entry["event"] for entry in logged] == ["snapshots_unfit"]
