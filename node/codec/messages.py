"""What the node says over a WebSocket, as types; see ``node.codec.answers``.

Feeds are written by hand, once for all readers; tests hold what they say against these types.
"""

from typing import Literal

from msgspec import Struct

from node.codec.answers import (
    Account,
    BlockHead,
    BookAnswer,
    Decimal,
    FeeQuote,
    Hash,
    MarketAnswer,
    Natural,
    OpenOrderAnswer,
    PositionAnswer,
    Reason,
    Side,
)


class Hello(Struct, frozen=True):
    """The first message. ``challenge`` is what a log-in on this connection signs."""

    channel: Literal["hello"]
    version: Natural
    chain_id: Natural
    rollup: Account
    sequencer: Account
    markets: tuple[MarketAnswer, ...]
    challenge: Hash


# --- results --------------------------------------------------------------------------------------


class LoginResult(Struct, frozen=True, gc=False):
    """The account's feed is open to this connection; ``signer`` is who proved it."""

    account: str
    signer: Account


class ChannelResult(Struct, frozen=True, gc=False, omit_defaults=True):
    """The channel that was subscribed to, or no more.

    ``resumed``: the messages since ``since`` follow; otherwise where things stand comes first.
    """

    channel: str
    market: str | None = None
    account: Account | None = None
    interval: str | None = None
    resumed: bool | None = None


class PongResult(Struct, frozen=True, gc=False):
    """The node's clock."""

    time: Natural


# --- feeds ----------------------------------------------------------------------------------------


class BookMessage(BookAnswer, frozen=True):
    """A book whole (``snapshot``), or the new total size at each price that changed (``diff``).

    ``prev_seq`` is the ``seq`` of the message before: another one means that something is missing.
    """

    channel: Literal["book"]
    type: Literal["snapshot", "diff"]
    prev_seq: Natural


class Trade(Struct, frozen=True):
    """One fill."""

    price: Decimal
    size: Decimal
    taker_side: Side
    maker_order: Natural
    taker_order: Natural


class TradesMessage(Struct, frozen=True):
    """The fills of one block in one market."""

    channel: Literal["trades"]
    market: str
    seq: Natural
    trades: tuple[Trade, ...]


class Mark(Struct, frozen=True):
    """A mark price, and the time that its reporters signed."""

    price: Decimal
    time: Natural


class MarksMessage(Struct, frozen=True):
    """The marks of all markets that have one, by symbol."""

    channel: Literal["marks"]
    seq: Natural
    marks: dict[str, Mark]


class BlocksMessage(BlockHead, frozen=True):
    """The head of a durable block."""

    channel: Literal["blocks"]


class FinalityMessage(Struct, frozen=True):
    """How far the log has come on L1; each a sequence."""

    channel: Literal["finality"]
    posted: Natural
    safe: Natural
    final: Natural


class FeeMessage(FeeQuote, frozen=True):
    """The price of work, every half second."""

    channel: Literal["fee"]


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
    nonces: dict[str, int]


class AccountEvent(Struct, frozen=True, tag_field="event"):
    """Something that happened to an account."""


class PositionEvent(AccountEvent, frozen=True, tag="position"):
    """A position as it stands now."""

    market: str
    size: Decimal
    entry: Decimal
    margin: Decimal
    funding: Decimal


class AcceptedEvent(AccountEvent, frozen=True, tag="accepted"):
    """An order entered."""

    order_id: Natural
    client_id: Natural
    market: str
    side: Side
    price: Decimal
    size: Decimal


class RestedEvent(AccountEvent, frozen=True, tag="rested"):
    """What is left of an order rests."""

    order_id: Natural
    market: str
    side: Side
    price: Decimal
    remaining: Decimal


class CancelledEvent(AccountEvent, frozen=True, tag="cancelled"):
    """``remaining`` will not be filled; ``resting``: it stood in the book."""

    order_id: Natural
    client_id: Natural
    market: str
    side: Side
    price: Decimal
    remaining: Decimal
    reason: Reason
    resting: bool


class FilledEvent(AccountEvent, frozen=True, tag="filled"):
    """A fill; ``remaining`` of the order where the account is the maker."""

    role: Literal["maker", "taker"]
    order_id: Natural
    market: str
    side: Side
    price: Decimal
    size: Decimal
    fee: Decimal
    remaining: Decimal | None = None


class LiquidatedEvent(AccountEvent, frozen=True, tag="liquidated"):
    """A liquidation closed some of a position."""

    market: str
    closed: Decimal
    remaining: Decimal
    fee: Decimal
    shortfall: Decimal


class DeleveragedEvent(AccountEvent, frozen=True, tag="deleveraged"):
    """Some of a bankrupt position was handed over."""

    role: Literal["bankrupt", "counterparty"]
    market: str
    size: Decimal
    value: Decimal


class AgentEvent(AccountEvent, frozen=True, tag="agent"):
    """An agent may act until then."""

    agent: Account
    until: int


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
    | FilledEvent
    | LiquidatedEvent
    | DeleveragedEvent
    | AgentEvent
    | BalanceEvent
    | DepositedEvent
    | WithdrawalEvent
    | WorkEvent
)


class AccountUpdate(Struct, frozen=True):
    """What a block did to an account, as events in order: ``event`` names the kind."""

    channel: Literal["account"]
    type: Literal["update"]
    prev_seq: Natural
    account: Account
    seq: Natural
    events: tuple[Event, ...]
