"""The items of a batch's bulk actions (cancels, amends, orders) as columns and back.

Each writer is mirrored by a reader, as in ``batch_actions``. What few items have costs the others
nothing: it has rows of its own, for the items that say so in their form.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from node.codec.columns import ColumnReader, Columns, one_key, require_within
from node.codec.ranges import MARKET_ID_MAX
from node.codec.varint import deltas, undeltas, unzigzag, zigzag
from node.types.commands import (
    AmendOrder,
    CancelOrder,
    NewOrder,
    OrderType,
    SelfTrade,
    Side,
    Trigger,
)
from node.types.errors import BatchMalformed
from node.types.ids import Address, ClientOrderId, MarketId, OrderId
from node.types.units import UINT64_MAX, Lots, Millis, Ticks

_BY_ORDER_ID: Final = 1
_BY_CLIENT_ID: Final = 2
_NAMED_MAX: Final = _BY_ORDER_ID | _BY_CLIENT_ID
_NEW_TRIGGER_PRICE: Final = 4
_NEW_END: Final = 8
_AMEND_FORM_MAX: Final = _NAMED_MAX | _NEW_TRIGGER_PRICE | _NEW_END

_REDUCE_ONLY: Final = 1 << 4
_HAS_CLIENT_ID: Final = 1 << 5
_HAS_EXTRAS: Final = 1 << 6
_FORM_MAX: Final = (1 << 7) - 1
_ORDER_FORMS: Final = tuple(
    (Side(form & 1), OrderType(form >> 1 & 7), bool(form & _REDUCE_ONLY))
    if form >> 1 & 7 <= max(OrderType)
    else None
    for form in range(_FORM_MAX + 1)
)
"""Side, type and reduce-only of each form of an order; forms without a type are ``None``."""

_HAS_GOOD_TILL: Final = 1 << 4
_HAS_TRIGGER_PRICE: Final = 1 << 5
_HAS_GROUP: Final = 1 << 6
_EXTRAS_MAX: Final = (1 << 7) - 1
_EXTRAS: Final = tuple(
    (SelfTrade(extras & 3), Trigger(extras >> 2 & 3)) if extras >> 2 & 3 <= max(Trigger) else None
    for extras in range(_EXTRAS_MAX + 1)
)
"""Self-trade and trigger of each sum of extras; sums without a trigger of this name: ``None``."""


def write_cancels(cancels: Sequence[CancelOrder], owners: Sequence[Address], out: Columns) -> None:
    """Put ``cancels``, each by the account of the same place, into their columns of ``out``."""
    out["cancel.form"] = [_names_of(cancel) for cancel in cancels]
    _write_names("cancel", cancels, owners, out)


def read_cancels(owners: Sequence[Address], columns: ColumnReader) -> list[CancelOrder]:
    """Return a cancel for each of ``owners``. Raises ``BatchMalformed``."""
    forms = columns.take("cancel.form", len(owners), _NAMED_MAX)
    return [CancelOrder(*ids) for ids in _read_names("cancel", owners, forms, columns)]


def write_amends(amends: Sequence[AmendOrder], owners: Sequence[Address], out: Columns) -> None:
    """Put ``amends``, each by the account of the same place, into their columns of ``out``."""
    out["amend.form"] = [
        _names_of(amend)
        | bool(amend.trigger_price) * _NEW_TRIGGER_PRICE
        | bool(amend.good_till) * _NEW_END
        for amend in amends
    ]
    _write_names("amend", amends, owners, out)
    out["amend.market"] = markets = [amend.market for amend in amends]
    out["amend.price"] = deltas(markets, [amend.price for amend in amends])
    out["amend.size"] = [amend.size for amend in amends]
    out["amend.trigger_price"] = _trigger_prices(amends)
    out["amend.good_till"] = _times(amends)


def read_amends(owners: Sequence[Address], columns: ColumnReader) -> list[AmendOrder]:
    """Return an amend for each of ``owners``. Raises ``BatchMalformed``."""
    count = len(owners)
    forms = columns.take("amend.form", count, _AMEND_FORM_MAX)
    names = _read_names("amend", owners, forms, columns)
    markets = columns.take("amend.market", count, MARKET_ID_MAX)
    prices = undeltas(markets, columns.take("amend.price", count))
    require_within("amend.price", prices, 0, UINT64_MAX)
    sizes = columns.take("amend.size", count, UINT64_MAX)
    trigger_prices = _read_trigger_prices("amend", prices, forms, _NEW_TRIGGER_PRICE, columns)
    times = _read_times("amend", forms, _NEW_END, columns)
    return [
        AmendOrder(
            MarketId(market),
            Ticks(price),
            Lots(size),
            order_id,
            client_id,
            Ticks(trigger_price),
            Millis(good_till),
        )
        for (order_id, client_id), market, price, size, trigger_price, good_till in zip(
            names, markets, prices, sizes, trigger_prices, times, strict=True
        )
    ]


def write_orders(orders: Sequence[NewOrder], owners: Sequence[Address], out: Columns) -> None:
    """Put ``orders``, each by the account of the same place, into their columns of ``out``."""
    extras = [_extras_of(order) for order in orders]
    out["order.market"] = [order.market for order in orders]
    out["order.form"] = forms = [
        order.side
        | order.type << 1
        | order.reduce_only * _REDUCE_ONLY
        | bool(order.client_id) * _HAS_CLIENT_ID
        | bool(extra) * _HAS_EXTRAS
        for order, extra in zip(orders, extras, strict=True)
    ]
    keys = _book_sides(out["order.market"], forms)
    out["order.price"] = deltas(keys, [order.price for order in orders])
    out["order.size"] = [order.size for order in orders]
    out["order.client_id"] = _present_deltas(owners, [order.client_id for order in orders])
    out["order.extras"] = [extra for extra in extras if extra]
    out["order.good_till"] = _times(orders)
    out["order.trigger_price"] = _trigger_prices(orders)
    # Both orders of a group have its number, and the next group has the next one.
    out["order.group"] = _present_deltas(owners, [order.group for order in orders], step=0)


def read_orders(owners: Sequence[Address], columns: ColumnReader) -> list[NewOrder]:
    """Return an order for each of ``owners``. Raises ``BatchMalformed``."""
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
    places = [place for place, form in enumerate(forms) if form & _HAS_EXTRAS]
    _read_extras(orders, places, owners, columns)
    return orders


def _extras_of(order: NewOrder) -> int:
    """Return what few orders have, as the sum of its flags; 0 for the plain order."""
    return (
        order.self_trade
        | order.trigger << 2
        | bool(order.good_till) * _HAS_GOOD_TILL
        | bool(order.trigger_price) * _HAS_TRIGGER_PRICE
        | bool(order.group) * _HAS_GROUP
    )


def _read_extras(
    orders: list[NewOrder], places: Sequence[int], owners: Sequence[Address], columns: ColumnReader
) -> None:
    """Give the orders at ``places`` what they have besides."""
    sums = columns.take("order.extras", len(places), _EXTRAS_MAX)
    require_within("order.extras", sums, 1, _EXTRAS_MAX)
    times = _read_times("order", sums, _HAS_GOOD_TILL, columns)
    prices = [orders[place].price for place in places]
    trigger_prices = _read_trigger_prices("order", prices, sums, _HAS_TRIGGER_PRICE, columns)
    accounts = [owners[place] for place in places]
    groups = _read_present("order.group", accounts, sums, _HAS_GROUP, columns, step=0)
    for place, extras, good_till, trigger_price, group in zip(
        places, sums, times, trigger_prices, groups, strict=True
    ):
        meaning = _EXTRAS[extras]
        if meaning is None:
            raise BatchMalformed(detail=f"order.extras: {extras} names no trigger")
        self_trade, trigger = meaning
        orders[place] = msgspec.structs.replace(
            orders[place],
            self_trade=self_trade,
            good_till=Millis(good_till),
            trigger=trigger,
            trigger_price=Ticks(trigger_price),
            group=group,
        )


def _times(items: Sequence[NewOrder] | Sequence[AmendOrder]) -> list[int]:
    times = [item.good_till for item in items if item.good_till]
    return deltas(one_key(len(times)), times)


def _read_times(name: str, forms: Sequence[int], flag: int, columns: ColumnReader) -> Sequence[int]:
    """Return the time of each row; 0 where the row's form lacks ``flag``."""
    return _read_present(f"{name}.good_till", one_key(len(forms)), forms, flag, columns, step=0)


def _trigger_prices(items: Sequence[NewOrder] | Sequence[AmendOrder]) -> list[int]:
    return [zigzag(item.trigger_price - item.price) for item in items if item.trigger_price]


def _read_trigger_prices(
    name: str, prices: Sequence[int], forms: Sequence[int], flag: int, columns: ColumnReader
) -> list[int]:
    """Return the trigger price of each row, measured from its price; 0 where it lacks ``flag``."""
    name = f"{name}.trigger_price"
    codes = iter(columns.take(name, sum(bool(form & flag) for form in forms)))
    values = [
        price + unzigzag(next(codes)) if form & flag else None
        for price, form in zip(prices, forms, strict=True)
    ]
    require_within(name, [value for value in values if value is not None], 1, UINT64_MAX)
    return [value or 0 for value in values]


def _book_sides(markets: Sequence[int], forms: Sequence[int]) -> list[int]:
    """Return one key for each order: prices lie close to others on the same side of a book."""
    return [market << 1 | form & 1 for market, form in zip(markets, forms, strict=True)]


def _names_of(item: CancelOrder | AmendOrder) -> int:
    return bool(item.order_id) * _BY_ORDER_ID | bool(item.client_id) * _BY_CLIENT_ID


def _write_names(
    name: str,
    items: Sequence[CancelOrder] | Sequence[AmendOrder],
    owners: Sequence[Address],
    out: Columns,
) -> None:
    """Put the ids by which ``items`` name their orders into the columns of ``name``."""
    out[f"{name}.order_id"] = _present_deltas(owners, [item.order_id for item in items])
    out[f"{name}.client_id"] = _present_deltas(owners, [item.client_id for item in items])


def _read_names(
    name: str, owners: Sequence[Address], forms: Sequence[int], columns: ColumnReader
) -> Iterator[tuple[OrderId, ClientOrderId]]:
    order_ids = _read_present(f"{name}.order_id", owners, forms, _BY_ORDER_ID, columns)
    client_ids = _read_present(f"{name}.client_id", owners, forms, _BY_CLIENT_ID, columns)
    return (
        (OrderId(order_id), ClientOrderId(client_id))
        for order_id, client_id in zip(order_ids, client_ids, strict=True)
    )


def _present_deltas(keys: Iterable[object], values: Iterable[int], step: int = 1) -> list[int]:
    """Return the differences of the values that are not zero, by key. Most ids count up."""
    present = [(key, value) for key, value in zip(keys, values, strict=True) if value]
    return deltas([key for key, _ in present], [value for _, value in present], step=step)


def _read_present(
    name: str,
    keys: Iterable[object],
    forms: Sequence[int],
    flag: int,
    columns: ColumnReader,
    step: int = 1,
) -> list[int]:
    """Return a value for each row: 0 where the row's form lacks ``flag``."""
    present_keys = [key for key, form in zip(keys, forms, strict=True) if form & flag]
    values = undeltas(present_keys, columns.take(name, len(present_keys)), step=step)
    require_within(name, values, 1, UINT64_MAX)
    if len(present_keys) == len(forms):
        return values
    present = iter(values)
    return [next(present) if form & flag else 0 for form in forms]
