"""The most that one command of each kind may be, from the bounds in the rules.

Worked out, not measured: counts of the things that take time, so that a price or a limit can be
set before anything has run. With I items an action, F fills an order, S steps an action, O open
orders an account, D deleverage steps, R reporters, M markets, A orders an auction, C its clearings:

    place        1 order + min(2 F, S) steps + min(F, S) O orders that leave with them
    bulk         I orders + min(2 I F, S) steps + min(F, S) O, likewise
    cancel       I cancels + I partners
    cancel_all   O cancels
    expire       O cancels
    trigger      as place
    uncross      2 A arrivals + 3 A orders looked at 1 + C times + 2 A O that close and leave
                 + (C + 4) A others that are dead or cannot bear it + partners, one for each
    liquidate    O cancels + F steps + D counterparties + (F + D) O orders that leave with them
    oracle_round R reports x M markets
    funding      M markets
    the others   1

A step is a fill, or an order that leaves without one. A fill that closes its maker's position drops
the maker's reduce-only orders, and a maker with too little behind it takes along those that have,
at most O of them: they were paid for when they were placed, but they leave in somebody else's
command. They count as steps once the order is done, so that only the
last order of an action overdraws. A fill-or-kill order's steps are rehearsed first, which makes two
of each.

Of the arrivals A may trade, and A only rest afterwards. Uncross drops, of the book's orders, at
most 2 A whose time is over before it begins, and A that are found dead in the way of what is to
rest at its end. Only one side of the book can trade: so at most A of it fail to bear their shares
at each of C clearings (the next A take their place), and A once more when they are filled. Each of
these, and each of the arrivals, may take a partner along.
"""

from typing import Final

import msgspec

from node.capacity.kinds import Kind
from node.capacity.telemetry import KindCounters
from node.types.rules import Rules

UNIT_NS: Final = 2_000
"""What a unit took where commands were as large as the rules let them be (docs/CAPACITY.md). The
first units of a command take far longer, for what it costs by itself."""

REHEARSED: Final = 2
"""What a fill-or-kill order makes of a step: it copies and crosses what it may then cross."""

COLLECTED: Final = 3
"""The arrivals of an auction that may trade, and of each side of the book at most as many."""
CLEARINGS: Final = 8
"""How often an auction is cleared at most, each time without who could not bear his share."""
DEAD: Final = 3
"""Of each side of the book before an auction, and of one when its arrivals rest: A at most."""

_BOUNDS: Final = (
    "items_per_action",
    "fills_per_order",
    "steps_per_action",
    "open_orders_per_account",
    "orders_per_auction",
    "deleverage_steps",
)
"""The limits that a worst case is made of."""


class WorstCase(msgspec.Struct, frozen=True):
    """The largest counts that one command can reach.

    ``items``: orders and cancels of its own. ``steps``: of matching, rehearsals included.
    ``leaving``: other orders that must leave the books with it. ``counterparties``: positions that
    auto-deleveraging looks at. ``prices``: reported prices, or markets that funding moves.
    """

    kind: Kind
    items: int = 1
    steps: int = 0
    leaving: int = 0
    counterparties: int = 0
    prices: int = 0

    @property
    def units(self) -> int:
        """Return all of it, each thing being one unit of work."""
        return self.items + self.steps + self.leaving + self.counterparties + self.prices


def worst_case(kind: Kind, rules: Rules) -> WorstCase:
    """Return the most that a command of ``kind`` may be under ``rules``."""
    limits = rules.limits
    orders = limits.open_orders_per_account
    match kind:
        case Kind.PLACE | Kind.TRIGGER | Kind.BULK:
            return _orders(kind, limits.items_per_action if kind is Kind.BULK else 1, rules)
        case Kind.CANCEL:
            items = limits.items_per_action
            return WorstCase(kind, items=items, leaving=items)
        case Kind.CANCEL_ALL | Kind.EXPIRE:
            return WorstCase(kind, items=orders)
        case Kind.UNCROSS:
            each = limits.orders_per_auction
            arrivals, dropped = 2 * each, (DEAD + CLEARINGS + 1) * each
            return WorstCase(
                kind,
                items=arrivals,
                steps=COLLECTED * each * (1 + CLEARINGS),
                leaving=2 * each * orders + dropped + (arrivals + dropped),
            )
        case Kind.LIQUIDATE:
            steps, counterparties = limits.fills_per_order, limits.deleverage_steps
            return WorstCase(
                kind,
                items=orders,
                steps=steps,
                leaving=(steps + counterparties) * orders,
                counterparties=counterparties,
            )
        case Kind.ORACLE_ROUND:
            return WorstCase(kind, prices=len(rules.reporters) * len(rules.markets))
        case Kind.FUNDING:
            return WorstCase(kind, prices=len(rules.markets))
        case Kind.MARGIN | Kind.WITHDRAW | Kind.AGENT | Kind.DEPOSIT | Kind.SWITCH:
            return WorstCase(kind)


def _orders(kind: Kind, items: int, rules: Rules) -> WorstCase:
    limits = rules.limits
    each, most = limits.fills_per_order, limits.steps_per_action
    return WorstCase(
        kind,
        items=items,
        steps=min(REHEARSED * items * each, most),
        leaving=min(each, most) * limits.open_orders_per_account,
    )


def worst_ns(units: int, counted: KindCounters) -> int:
    """Return how long a command of ``units`` takes, by those of its kind that were ``counted``.

    That is their mean, and ``UNIT_NS`` for each unit by which it is larger than their mean was;
    without any, ``UNIT_NS`` for each. Rounded up, in integers.
    """
    if not counted.commands:
        return units * UNIT_NS
    more = max(units * counted.commands - counted.items - counted.fills, 0)
    return -(-(counted.total_ns + more * UNIT_NS) // counted.commands)


def rule_to_lower(kind: Kind, rules: Rules) -> str:
    """Return the key of the rules whose half would leave the fewest units to ``kind``."""
    halves = {"markets": msgspec.structs.replace(rules, markets=rules.markets[1::2])}
    for name in _BOUNDS:
        less = msgspec.structs.replace(rules.limits, **{name: getattr(rules.limits, name) // 2})
        halves[f"limits.{name}"] = msgspec.structs.replace(rules, limits=less)
    return min(halves, key=lambda key: worst_case(kind, halves[key]).units)
