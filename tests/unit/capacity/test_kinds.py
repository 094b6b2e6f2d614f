"""Each kind of command is counted where it belongs, and no time is lost between them."""

from typing import get_args

import pytest

from node.capacity.kinds import Kind, KindMeter, kind_of
from node.types.commands import (
    AdjustMargin,
    AmendOrder,
    ApproveAgent,
    CancelAll,
    CancelOrder,
    Command,
    Deposit,
    Disconnected,
    Expire,
    Liquidate,
    NewOrder,
    OpenBlock,
    OracleRound,
    OrderType,
    PlaceOrders,
    SetSwitch,
    SettleFunding,
    Side,
    TriggerOrder,
    Uncross,
    Withdraw,
)
from node.types.events import Event, Rejected
from node.types.ids import ClientOrderId, MarketId, OrderId
from node.types.units import Lots, Millis, Money, Ticks
from tests.examples import ALICE, BOB
from tests.unit.transition.exchange import COIN, Exchange, order

HEAD = (ALICE.address, ALICE.address, 1, Millis(1), b"")
MARKET = MarketId(1)
ORDER = NewOrder(MARKET, Side.BUY, OrderType.GTC, Ticks(1), Lots(1))
AMEND = AmendOrder(MARKET, Ticks(1), Lots(1), OrderId(1))
CANCEL = CancelOrder(OrderId(1), ClientOrderId(0))
REFUSED: tuple[Event, ...] = (Rejected(1, "Refused", {}),)

COMMANDS: list[tuple[Command, Kind]] = [
    (PlaceOrders(*HEAD, (), (ORDER,)), Kind.PLACE),
    (PlaceOrders(*HEAD, (CANCEL,), (ORDER, ORDER)), Kind.BULK),
    (PlaceOrders(*HEAD, (CANCEL,), (), amends=(AMEND,)), Kind.PLACE),
    (PlaceOrders(*HEAD, (), (ORDER,), amends=(AMEND,)), Kind.BULK),
    (PlaceOrders(*HEAD, (CANCEL, CANCEL), ()), Kind.CANCEL),
    (CancelAll(*HEAD, MARKET), Kind.CANCEL_ALL),
    (AdjustMargin(*HEAD, MARKET, Money(1)), Kind.MARGIN),
    (Withdraw(*HEAD, Money(1)), Kind.WITHDRAW),
    (ApproveAgent(*HEAD, ALICE.address, Millis(1)), Kind.AGENT),
    (Liquidate(MARKET, ALICE.address), Kind.LIQUIDATE),
    (OracleRound(Millis(1), ()), Kind.ORACLE_ROUND),
    (SettleFunding(), Kind.FUNDING),
    (Deposit(0, ALICE.address, Money(1)), Kind.DEPOSIT),
    (SetSwitch(*HEAD, Millis(1)), Kind.SWITCH),
    (Expire(ALICE.address), Kind.EXPIRE),
    (Disconnected(ALICE.address), Kind.EXPIRE),
    (TriggerOrder(ALICE.address, OrderId(1)), Kind.TRIGGER),
    (Uncross(MARKET), Kind.UNCROSS),
]


class Ticking:
    """A clock that moves by one more nanosecond at each reading: 1, 3, 6, 10, …."""

    def __init__(self) -> None:
        self.now = 0
        self.step = 0

    def __call__(self) -> int:
        self.step += 1
        self.now += self.step
        return self.now


@pytest.mark.parametrize(("command", "kind"), COMMANDS)
def test_every_command_has_a_kind(command: Command, kind: Kind) -> None:
    meter = KindMeter(Ticking())
    assert kind_of(command) is kind
    meter.begin()
    meter.ran(command, REFUSED)
    counted = [row for row in meter.kinds() if row.commands]
    assert [row.kind for row in counted] == [kind.word]
    assert counted[0].total_ns == 2
    assert counted[0].square_ns2 == 4


def test_no_command_is_without_a_kind() -> None:
    covered = {type(command) for command, _ in COMMANDS} | {OpenBlock}
    assert covered == set(get_args(Command))
    assert {kind for _, kind in COMMANDS} == set(Kind)


def test_the_kinds_and_the_block_share_all_the_time() -> None:
    clock = Ticking()
    meter = KindMeter(clock)
    meter.begin()
    began = clock.now
    meter.opened()
    for command, _ in COMMANDS:
        meter.ran(command, REFUSED)
    meter.closed(len(COMMANDS) + 1)
    spent = sum(row.total_ns for row in meter.kinds()) + meter.blocks().total_ns
    assert spent == clock.now - began
    meter.signed(100)
    assert meter.blocks().total_ns == spent - sum(row.total_ns for row in meter.kinds()) + 100
    assert (meter.blocks().count, meter.blocks().commands) == (1, len(COMMANDS) + 1)


@pytest.mark.parametrize("makers", [0, 1, 3])
def test_fills_are_those_of_the_transition(makers: int) -> None:
    exchange = Exchange()
    for person in (ALICE, BOB):
        exchange.fund(person, 10_000)
    if makers:
        exchange.place(ALICE, *[order(Side.SELL, COIN, 100_00)] * makers)
    meter = KindMeter(Ticking())
    meter.begin()
    taking = exchange.orders(BOB, order(Side.BUY, max(makers, 1) * COIN, 100_00))
    meter.ran(taking, exchange.do(taking))
    assert meter.kinds()[Kind.PLACE].fills == makers


def test_the_longest_command_of_each_kind_is_remembered() -> None:
    meter = KindMeter(iter((0, 5, 100, 190, 300, 307)).__next__)
    for _ in range(3):
        meter.begin()
        meter.ran(SettleFunding(), REFUSED)
    longest = dict(zip(Kind, meter.longest_ns(), strict=True))
    assert longest.pop(Kind.FUNDING) == 90
    assert set(longest.values()) == {0}


def test_items_are_orders_and_cancels() -> None:
    meter = KindMeter(Ticking())
    meter.begin()
    for command, _ in COMMANDS:
        meter.ran(command, REFUSED)
    items = {row.kind: row.items for row in meter.kinds()}
    assert (items["place"], items["bulk"], items["cancel"], items["deposit"]) == (3, 5, 2, 1)


def test_a_block_of_rejections_is_no_block_but_takes_its_time() -> None:
    meter = KindMeter(Ticking())
    meter.begin()
    meter.opened()
    meter.closed(0)
    assert meter.turns == 1
    assert meter.blocks().count == 0
    assert meter.blocks().total_ns == 5
