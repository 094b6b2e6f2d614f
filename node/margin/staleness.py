"""What margin must allow for because nobody knows the price of this very moment.

The age ``A`` of the data that a position is opened on has two parts, and both are in the log:

- the **mark's age**, from the reporters' signed time to the block's time. Whatever the oracle round
  and the order itself waited on their way into the block is in it already.
- the **lag of settlement**, how old the oldest command is that is not final on L1: the waits for a
  batch, for inclusion and for finality, measured as one number instead of summed up. Until then L1
  could still be left with a state from before, in which no liquidation since has taken place. It
  counts at least ``Rules.finality_ms``: what has just been opened waits that long, however little
  waits in front of it, and no sequencer can state less.

Over that age a price goes ``k`` standard deviations away, ``k*sigma*sqrt(A)`` (the square-root law
of a diffusion; ``k`` is the market's ``deviations``). So much of the notional, in millionths and
rounded up, is asked beyond the bracket's initial margin wherever an account adds risk or takes
margin out. Liquidation, deleveraging and the way out of a position never look at it.

The thinnest margin of a position that stands is the first bracket's maintenance margin, ``d``. Past
``A > (d/(k*sigma))^2`` a position that looked healthy may owe money unseen, and nothing more is
opened. That is the same as "the buffer exceeds d", in exact integers as well.
"""

from math import isqrt

from node.margin.volatility import VARIANCE_ONE
from node.types.rules import MarketRules
from node.types.units import PPM_ONE, Millis, Ppm

_SCALE = PPM_ONE * PPM_ONE * 1_000 * VARIANCE_ONE
"""Of k^2 (millionths squared) times variance times milliseconds, in squared millionths."""


def data_age(now: int, mark_time: int, lag: int, finality_ms: int) -> Millis:
    """Return the age of what a position opened ``now`` rests on; see the module's docstring.

    A mark may be dated a little ahead of the block: then its own age is 0.
    """
    return Millis(max(0, now - mark_time) + max(lag, finality_ms))


def unseen_move(deviations: int, variance: int, age_ms: int) -> Ppm:
    """Return how far the price may have gone in ``age_ms``, in millionths, rounded up."""
    square = -(-deviations * deviations * variance * age_ms // _SCALE)
    return Ppm(isqrt(square - 1) + 1 if square else 0)


def thinnest_margin(rules: MarketRules) -> Ppm:
    """Return the smallest margin, in millionths, with which a position of the market stands."""
    return rules.brackets[0].maintenance


def buffer_for(rules: MarketRules, variance: int, age_ms: int) -> tuple[Ppm, bool]:
    """Return the buffer, in millionths, and whether the data are too old to open anything on them.

    The buffer stops at the thinnest margin: past it nothing is opened by an order, and what still
    rests must not become too dear for those who reduce.
    """
    unseen = unseen_move(rules.staleness.deviations, variance, age_ms)
    thinnest = thinnest_margin(rules)
    return (thinnest, True) if unseen > thinnest else (unseen, False)


def age_limit(rules: MarketRules, variance: int) -> Millis | None:
    """Return the age past which nothing is opened, rounded down; None where any age will do."""
    deviations, thinnest = rules.staleness.deviations, thinnest_margin(rules)
    spread = deviations * deviations * variance
    return Millis(thinnest * thinnest * _SCALE // spread) if spread else None
