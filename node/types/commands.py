"""What the log holds: commands, in one total order.

A command is either an *action* that a client signed (it keeps its signature: whoever rebuilds the
log checks it again) or comes from the exchange's own clocks and watchers. ``apply(state, command)``
is the only reader. Time enters the log with ``OpenBlock`` and nowhere else.
"""

from enum import IntEnum
from typing import Final

import msgspec

from node.types.ids import Address, ClientOrderId, MarketId, OrderId
from node.types.units import Lots, Millis, Money, Ticks


class Side(IntEnum):
    """Which side of the book an order stands on."""

    BUY = 0
    SELL = 1

    @property
    def opposite(self) -> "Side":
        """Return the other side."""
        return Side.SELL if self is Side.BUY else Side.BUY


class OrderType(IntEnum):
    """How long an order lives, and what it may do on arrival.

    GTC rests until filled or cancelled; IOC takes what it can and is gone; FOK takes all or
    nothing; POST_ONLY rests or is rejected; MARKET is an IOC whose price is only a protection:
    a buy's may lie above the price band, a sell's below it, and the band then takes its place.
    SLIDE is a POST_ONLY that would rather rest one tick before the best opposing price than be
    rejected.
    """

    GTC = 0
    IOC = 1
    FOK = 2
    POST_ONLY = 3
    MARKET = 4
    SLIDE = 5


POST_ONLY_TYPES: Final = (OrderType.POST_ONLY, OrderType.SLIDE)
"""What rests or is refused, and never takes on arrival."""


class SelfTrade(IntEnum):
    """What becomes of two orders of one account that would trade; the arriving one chooses.

    DECREMENT takes the smaller size off both, without a trade: the smaller order is gone.
    """

    CANCEL_MAKER = 0
    CANCEL_TAKER = 1
    CANCEL_BOTH = 2
    DECREMENT = 3


class Trigger(IntEnum):
    """What an order waits for before it arrives.

    A STOP follows the mark: a buy's is met at its price or above, a sell's at its price or below. A
    TAKE_PROFIT goes against it: a buy's is met at its price or below, a sell's at or above.
    """

    NONE = 0
    STOP = 1
    TAKE_PROFIT = 2


class NewOrder(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """An order as the client signed it; ``client_id`` 0 is none.

    ``good_till``: the block time from which on it is gone (0: never). With a ``trigger`` it waits
    until the mark reaches ``trigger_price``. ``group``: of two open orders of an account with the
    same number (0: none), the first that is filled, triggered or cancelled cancels the other.
    """

    market: MarketId
    side: Side
    type: OrderType
    price: Ticks
    size: Lots
    reduce_only: bool = False
    client_id: ClientOrderId = ClientOrderId(0)
    self_trade: SelfTrade = SelfTrade.CANCEL_MAKER
    good_till: Millis = Millis(0)
    trigger: Trigger = Trigger.NONE
    trigger_price: Ticks = Ticks(0)
    group: int = 0


class AmendOrder(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Changes an open order of ``market``, which keeps its ids; named as in ``CancelOrder``.

    ``size`` is the order's whole size, what is filled already included: a fill on the way cannot
    make it larger than its owner meant. ``trigger_price`` is of one that waits. 0 keeps that price,
    or the end: ``good_till`` moves an end, or sets one, and takes none away. The order keeps its
    place in the queue unless its price changes or its size grows.
    """

    market: MarketId
    price: Ticks
    size: Lots
    order_id: OrderId = OrderId(0)
    client_id: ClientOrderId = ClientOrderId(0)
    trigger_price: Ticks = Ticks(0)
    good_till: Millis = Millis(0)


class CancelOrder(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Names an open order by exactly one of its two ids; the other is 0."""

    order_id: OrderId = OrderId(0)
    client_id: ClientOrderId = ClientOrderId(0)


class Action(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=True):
    """What every signed action carries.

    ``signer`` is the recovered key: the account itself or one of its agents. ``nonce`` is used
    once by each signer, in any order within a window. ``expires`` is a point in time.
    ``signature`` is r (32 bytes), s (32, the lower half), parity (1: 0 or 1).
    """

    account: Address
    signer: Address
    nonce: int
    expires: Millis
    signature: bytes


class PlaceOrders(Action, frozen=True, gc=False, array_like=True, tag=1):
    """Cancels first, then amends, then orders, each with a result of its own.

    ``max_fee`` is the most that its signer pays for a unit of work; what only cancels or reduces
    is not charged, and needs none.
    """

    cancels: tuple[CancelOrder, ...]
    orders: tuple[NewOrder, ...]
    max_fee: Money = Money(0)
    amends: tuple[AmendOrder, ...] = ()


class CancelAll(Action, frozen=True, gc=False, array_like=True, tag=2):
    """Cancel every open order of the account in ``market`` (0: in all markets)."""

    market: MarketId


class AdjustMargin(Action, frozen=True, gc=False, array_like=True, tag=3):
    """Move ``amount`` from free collateral into a position's margin (negative: back)."""

    market: MarketId
    amount: Money


class Withdraw(Action, frozen=True, gc=False, array_like=True, tag=4):
    """Move free collateral into a withdrawal that the owner can claim on L1. Owner only."""

    amount: Money


class ApproveAgent(Action, frozen=True, gc=False, array_like=True, tag=5):
    """Let ``agent`` sign for the account until ``until`` (in the past: revoke). Owner only.

    0 revokes whatever the time, and waits with what reduces risk: see ``node.types.lanes``.
    """

    agent: Address
    until: Millis


class SetSwitch(Action, frozen=True, gc=False, array_like=True, tag=6):
    """Set the account's dead man's switch.

    From block time ``cancel_at`` on (0: never), and with ``on_disconnect`` when its last connection
    ends, all its open orders are cancelled, once.
    """

    cancel_at: Millis
    on_disconnect: bool = False


class OpenBlock(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=10):
    """Open block ``number`` at ``time``: the time of every command up to the next ``OpenBlock``.

    ``fee`` is the price of a unit of work in the block. ``lag`` is the age of the oldest command
    that was not final on L1, as the sequencer saw it; 0 where there was none.
    """

    number: int
    time: Millis
    fee: Money = Money(0)
    lag: Millis = Millis(0)


class Deposit(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=11):
    """Entry ``index`` of the L1 inbox: ``amount`` for ``account``."""

    index: int
    account: Address
    amount: Money


class PriceReport(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One reporter's signed prices of a round, one for each market, in ticks."""

    reporter: Address
    prices: tuple[Ticks, ...]
    signature: bytes


class OracleRound(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=12):
    """A quorum of reports for the moment ``time``; the mark becomes their lower median."""

    time: Millis
    reports: tuple[PriceReport, ...]


class SettleFunding(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=13):
    """Move the funding index of every market whose funding time has come."""


class Liquidate(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=14):
    """Check one position against its maintenance margin, exactly, and reduce it if it fails."""

    market: MarketId
    account: Address


class Expire(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=15):
    """Cancel what of ``account`` has run out: orders past their time; all, past its switch's."""

    account: Address


class TriggerOrder(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=16):
    """Check one waiting order against the mark, exactly, and let it arrive if it is met."""

    account: Address
    order_id: OrderId


class Disconnected(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=17):
    """The last connection of ``account`` has ended: cancel its orders, if its switch says so."""

    account: Address


class Uncross(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=18):
    """Let all that arrived in ``market`` during the block trade at one price (a batch auction)."""

    market: MarketId


SignedAction = PlaceOrders | CancelAll | AdjustMargin | Withdraw | ApproveAgent | SetSwitch
SystemCommand = (
    OpenBlock
    | Deposit
    | OracleRound
    | SettleFunding
    | Liquidate
    | Expire
    | TriggerOrder
    | Disconnected
    | Uncross
)
"""What comes from the exchange's own clocks and watchers, unsigned."""

Command = SignedAction | SystemCommand
