"""The signed part of a batch: who signed, and what they asked for, as columns and back.

Each writer is mirrored by a reader. What a writer leaves out (a nonce or an id that counts up, a
price near the last one) the reader knows from what it has already read.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Final

from node.codec.columns import AddressBook, ColumnReader, Columns, Kind, one_key, require_within
from node.codec.ranges import MARKET_ID_MAX, MONEY_MAX
from node.codec.varint import deltas, undeltas, unzigzag, zigzag
from node.types.commands import (
    AdjustMargin,
    ApproveAgent,
    CancelAll,
    CancelOrder,
    Command,
    NewOrder,
    OrderType,
    PlaceOrders,
    Side,
    SignedAction,
    Withdraw,
)
from node.types.errors import BatchMalformed
from node.types.ids import Address, ClientOrderId, MarketId, OrderId
from node.types.units import UINT64_MAX, Lots, Millis, Money, Ticks

ACTION_KINDS: Final[dict[type[Command], Kind]] = {
    PlaceOrders: Kind.PLACE_ORDERS,
    CancelAll: Kind.CANCEL_ALL,
    AdjustMargin: Kind.ADJUST_MARGIN,
    Withdraw: Kind.WITHDRAW,
    ApproveAgent: Kind.APPROVE_AGENT,
}
_ACTIONS: Final[dict[int, Callable[..., SignedAction]]] = {
    Kind.PLACE_ORDERS: PlaceOrders,
    Kind.CANCEL_ALL: CancelAll,
    Kind.ADJUST_MARGIN: AdjustMargin,
    Kind.WITHDRAW: Withdraw,
    Kind.APPROVE_AGENT: ApproveAgent,
}

_Head = tuple[Address, Address, int, Millis, bytes]

_SECOND: Final = 1_000

_REDUCE_ONLY: Final = 1 << 4
_HAS_CLIENT_ID: Final = 1 << 5
_FORM_MAX: Final = (1 << 6) - 1
_ORDER_FORMS: Final = tuple(
    (Side(form & 1), OrderType(form >> 1 & 7), bool(form & _REDUCE_ONLY))
    if form >> 1 & 7 <= max(OrderType)
    else None
    for form in range(_FORM_MAX + 1)
)
"""Side, type and reduce-only of each form of an order; forms without a type are ``None``."""

_BY_ORDER_ID: Final = 1
_BY_CLIENT_ID: Final = 2


def write_actions(actions: Sequence[SignedAction], book: AddressBook, out: Columns) -> None:
    """Put all signed actions of a batch, in their order, into their columns of ``out``."""
    parties: dict[tuple[Address, Address], int] = {}
    out["action.party"] = [
        parties.setdefault((action.account, action.signer), len(parties)) for action in actions
    ]
    out["party.account"] = [book.place(account) for account, _ in parties]
    out["party.signer"] = [
        0 if signer == account else 1 + book.place(signer) for account, signer in parties
    ]
    signers = [action.signer for action in actions]
    out["action.nonce"] = deltas(signers, [action.nonce for action in actions], step=1)
    # Clients are asked for expiries on whole seconds: then this column is all zeros, and costs
    # nothing.
    seconds = [action.expires // _SECOND for action in actions]
    out["action.expires_seconds"] = deltas(one_key(len(actions)), seconds)
    out["action.expires_millis"] = [action.expires % _SECOND for action in actions]
    _write_places([action for action in actions if type(action) is PlaceOrders], out)
    _write_others(actions, book, out)


def read_actions(
    kinds: Sequence[int],
    addresses: Sequence[Address],
    signatures: Iterator[bytes],
    columns: ColumnReader,
) -> list[SignedAction]:
    """Return the actions of the ``kinds`` given, in that order. Raises ``BatchMalformed``."""
    heads = _read_heads(len(kinds), addresses, signatures, columns)
    makers = [head[0] for kind, head in zip(kinds, heads, strict=True) if kind == Kind.PLACE_ORDERS]
    cancel_alls = kinds.count(Kind.CANCEL_ALL)
    bodies: dict[int, Iterator[tuple[object, ...]]] = {
        Kind.PLACE_ORDERS: _read_places(makers, columns),
        Kind.CANCEL_ALL: zip(columns.take("cancel_all.market", cancel_alls, MARKET_ID_MAX)),
        Kind.ADJUST_MARGIN: _read_margins(kinds.count(Kind.ADJUST_MARGIN), columns),
        Kind.WITHDRAW: zip(columns.take("withdraw.amount", kinds.count(Kind.WITHDRAW), MONEY_MAX)),
        Kind.APPROVE_AGENT: _read_agents(kinds.count(Kind.APPROVE_AGENT), addresses, columns),
    }
    return [
        _ACTIONS[kind](*head, *next(bodies[kind])) for kind, head in zip(kinds, heads, strict=True)
    ]


def _read_heads(
    count: int, addresses: Sequence[Address], signatures: Iterator[bytes], columns: ColumnReader
) -> list[_Head]:
    parties = _read_parties(addresses, columns)
    places = columns.take("action.party", count, len(parties) - 1)
    accounts = [parties[place][0] for place in places]
    signers = [parties[place][1] for place in places]
    nonces = undeltas(signers, columns.take("action.nonce", count), step=1)
    require_within("action.nonce", nonces, 0, UINT64_MAX)
    seconds = undeltas(one_key(count), columns.take("action.expires_seconds", count))
    millis = columns.take("action.expires_millis", count, _SECOND - 1)
    expiries = [Millis(s * _SECOND + ms) for s, ms in zip(seconds, millis, strict=True)]
    require_within("action.expires_seconds", expiries, 0, UINT64_MAX)
    own = islice(signatures, count)
    return list(zip(accounts, signers, nonces, expiries, own, strict=True))


def _read_parties(
    addresses: Sequence[Address], columns: ColumnReader
) -> list[tuple[Address, Address]]:
    accounts = columns.all("party.account", len(addresses) - 1)
    signers = columns.take("party.signer", len(accounts), len(addresses))
    return [
        (addresses[account], addresses[signer - 1] if signer else addresses[account])
        for account, signer in zip(accounts, signers, strict=True)
    ]


def _write_places(actions: Sequence[PlaceOrders], out: Columns) -> None:
    out["place.cancels"] = [len(action.cancels) for action in actions]
    out["place.orders"] = [len(action.orders) for action in actions]
    # An account keeps its limit for a while; what only cancels often comes without one.
    payers = [(action.account, bool(action.orders)) for action in actions]
    out["place.max_fee"] = deltas(payers, [action.max_fee for action in actions])
    _write_cancels(
        [cancel for action in actions for cancel in action.cancels],
        [action.account for action in actions for _ in action.cancels],
        out,
    )
    _write_orders(
        [order for action in actions for order in action.orders],
        [action.account for action in actions for _ in action.orders],
        out,
    )


def _read_places(
    accounts: Sequence[Address], columns: ColumnReader
) -> Iterator[tuple[tuple[CancelOrder, ...], tuple[NewOrder, ...], Money]]:
    cancel_counts = columns.take("place.cancels", len(accounts))
    order_counts = columns.take("place.orders", len(accounts))
    payers = [(account, bool(count)) for account, count in zip(accounts, order_counts, strict=True)]
    limits = undeltas(payers, columns.take("place.max_fee", len(accounts)))
    require_within("place.max_fee", limits, 0, MONEY_MAX)
    cancels = iter(_read_cancels(_owners("cancel.form", accounts, cancel_counts, columns), columns))
    orders = iter(_read_orders(_owners("order.form", accounts, order_counts, columns), columns))
    return (
        (tuple(islice(cancels, cancel_count)), tuple(islice(orders, order_count)), Money(limit))
        for cancel_count, order_count, limit in zip(
            cancel_counts, order_counts, limits, strict=True
        )
    )


def _owners(
    name: str, accounts: Sequence[Address], counts: Sequence[int], columns: ColumnReader
) -> list[Address]:
    """Return the account of each row of the column ``name``, which must have so many rows."""
    # The column bounds the sum before anything of that size is built.
    if columns.length(name) != sum(counts):
        raise BatchMalformed(detail=f"{name}: {columns.length(name)} rows for {sum(counts)} items")
    return list(
        chain.from_iterable(
            [account] * count for account, count in zip(accounts, counts, strict=True)
        )
    )


def _write_cancels(cancels: Sequence[CancelOrder], owners: Sequence[Address], out: Columns) -> None:
    out["cancel.form"] = [
        bool(cancel.order_id) * _BY_ORDER_ID | bool(cancel.client_id) * _BY_CLIENT_ID
        for cancel in cancels
    ]
    for name, ids in (
        ("cancel.order_id", [cancel.order_id for cancel in cancels]),
        ("cancel.client_id", [cancel.client_id for cancel in cancels]),
    ):
        out[name] = _present_deltas(owners, ids)


def _read_cancels(owners: Sequence[Address], columns: ColumnReader) -> list[CancelOrder]:
    forms = columns.take("cancel.form", len(owners), _BY_ORDER_ID | _BY_CLIENT_ID)
    order_ids = _read_present("cancel.order_id", owners, forms, _BY_ORDER_ID, columns)
    client_ids = _read_present("cancel.client_id", owners, forms, _BY_CLIENT_ID, columns)
    return [
        CancelOrder(OrderId(order_id), ClientOrderId(client_id))
        for order_id, client_id in zip(order_ids, client_ids, strict=True)
    ]


def _write_orders(orders: Sequence[NewOrder], owners: Sequence[Address], out: Columns) -> None:
    out["order.market"] = [order.market for order in orders]
    out["order.form"] = forms = [
        order.side
        | order.type << 1
        | order.reduce_only * _REDUCE_ONLY
        | bool(order.client_id) * _HAS_CLIENT_ID
        for order in orders
    ]
    keys = _book_sides(out["order.market"], forms)
    out["order.price"] = deltas(keys, [order.price for order in orders])
    out["order.size"] = [order.size for order in orders]
    out["order.client_id"] = _present_deltas(owners, [order.client_id for order in orders])


def _read_orders(owners: Sequence[Address], columns: ColumnReader) -> list[NewOrder]:
    count = len(owners)
    markets = columns.take("order.market", count, MARKET_ID_MAX)
    forms = columns.take("order.form", count, _FORM_MAX)
    prices = undeltas(_book_sides(markets, forms), columns.take("order.price", count))
    require_within("order.price", prices, 0, UINT64_MAX)
    sizes = columns.take("order.size", count, UINT64_MAX)
    ids = _read_present("order.client_id", owners, forms, _HAS_CLIENT_ID, columns)
    orders = []
    for market, form, price, size, client_id in zip(
        markets, forms, prices, sizes, ids, strict=True
    ):
        meaning = _ORDER_FORMS[form]
        if meaning is None:
            raise BatchMalformed(detail=f"order.form: {form} names no type")
        side, order_type, reduce_only = meaning
        orders.append(
            NewOrder(
                MarketId(market),
                side,
                order_type,
                Ticks(price),
                Lots(size),
                reduce_only,
                ClientOrderId(client_id),
            )
        )
    return orders


def _book_sides(markets: Sequence[int], forms: Sequence[int]) -> list[int]:
    """Return one key for each order: prices lie close to others on the same side of a book."""
    return [market << 1 | form & 1 for market, form in zip(markets, forms, strict=True)]


def _present_deltas(owners: Iterable[Address], ids: Iterable[int]) -> list[int]:
    """Return the differences of the ids that are not zero, by account: ids count up."""
    present = [(owner, value) for owner, value in zip(owners, ids, strict=True) if value]
    return deltas([owner for owner, _ in present], [value for _, value in present], step=1)


def _read_present(
    name: str,
    owners: Sequence[Address],
    forms: Sequence[int],
    flag: int,
    columns: ColumnReader,
) -> list[int]:
    """Return an id for each row: 0 where the row's form lacks ``flag``."""
    keys = [owner for owner, form in zip(owners, forms, strict=True) if form & flag]
    values = undeltas(keys, columns.take(name, len(keys)), step=1)
    require_within(name, values, 1, UINT64_MAX)
    if len(keys) == len(forms):
        return values
    present = iter(values)
    return [next(present) if form & flag else 0 for form in forms]


def _write_others(actions: Sequence[SignedAction], book: AddressBook, out: Columns) -> None:
    margins = [action for action in actions if type(action) is AdjustMargin]
    agents = [action for action in actions if type(action) is ApproveAgent]
    out["cancel_all.market"] = [action.market for action in actions if type(action) is CancelAll]
    out["margin.market"] = [action.market for action in margins]
    out["margin.amount"] = [zigzag(action.amount) for action in margins]
    out["withdraw.amount"] = [action.amount for action in actions if type(action) is Withdraw]
    out["agent.address"] = [book.place(action.agent) for action in agents]
    out["agent.until"] = [action.until for action in agents]


def _read_margins(count: int, columns: ColumnReader) -> Iterator[tuple[MarketId, Money]]:
    markets = columns.take("margin.market", count, MARKET_ID_MAX)
    amounts = columns.take("margin.amount", count, zigzag(MONEY_MAX))
    return (
        (MarketId(market), Money(unzigzag(amount)))
        for market, amount in zip(markets, amounts, strict=True)
    )


def _read_agents(
    count: int, addresses: Sequence[Address], columns: ColumnReader
) -> Iterator[tuple[Address, Millis]]:
    places = columns.take("agent.address", count, len(addresses) - 1)
    untils = columns.take("agent.until", count, UINT64_MAX)
    return ((addresses[place], Millis(until)) for place, until in zip(places, untils, strict=True))
