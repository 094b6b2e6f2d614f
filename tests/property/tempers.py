"""What kinds of day a random log may have."""

import msgspec


class Temper(msgspec.Struct, frozen=True):
    """What kind of day it is.

    ``swing`` is the usual relative move of a price between rounds and ``crash`` the chance that one
    is thirty times as large; ``pause`` the chance that a block comes so late that marks are stale
    and agents' actions expire. ``depth`` is how far from the mark orders stand, ``wealth`` the
    deposits in dollars.
    """

    swing: float = 0.002
    crash: float = 0.02
    pause: float = 0.01
    depth: float = 0.01
    wealth: tuple[int, ...] = (50, 1_000, 100_000)


CALM = Temper()
CRASHES = Temper(swing=0.003, crash=0.3, wealth=(2_000, 20_000))
THIN = Temper(crash=0.2, depth=0.1, wealth=(500, 9_000))
LONG = Temper(pause=0.3)
TEMPERS = {"calm": CALM, "crashes": CRASHES, "thin": THIN, "long": LONG}
