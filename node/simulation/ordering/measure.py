"""What a run cost whom, and how sure that is: figures of a tape, and intervals over seeds.

All costs are in basis points (1/10,000) of the value traded. The *fair* price of a moment is that
of the last round. Fees are told apart: they are the same everywhere but for who counts as a taker.
"""

from collections import defaultdict
from collections.abc import Sequence
from math import sqrt
from statistics import fmean, stdev

import msgspec
from scipy import stats

from node.simulation.ordering.play import Played, Trade
from node.simulation.ordering.tape import Tape
from node.types.commands import OrderType

BASIS_POINTS = 10_000
CONFIDENCE = 0.95

Sums = defaultdict[str, float]


class Figures(msgspec.Struct, frozen=True):
    """One run.

    ``makers_earned``: what the makers' fills were worth ``horizon`` later, per value they traded,
    fees apart. ``picked_off``: what they lost of it to fast traders (positive: a loss), per value
    of all they traded. ``takers_paid``: how much worse than the fair price of the moment of sending
    market orders traded. ``takers_filled``: the part of what they asked for. ``fast_share``: the
    fast traders' part of what the makers traded. Fees are per value too, ``maker_value`` is in
    quote units, and ``out_of_phase`` counts refused cancels.
    """

    makers_earned: float
    picked_off: float
    takers_paid: float
    takers_filled: float
    fast_share: float
    maker_fees: float
    taker_fees: float
    maker_value: float
    out_of_phase: float


class Interval(msgspec.Struct, frozen=True):
    """A mean over seeds, and how far it may be off with ``CONFIDENCE`` (Student's t)."""

    mean: float
    half_width: float


def figures_of(tape: Tape, played: Played, horizon_ns: int) -> Figures:
    """Return the figures of a run. Where nothing was traded, what is per value is 0."""
    sums: Sums = defaultdict(float)
    for trade in played.trades:
        _add_maker(sums, tape, trade, horizon_ns)
        _add_takers(sums, tape, trade)
    asked = sum(
        order.size
        for intent in tape.sent
        for order in intent.orders
        if order.type is OrderType.MARKET
    )
    value, took = sums["value"] or 1.0, sums["took"] or 1.0
    return Figures(
        makers_earned=sums["earned"] / value * BASIS_POINTS,
        picked_off=sums["lost"] / value * BASIS_POINTS,
        takers_paid=sums["paid"] / took * BASIS_POINTS,
        takers_filled=sums["lots"] / asked if asked else 0.0,
        fast_share=sums["fast"] / value,
        maker_fees=sums["fees"] / value * BASIS_POINTS,
        taker_fees=sums["taker_fees"] / took * BASIS_POINTS,
        maker_value=sums["value"] / 1e6,
        out_of_phase=float(played.out_of_phase),
    )


def _add_maker(sums: Sums, tape: Tape, trade: Trade, horizon_ns: int) -> None:
    """Count a trade on which exactly one side is a maker."""
    buyer, seller = trade.buyer, trade.seller
    buying = tape.is_maker(buyer.account)
    if buying == tape.is_maker(seller.account):
        return
    maker, other = (buyer, seller) if buying else (seller, buyer)
    later = tape.price_at(trade.time_ns + horizon_ns)
    earned = (later - trade.price) * trade.size * (1 if buying else -1)
    sums["value"] += trade.price * trade.size
    sums["earned"] += earned
    sums["fees"] += maker.fee
    if tape.is_fast(other.account):
        sums["lost"] -= earned
        sums["fast"] += trade.price * trade.size


def _add_takers(sums: Sums, tape: Tape, trade: Trade) -> None:
    """Count what market orders of the flow traded, on either side."""
    for part, sign in ((trade.buyer, 1), (trade.seller, -1)):
        if part.at_market:
            fair = tape.price_at(part.sent_ns)
            sums["paid"] += (trade.price - fair) * trade.size * sign
            sums["took"] += trade.price * trade.size
            sums["taker_fees"] += part.fee
            sums["lots"] += trade.size


def interval(values: Sequence[float]) -> Interval:
    """Return the mean of ``values``, which are independent; one alone says nothing of its error."""
    if len(values) < 2:
        return Interval(fmean(values), float("inf"))
    quantile = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1))
    return Interval(fmean(values), quantile * stdev(values) / sqrt(len(values)))


def intervals(runs: Sequence[Figures]) -> dict[str, Interval]:
    """Return the interval of every figure."""
    return {name: interval([getattr(run, name) for run in runs]) for name in NAMES}


def differences(runs: Sequence[Figures], base: Sequence[Figures]) -> dict[str, Interval]:
    """Return the intervals of ``runs`` minus ``base``, seed by seed: both had the same tapes."""
    pairs = list(zip(runs, base, strict=True))
    return {
        name: interval([getattr(one, name) - getattr(other, name) for one, other in pairs])
        for name in NAMES
    }


NAMES = tuple(Figures.__struct_fields__)
