"""What the node says over a WebSocket, as types; the account's are in ``account_feed``.

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
    Natural,
    OrderState,
    Reason,
    Side,
)
from node.codec.market_answers import FundingAnswer, MarketAnswer
from node.codec.tape_answers import CandlesAnswer, TradesAnswer
from node.types.feed_states import FillStage


class FeedStates(Struct, frozen=True):
    """The words that tell how orders and fills stand; one more makes another ``version``."""

    version: Natural
    orders: tuple[OrderState, ...]
    reasons: tuple[Reason, ...]
    fills: tuple[FillStage, ...]


class Hello(Struct, frozen=True):
    """The first message. ``challenge`` is what a log-in on this connection signs."""

    channel: Literal["hello"]
    version: Natural
    chain_id: Natural
    rollup: Account
    sequencer: Account
    markets: tuple[MarketAnswer, ...]
    states: FeedStates
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
    A large snapshot comes in ``parts``, numbered from 1, each with levels of its own.
    """

    channel: Literal["book"]
    type: Literal["snapshot", "diff"]
    prev_seq: Natural
    part: Natural | None = None
    parts: Natural | None = None


class OrdersSnapshot(Struct, frozen=True, tag_field="type", tag="snapshot"):
    """Every order of a book: id, price, what remains. A large one has ``parts``, as a book's."""

    channel: Literal["orders"]
    market: str
    seq: Natural
    prev_seq: Natural
    checksum: Natural
    bids: tuple[tuple[Natural, Decimal, Decimal], ...]
    asks: tuple[tuple[Natural, Decimal, Decimal], ...]
    part: Natural | None = None
    parts: Natural | None = None


class AddedOrder(Struct, frozen=True, tag_field="op", tag="add"):
    """An order that is in the book now, behind all others of its price."""

    order_id: Natural
    side: Side
    price: Decimal
    remaining: Decimal


class ChangedOrder(AddedOrder, frozen=True, tag="change"):
    """An order as it is now; where its ``priority`` is lost, it is behind all of its price."""

    priority: Literal["kept", "lost"]


class RemovedOrder(Struct, frozen=True, tag_field="op", tag="remove"):
    """An order that is in the book no more."""

    order_id: Natural


class OrdersDiff(Struct, frozen=True, tag_field="type", tag="diff"):
    """What a block changed in a book, in order; ``checksum`` is that of the book after it."""

    channel: Literal["orders"]
    market: str
    seq: Natural
    prev_seq: Natural
    checksum: Natural
    changes: tuple[AddedOrder | ChangedOrder | RemovedOrder, ...]


class BestMessage(Struct, frozen=True):
    """Price and total size of the best level of each side; null where the side is empty.

    Both are in every message. ``checksum`` is that of a book which has these levels alone.
    """

    channel: Literal["bbo"]
    type: Literal["snapshot", "diff"]
    market: str
    seq: Natural
    prev_seq: Natural
    checksum: Natural
    bid: tuple[Decimal, Decimal] | None
    ask: tuple[Decimal, Decimal] | None


class TradesMessage(TradesAnswer, frozen=True):
    """The last fills of a market (``snapshot``), or those of one block (``diff``)."""

    channel: Literal["trades"]
    type: Literal["snapshot", "diff"]
    prev_seq: Natural


class CandlesMessage(CandlesAnswer, frozen=True):
    """The last candles of a market (``snapshot``), or the newest as it is now (``diff``)."""

    channel: Literal["candles"]
    type: Literal["snapshot", "diff"]
    prev_seq: Natural


class Mark(Struct, frozen=True):
    """A mark price, the time that its reporters signed, and how the market stands with it."""

    price: Decimal
    time: Natural
    funding: FundingAnswer
    open_interest: Decimal


class MarksMessage(Struct, frozen=True):
    """The marks of all markets that have one, by symbol; after each round and move of funding."""

    channel: Literal["marks"]
    seq: Natural
    marks: dict[str, Mark]


class BlocksMessage(BlockHead, frozen=True):
    """The head of a durable block."""

    channel: Literal["blocks"]


class FinalityMessage(Struct, frozen=True):
    """How far the log has come on L1; each a sequence.

    ``count`` grows with every move of them, from the start of the node: a lower one is older.
    """

    channel: Literal["finality"]
    count: Natural
    sealed: Natural
    posted: Natural
    safe: Natural
    final: Natural


class FeeMessage(FeeQuote, frozen=True):
    """The price of work, at once and then every half second."""

    channel: Literal["fee"]
