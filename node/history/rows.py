"""Which rows each event makes: one function for each kind, in one table.

Nothing here knows a database, a clock or a thread. The same blocks in the same order give the same
rows, in however many groups they come: that is what a rebuild rests on.
"""

from typing import Final

from node.history.gathering import SIDES, Gathering, Handlers
from node.margin.realized import close, trade
from node.types.commands import Side
from node.types.events import (
    Deleveraged,
    Deposited,
    Filled,
    FundingMoved,
    Liquidated,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderRested,
    OrderTriggered,
    PositionChanged,
    TriggerSet,
    WithdrawalOpened,
    WorkCharged,
)
from node.types.history import Holder
from node.types.ids import hex_from_address


def _filled(rows: Gathering, event: Filled) -> None:
    value = event.price * event.size
    maker, taker = hex_from_address(event.maker), hex_from_address(event.taker)
    bought = event.size if event.taker_side is Side.BUY else -event.size
    rows.put(
        "fills",
        {
            "market": event.market,
            "price": event.price,
            "size": event.size,
            "value": value,
            "taker_side": SIDES[event.taker_side],
            "maker": maker,
            "taker": taker,
            "maker_order": event.maker_order,
            "taker_order": event.taker_order or None,
            "maker_fee": event.maker_fee,
            "taker_fee": event.taker_fee,
            "maker_realized": _realized(rows, (maker, int(event.market)), -bought, event.price),
            "taker_realized": _realized(rows, (taker, int(event.market)), bought, event.price),
            "auction": int(event.auction),
        },
    )
    rows.fill_order(event.maker_order, event.size, value, event.maker_fee, event.maker_remaining)
    if event.taker_order:
        left = rows.left_of(event.taker_order) - event.size
        rows.fill_order(event.taker_order, event.size, value, event.taker_fee, left)
    else:
        rows.add_to_liquidation({"value": value})


def _realized(rows: Gathering, holder: Holder, lots: int, price: int) -> int:
    """Return what ``lots`` (signed: + bought) realized for one side of a fill."""
    return rows.realize(holder, trade(*rows.standing(holder), lots, price))


def _position(rows: Gathering, event: PositionChanged) -> None:
    """Tell what the position was paid since it was last touched: it pays size × move of index."""
    before = rows.position_before((hex_from_address(event.account), int(event.market)))
    amount = 0 if before is None else -before.size * (event.funding - before.funding)
    if before is not None and amount:
        rows.put(
            "funding",
            {
                "account": hex_from_address(event.account),
                "market": event.market,
                "size": before.size,
                "from_index": before.funding,
                "to_index": event.funding,
                "amount": amount,
            },
        )
    rows.hold(event)


def _funding_moved(rows: Gathering, event: FundingMoved) -> None:
    rows.put(
        "funding_moves",
        {"market": event.market, "delta": event.delta, "funding_index": event.index},
    )


def _liquidated(rows: Gathering, event: Liquidated) -> None:
    """Tell of a liquidation; its fills and deleveragings, which follow, add what they brought."""
    account = hex_from_address(event.account)
    size, _ = rows.standing((account, int(event.market)))
    rows.liquidate(
        {
            "account": account,
            "market": event.market,
            "side": SIDES[Side.SELL if size > 0 else Side.BUY],
            "closed": event.closed,
            "value": 0,
            "deleveraged": 0,
            "deleveraged_value": 0,
            "remaining": event.remaining,
            "fee": event.fee,
            "shortfall": event.shortfall,
        }
    )


def _deleveraged(rows: Gathering, event: Deleveraged) -> None:
    """Tell of lots that were handed over: bankrupt and counterparty close them for one value."""
    account, counterparty = hex_from_address(event.account), hex_from_address(event.counterparty)
    bankrupt, other = (account, int(event.market)), (counterparty, int(event.market))
    size, entry = rows.standing(bankrupt)
    sold = event.size if size > 0 else -event.size
    received = event.value if size > 0 else -event.value
    rows.put(
        "deleveragings",
        {
            "account": account,
            "counterparty": counterparty,
            "market": event.market,
            "size": event.size,
            "value": event.value,
            "realized": rows.realize(bankrupt, close(size, entry, -sold, -received)),
            "counterparty_realized": rows.realize(
                other, close(*rows.standing(other), sold, received)
            ),
        },
    )
    rows.add_to_liquidation({"deleveraged": event.size, "deleveraged_value": event.value})


def _deposited(rows: Gathering, event: Deposited) -> None:
    _transfer(rows, "deposit", event.index, event)


def _withdrawal(rows: Gathering, event: WithdrawalOpened) -> None:
    _transfer(rows, "withdrawal", event.withdrawal_id, event)


def _transfer(rows: Gathering, kind: str, number: int, event: Deposited | WithdrawalOpened) -> None:
    rows.put(
        "transfers",
        {
            "kind": kind,
            "number": number,
            "account": hex_from_address(event.account),
            "amount": event.amount,
        },
    )


def _work(rows: Gathering, event: WorkCharged) -> None:
    rows.put(
        "work",
        {
            "account": hex_from_address(event.account),
            "units": event.units,
            "price": event.price,
            "amount": event.amount,
        },
    )


HANDLERS: Final[Handlers] = {
    Deleveraged: _deleveraged,
    Deposited: _deposited,
    Filled: _filled,
    FundingMoved: _funding_moved,
    Liquidated: _liquidated,
    OrderAccepted: Gathering.accept,
    OrderAmended: Gathering.amend,
    OrderCancelled: Gathering.cancel,
    OrderRested: Gathering.rest,
    OrderTriggered: Gathering.arrive,
    PositionChanged: _position,
    TriggerSet: Gathering.wait,
    WithdrawalOpened: _withdrawal,
    WorkCharged: _work,
}
"""What is recorded of each kind of event; a kind that is not here leaves no row."""
