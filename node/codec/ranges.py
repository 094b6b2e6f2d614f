"""What the protocol can carry: the range of every value in a command.

Signatures, the journal and the L1 batch hold the same values, so they share one set of ranges.
Money is held to 63 bits: 9.2 million million quote units, more than any chain will bring here.
"""

from typing import Final, assert_never

from node.types.commands import (
    Action,
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
    SignedAction,
    SystemCommand,
    TriggerOrder,
    Uncross,
    Withdraw,
)
from node.types.errors import ValueOutOfRange
from node.types.units import LAG_MAX, UINT64_MAX

MONEY_MAX: Final = 2**63 - 1
MARKET_ID_MAX: Final = 1_000
ADDRESS_BYTES: Final = 20
SIGNATURE_BYTES: Final = 65


def require_range(field: str, value: int, low: int, high: int) -> None:
    """Raise ``ValueOutOfRange`` with ``field``, ``low`` and ``high`` if ``value`` lies outside."""
    if not low <= value <= high:
        raise ValueOutOfRange(field=field, low=low, high=high)


def check_ranges(command: Command) -> None:
    """Raise ``ValueOutOfRange`` if a value of ``command`` cannot be carried.

    The enums are not looked at: no decoder lets a wrong one through.
    """
    if isinstance(command, Action):
        _check_head(command)
        _check_action(command)
    else:
        _check_system(command)


def _check_action(action: SignedAction) -> None:
    match action:
        case PlaceOrders():
            _check_items(action)
        case CancelAll():
            _market(action.market)
        case AdjustMargin():
            _market(action.market)
            require_range("amount", action.amount, -MONEY_MAX, MONEY_MAX)
        case Withdraw():
            require_range("amount", action.amount, 0, MONEY_MAX)
        case ApproveAgent():
            _length("agent", action.agent, ADDRESS_BYTES)
            _uint64("until", action.until)
        case SetSwitch():
            _uint64("cancel_at", action.cancel_at)
        case _:
            assert_never(action)


def _check_system(command: SystemCommand) -> None:
    match command:
        case OpenBlock():
            _uint64("number", command.number)
            _uint64("time", command.time)
            require_range("fee", command.fee, 0, MONEY_MAX)
            require_range("lag", command.lag, 0, LAG_MAX)
        case Deposit():
            _uint64("index", command.index)
            _length("account", command.account, ADDRESS_BYTES)
            require_range("amount", command.amount, 0, MONEY_MAX)
        case OracleRound():
            _check_round(command)
        case Liquidate():
            _market(command.market)
            _length("account", command.account, ADDRESS_BYTES)
        case Expire() | Disconnected():
            _length("account", command.account, ADDRESS_BYTES)
        case TriggerOrder():
            _length("account", command.account, ADDRESS_BYTES)
            _uint64("order_id", command.order_id)
        case Uncross():
            _market(command.market)
        case SettleFunding():
            pass
        case _:
            assert_never(command)


def _check_head(action: Action) -> None:
    _length("account", action.account, ADDRESS_BYTES)
    _length("signer", action.signer, ADDRESS_BYTES)
    _uint64("nonce", action.nonce)
    _uint64("expires", action.expires)
    _signature(action.signature)


def _check_items(action: PlaceOrders) -> None:
    require_range("max_fee", action.max_fee, 0, MONEY_MAX)
    for cancel in action.cancels:
        _uint64("order_id", cancel.order_id)
        _uint64("client_id", cancel.client_id)
    for amend in action.amends:
        _market(amend.market)
        _uint64("price", amend.price)
        _uint64("size", amend.size)
        _uint64("order_id", amend.order_id)
        _uint64("client_id", amend.client_id)
        _uint64("trigger_price", amend.trigger_price)
        _uint64("good_till", amend.good_till)
    for order in action.orders:
        _market(order.market)
        _uint64("price", order.price)
        _uint64("size", order.size)
        _uint64("client_id", order.client_id)
        # The plain order has none of these, and pays for one look instead of three calls.
        if order.good_till or order.trigger_price or order.group:
            _uint64("good_till", order.good_till)
            _uint64("trigger_price", order.trigger_price)
            _uint64("group", order.group)


def _check_round(command: OracleRound) -> None:
    _uint64("time", command.time)
    for report in command.reports:
        _length("reporter", report.reporter, ADDRESS_BYTES)
        _signature(report.signature)
        for price in report.prices:
            _uint64("price", price)


def _signature(signature: bytes) -> None:
    _length("signature", signature, SIGNATURE_BYTES)
    require_range("parity", signature[-1], 0, 1)


def _market(market: int) -> None:
    require_range("market", market, 0, MARKET_ID_MAX)


def _uint64(field: str, value: int) -> None:
    require_range(field, value, 0, UINT64_MAX)


def _length(field: str, value: bytes, length: int) -> None:
    if len(value) != length:
        raise ValueOutOfRange(field=field, low=length, high=length)
