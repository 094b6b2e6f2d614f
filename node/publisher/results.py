"""What became of each item of an action, as its sender is told.

Version 1 of the statuses; the list is closed, and a new one means a new version:

================  ===========================================================================
cancelled         a cancel: the order rests no more
resting           an order: it rests with ``remaining``; ``filled`` was taken on arrival
filled            an order: all of it was filled on arrival
partly_filled     an order: some of it was filled, the rest is gone (``reason``)
dropped           an order: nothing of it was filled, and it does not rest (``reason``)
done              any other action: it has applied as a whole
================  ===========================================================================

An item that could not apply stands as ``{"error": {…}}``. Cancels come first, in their order, then
orders. What is told is how things stood at the end of the action: an order that rested and was then
cancelled by a later one of the same action (``self_trade``) is ``dropped``.
"""

from binascii import hexlify
from typing import Any, Final, assert_never

import msgspec

from node.codec.json_errors import error_to_json
from node.types.commands import (
    AdjustMargin,
    ApproveAgent,
    CancelAll,
    Command,
    Deposit,
    Liquidate,
    OpenBlock,
    OracleRound,
    PlaceOrders,
    SettleFunding,
    Withdraw,
)
from node.types.durable import DurableBlock, Executed
from node.types.events import (
    CancelReason,
    Event,
    Filled,
    ItemRejected,
    MarkMoved,
    OrderAccepted,
    OrderCancelled,
    OrderRested,
    PositionChanged,
    WithdrawalOpened,
)
from node.types.feed_states import CANCEL_REASONS
from node.types.ids import ClientOrderId, OrderId, hex_from_address
from node.types.rules import Rules
from node.types.units import MONEY_DECIMALS, decimal_from_units

STATUSES: Final = ("cancelled", "resting", "filled", "partly_filled", "dropped", "done")
STATUSES_VERSION: Final = 1


class CancelResult(msgspec.Struct, frozen=True, gc=False):
    """A cancel that applied."""

    status: str
    order_id: OrderId


class OrderResult(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """An order that was accepted; ``filled`` and ``remaining`` are decimals in base units.

    ``filled + remaining`` is what was accepted: a reduce-only order is cut to what it can reduce.
    """

    status: str
    order_id: OrderId
    client_id: ClientOrderId
    filled: str
    remaining: str
    reason: str | None = None


class _Progress:
    """An order on its way through the events of its action, in lots."""

    __slots__ = ("accepted", "filled", "reason", "resting")

    def __init__(self, accepted: OrderAccepted) -> None:
        self.accepted = accepted
        self.filled = 0
        self.resting = False
        self.reason: str | None = None


class ResultWriter:
    """Writes the result of an executed command as JSON; keeps the last block's part of it."""

    __slots__ = ("_encode", "_last", "_lot_decimals", "_rules", "_tail")

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._lot_decimals = [market.lot_decimals for market in rules.markets]
        self._encode = msgspec.json.Encoder().encode
        self._last: DurableBlock | None = None
        self._tail = b""

    def write(self, executed: Executed) -> bytes:
        """Return the JSON body of the result, receipt included."""
        durable, index = executed.durable, executed.index
        block = durable.block
        if durable is not self._last:
            self._last, self._tail = durable, _receipt_tail(durable)
        results = self._encode(self.results(block.commands[index], executed.events))
        return (
            b'{"sequence":%d,"block":%d,"time":%d,"index":%d,"id":"0x%b","results":%b,'
            b'"receipt":{"link":"0x%b",%b}'
        ) % (
            executed.sequence,
            block.number,
            block.time,
            index,
            hexlify(block.ids[index]),
            results,
            hexlify(durable.links[index]),
            self._tail,
        )

    def results(self, command: Command, events: tuple[Event, ...]) -> list[Any]:
        """Return the result of each item of ``command``, which was accepted with ``events``."""
        match command:
            case PlaceOrders():
                return self._items(command, events)
            case CancelAll():
                orders = [event.order_id for event in events if isinstance(event, OrderCancelled)]
                return [{"status": "done", "cancelled": orders}]
            case AdjustMargin():
                return [self._margin(event) for event in events if type(event) is PositionChanged]
            case Withdraw():
                return [_withdrawal(event) for event in events if type(event) is WithdrawalOpened]
            case ApproveAgent():
                agent = hex_from_address(command.agent)
                return [{"status": "done", "agent": agent, "until": command.until}]
            case OracleRound():
                return [self._marks(events)]
            case OpenBlock() | Deposit() | SettleFunding() | Liquidate():
                return [{"status": "done"}]
            case _:
                assert_never(command)

    def _items(self, command: PlaceOrders, events: tuple[Event, ...]) -> list[Any]:
        cancels = len(command.cancels)
        results: list[Any] = [None] * (cancels + len(command.orders))
        cancelled: list[OrderId] = []
        orders: dict[OrderId, _Progress] = {}
        for event in events:
            kind = type(event)
            if kind is OrderAccepted:
                assert isinstance(event, OrderAccepted)
                orders[event.order_id] = _Progress(event)
            elif kind is Filled:
                assert isinstance(event, Filled)
                orders[event.taker_order].filled += event.size
            elif kind is OrderRested:
                assert isinstance(event, OrderRested)
                orders[event.order_id].resting = True
            elif kind is OrderCancelled:
                assert isinstance(event, OrderCancelled)
                _note_cancelled(event, orders, cancelled)
            elif kind is ItemRejected:
                assert isinstance(event, ItemRejected)
                fault = error_to_json(event.code, event.error, event.values)
                results[event.item] = {"error": fault}
        # Cancels come first and each that applied told of one order: they pair up in order.
        done = iter(cancelled)
        for item in range(cancels):
            if results[item] is None:
                results[item] = CancelResult("cancelled", next(done))
        for progress in orders.values():
            results[progress.accepted.item] = self._order(progress)
        return results

    def _order(self, progress: _Progress) -> OrderResult:
        accepted, filled = progress.accepted, progress.filled
        decimals = self._lot_decimals[accepted.market - 1]
        left = accepted.size - filled
        if not left:
            status = "filled"
        elif progress.resting:
            status = "resting"
        else:
            status = "partly_filled" if filled else "dropped"
        return OrderResult(
            status,
            accepted.order_id,
            accepted.client_id,
            decimal_from_units(filled, decimals),
            decimal_from_units(left, decimals),
            progress.reason,
        )

    def _margin(self, event: PositionChanged) -> dict[str, Any]:
        return {
            "status": "done",
            "market": self._rules.market(event.market).symbol,
            "margin": decimal_from_units(event.margin, MONEY_DECIMALS),
        }

    def _marks(self, events: tuple[Event, ...]) -> dict[str, Any]:
        marks = {}
        for event in events:
            if type(event) is MarkMoved:
                market = self._rules.market(event.market)
                marks[market.symbol] = decimal_from_units(event.price, market.tick_decimals)
        return {"status": "done", "marks": marks}


def _note_cancelled(
    event: OrderCancelled, orders: dict[OrderId, _Progress], cancelled: list[OrderId]
) -> None:
    """Count ``event`` to one of the action's own orders, or else to one of its cancels."""
    own = orders.get(event.order_id)
    if own is not None:
        own.resting = False
        own.reason = CANCEL_REASONS[event.reason]
    elif event.reason is CancelReason.BY_ACCOUNT:
        cancelled.append(event.order_id)


def _withdrawal(event: WithdrawalOpened) -> dict[str, Any]:
    amount = decimal_from_units(event.amount, MONEY_DECIMALS)
    return {"status": "done", "withdrawal_id": event.withdrawal_id, "amount": amount}


def _receipt_tail(durable: DurableBlock) -> bytes:
    """Return the part of a receipt that all commands of the block share."""
    block = durable.block
    return b'"hash":"0x%b","signature":"0x%b","number":%d,"first_sequence":%d,"count":%d}' % (
        hexlify(block.hash),
        hexlify(block.signature),
        block.number,
        block.first_sequence,
        len(block.commands),
    )
