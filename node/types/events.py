"""What the transition says has happened. Events are derived from the log, never posted."""

from enum import IntEnum

import msgspec

from node.types.commands import Side, Trigger
from node.types.ids import Address, ClientOrderId, MarketId, OrderId
from node.types.units import Lots, Millis, Money, Ticks


class CancelReason(IntEnum):
    """Why an order left the book, or never reached it, without being filled."""

    BY_ACCOUNT = 0
    IMMEDIATE_REMAINDER = 1
    SELF_TRADE = 2
    MARGIN = 3
    REDUCE_ONLY = 4
    LIQUIDATION = 5
    FILL_LIMIT = 6
    EXPIRED = 7
    SWITCH = 8
    DISCONNECTED = 9
    ONE_CANCELS_OTHER = 10
    AMENDED = 11
    REFUSED_ON_ARRIVAL = 12
    """A waiting order was triggered, and broke a rule that every arriving order has to keep."""


class BlockOpened(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=1):
    """Block ``number`` stands at ``time``, charges ``fee`` a unit of work; ``lag``: see there."""

    number: int
    time: Millis
    fee: Money = Money(0)
    lag: Millis = Millis(0)


class Deposited(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=2):
    """``amount`` arrived from L1 (inbox entry ``index``)."""

    index: int
    account: Address
    amount: Money


class MarkMoved(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=3):
    """The mark of ``market`` is ``price`` since ``time`` (the oracle's time).

    ``variance`` is the market's volatility from then on; see ``node.margin.volatility``.
    """

    market: MarketId
    price: Ticks
    time: Millis
    variance: int = 0


class FundingMoved(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=4):
    """Longs owe ``delta`` money for each lot more than before; ``index`` is the running sum."""

    market: MarketId
    delta: int
    index: int


class OrderAccepted(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=5):
    """Item ``item`` of the action became order ``order_id``; its fills follow."""

    item: int
    order_id: OrderId
    client_id: ClientOrderId
    account: Address
    market: MarketId
    side: Side
    price: Ticks
    size: Lots


class OrderRested(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=6):
    """``remaining`` lots of the order now rest in the book at ``price``."""

    order_id: OrderId
    account: Address
    market: MarketId
    side: Side
    price: Ticks
    remaining: Lots


class OrderCancelled(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=7):
    """``remaining`` lots will not be filled. ``resting``: they stood in the book at ``price``."""

    order_id: OrderId
    client_id: ClientOrderId
    account: Address
    market: MarketId
    side: Side
    price: Ticks
    remaining: Lots
    reason: CancelReason
    resting: bool


class OrderAmended(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=18):
    """An open order changed, and keeps its ids: it was amended, or met one of its own account.

    It stood at ``price_before`` with ``remaining_before`` lots; both are 0 of an order that waits
    for its price, outside the book. ``resting``: it stands in the very place still, with
    ``remaining`` lots. Otherwise it left the book, to arrive at ``price`` with ``remaining`` lots;
    its fills follow, and ``OrderRested`` where it rests again.

    ``trigger_price`` is what it waits for (0: nothing), ``good_till`` when it ends (0: never), each
    as it is from now on.
    """

    order_id: OrderId
    client_id: ClientOrderId
    account: Address
    market: MarketId
    side: Side
    price_before: Ticks
    remaining_before: Lots
    price: Ticks
    remaining: Lots
    resting: bool
    trigger_price: Ticks
    good_till: Millis


class TriggerSet(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=19):
    """Item ``item`` of the action became order ``order_id``, which waits outside the book."""

    item: int
    order_id: OrderId
    client_id: ClientOrderId
    account: Address
    market: MarketId
    side: Side
    trigger: Trigger
    trigger_price: Ticks
    price: Ticks
    size: Lots


class OrderTriggered(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=20):
    """The mark reached the order's trigger price; it arrives now, and its fills follow."""

    order_id: OrderId
    account: Address
    market: MarketId
    side: Side
    price: Ticks
    size: Lots
    mark: Ticks


class SwitchChanged(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=21):
    """The account's dead man's switch stands so from now on; 0 and False: it is off."""

    account: Address
    cancel_at: Millis
    on_disconnect: bool


class Uncrossed(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=22):
    """An auction ended: ``size`` lots traded at ``price`` (0: none did); its fills follow."""

    market: MarketId
    price: Ticks
    size: Lots


class ItemRejected(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=8):
    """Item ``item`` of a bulk action (cancels counted first) could not apply."""

    item: int
    code: int
    error: str
    values: dict[str, object]


class Filled(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=9):
    """``size`` lots changed hands at ``price``; the maker's order has ``maker_remaining`` left.

    ``taker_order`` is 0 where a liquidation takes. In an ``auction`` neither side rests in the
    book: what rested has left it before, and the maker is the older of the two.
    """

    market: MarketId
    price: Ticks
    size: Lots
    maker_order: OrderId
    taker_order: OrderId
    maker: Address
    taker: Address
    taker_side: Side
    maker_remaining: Lots
    maker_fee: Money
    taker_fee: Money
    auction: bool = False


class PositionChanged(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=10):
    """The position as it stands now: signed lots, signed entry value, margin, funding index."""

    account: Address
    market: MarketId
    size: Lots
    entry: Money
    margin: Money
    funding: int


class BalanceChanged(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=11):
    """The account's free collateral and what its open orders reserve, after the command."""

    account: Address
    free: Money
    reserved: Money


class Liquidated(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=12):
    """``closed`` lots of a position that failed maintenance went into the book.

    ``fee`` went to the insurance fund, which paid ``shortfall``. ``remaining`` is signed.
    """

    account: Address
    market: MarketId
    closed: Lots
    remaining: Lots
    fee: Money
    shortfall: Money


class Deleveraged(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=13):
    """``size`` lots of a bankrupt position went to ``counterparty`` for ``value`` in all.

    Below zero where a short owed so much funding that no price above zero leaves it nothing owed.
    """

    account: Address
    counterparty: Address
    market: MarketId
    size: Lots
    value: Money


class WithdrawalOpened(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=14):
    """Withdrawal ``withdrawal_id`` stands in the state tree, to be claimed on L1."""

    withdrawal_id: int
    account: Address
    amount: Money


class AgentChanged(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=15):
    """``agent`` may act for ``account`` until ``until``."""

    account: Address
    agent: Address
    until: Millis


class WorkCharged(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=17):
    """``account`` paid ``amount`` for ``units`` of work at ``price`` each."""

    account: Address
    units: int
    price: Money
    amount: Money


class Rejected(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=16):
    """The whole command could not apply; nothing changed. ``code`` names the error."""

    code: int
    error: str
    values: dict[str, object]


Event = (
    BlockOpened
    | Deposited
    | MarkMoved
    | FundingMoved
    | OrderAccepted
    | OrderRested
    | OrderCancelled
    | ItemRejected
    | Filled
    | PositionChanged
    | BalanceChanged
    | Liquidated
    | Deleveraged
    | WithdrawalOpened
    | AgentChanged
    | WorkCharged
    | OrderAmended
    | TriggerSet
    | OrderTriggered
    | SwitchChanged
    | Uncrossed
    | Rejected
)
