"""The result of an executed command as JSON: what became of it, and the receipt for it.

What is told of the items of a bulk action is in ``item_results``.
"""

from binascii import hexlify
from typing import Any, assert_never

import msgspec

from node.publisher.item_results import ItemResults
from node.types.commands import (
    AdjustMargin,
    ApproveAgent,
    CancelAll,
    Command,
    Deposit,
    Disconnected,
    Expire,
    Liquidate,
    OpenBlock,
    OracleRound,
    PlaceOrders,
    SetSwitch,
    SettleFunding,
    TriggerOrder,
    Uncross,
    Withdraw,
)
from node.types.durable import DurableBlock, Executed
from node.types.events import (
    Event,
    MarkMoved,
    OrderCancelled,
    PositionChanged,
    WithdrawalOpened,
)
from node.types.ids import hex_from_address
from node.types.rules import Rules
from node.types.units import decimal_from_units, money_text


class ResultWriter:
    """Writes the result of an executed command as JSON; keeps the last block's part of it."""

    __slots__ = ("_encode", "_items", "_last", "_rules", "_tail")

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._items = ItemResults(rules)
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
                return self._items.results(command, events)
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
            case SetSwitch():
                switch = {"cancel_at": command.cancel_at, "on_disconnect": command.on_disconnect}
                return [{"status": "done", **switch}]
            case OracleRound():
                return [self._marks(events)]
            case (OpenBlock() | Deposit() | SettleFunding() | Liquidate()) | (
                Expire() | TriggerOrder() | Disconnected() | Uncross()
            ):
                return [{"status": "done"}]
            case _:
                assert_never(command)

    def _margin(self, event: PositionChanged) -> dict[str, Any]:
        return {
            "status": "done",
            "market": self._rules.market(event.market).symbol,
            "margin": money_text(event.margin),
        }

    def _marks(self, events: tuple[Event, ...]) -> dict[str, Any]:
        marks = {}
        for event in events:
            if type(event) is MarkMoved:
                market = self._rules.market(event.market)
                marks[market.symbol] = decimal_from_units(event.price, market.tick_decimals)
        return {"status": "done", "marks": marks}


def _withdrawal(event: WithdrawalOpened) -> dict[str, Any]:
    amount = money_text(event.amount)
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
