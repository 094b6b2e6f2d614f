"""Durable blocks, counted for the operator and for whoever waits for a deposit."""

from node.app.tally import Tally
from node.types.blocks import Block
from node.types.commands import OpenBlock, Side
from node.types.durable import DurableBlock
from node.types.events import (
    BlockOpened,
    Deleveraged,
    Deposited,
    Event,
    Filled,
    Liquidated,
    OrderAccepted,
    WithdrawalOpened,
)
from node.types.ids import ClientOrderId, MarketId, OrderId, Sequence
from node.types.units import Lots, Millis, Money, Ticks
from tests.examples import ALICE, BOB, START_MS

MARKET = MarketId(0)
SIZE, PRICE, AMOUNT = Lots(2), Ticks(600_000), Money(5)

ACCEPTED = OrderAccepted(
    0, OrderId(7), ClientOrderId(1), ALICE.address, MARKET, Side.BUY, PRICE, SIZE
)
FILLED = Filled(
    MARKET,
    PRICE,
    SIZE,
    maker_order=OrderId(6),
    taker_order=OrderId(7),
    maker=BOB.address,
    taker=ALICE.address,
    taker_side=Side.BUY,
    maker_remaining=Lots(0),
    maker_fee=Money(1),
    taker_fee=Money(1),
)
LIQUIDATED = Liquidated(ALICE.address, MARKET, SIZE, Lots(0), AMOUNT, Money(0))
DELEVERAGED = Deleveraged(ALICE.address, BOB.address, MARKET, SIZE, AMOUNT)


def block(number: int, first: int, *events: tuple[Event, ...]) -> DurableBlock:
    """Return a block of as many commands as there are tuples, opened like every block."""
    opened = OpenBlock(number, START_MS)
    count = len(events) + 1
    return DurableBlock(
        Block(
            number=number,
            time=Millis(START_MS),
            first_sequence=Sequence(first),
            commands=(opened,) * count,
            ids=(bytes(32),) * count,
            parent=bytes(32),
            hash=bytes(32),
            signature=bytes(65),
            changes=bytes(32),
        ),
        events=((BlockOpened(number, START_MS),), *events),
        links=(bytes(32),) * (count + 1),
        leaves={},
    )


async def test_events_are_counted_by_kind_over_all_blocks() -> None:
    tally = Tally(lambda _: None, 0)
    await tally.wait_for_room()
    tally.offer(block(4, 10, (ACCEPTED, FILLED, FILLED), (LIQUIDATED,)), 0)
    tally.offer(block(5, 13, (ACCEPTED, DELEVERAGED, FILLED)), 0)
    assert (tally.commands, tally.orders, tally.fills) == (3, 2, 3)
    assert (tally.liquidations, tally.deleveragings) == (1, 1)
    assert (tally.block, tally.sequence) == (5, 14)


def test_each_withdrawal_is_told_of_in_order() -> None:
    opened: list[int] = []
    tally = Tally(opened.append, 0)
    first, second, third = (WithdrawalOpened(index, ALICE.address, AMOUNT) for index in (1, 2, 3))
    tally.offer(block(1, 1, (first,), (ACCEPTED,), (second,)), 0)
    tally.offer(block(2, 5, (FILLED,)), 0)
    assert opened == [1, 2]
    tally.offer(block(3, 7, (third,)), 0)
    assert opened == [1, 2, 3]


def test_the_inbox_cursor_goes_on_from_where_the_log_was() -> None:
    tally = Tally(lambda _: None, 40)
    deposits = [Deposited(index, BOB.address, AMOUNT) for index in (40, 41)]
    tally.offer(block(1, 1, *[(deposit,) for deposit in deposits], (FILLED,)), 0)
    assert tally.inbox_cursor == 42
