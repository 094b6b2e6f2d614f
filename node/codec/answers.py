"""What the node answers over REST, as types: the code writes them, the documents are made of them.

Prices, sizes and money are plain decimal strings; rates are millionths; times are milliseconds.
Hashes, ids and signatures are hex. Where a hot path writes the same bytes by hand (a result, a
book, an account), tests hold what it writes against the type here.
"""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from node.types.feed_states import FillStage

Decimal = Annotated[str, Meta(pattern=r"^-?[0-9]+(\.[0-9]+)?$")]
"""A plain decimal number, without exponent."""

Hex = Annotated[str, Meta(pattern=r"^0x([0-9a-f]{2})*$")]
Hash = Annotated[str, Meta(pattern=r"^0x[0-9a-f]{64}$")]
Account = Annotated[str, Meta(pattern=r"^0x[0-9a-f]{40}$")]
Natural = Annotated[int, Meta(ge=0)]

Side = Literal["buy", "sell"]
OrderTypeName = Literal["gtc", "ioc", "fok", "post_only", "market", "post_only_slide"]
"""The names of ``OrderType``."""

SelfTradeName = Literal["cancel_maker", "cancel_taker", "cancel_both", "decrement"]
"""The names of ``SelfTrade``."""

Reason = Literal[
    "by_account",
    "immediate_remainder",
    "self_trade",
    "margin",
    "reduce_only",
    "liquidation",
    "fill_limit",
    "expired",
    "switch",
    "disconnected",
    "one_cancels_other",
    "amended",
    "refused_on_arrival",
]
"""Why an order left the book, or never reached it: the names of ``CancelReason``."""

OrderState = Literal["waiting", "accepted", "resting", "partly_filled", "filled", "cancelled"]
"""How an order stands: ``ORDER_STATES``."""

ItemStatus = Literal[
    "cancelled",
    "amended",
    "waiting",
    "accepted",
    "resting",
    "filled",
    "partly_filled",
    "dropped",
]
"""What became of an order or an amend: ``node/publisher/item_results.py``."""


class ErrorBody(Struct, frozen=True):
    """One error: a stable code, the name that goes with it, and named values.

    docs/ERRORS.md says what each means. Prices, sizes, amounts and rates are decimal strings,
    markets symbols, times milliseconds, counts and ids integers, bytes hex. Of
    ``EveryItemRejected``, ``errors`` holds a body like this one for each item.
    """

    code: Natural
    name: str
    values: dict[str, Any]


class Failure(Struct, frozen=True):
    """What a request is answered with that failed; the same ``error`` over REST and WebSocket."""

    error: ErrorBody


# --- fees -----------------------------------------------------------------------------------------


class FeeQuote(Struct, frozen=True):
    """The price of a unit of work in a block now, and the highest it can be in so many seconds."""

    price: Decimal
    floor: Decimal
    ceiling: Decimal
    within: dict[str, Decimal]
    dearest: str | None
    backlogs: dict[str, dict[str, int]]


# --- books and accounts ---------------------------------------------------------------------------


class BookAnswer(Struct, frozen=True):
    """The total size at each price, best first, after the block that ends with ``seq``.

    ``checksum`` is that of the whole book, however few levels stand here: docs/FEEDS.md.
    """

    market: str
    seq: Natural
    checksum: Natural
    bids: tuple[tuple[Decimal, Decimal], ...]
    asks: tuple[tuple[Decimal, Decimal], ...]


class PositionAnswer(Struct, frozen=True):
    """Signed size, signed entry value, margin, and the funding index last settled at."""

    market: str
    size: Decimal
    entry: Decimal
    margin: Decimal
    funding: Decimal


class SwitchAnswer(Struct, frozen=True):
    """When all orders of the account are cancelled (0: never), and whether on a disconnect."""

    cancel_at: Natural
    on_disconnect: bool


class OpenOrderAnswer(Struct, frozen=True):
    """An order that rests or waits for its price; its whole size is ``filled`` and ``remaining``.

    ``type`` of one that rests is ``gtc`` or ``post_only``, of one that waits what it was sent as.
    ``good_till`` and ``group`` are left out where it has none, ``self_trade`` where it is the usual
    ``cancel_maker``, ``trigger`` and ``trigger_price`` where it does not wait.
    """

    order_id: Natural
    client_id: Natural
    market: str
    side: Side
    price: Decimal
    remaining: Decimal
    filled: Decimal
    type: OrderTypeName
    reduce_only: bool
    state: OrderState
    good_till: Natural = 0
    group: Natural = 0
    self_trade: SelfTradeName = "cancel_maker"
    trigger: Literal["stop", "take_profit"] | UnsetType = UNSET
    trigger_price: Decimal | UnsetType = UNSET


class OrdersAnswer(Struct, frozen=True):
    """The open orders of an account."""

    account: Account
    seq: Natural
    orders: tuple[OpenOrderAnswer, ...]


class AccountAnswer(OrdersAnswer, frozen=True):
    """An account as it stands; ``nonces`` are the highest that each signer used.

    ``agents`` may sign for it until the time that is told with each; past it, they may not.
    """

    free: Decimal
    reserved: Decimal
    positions: tuple[PositionAnswer, ...]
    agents: dict[str, int]
    nonces: dict[str, int]
    switch: SwitchAnswer


# --- what became of an action ---------------------------------------------------------------------


class CancelledItem(Struct, frozen=True, tag_field="status", tag="cancelled"):
    """A cancel that applied."""

    order_id: Natural


class OrderItem(Struct, frozen=True):
    """An order or an amend that applied; ``reason`` where some of it is gone.

    ``cancelled`` and ``amended`` are of amends alone. ``price`` is told of an order that slides.
    """

    status: ItemStatus
    order_id: Natural
    client_id: Natural
    filled: Decimal
    remaining: Decimal
    reason: Reason | None = None
    price: Decimal | None = None


class DoneItem(Struct, frozen=True, omit_defaults=True):
    """Any other action that applied, with what it names: agent, margin, switch or withdrawal."""

    status: Literal["done"]
    cancelled: tuple[int, ...] | None = None
    market: str | None = None
    margin: Decimal | None = None
    withdrawal_id: int | None = None
    amount: Decimal | None = None
    agent: Account | None = None
    until: int | None = None
    cancel_at: int | None = None
    on_disconnect: bool | None = None
    marks: dict[str, Decimal] | None = None


class ReceiptTail(Struct, frozen=True):
    """The sequencer's signature over the chain of the block's ids, and the action's place in it."""

    link: Hash
    hash: Hash
    signature: Hex
    number: Natural
    first_sequence: Natural
    count: Natural


class ActionResult(Struct, frozen=True):
    """What a durable action came to; ``results``: its cancels first, then amends, then orders.

    An item that could not apply has its error there, as in ``Failure``. All may: docs/PROTOCOL.md.
    ``repeated``: the action was sent again, and this is what it came to the first time.
    """

    sequence: Natural
    block: Natural
    time: Natural
    index: Natural
    id: Hash
    results: tuple[dict[str, Any], ...]
    receipt: ReceiptTail
    repeated: bool = False


# --- the log and L1 -------------------------------------------------------------------------------


class ReceiptAnswer(Struct, frozen=True):
    """A receipt with the ids that follow in its block: it can be checked without the node."""

    sequence: Natural
    number: Natural
    time: Natural
    first_sequence: Natural
    count: Natural
    id: Hash
    link: Hash
    following: tuple[Hash, ...]
    hash: Hash
    signature: Hex


class BlockHead(Struct, frozen=True):
    """The head of a block, as its hash and the sequencer's signature cover it."""

    number: Natural
    time: Natural
    first_sequence: Natural
    last_sequence: Natural
    parent: Hash
    hash: Hash
    signature: Hex


class BlockAnswer(BlockHead, frozen=True):
    """A block's head and the ids of its commands."""

    ids: tuple[Hash, ...]


class FinalityAnswer(Struct, frozen=True):
    """How sure a command is on L1, and how far L1 has come; each a sequence."""

    sequence: Natural
    status: FillStage
    sealed: Natural
    posted: Natural
    safe: Natural
    final: Natural


class WithdrawalAnswer(Struct, frozen=True):
    """The proof that claims a withdrawal on L1."""

    withdrawal_id: Natural
    batch: Natural
    key: Hash
    leaf: Hex
    bits: tuple[int, ...]
    siblings: tuple[Hash, ...]


class HealthAnswer(Struct, frozen=True):
    """Whether the node can do its work, and every reason why not."""

    status: Literal["ok", "unavailable"]
    reasons: tuple[str, ...]


class FaucetBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Who asks for test money."""

    account: str


class FaucetAnswer(Struct, frozen=True):
    """A deposit on L1, in its block ``block``: the exchange takes it in some blocks later.

    ``deposits``: so many does the inbox count with it. Once ``inbox_cursor`` of ``/stats`` has come
    there, the money is the account's.
    """

    account: Account
    amount: Decimal
    transaction: Hash
    block: Natural
    deposits: Natural
