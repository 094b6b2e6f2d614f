"""The price of work: what a unit of it is, and how far its price may move from block to block.

The sequencer proposes a price with each block; the transition holds it to these bounds, so the
price is part of the log and of the root, and no sequencer can raise it faster than the rules allow.
"""

import msgspec

from node.types.faults import out_of, out_of_ranges
from node.types.units import PPM_ONE, Millis, Money, Ppm

MONEY_LIMIT = 10**15
"""The highest price that rules may allow: a thousand million quote units for a unit of work."""

STEPS_MAX = 256
"""A pause of more steps than this widens the range no further."""


class FeeRules(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """Bounds of the price, and the units of work that an action is charged for.

    The price stays within ``floor`` … ``ceiling``, and moves by at most ``change`` up or down in
    each started step of ``step_ms``: time is cut at its multiples, so that many small blocks move
    the price no further than one. A floor and a ceiling of 0 charge nothing.

    Charged is what adds risk: ``per_action`` for the signature and the place in the log,
    ``per_order`` for each order, its later cancel included, ``per_fill`` for each maker it meets.
    """

    floor: Money = Money(100)
    ceiling: Money = Money(1_000_000)
    change: Ppm = Ppm(125_000)
    step_ms: Millis = Millis(1_000)
    per_action: int = 8
    per_order: int = 2
    per_fill: int = 2

    def steps(self, before: int, now: int) -> int:
        """Return how many steps were started between two points in time (milliseconds)."""
        return now // self.step_ms - before // self.step_ms

    def units(self, orders: int) -> int:
        """Return the work of an action with so many ``orders`` that add risk, its fills apart."""
        return self.per_action + self.per_order * orders


FREE = FeeRules(floor=Money(0), ceiling=Money(0))
"""An exchange that charges nothing for work."""


def fee_range(rules: FeeRules, fee: Money, steps: int) -> tuple[Money, Money]:
    """Return the lowest and the highest price that ``steps`` moves away from ``fee`` allow.

    A move up is rounded up and a move down is rounded down: else a price of a few units could not
    move at all. Both ends lie within floor and ceiling.
    """
    low = high = int(fee)
    up = PPM_ONE + rules.change
    for _ in range(min(steps, STEPS_MAX)):
        if low <= rules.floor and high >= rules.ceiling:
            break
        low = low * PPM_ONE // up
        high = -(-high * up // PPM_ONE)
    return Money(max(low, rules.floor)), Money(min(high, rules.ceiling))


def faults_of_fees(rules: FeeRules) -> list[str]:
    """Return every fault of ``rules``, each with its key and range."""
    ranges = {
        "floor": (0, MONEY_LIMIT),
        "change": (1_000, PPM_ONE),
        "step_ms": (100, 60_000),
        "per_action": (0, 1_000),
        "per_order": (0, 1_000),
        "per_fill": (0, 1_000),
    }
    return [
        *out_of_ranges(rules, ranges),
        *out_of("ceiling", rules.ceiling, rules.floor, MONEY_LIMIT if rules.floor else 0),
    ]
