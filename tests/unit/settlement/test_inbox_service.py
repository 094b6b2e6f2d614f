"""The watcher on an endpoint that limits answers, vanishes, and reorganises while it is read."""

import asyncio
from typing import Any

import pytest

from node.codec.l1_calls import DEPOSIT_COUNT, DEPOSITED
from node.ports.chain import Chain, L1Block, L1Log, Tag
from node.ports.log_span import ANSWERS_BEFORE_MORE
from node.settlement import inbox_service
from node.settlement.config import SettlementConfig
from node.settlement.inbox import InboxScan
from node.settlement.inbox_service import STATES_KEPT, InboxService
from node.types.commands import Deposit
from node.types.durable import Executed, Outcome
from node.types.errors import ChainDisagrees, ChainUnavailable, Overloaded, ShuttingDown
from node.types.events import Rejected
from node.types.hashing import keccak256
from node.types.ids import Address
from node.types.units import Millis, Money

INBOX = Address(b"\x11" * 20)
CONFIG = SettlementConfig(
    poll_ms=10, backoff_max_ms=40, inbox_confirmations=2, inbox_blocks_per_query=16
)


class FakeChain:
    """One deposit in each block since the contract's, at most ``limit`` blocks in an answer."""

    def __init__(self, head: int) -> None:
        self.head = head
        self.limit = 1_000
        self.away = False
        self.logs_up_to: int | None = None
        self.blind: range = range(0)
        self.quiet_from = 1_000_000
        self.states_from = 0
        self.contract_at = 0
        self.fork = 0
        self.reorg_while_reading = False
        self.reorg_before: int | None = None
        self.asked: list[tuple[int, int]] = []
        self.states_asked: list[int] = []

    async def block(self, at: Any) -> L1Block | None:
        if self.away:
            raise ChainUnavailable(detail="away")
        if at == self.reorg_before:
            self.fork, self.reorg_before = self.fork + 1, None
        number = self.head if at is Tag.LATEST else int(at)
        if number > self.head:
            return None
        return L1Block(number, self._hash(number), 0, 0)

    async def logs(
        self, address: Address, topics: tuple[bytes, ...], first: int, last: int
    ) -> tuple[L1Log, ...]:
        assert (address, topics) == (INBOX, (DEPOSITED,))
        self.asked.append((first, last))
        if last - first >= self.limit:
            raise ChainUnavailable(detail="query returned too much")
        if self.reorg_while_reading:
            self.reorg_while_reading = False
            self.fork += 1
        end = last if self.logs_up_to is None else min(last, self.logs_up_to)
        first = max(first, self.contract_at)
        end = min(end, self.quiet_from - 1)
        shown = (number for number in range(first, end + 1) if number not in self.blind)
        return tuple(self._log(number) for number in shown)

    async def call(self, to: Address, data: bytes, at: Any) -> bytes:
        assert (to, data) == (INBOX, DEPOSIT_COUNT.encode())
        number = next(n for n in range(self.head + 1) if self._hash(n) == at)
        self.states_asked.append(number)
        if number < self.states_from:
            raise ChainUnavailable(detail="no state so old")
        count = min(number + 1, self.quiet_from) - self.contract_at
        return count.to_bytes(32, "big") if count > 0 else b""

    def _hash(self, number: int) -> bytes:
        return keccak256(b"%d %d" % (number, self.fork))

    def _log(self, number: int) -> L1Log:
        topics = (DEPOSITED, (number - self.contract_at).to_bytes(32, "big"), bytes(32))
        data = (7).to_bytes(32, "big")
        return L1Log(INBOX, topics, data, number, bytes(32), bytes(32))


class Clock:
    def now_ns(self) -> int:
        return 0

    def now_ms(self) -> Millis:
        return Millis(0)


class Watch:
    """A watcher, and what it handed on."""

    def __init__(self, head: int, scan: InboxScan | None = None) -> None:
        self.chain = FakeChain(head)
        self.taken: list[Deposit] = []
        self.stopping = False
        self.refusals: list[Exception] = []
        self.rejects = -1
        self.fourth = asyncio.Event()
        chain: Chain = self.chain  # type: ignore[assignment]
        scan = scan or InboxScan(0, 0)
        self.service = InboxService(chain, INBOX, scan, self.submit, Clock(), CONFIG)

    def submit(self, deposit: Deposit) -> "asyncio.Future[Outcome]":
        if self.stopping and len(self.taken) == 2:
            raise ShuttingDown
        if self.refusals:
            raise self.refusals.pop()
        self.taken.append(deposit)
        if len(self.taken) == 4:
            self.fourth.set()
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        executed = Executed(durable=None, index=0)  # type: ignore[arg-type]
        rejected = Rejected(1, "DepositOutOfOrder", {})
        outcome.set_result(rejected if deposit.index == self.rejects else executed)
        return outcome


def deposits(count: int) -> list[Deposit]:
    return [Deposit(index, Address(bytes(20)), Money(7)) for index in range(count)]


async def test_a_long_absence_is_caught_up_span_by_span() -> None:
    watch = Watch(head=40)
    pauses = [await watch.service.turn() for _ in range(4)]
    assert pauses == [0, 0, CONFIG.poll_ms, CONFIG.poll_ms]
    assert watch.chain.asked == [(0, 15), (16, 31), (32, 38)]
    assert watch.taken == deposits(39)


async def test_an_endpoint_that_limits_answers_is_asked_for_less() -> None:
    watch = Watch(head=200)
    watch.chain.limit = 4
    for _ in range(60):
        await watch.service.turn()
    assert watch.taken == deposits(199)
    assert watch.chain.asked[:4] == [(0, 15), (0, 7), (0, 3), (4, 7)]
    refused = [first for first, last in watch.chain.asked if last - first >= 4]
    assert len(refused) == 2 + 199 // 4 // ANSWERS_BEFORE_MORE


async def test_an_outage_is_waited_out_with_ever_longer_pauses() -> None:
    watch = Watch(head=4)
    watch.chain.away = True
    assert [await watch.service.turn() for _ in range(4)] == [10, 20, 40, 40]
    watch.chain.away = False
    while len(watch.taken) < 3:
        await watch.service.turn()
    assert watch.taken == deposits(3)


async def test_an_outage_shortens_no_question() -> None:
    watch = Watch(head=40)
    watch.chain.away = True
    for _ in range(10):
        await watch.service.turn()
    watch.chain.away = False
    await watch.service.turn()
    assert watch.chain.asked == [(0, 15)]


async def test_what_is_read_during_a_reorg_is_read_again() -> None:
    watch = Watch(head=5)
    watch.chain.reorg_while_reading = True
    await watch.service.turn()
    assert (watch.taken, watch.service.cursor) == ([], 0)
    while len(watch.taken) < 4:
        await watch.service.turn()
    assert watch.taken == deposits(4)


async def test_a_reorg_of_the_last_scanned_block_behind_its_check_is_noticed() -> None:
    watch = Watch(head=5)
    await watch.service.turn()
    watch.chain.head = 9
    # The next span ends with this block, which is asked for once the one before is found standing.
    watch.chain.reorg_before = 7
    for _ in range(2):
        await watch.service.turn()
    assert watch.chain.asked == [(0, 3), (4, 7), (0, 7)]
    assert watch.taken == deposits(8)


async def test_deposits_that_a_lagging_endpoint_does_not_show_are_waited_for() -> None:
    watch = Watch(head=10)
    watch.chain.logs_up_to = 5
    assert await watch.service.turn() == CONFIG.poll_ms
    assert (watch.taken, watch.service.cursor) == ([], 0)
    watch.chain.logs_up_to = None
    while await watch.service.turn() == 0:
        pass
    assert watch.taken == deposits(9)


@pytest.mark.parametrize("quiet_from", [41, 1_000])
async def test_what_an_earlier_span_lacked_is_read_again(quiet_from: int) -> None:
    watch = Watch(head=200)
    watch.chain.quiet_from = quiet_from
    watch.chain.blind = range(40, 48)
    while watch.service._outage.began is None:
        await watch.service.turn()
    assert watch.service.cursor == 40
    watch.chain.blind = range(0)
    for _ in range(200):
        await watch.service.turn()
    assert watch.taken == deposits(min(199, quiet_from))
    assert watch.chain.asked[-1][1] == 198


async def test_what_a_span_lacks_of_the_deposits_of_a_process_before_is_read_again() -> None:
    scan = InboxScan(120, 0, deposits(120)[90:])
    watch = Watch(200, scan)
    watch.chain.quiet_from = 120
    watch.chain.blind = range(100, 120)
    while watch.service._outage.began is None:
        await watch.service.turn()
    assert scan.standing == 100
    watch.chain.blind = range(0)
    for _ in range(200):
        await watch.service.turn()
    assert (watch.taken, scan.standing) == ([], 120)


async def test_an_endpoint_without_any_logs_is_waited_for() -> None:
    watch = Watch(head=200)
    watch.chain.blind = range(201)
    for _ in range(100):
        await watch.service.turn()
    assert (watch.taken, watch.service.cursor) == ([], 0)
    watch.chain.blind = range(0)
    for _ in range(200):
        await watch.service.turn()
    assert watch.taken == deposits(199)


async def test_deposits_that_the_first_block_of_all_lacks_stop_the_node() -> None:
    watch = Watch(head=10)
    watch.chain.blind = range(3)
    with pytest.raises(ChainDisagrees):
        await watch.service.turn()


async def test_nobody_is_asked_for_a_state_that_most_endpoints_let_go_of() -> None:
    watch = Watch(head=200)
    while await watch.service.turn() == 0:
        pass
    assert watch.taken == deposits(199)
    assert min(watch.chain.states_asked) >= 200 - STATES_KEPT


async def test_an_endpoint_that_lost_its_states_is_waited_for_until_it_has_new_ones() -> None:
    watch = Watch(head=10)
    watch.chain.states_from = 10
    for _ in range(10):
        await watch.service.turn()
    assert watch.taken == []
    watch.chain.head = 10 + CONFIG.inbox_confirmations
    await watch.service.turn()
    assert watch.taken == deposits(11)


async def test_a_scan_may_begin_before_the_contract() -> None:
    watch = Watch(head=3)
    watch.chain.contract_at = 2
    await watch.service.turn()
    watch.chain.head = 6
    await watch.service.turn()
    assert watch.chain.states_asked == [1, 4]
    assert watch.taken == deposits(3)


async def test_after_a_deep_reorg_the_scan_goes_back_and_takes_nothing_twice() -> None:
    watch = Watch(head=40)
    while await watch.service.turn() == 0:
        pass
    watch.chain.fork, watch.chain.head = 1, 42
    watch.chain.asked.clear()
    while await watch.service.turn() == 0:
        pass
    assert watch.chain.asked[0] == (0, 15)
    assert watch.taken == deposits(41)


async def test_of_a_span_with_a_deposit_that_changed_nothing_is_handed_on() -> None:
    changed = [Deposit(index, Address(bytes(20)), Money(8)) for index in range(2)]
    watch = Watch(5, InboxScan(2, 0, changed))
    with pytest.raises(ChainDisagrees):
        await watch.service.turn()
    assert watch.taken == []


async def test_a_deposit_for_which_there_is_no_room_waits_and_none_overtakes_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(inbox_service, "SUBMIT_RETRY_S", 0)
    watch = Watch(head=5)
    watch.refusals = [Overloaded(queue="lane_system", limit=1) for _ in range(3)]
    await watch.service.turn()
    assert watch.taken == deposits(4)


async def test_a_deposit_that_the_log_rejects_stops_the_node() -> None:
    watch = Watch(head=5)
    watch.rejects = 1
    with pytest.raises(ChainDisagrees) as caught:
        await watch.service.turn()
    assert (caught.value.what, caught.value.deposit) == ("deposit rejected", 1)


async def test_the_loop_runs_until_it_is_cancelled() -> None:
    watch = Watch(head=5)
    running = asyncio.ensure_future(watch.service.run())
    async with asyncio.timeout(5):
        await watch.fourth.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert watch.service.stage.conserved()


async def test_a_deposit_that_matures_while_the_node_stops_ends_the_watch_in_order() -> None:
    watch = Watch(head=5)
    watch.stopping = True
    async with asyncio.timeout(5):
        await watch.service.run()
    assert watch.taken == deposits(2)
    assert watch.service.stage.conserved()
