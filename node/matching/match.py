"""Crossing: an arriving order takes what the other side of the book offers at its price.

Matching proposes each fill to a *judge*, who settles it or says whose fault it is that it cannot
be. In the exchange the judge is margin; in an engine-only replay it merely takes notes.
"""

from enum import IntEnum
from itertools import islice
from typing import Final, Protocol

from node.matching.book import Book, Order
from node.types.commands import SelfTrade, Side
from node.types.events import CancelReason
from node.types.units import Lots, Ticks


class Stop(IntEnum):
    """Why crossing ended."""

    FILLED = 0
    NO_CROSS = 1
    FILL_LIMIT = 2
    TAKER_OUT = 3
    SELF_TRADE = 4


class Verdict(IntEnum):
    """What ``Judge.settle`` returns in place of a positive number of lots."""

    MAKER_LACKS_MARGIN = 0
    TAKER_OUT = -1
    MAKER_CANNOT_REDUCE = -2
    MAKER_BEATEN = -3
    """The other order of its group has been filled: it is as good as cancelled."""


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

    def shrinks(self, maker: Order, left: int) -> None:
        """Let ``maker`` keep ``left`` lots, fewer than it has, without a trade.

        The book takes the others off after the call.
        """
        ...


_REASON_OF_VERDICT: Final = {
    Verdict.MAKER_LACKS_MARGIN: CancelReason.MARGIN,
    Verdict.MAKER_CANNOT_REDUCE: CancelReason.REDUCE_ONLY,
    Verdict.MAKER_BEATEN: CancelReason.ONE_CANCELS_OTHER,
}

# A name of this module is found several times faster than a member of an enum class.
_BUY: Final = Side.BUY
_FILLED: Final = Stop.FILLED
_NO_CROSS: Final = Stop.NO_CROSS


def cross(
    book: Book, taker: Order, max_fills: int, judge: Judge, now: int = 0, least: int = 0
) -> Stop:
    """Fill ``taker`` from the book as far as its price reaches; say why that ended.

    ``taker.remaining`` goes down with each fill; the taker itself is not added to the book. Each
    fill and each maker that leaves unfilled is a step, and there are at most ``max_fills`` steps.
    A maker that is dead at the time ``now`` leaves. One of the taker's own account is never traded
    with: ``taker.self_trade`` says what becomes of the two, and leaves neither with less than
    ``least`` in price x lots.
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
        if maker.good_till and maker.good_till <= now:
            _drop(book, maker, CancelReason.EXPIRED, judge)
            continue
        if maker.account == taker.account:
            if _meets_own(book, taker, maker, judge, least):
                return Stop.SELF_TRADE
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


def first_living(book: Book, side: Side, now: int, most: int) -> Order | None:
    """Return the first order of ``side`` that is not dead, if it is among the first ``most``."""
    for order in islice(book.orders(side), most):
        if not 0 < order.good_till <= now:
            return order
    return None


def _meets_own(book: Book, taker: Order, maker: Order, judge: Judge, least: int) -> bool:
    """Do what the taker asked for where it meets ``maker``; return whether it is out itself.

    A taker that is out keeps what it had left: those lots will not be filled.
    """
    mode = taker.self_trade
    offered, wanted = maker.remaining, taker.remaining
    if mode is SelfTrade.CANCEL_TAKER:
        return True
    decrement, left = mode is SelfTrade.DECREMENT, offered - wanted
    if decrement and left > 0 and maker.price * left >= least:
        judge.shrinks(maker, left)
        book.reduce(maker, wanted)
        maker.size = Lots(maker.size - wanted)
        return True
    _drop(book, maker, CancelReason.SELF_TRADE, judge)
    if decrement and left < 0 and taker.price * -left >= least:
        taker.remaining = Lots(-left)
        taker.size = Lots(taker.size - offered)
        return False
    return mode is not SelfTrade.CANCEL_MAKER


def _drop(book: Book, maker: Order, reason: CancelReason, judge: Judge) -> None:
    book.remove(maker)
    judge.dropped(maker, reason)
