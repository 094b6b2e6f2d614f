"""The events of the private feed: named objects with decimal strings, seen from one account."""

from collections.abc import Callable
from typing import Any

from node.codec.action_types import (
    ORDER_TYPE_NAMES,
    SELF_TRADE_NAMES,
    SIDE_NAMES,
    TRIGGER_NAMES,
)
from node.publisher.account_mirror import OpenOrder
from node.publisher.accounts import Happened
from node.types.commands import NewOrder
from node.types.events import (
    AgentChanged,
    BalanceChanged,
    Deleveraged,
    Deposited,
    Filled,
    Liquidated,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderRested,
    OrderTriggered,
    PositionChanged,
    SwitchChanged,
    TriggerSet,
    WithdrawalOpened,
    WorkCharged,
)
from node.types.feed_states import CANCEL_REASONS
from node.types.ids import Address, hex_from_address
from node.types.rules import MarketRules, Rules
from node.types.units import decimal_from_units, money_text

Fields = dict[str, Any]


class AccountEvents:
    """Names and shows events under one set of rules."""

    __slots__ = ("_rules", "_showers")

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._showers: dict[type, Callable[[Any, Address], Fields]] = {
            AgentChanged: _agent,
            BalanceChanged: _balance,
            Deleveraged: self._deleveraged,
            Deposited: _deposited,
            Filled: self._filled,
            Liquidated: self._liquidated,
            OrderAccepted: self._accepted,
            OrderAmended: self._amended,
            OrderCancelled: self._cancelled,
            OrderRested: self._rested,
            OrderTriggered: self._triggered,
            PositionChanged: self.position,
            SwitchChanged: _switch,
            TriggerSet: self._waiting,
            WithdrawalOpened: _withdrawal,
            WorkCharged: _work,
        }

    def show(self, happened: Happened, account: Address) -> Fields:
        """Return what an event means to ``account``, which it must touch."""
        event: Any = happened.event
        fields = self._showers[type(event)](event, account)
        fields["sequence"] = happened.sequence
        if happened.state:
            fields["client_id"] = happened.client_id
            fields["state"] = happened.state
            fields["remaining"] = _size(happened.left, self._rules.market(event.market))
        if happened.side is not None:
            fields["side"] = SIDE_NAMES[happened.side]
        if happened.new is not None:
            fields |= terms(happened.new)
        return fields

    def position(self, event: PositionChanged, _account: Address) -> Fields:
        """Return a position: signed size, entry value, margin, and the funding settled up to."""
        market = self._rules.market(event.market)
        return {
            "event": "position",
            "market": market.symbol,
            "size": _size(event.size, market),
            "entry": money_text(event.entry),
            "margin": money_text(event.margin),
            "funding": money_text(event.funding),
        }

    def _accepted(self, event: OrderAccepted, _account: Address) -> Fields:
        market = self._rules.market(event.market)
        return {
            "event": "accepted",
            "order_id": event.order_id,
            "market": market.symbol,
            "side": SIDE_NAMES[event.side],
            "price": _price(event.price, market),
            "size": _size(event.size, market),
        }

    def _rested(self, event: OrderRested, _account: Address) -> Fields:
        market = self._rules.market(event.market)
        return {
            "event": "rested",
            "order_id": event.order_id,
            "market": market.symbol,
            "side": SIDE_NAMES[event.side],
            "price": _price(event.price, market),
        }

    def _cancelled(self, event: OrderCancelled, _account: Address) -> Fields:
        market = self._rules.market(event.market)
        return {
            "event": "cancelled",
            "order_id": event.order_id,
            "market": market.symbol,
            "side": SIDE_NAMES[event.side],
            "price": _price(event.price, market),
            "reason": CANCEL_REASONS[event.reason],
            "resting": event.resting,
        }

    def _amended(self, event: OrderAmended, _account: Address) -> Fields:
        """Return what an order is now; ``resting`` false: it arrives anew, and fills follow."""
        market = self._rules.market(event.market)
        fields: Fields = {
            "event": "amended",
            "order_id": event.order_id,
            "market": market.symbol,
            "side": SIDE_NAMES[event.side],
            "price": _price(event.price, market),
            "resting": event.resting,
            "good_till": event.good_till,
        }
        if event.trigger_price:
            fields["trigger_price"] = _price(event.trigger_price, market)
        return fields

    def _waiting(self, event: TriggerSet, _account: Address) -> Fields:
        market = self._rules.market(event.market)
        return {
            "event": "waiting",
            "order_id": event.order_id,
            "market": market.symbol,
            "side": SIDE_NAMES[event.side],
            "trigger": TRIGGER_NAMES[event.trigger],
            "trigger_price": _price(event.trigger_price, market),
            "price": _price(event.price, market),
            "size": _size(event.size, market),
        }

    def _triggered(self, event: OrderTriggered, _account: Address) -> Fields:
        market = self._rules.market(event.market)
        return {
            "event": "triggered",
            "order_id": event.order_id,
            "market": market.symbol,
            "side": SIDE_NAMES[event.side],
            "price": _price(event.price, market),
            "size": _size(event.size, market),
            "mark": _price(event.mark, market),
        }

    def _filled(self, event: Filled, account: Address) -> Fields:
        market = self._rules.market(event.market)
        making = event.maker == account
        side = event.taker_side.opposite if making else event.taker_side
        fields: Fields = {
            "event": "filled",
            "role": "maker" if making else "taker",
            "order_id": event.maker_order if making else event.taker_order,
            "counter_order": event.taker_order if making else event.maker_order,
            "market": market.symbol,
            "side": SIDE_NAMES[side],
            "price": _price(event.price, market),
            "size": _size(event.size, market),
            "fee": money_text(event.maker_fee if making else event.taker_fee),
        }
        if event.auction:
            fields["auction"] = True
        return fields

    def _liquidated(self, event: Liquidated, _account: Address) -> Fields:
        market = self._rules.market(event.market)
        return {
            "event": "liquidated",
            "market": market.symbol,
            "closed": _size(event.closed, market),
            "remaining": _size(event.remaining, market),
            "fee": money_text(event.fee),
            "shortfall": money_text(event.shortfall),
        }

    def _deleveraged(self, event: Deleveraged, account: Address) -> Fields:
        market = self._rules.market(event.market)
        return {
            "event": "deleveraged",
            "role": "bankrupt" if event.account == account else "counterparty",
            "market": market.symbol,
            "size": _size(event.size, market),
            "value": money_text(event.value),
        }


def terms(order: NewOrder | OpenOrder) -> Fields:
    """Return of which kind an order is, and what most do not have.

    That is an end, a partner, and something else than the usual to do on meeting its own account.
    """
    fields: Fields = {"type": ORDER_TYPE_NAMES[order.type], "reduce_only": order.reduce_only}
    if order.good_till:
        fields["good_till"] = order.good_till
    if order.group:
        fields["group"] = order.group
    if order.self_trade:
        fields["self_trade"] = SELF_TRADE_NAMES[order.self_trade]
    return fields


def _agent(event: AgentChanged, _account: Address) -> Fields:
    return {"event": "agent", "agent": hex_from_address(event.agent), "until": event.until}


def _balance(event: BalanceChanged, _account: Address) -> Fields:
    return {
        "event": "balance",
        "free": money_text(event.free),
        "reserved": money_text(event.reserved),
    }


def _deposited(event: Deposited, _account: Address) -> Fields:
    return {"event": "deposited", "index": event.index, "amount": money_text(event.amount)}


def _withdrawal(event: WithdrawalOpened, _account: Address) -> Fields:
    return {
        "event": "withdrawal",
        "withdrawal_id": event.withdrawal_id,
        "amount": money_text(event.amount),
    }


def _switch(event: SwitchChanged, _account: Address) -> Fields:
    return {
        "event": "switch",
        "cancel_at": event.cancel_at,
        "on_disconnect": event.on_disconnect,
    }


def _work(event: WorkCharged, _account: Address) -> Fields:
    return {
        "event": "work",
        "units": event.units,
        "price": money_text(event.price),
        "amount": money_text(event.amount),
    }


def _price(price: int, market: MarketRules) -> str:
    return decimal_from_units(price, market.tick_decimals)


def _size(lots: int, market: MarketRules) -> str:
    return decimal_from_units(lots, market.lot_decimals)
