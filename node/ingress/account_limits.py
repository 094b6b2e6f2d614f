"""What each account may ask for: two leaky buckets of weight, charged once its signature is proven.

An action weighs as much as it has items (cancels, amends and orders), and more where it makes work
that nobody pays for. What only reduces risk has a budget of its own, several times larger, so that
quoting never uses up what cancelling needs.

*What is free is bounded here.* A switch, a margin, an agent or a withdrawal stands on L1 with all
its bytes, for no fee, as often as it is sent: each weighs ``UNPAID_WEIGHT``. A cancel does so once
for an order that was there. A reduce-only fill-or-kill order is tried out on a copy of the book,
and when it is killed nothing of that was paid: it weighs what such a trial takes beside an order.
All trials of an action together have no more steps than one action has. And what was refused in an
action that applied, and not paid for, stands on L1 all the same, whatever the reason: that is known
only afterwards, and charged then (``unpaid_weight``), past the bucket's size if need be.

*Nobody drains another's bucket.* Before its signature is checked an action's account is a name. It
is charged only where the recovered signer may act for the account and the nonce was never used: so
neither a stranger's signature counts, nor an old action that somebody read on L1 and sends again.

*What reduces risk is refused last.* What adds risk must leave room for the largest action there can
be in the budget of what reduces it. So while a reducing action of an account is refused, none of
its actions that add risk is taken. ``tests/property/test_account_limits.py`` asks at each refusal.

Pure: every time is an argument.
"""

from collections.abc import Callable, Sequence
from typing import Final

from node.ingress.config import IngressConfig
from node.ports.api import Budget
from node.types.commands import Action, CancelAll, OrderType, PlaceOrders, SignedAction
from node.types.errors import RateLimited
from node.types.events import Event, ItemRejected, WorkCharged
from node.types.fees import FeeRules
from node.types.ids import Address
from node.types.lanes import Lane
from node.types.units import NS_PER_MS, NS_PER_S

ITEMS_MAX: Final = 100
"""What ``Limits.items_per_action`` may be at most."""

UNPAID_WEIGHT: Final = 1_000
"""Of an action without items that stands on L1 for no fee; 40 a second of one account by default,
some 3 KB of calldata."""

TRIAL_WEIGHT: Final = 100
"""Of trying out a reduce-only fill-or-kill order: as many makers are copied as one may meet."""

TRIALS_WEIGHT_MAX: Final = 1_000
"""Of all trials of an action: they share its steps."""

UNPAID_ITEM_WEIGHT: Final = 100
"""Of an item of some 50 bytes, 9 for a cancel, that was refused and not paid for: by default some
5 KB of calldata a second from one account in what adds, 18 in what reduces, after a burst."""

WEIGHT_MAX: Final = ITEMS_MAX + TRIALS_WEIGHT_MAX
"""The weight of the heaviest action, before anything is known of its refusals."""

ACCOUNTS_MAX: Final = 65_536
"""Accounts of each budget that are remembered. Past it an eighth, who came first, are forgotten."""

# A name of this module is found several times faster than a member of an enum class.
_REDUCING: Final = Lane.REDUCING
_FOK: Final = OrderType.FOK
_REFUSED: Final = ItemRejected
_PAID: Final = WorkCharged

_SWEEP_FROM: Final = 4_096


def weight_of(action: SignedAction) -> int:
    """Return what ``action`` weighs: its items, and what it makes others pay for."""
    if isinstance(action, PlaceOrders):
        items = len(action.cancels) + len(action.amends) + len(action.orders)
        trials = sum(order.type is _FOK and order.reduce_only for order in action.orders)
        return max(1, items) + min(TRIAL_WEIGHT * trials, TRIALS_WEIGHT_MAX)
    return 1 if isinstance(action, CancelAll) else UNPAID_WEIGHT


def unpaid_weight(events: Sequence[Event], fees: FeeRules) -> int:
    """Return what an action that did ``events`` weighs beyond ``weight_of``.

    Of what it refused as many items are let off as it paid for orders: a quoter cancels what was
    filled a moment ago beside each quote that he pays for. Nobody pays where work is free.
    """
    refused = sum(type(event) is _REFUSED for event in events)
    if not refused or not fees.floor or not fees.per_action + fees.per_order:
        return 0
    paid = sum(event.units - fees.per_action for event in events if type(event) is _PAID)
    return UNPAID_ITEM_WEIGHT * max(0, refused - paid // max(1, fees.per_order))


class WeightBudget:
    """One leaky bucket for each account that has used some; all of them alike.

    The only state of a bucket is when it will have run empty (ITU-T I.371). An empty one is none.
    """

    __slots__ = (
        "_depth_ns", "_empty_at_ns", "_ns_per_weight", "_sweep_at", "burst", "charged",
        "forgotten", "name", "offered", "per_s", "refused",
    )  # fmt: skip

    def __init__(self, name: str, per_s: int, burst: int) -> None:
        """``burst`` is the weight that an account may use at once, ``per_s`` what drains."""
        assert burst >= WEIGHT_MAX, "an action that never fits would be refused for ever"
        self.name = name
        self.per_s = per_s
        self.burst = burst
        # Rounded down: the limit is never stricter than it says.
        self._ns_per_weight = NS_PER_S // per_s
        self._depth_ns = self._ns_per_weight * burst
        self._empty_at_ns: dict[Address, int] = {}
        self._sweep_at = _SWEEP_FROM
        self.offered = 0
        """Weight that was asked for: ``charged`` + ``refused``, at all times."""
        self.charged = 0
        self.refused = 0
        self.forgotten = 0
        """Accounts that were let go of although they had used some."""

    def __len__(self) -> int:
        """Return the number of accounts that are remembered."""
        return len(self._empty_at_ns)

    def wait_ns(self, account: Address, weight: int, now_ns: int) -> int:
        """Return how long until ``weight`` fits; 0: now."""
        empty_at_ns = self._empty_at_ns.get(account, 0)
        if empty_at_ns <= now_ns:
            return 0
        over_ns = empty_at_ns - now_ns + weight * self._ns_per_weight - self._depth_ns
        return over_ns if over_ns > 0 else 0

    def charge(self, account: Address, weight: int, now_ns: int) -> None:
        """Take ``weight``: it fits, or it is already owed."""
        self.offered += weight
        self.charged += weight
        before_ns = self._empty_at_ns.get(account, 0)
        start_ns = before_ns if before_ns > now_ns else now_ns
        self._empty_at_ns[account] = start_ns + weight * self._ns_per_weight
        if len(self._empty_at_ns) > self._sweep_at:
            self._sweep(now_ns)

    def refuse(self, weight: int) -> None:
        """Count ``weight`` that did not fit."""
        self.offered += weight
        self.refused += weight

    def of(self, account: Address, now_ns: int) -> Budget:
        """Return what ``account`` has used of its bucket; what is begun counts whole."""
        full_ns = max(0, self._empty_at_ns.get(account, 0) - now_ns)
        used = -(-full_ns // self._ns_per_weight)
        return Budget(
            name=self.name,
            per_s=self.per_s,
            limit=self.burst,
            used=used,
            remaining=max(0, self.burst - used),
            reset_ms=-(-full_ns // NS_PER_MS),
        )

    def _sweep(self, now_ns: int) -> None:
        """Forget whose bucket is empty; once for each doubling, so at O(1) an account."""
        left = {account: at for account, at in self._empty_at_ns.items() if at > now_ns}
        # An eighth at a time: were it one, each newcomer would cost a look at all of them.
        for account in tuple(left)[: max(0, len(left) - ACCOUNTS_MAX * 7 // 8)]:
            del left[account]
            self.forgotten += 1
        self._empty_at_ns = left
        self._sweep_at = max(_SWEEP_FROM, min(2 * len(left), ACCOUNTS_MAX))


class AccountLimits:
    """The budgets of all accounts, and whose action counts against them."""

    __slots__ = ("_entitled", "adding", "reducing")

    def __init__(self, config: IngressConfig, entitled: Callable[[Action], bool]) -> None:
        """``entitled``: whether an action's signer may act for its account, with that nonce."""
        self._entitled = entitled
        self.adding = WeightBudget("adding", config.adding_per_s, config.adding_burst)
        self.reducing = WeightBudget("reducing", config.reducing_per_s, config.reducing_burst)

    def budget_of(self, action: SignedAction, lane: Lane) -> WeightBudget | None:
        """Return which budget ``action`` draws on, by its lane.

        None: it is not its account's to pay for.
        """
        if not self._entitled(action):
            return None
        return self.reducing if lane is _REDUCING else self.adding

    def require(self, budget: WeightBudget, action: SignedAction, now_ns: int) -> None:
        """Raise ``RateLimited`` unless ``action`` fits into ``budget`` now; charge nothing yet."""
        weight = weight_of(action)
        wait_ns = budget.wait_ns(action.account, weight, now_ns)
        if budget is self.adding:
            # Whoever could not reduce any more may not add.
            wait_ns = max(wait_ns, self.reducing.wait_ns(action.account, WEIGHT_MAX, now_ns))
        if wait_ns:
            budget.refuse(weight)
            raise RateLimited(
                of=f"account_{budget.name}",
                limit=budget.per_s,
                weight=weight,
                retry_after_ms=-(-wait_ns // NS_PER_MS),
            )

    def charge(self, budget: WeightBudget, action: SignedAction, now_ns: int) -> None:
        """Charge ``action``, which fits and was taken on."""
        budget.charge(action.account, weight_of(action), now_ns)

    def of(self, account: Address, now_ns: int) -> tuple[Budget, Budget]:
        """Return both budgets of ``account``."""
        return self.adding.of(account, now_ns), self.reducing.of(account, now_ns)
