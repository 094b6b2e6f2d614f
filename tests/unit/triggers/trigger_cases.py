"""Blocks as the clocks of orders see them: commands with their events."""

from typing import Final

from node.types.blocks import Block
from node.types.commands import (
    Command,
    NewOrder,
    OpenBlock,
    OracleRound,
    OrderType,
    PlaceOrders,
    SetSwitch,
    Side,
    Trigger,
)
from node.types.durable import DurableBlock
from node.types.events import (
    Event,
    MarkMoved,
    OrderAccepted,
    OrderRested,
    SwitchChanged,
    TriggerSet,
)
from node.types.ids import Address, ClientOrderId, MarketId, OrderId, Sequence
from node.types.units import Lots, Millis, Ticks
from tests.examples import ALICE, START_MS

BTC: Final = MarketId(1)
NO_CLIENT: Final = ClientOrderId(0)


def durable(*entries: tuple[Command, tuple[Event, ...]]) -> DurableBlock:
    """Return a block of these commands with what each one did."""
    everything = ((OpenBlock(1, START_MS), ()), *entries)
    commands = tuple(command for command, _ in everything)
    ids = tuple(bytes([place]) * 32 for place in range(len(commands)))
    block = Block(1, START_MS, Sequence(1), commands, ids, bytes(32), bytes(32), b"", bytes(32))
    return DurableBlock(block, tuple(events for _, events in everything), ids, {})


def placed(
    *orders: NewOrder, account: Address = ALICE.address, events: tuple[Event, ...]
) -> tuple[Command, tuple[Event, ...]]:
    """Return an action of ``orders``, and what it did."""
    return PlaceOrders(account, account, 1, START_MS, bytes(65), (), orders), events


def stop(price: int, *, side: Side = Side.BUY, reduces: bool = False) -> NewOrder:
    """Return a stop at ``price``."""
    return NewOrder(
        BTC,
        side,
        OrderType.MARKET,
        Ticks(price),
        Lots(1),
        reduces,
        trigger=Trigger.STOP,
        trigger_price=Ticks(price),
    )


def limit(good_till: int) -> NewOrder:
    """Return an order with an end."""
    return NewOrder(BTC, Side.BUY, OrderType.GTC, Ticks(100), Lots(1), good_till=Millis(good_till))


def trigger_set(order_id: int, order: NewOrder, item: int = 0) -> TriggerSet:
    """Return the event that ``order`` waits."""
    return TriggerSet(
        item, OrderId(order_id), NO_CLIENT, ALICE.address, BTC, order.side, order.trigger,
        order.trigger_price, order.price, order.size,
    )  # fmt: skip


def accepted(order_id: int, order: NewOrder, item: int = 0) -> OrderAccepted:
    """Return the event that ``order`` arrived."""
    return OrderAccepted(
        item, OrderId(order_id), NO_CLIENT, ALICE.address, BTC, order.side, order.price, order.size
    )


def rested(order_id: int) -> OrderRested:
    """Return the event that an order rests."""
    return OrderRested(OrderId(order_id), ALICE.address, BTC, Side.BUY, Ticks(100), Lots(1))


def marked(price: int) -> tuple[Command, tuple[Event, ...]]:
    """Return a round that moved the mark."""
    return OracleRound(START_MS, ()), (MarkMoved(BTC, Ticks(price), START_MS),)


def switched(cancel_at: int, *, on_disconnect: bool) -> tuple[Command, tuple[Event, ...]]:
    """Return an action that set Alice's switch."""
    account = ALICE.address
    command = SetSwitch(account, account, 1, START_MS, bytes(65), Millis(cancel_at), on_disconnect)
    return command, (SwitchChanged(account, Millis(cancel_at), on_disconnect),)
