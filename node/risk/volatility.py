"""Live volatility of one market from marks at irregular times.

The estimate is an exponentially weighted mean of squared log returns per second. A return ``r``
over ``dt`` seconds measures the variance rate with r²/dt, and what was known before it fades with
its age, whatever the spacing of the marks:

    v <- v + (1 - 2^(-dt / half life)) * (min(r², c²·v·dt) / dt - v)

*Robust against jumps* by the clip ``c``: a single return counts as at most c standard deviations.
One jump of any size then raises v by a bounded factor, while a lasting rise of volatility passes
after a few marks, since the bound itself grows with v. Bipower variation would ignore a jump
wholly, but a mark that stands still makes its products zero and the estimate too low, which here
is the dangerous side; jumps themselves are what the tail table is calibrated for.

The floor keeps a market that stands still from looking safe for ever.
"""

import math

from node.risk.config import RiskConfig

_MILLIS = 1_000.0


class LiveVolatility:
    """The estimate of one market; times are milliseconds, prices any fixed unit above 0."""

    __slots__ = ("_clip2", "_decay", "_floor", "_log_price", "_time", "_variance")

    def __init__(self, config: RiskConfig) -> None:
        """Start from ``config.volatility_prior``."""
        self._decay = -math.log(2) / (config.volatility_half_life_s * _MILLIS)
        self._clip2 = config.volatility_clip**2
        self._floor = config.volatility_floor
        self._variance = config.volatility_prior**2
        self._time = 0
        self._log_price: float | None = None

    def update(self, time: int, price: int) -> None:
        """Take in the mark ``price`` at ``time``; it is ignored unless newer than the last."""
        log_price = math.log(price)
        if self._log_price is None:
            self._time, self._log_price = time, log_price
            return
        elapsed = time - self._time
        if elapsed <= 0:
            return
        seconds = elapsed / _MILLIS
        rate = min((log_price - self._log_price) ** 2 / seconds, self._clip2 * self._variance)
        weight = -math.expm1(self._decay * elapsed)
        # The floor also keeps the clip from holding the estimate at zero for good.
        self._variance = max(
            self._variance + weight * (rate - self._variance), self._floor * self._floor
        )
        self._time, self._log_price = time, log_price

    @property
    def per_root_second(self) -> float:
        """Return the standard deviation of the log price over one second."""
        return max(math.sqrt(self._variance), self._floor)
