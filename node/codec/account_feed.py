"""What the channel ``account`` says, as types: an account as it stands, and what happens to it."""

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from node.codec.answers import (
    Account,
    Decimal,
    Natural,
    OpenOrderAnswer,
    OrderState,
    OrderTypeName,
    PositionAnswer,
    Reason,
    SelfTradeName,
    Side,
    SwitchAnswer,
)


class AccountSnapshot(Struct, frozen=True):
    """An account as it stands."""

    channel: Literal["account"]
    type: Literal["snapshot"]
    prev_seq: Natural
    account: Account
    seq: Natural
    free: Decimal
    reserved: Decimal
    positions: tuple[PositionAnswer, ...]
    orders: tuple[OpenOrderAnswer, ...]
    agents: dict[str, int]
    nonces: dict[str, int]
    switch: SwitchAnswer


class AccountEvent(Struct, frozen=True, tag_field="event"):
    """Something that happened to an account; command ``sequence`` made it."""

    sequence: Natural


class OrderEvent(AccountEvent, frozen=True):
    """Something that happened to an order: its ``state`` after it, and the lots still open.

    ``client_id`` is its account's own number for it, 0 where it gave none.
    """

    order_id: Natural
    client_id: Natural
    market: str
    side: Side
    price: Decimal
    state: OrderState
    remaining: Decimal


class PositionEvent(AccountEvent, frozen=True, tag="position"):
    """A position as it stands now."""

    market: str
    size: Decimal
    entry: Decimal
    margin: Decimal
    funding: Decimal


class EnteredEvent(OrderEvent, frozen=True):
    """An order entered, with the ``type`` that it was sent as.

    ``good_till``, ``group`` and ``self_trade`` are left out as in ``OpenOrderAnswer``.
    """

    size: Decimal
    type: OrderTypeName
    reduce_only: bool
    good_till: Natural = 0
    group: Natural = 0
    self_trade: SelfTradeName = "cancel_maker"


class AcceptedEvent(EnteredEvent, frozen=True, tag="accepted"):
    """An order arrived at the exchange."""


class RestedEvent(OrderEvent, frozen=True, tag="rested"):
    """What is left of an order rests."""


class CancelledEvent(OrderEvent, frozen=True, tag="cancelled"):
    """``remaining`` will not be filled; ``resting``: it stood in the book."""

    reason: Reason
    resting: bool


class AmendedEvent(OrderEvent, frozen=True, tag="amended"):
    """An order as it is now. Not ``resting``: it arrives anew. ``good_till`` 0: it has no end."""

    resting: bool
    good_till: Natural
    trigger_price: Decimal | UnsetType = UNSET


class WaitingEvent(EnteredEvent, frozen=True, kw_only=True, tag="waiting"):
    """An order waits until the mark comes to ``trigger_price``."""

    trigger: Literal["stop", "take_profit"]
    trigger_price: Decimal


class TriggeredEvent(OrderEvent, frozen=True, tag="triggered"):
    """An order that waited arrives at the exchange, for the mark has come to its price."""

    size: Decimal
    mark: Decimal


class FilledEvent(AccountEvent, frozen=True, tag="filled"):
    """A fill against ``counter_order``.

    What a liquidation took has ``order_id`` 0, and neither ``client_id`` nor a state.
    """

    role: Literal["maker", "taker"]
    order_id: Natural
    counter_order: Natural
    market: str
    side: Side
    price: Decimal
    size: Decimal
    fee: Decimal
    client_id: Natural | UnsetType = UNSET
    state: OrderState | UnsetType = UNSET
    remaining: Decimal | UnsetType = UNSET
    auction: bool = False


class LiquidatedEvent(AccountEvent, frozen=True, tag="liquidated"):
    """A liquidation closed some of a position."""

    market: str
    closed: Decimal
    remaining: Decimal
    fee: Decimal
    shortfall: Decimal


class DeleveragedEvent(AccountEvent, frozen=True, tag="deleveraged"):
    """Some of a bankrupt position was handed over, for ``value`` in all.

    ``side`` is what this account did, as of a fill; counterparty and bankrupt close a position.
    """

    role: Literal["bankrupt", "counterparty"]
    market: str
    side: Side
    size: Decimal
    value: Decimal


class AgentEvent(AccountEvent, frozen=True, tag="agent"):
    """An agent may act until then."""

    agent: Account
    until: int


class SwitchEvent(AccountEvent, frozen=True, tag="switch"):
    """The dead man's switch was set, or has done its work: see ``SwitchAnswer``."""

    cancel_at: Natural
    on_disconnect: bool


class BalanceEvent(AccountEvent, frozen=True, tag="balance"):
    """Free collateral, and what open orders reserve."""

    free: Decimal
    reserved: Decimal


class DepositedEvent(AccountEvent, frozen=True, tag="deposited"):
    """Money came in from L1."""

    index: Natural
    amount: Decimal


class WithdrawalEvent(AccountEvent, frozen=True, tag="withdrawal"):
    """A withdrawal was opened."""

    withdrawal_id: Natural
    amount: Decimal


class WorkEvent(AccountEvent, frozen=True, tag="work"):
    """Work was charged for."""

    units: Natural
    price: Decimal
    amount: Decimal


Event = (
    PositionEvent
    | AcceptedEvent
    | RestedEvent
    | CancelledEvent
    | AmendedEvent
    | WaitingEvent
    | TriggeredEvent
    | FilledEvent
    | LiquidatedEvent
    | DeleveragedEvent
    | AgentEvent
    | SwitchEvent
    | BalanceEvent
    | DepositedEvent
    | WithdrawalEvent
    | WorkEvent
)


class AccountUpdate(Struct, frozen=True):
    """What a block of ``time`` did to an account, as events in order: ``event`` names the kind."""

    channel: Literal["account"]
    type: Literal["update"]
    prev_seq: Natural
    account: Account
    seq: Natural
    time: Natural
    events: tuple[Event, ...]
