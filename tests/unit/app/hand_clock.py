"""A clock to turn by hand."""

from node.types.units import Millis
from tests.examples import START_MS


class HandClock:
    """Both readings stand still until a test moves them."""

    def __init__(self) -> None:
        self.ns = 0
        self.ms = START_MS

    def now_ns(self) -> int:
        return self.ns

    def now_ms(self) -> Millis:
        return Millis(self.ms)
