"""Crossing: an arriving order takes what the other side of the book offers at its price.

Matching proposes each fill to a *judge*, who settles it or says whose fault it is that it cannot
be. In the exchange the judge is margin; in an engine-only replay it merely takes notes.
"""

from enum import IntEnum
from typing import Final, Protocol

from node.matching.book import Book, Order
from node.types.commands import Side
from node.types.events import CancelReason
from node.types.units import Lots, Ticks


class Stop(IntEnum):
    """Why crossing ended."""

    FILLED = 0
    NO_CROSS = 1
    FILL_LIMIT = 2
    TAKER_OUT = 3


class Verdict(IntEnum):
    """What ``Judge.settle`` returns in place of a positive number of lots."""

    MAKER_LACKS_MARGIN = 0
    TAKER_OUT = -1
    MAKER_CANNOT_REDUCE = -2


class Judge(Protocol):
    """Who decides whether a proposed fill may happen; to settle one must not change the book."""

    def settle(self, maker: Order, price: Ticks, size: Lots) -> int:
        """Settle up to ``size`` lots at ``price`` and return how many, or a ``Verdict``.

        ``maker`` still rests with its whole ``remaining``; the book takes the returned lots off
        after the call. Fewer lots than offered do not end the crossing: it comes back for the rest.
        """
        ...

    def dropped(self, maker: Order, reason: CancelReason) -> None:
        """Take note that ``maker`` has just left the book with ``remaining`` lots unfilled.

        Here the judge may take further orders out of the book.
        """
        ...


_REASON_OF_VERDICT: Final = {
    Verdict.MAKER_LACKS_MARGIN: CancelReason.MARGIN,
    Verdict.MAKER_CANNOT_REDUCE: CancelReason.REDUCE_ONLY,
}

# A name of this module is found several times faster than a member of an enum class.
_BUY: Final = Side.BUY
_FILLED: Final = Stop.FILLED
_NO_CROSS: Final = Stop.NO_CROSS


def cross(book: Book, taker: Order, max_fills: int, judge: Judge) -> Stop:
    """Fill ``taker`` from the book as far as its price reaches; say why that ended.

    ``taker.remaining`` goes down with each fill; the taker itself is not added to the book. Each
    fill and each maker that leaves unfilled is a step, and there are at most ``max_fills`` steps.
    A maker of the taker's own account is cancelled, never traded with.
    """
    buying, limit = taker.side is _BUY, taker.price
    ladder = book.asks if buying else book.bids
    for _ in range(max_fills):
        level = ladder.best
        if level is None:
            return _NO_CROSS
        price = level.price
        if price > limit if buying else price < limit:
            return _NO_CROSS
        maker, wanted = level.first, taker.remaining
        assert maker is not None
        if maker.account == taker.account:
            _drop(book, maker, CancelReason.SELF_TRADE, judge)
            continue
        offered = maker.remaining
        size = offered if offered < wanted else wanted
        settled = judge.settle(maker, price, size)
        if settled > 0:
            assert settled <= size
            book.reduce(maker, settled)
            taker.remaining = wanted - settled  # type: ignore[assignment]  # Lots() costs a call.
            if settled == wanted:
                return _FILLED
        elif settled == Verdict.TAKER_OUT:
            return Stop.TAKER_OUT
        else:
            _drop(book, maker, _REASON_OF_VERDICT[Verdict(settled)], judge)
    return Stop.FILL_LIMIT if crosses(book, taker) else _NO_CROSS


def crosses(book: Book, taker: Order) -> bool:
    """Return whether ``taker`` would meet a resting order at its price."""
    if taker.side is _BUY:
        ask = book.asks.best
        return ask is not None and ask.price <= taker.price
    bid = book.bids.best
    return bid is not None and bid.price >= taker.price


def _drop(book: Book, maker: Order, reason: CancelReason, judge: Judge) -> None:
    book.remove(maker)
    judge.dropped(maker, reason)
