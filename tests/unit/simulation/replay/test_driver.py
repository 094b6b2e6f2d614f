"""The driver over a session that answers when the test says so."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from node.client.errors import ConnectionLost
from node.client.wallet import Wallet
from node.codec.eip712 import Signing
from node.simulation.flow.generator import Intent, Quotes
from node.simulation.keys import dev_keys
from node.simulation.replay.driver import Driver
from node.simulation.replay.oracle import OracleFeed
from node.simulation.replay.outcomes import Outcomes
from node.simulation.replay.pace import FASTEST, Pace
from node.simulation.replay.trader import Trader, coarse_expiry
from node.types.commands import CancelOrder, NewOrder, OrderType, Side
from node.types.errors import NothingToTake, Shed
from node.types.ids import ClientOrderId, MarketId
from node.types.units import Lots, Millis, Money, Ticks
from tests.examples import DOMAIN, RULES, START_MS

MS = 1_000_000
DONE: dict[str, Any] = {"results": [{"status": "resting"}]}


class FakeSession:
    """Speaks like ``Session``, remembers what was sent, and answers through ``reply``."""

    def __init__(self, reply: Callable[["asyncio.Future[dict[str, Any]]"], None]) -> None:
        self.rules = RULES
        self.signing = Signing(DOMAIN, RULES)
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.answers: list[asyncio.Future[dict[str, Any]]] = []
        self.shown: dict[str, Any] = {"nonces": {}, "orders": []}
        self._reply = reply

    def wallet(self, secret: bytes, *, first_nonce: int = 1) -> Wallet:
        return Wallet(secret, self.signing, first_nonce=first_nonce)

    def start(self, method: str, params: dict[str, Any]) -> "asyncio.Future[dict[str, Any]]":
        self.sent.append((method, params))
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self.answers.append(answer)
        self._reply(answer)
        return answer

    async def get(self, path: str) -> dict[str, Any]:
        assert path.startswith("/account/0x")
        return self.shown

    async def send(self, action: Any) -> dict[str, Any]:
        self.sent.append(("action", {"type": type(action).__name__, "nonce": action.nonce}))
        return DONE


class FakeClock:
    def now_ns(self) -> int:
        return 0

    def now_ms(self) -> Millis:
        return START_MS


def succeed(answer: "asyncio.Future[dict[str, Any]]") -> None:
    answer.set_result(DONE)


def leave_open(answer: "asyncio.Future[dict[str, Any]]") -> None:
    assert not answer.done()


def intent(time_ms: int, *, client_id: int = 1, cancels: tuple[int, ...] = ()) -> Intent:
    order = NewOrder(
        MarketId(1),
        Side.BUY,
        OrderType.GTC,
        Ticks(100),
        Lots(5),
        client_id=ClientOrderId(client_id),
    )
    named = tuple(CancelOrder(client_id=ClientOrderId(name)) for name in cancels)
    return Intent(time_ms * MS, "calm", 0, named, (order,))


def driver_over(session: Any) -> tuple[Driver, OracleFeed]:
    clock = FakeClock()
    oracle = OracleFeed(session, dev_keys("reporter", 3), clock)
    trader = Trader(dev_keys("trader", 1)[0], session)
    return Driver([trader], oracle, Outcomes(), clock), oracle


async def test_everything_is_sent_in_order_and_answered() -> None:
    session = FakeSession(succeed)
    driver, oracle = driver_over(session)
    source: list[Quotes | Intent] = [
        Quotes(0, "calm", (Ticks(100), Ticks(200))),
        intent(1),
        Intent(2 * MS, "rush", 0, market=MarketId(2), margin=Money(1_500_000)),
    ]
    await driver.play(source, Pace(100.0, 1))
    assert [method for method, _ in session.sent] == ["oracle_round", "action", "action"]
    bodies = [params for method, params in session.sent if method == "action"]
    assert [body["nonce"] for body in bodies] == [1, 2]
    assert bodies[1]["amount"] == "1.5"
    assert bodies[0]["expires"] % 1_000 == 0
    assert (driver.outcomes.accepted, driver.outcomes.in_flight) == (2, 0)
    assert (driver.phase, oracle.rounds) == ("rush", 1)


async def test_an_open_loop_waits_for_no_answer() -> None:
    session = FakeSession(leave_open)
    driver, _ = driver_over(session)
    async with asyncio.TaskGroup() as group:
        group.create_task(
            driver.play([intent(n, client_id=n + 1) for n in range(20)], Pace(100, 1))
        )
        await asyncio.sleep(0.05)
        assert driver.outcomes.in_flight == 20
        for answer in session.answers:
            succeed(answer)
    assert driver.outcomes.accepted == 20


async def test_refusals_and_losses_are_counted_by_kind() -> None:
    errors = [NothingToTake(), ConnectionLost(), None]

    def reply(answer: "asyncio.Future[dict[str, Any]]") -> None:
        error = errors.pop(0)
        answer.set_result(DONE) if error is None else answer.set_exception(error)

    driver, _ = driver_over(FakeSession(reply))
    await driver.play([intent(n, client_id=n + 1) for n in range(3)], Pace(100, 1))
    report = driver.outcomes.report(1.0)
    assert (report.accepted, report.refusals, report.lost) == (1, {"NothingToTake": 1}, 1)


async def test_without_a_connection_actions_are_lost_and_the_rest_goes_on() -> None:
    class Broken(FakeSession):
        def start(self, method: str, params: dict[str, Any]) -> "asyncio.Future[dict[str, Any]]":
            if len(self.sent) < 2:
                self.sent.append((method, params))
                raise ConnectionLost(method=method)
            return super().start(method, params)

    driver, _ = driver_over(Broken(succeed))
    await driver.play([intent(n, client_id=n + 1) for n in range(3)], Pace(FASTEST, 1))
    report = driver.outcomes.report(1.0)
    assert (report.offered, report.accepted, report.lost) == (3, 1, 2)


async def test_at_the_fastest_pace_a_cancel_waits_for_the_order_it_names() -> None:
    session = FakeSession(leave_open)
    driver, _ = driver_over(session)
    source = [intent(0, client_id=1), intent(0, client_id=2), intent(0, client_id=3, cancels=(1,))]
    async with asyncio.TaskGroup() as group:
        group.create_task(driver.play(source, Pace(FASTEST, 10)))
        await asyncio.sleep(0.01)
        assert len(session.sent) == 2, "a cancel overtook its order"
        succeed(session.answers[0])
        await asyncio.sleep(0.01)
        assert len(session.sent) == 3, "the answer to another order was waited for"
        for answer in session.answers[1:]:
            succeed(answer)


async def test_what_was_not_taken_on_is_cancelled_with_the_next_action() -> None:
    errors = [None, Shed(queue="lane_resting"), NothingToTake(), None, None]

    def reply(answer: "asyncio.Future[dict[str, Any]]") -> None:
        error = errors.pop(0)
        answer.set_result(DONE) if error is None else answer.set_exception(error)

    session = FakeSession(reply)
    driver, _ = driver_over(session)
    cancels = [(), (1,), (2,), (3,), (4,)]
    source = [intent(n, client_id=n + 1, cancels=named) for n, named in enumerate(cancels)]
    await driver.play(source, Pace(FASTEST, 1))
    named = [[cancel["client_id"] for cancel in params["cancels"]] for _, params in session.sent]
    # The second was shed, its cancel with it; the third was answered: there was nothing left.
    assert named == [[], [1], [1, 2], [3], [4]]
    assert driver.outcomes.cancels == 5


async def test_what_the_connection_did_not_take_is_cancelled_when_it_is_back() -> None:
    class Cut(FakeSession):
        def start(self, method: str, params: dict[str, Any]) -> "asyncio.Future[dict[str, Any]]":
            if len(self.sent) == 1 and not self.cut:
                self.cut = True
                raise ConnectionLost
            return super().start(method, params)

        cut = False

    session = Cut(succeed)
    driver, _ = driver_over(session)
    source = [intent(n, client_id=n + 1, cancels=(n,) if n else ()) for n in range(4)]
    await driver.play(source, Pace(FASTEST, 1))
    named = [[cancel["client_id"] for cancel in params["cancels"]] for _, params in session.sent]
    assert named == [[], [1, 2], [3]]


async def test_a_known_account_goes_on_above_its_nonces_with_no_order_open() -> None:
    session = FakeSession(succeed)
    key = dev_keys("trader", 1)[0]
    session.shown = {"nonces": {"0x" + key.address.hex(): 41}, "orders": [{"order_id": 7}]}
    trader = Trader(key, session)  # type: ignore[arg-type]
    await trader.resume(START_MS)
    trader.start(intent(0), START_MS)
    assert session.sent[0] == ("action", {"type": "CancelAll", "nonce": 42})
    assert session.sent[1][1]["nonce"] == 43


async def test_prices_that_follow_too_fast_are_told_as_the_last_of_them() -> None:
    session = FakeSession(succeed)
    _, oracle = driver_over(session)
    for price in (100, 101, 102):
        oracle.tell((Ticks(price), Ticks(200)))
    assert len(session.sent) == 1
    assert oracle.rounds == 1


async def test_a_reporter_tells_what_was_put_off_and_repeats_what_stands() -> None:
    session = FakeSession(succeed)
    clock = FakeClock()
    times = iter([START_MS, START_MS, Millis(START_MS + 25), Millis(START_MS + 25)])
    last = Millis(START_MS + 1_100)
    clock.now_ms = lambda: next(times, last)  # type: ignore[method-assign]
    oracle = OracleFeed(session, dev_keys("reporter", 3), clock)  # type: ignore[arg-type]
    oracle.tell((Ticks(100), Ticks(200)))
    oracle.tell((Ticks(101), Ticks(200)))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(oracle.run(), 0.1)
    told = [params for _, params in session.sent]
    prices = [body["reports"][0]["prices"][0] for body in told]
    assert prices == ["1", "1.01", "1.01"]
    assert [len(body["reports"]) for body in told] == [3, 3, 3]
    assert told[0]["time"] < told[1]["time"] < told[2]["time"]


@pytest.mark.parametrize(("now", "expiry"), [(1_000, 3_601_000), (1_001, 3_602_000)])
def test_expiries_are_whole_seconds_an_hour_ahead(now: int, expiry: int) -> None:
    assert coarse_expiry(Millis(now)) == expiry
