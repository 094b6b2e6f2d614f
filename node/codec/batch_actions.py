"""The signed part of a batch: who signed, and what they asked for, as columns and back.

Each writer is mirrored by a reader. What a writer leaves out (a nonce or an id that counts up, a
price near the last one) the reader knows from what it has already read.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, chain, groupby, islice, pairwise
from operator import itemgetter
from typing import Final

from node.codec.batch_items import (
    read_amends,
    read_cancels,
    read_orders,
    write_amends,
    write_cancels,
    write_orders,
)
from node.codec.columns import AddressBook, ColumnReader, Columns, Kind, one_key, require_within
from node.codec.ranges import MARKET_ID_MAX, MONEY_MAX
from node.codec.varint import deltas, undeltas, unzigzag, zigzag
from node.types.commands import (
    AdjustMargin,
    AmendOrder,
    ApproveAgent,
    CancelAll,
    CancelOrder,
    Command,
    NewOrder,
    PlaceOrders,
    SetSwitch,
    SignedAction,
    Withdraw,
)
from node.types.errors import BatchMalformed
from node.types.ids import Address, MarketId
from node.types.units import MS_PER_S, UINT64_MAX, Millis, Money

ACTION_KINDS: Final[dict[type[Command], Kind]] = {
    PlaceOrders: Kind.PLACE_ORDERS,
    CancelAll: Kind.CANCEL_ALL,
    AdjustMargin: Kind.ADJUST_MARGIN,
    Withdraw: Kind.WITHDRAW,
    ApproveAgent: Kind.APPROVE_AGENT,
    SetSwitch: Kind.SET_SWITCH,
}
_ACTIONS: Final[dict[int, Callable[..., SignedAction]]] = {
    Kind.PLACE_ORDERS: PlaceOrders,
    Kind.CANCEL_ALL: CancelAll,
    Kind.ADJUST_MARGIN: AdjustMargin,
    Kind.WITHDRAW: Withdraw,
    Kind.APPROVE_AGENT: ApproveAgent,
    Kind.SET_SWITCH: SetSwitch,
}

_Head = tuple[Address, Address, int, Millis, bytes]
_Place = tuple[tuple[CancelOrder, ...], tuple[NewOrder, ...], Money, tuple[AmendOrder, ...]]


_ON_DISCONNECT: Final = 1
_HAS_TIME: Final = 2
_SWITCH_MAX: Final = _ON_DISCONNECT | _HAS_TIME


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
    seconds = [action.expires // MS_PER_S for action in actions]
    out["action.expires_seconds"] = deltas(one_key(len(actions)), seconds)
    out["action.expires_millis"] = [action.expires % MS_PER_S for action in actions]
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
    switched = [head[3] for kind, head in zip(kinds, heads, strict=True) if kind == Kind.SET_SWITCH]
    cancel_alls = kinds.count(Kind.CANCEL_ALL)
    bodies: dict[int, Iterator[tuple[object, ...]]] = {
        Kind.PLACE_ORDERS: _read_places(makers, columns),
        Kind.CANCEL_ALL: zip(columns.take("cancel_all.market", cancel_alls, MARKET_ID_MAX)),
        Kind.ADJUST_MARGIN: _read_margins(kinds.count(Kind.ADJUST_MARGIN), columns),
        Kind.WITHDRAW: zip(columns.take("withdraw.amount", kinds.count(Kind.WITHDRAW), MONEY_MAX)),
        Kind.APPROVE_AGENT: _read_agents(kinds.count(Kind.APPROVE_AGENT), addresses, columns),
        Kind.SET_SWITCH: _read_switches(switched, columns),
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
    millis = columns.take("action.expires_millis", count, MS_PER_S - 1)
    expiries = [Millis(s * MS_PER_S + ms) for s, ms in zip(seconds, millis, strict=True)]
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
    # Few actions amend, so that amends name their action, and the others need not say that they
    # have none.
    amenders = [place for place, action in enumerate(actions) for _ in action.amends]
    out["amend.action"] = [place - last for last, place in pairwise((0, *amenders))]
    # An account keeps its limit for a while; what only cancels often comes without one.
    payers = [(action.account, bool(action.orders or action.amends)) for action in actions]
    out["place.max_fee"] = deltas(payers, [action.max_fee for action in actions])
    write_cancels(
        [cancel for action in actions for cancel in action.cancels],
        [action.account for action in actions for _ in action.cancels],
        out,
    )
    write_amends(
        [amend for action in actions for amend in action.amends],
        [action.account for action in actions for _ in action.amends],
        out,
    )
    write_orders(
        [order for action in actions for order in action.orders],
        [action.account for action in actions for _ in action.orders],
        out,
    )


def _read_places(accounts: Sequence[Address], columns: ColumnReader) -> Iterator[_Place]:
    cancel_counts = columns.take("place.cancels", len(accounts))
    order_counts = columns.take("place.orders", len(accounts))
    amends = _read_amends_of(accounts, columns)
    payers = [
        (account, bool(count or amended))
        for account, count, amended in zip(accounts, order_counts, amends, strict=True)
    ]
    limits = undeltas(payers, columns.take("place.max_fee", len(accounts)))
    require_within("place.max_fee", limits, 0, MONEY_MAX)
    cancels = iter(read_cancels(_owners("cancel.form", accounts, cancel_counts, columns), columns))
    orders = iter(read_orders(_owners("order.form", accounts, order_counts, columns), columns))
    return (
        (
            tuple(islice(cancels, cancel_count)),
            tuple(islice(orders, order_count)),
            Money(limit),
            amended,
        )
        for cancel_count, order_count, limit, amended in zip(
            cancel_counts, order_counts, limits, amends, strict=True
        )
    )


def _read_amends_of(
    accounts: Sequence[Address], columns: ColumnReader
) -> list[tuple[AmendOrder, ...]]:
    """Return the amends of each action; ``accounts`` are those of the actions."""
    places = list(accumulate(columns.all("amend.action")))
    if places and places[-1] >= len(accounts):
        raise BatchMalformed(detail=f"amend.action: action {places[-1]} of {len(accounts)}")
    amended: list[tuple[AmendOrder, ...]] = [()] * len(accounts)
    amends = zip(places, read_amends([accounts[place] for place in places], columns), strict=True)
    for place, own in groupby(amends, key=itemgetter(0)):
        amended[place] = tuple(amend for _, amend in own)
    return amended


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


def _write_others(actions: Sequence[SignedAction], book: AddressBook, out: Columns) -> None:
    margins = [action for action in actions if type(action) is AdjustMargin]
    agents = [action for action in actions if type(action) is ApproveAgent]
    out["cancel_all.market"] = [action.market for action in actions if type(action) is CancelAll]
    out["margin.market"] = [action.market for action in margins]
    out["margin.amount"] = [zigzag(action.amount) for action in margins]
    out["withdraw.amount"] = [action.amount for action in actions if type(action) is Withdraw]
    out["agent.address"] = [book.place(action.agent) for action in agents]
    out["agent.until"] = [action.until for action in agents]
    switches = [action for action in actions if type(action) is SetSwitch]
    out["switch.form"] = [
        action.on_disconnect * _ON_DISCONNECT | bool(action.cancel_at) * _HAS_TIME
        for action in switches
    ]
    # Who sets it again and again sets both times equally far ahead.
    out["switch.cancel_at"] = [
        zigzag(action.cancel_at - action.expires) for action in switches if action.cancel_at
    ]


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


def _read_switches(
    expiries: Sequence[Millis], columns: ColumnReader
) -> Iterator[tuple[Millis, bool]]:
    """Return what each switch is set to; ``expiries`` are those of the actions."""
    forms = columns.take("switch.form", len(expiries), _SWITCH_MAX)
    count = sum(bool(form & _HAS_TIME) for form in forms)
    codes = iter(columns.take("switch.cancel_at", count))
    times = [
        expires + unzigzag(next(codes)) if form & _HAS_TIME else None
        for expires, form in zip(expiries, forms, strict=True)
    ]
    require_within("switch.cancel_at", [time for time in times if time is not None], 1, UINT64_MAX)
    return (
        (Millis(time or 0), bool(form & _ON_DISCONNECT))
        for time, form in zip(times, forms, strict=True)
    )
