"""What each account may still do, free of charge, while the gate is closed.

While L1 is away the gate keeps new risk out, and what reduces it stays open and costs nothing. One
client that places and cancels nothing but cancels could then fill what settlement may hold, and
with it stop the exchange for everyone who has something to reduce. So each account has so much work
at once, and so much more each minute: far above what it takes to leave the market, and far below
what it takes to fill the disk.
"""

from node.types.ids import Address

_NS_PER_MINUTE = 60_000_000_000
_SWEEP_FROM = 4_096


class Allowances:
    """One leaky bucket of work for each account that used some; times are nanoseconds."""

    __slots__ = ("_depth_ns", "_empty_at_ns", "_ns_per_work", "_sweep_at")

    def __init__(self, burst: int, per_minute: int) -> None:
        """``burst`` is the work that an account may do at once, ``per_minute`` what grows back."""
        # Rounded down: the limit is never stricter than it says.
        self._ns_per_work = _NS_PER_MINUTE // per_minute
        self._depth_ns = self._ns_per_work * burst
        # When each bucket will have run empty; the only state that a bucket needs (ITU-T I.371).
        self._empty_at_ns: dict[Address, int] = {}
        self._sweep_at = _SWEEP_FROM

    def __len__(self) -> int:
        """Return the number of accounts that are remembered."""
        return len(self._empty_at_ns)

    def spend(self, account: Address, work: int, now_ns: int) -> int:
        """Spend ``work`` and return 0, or spend nothing and return the nanoseconds until it fits.

        More than a whole burst fits into an empty bucket, so that nothing is refused for ever.
        """
        empty_at_ns = max(self._empty_at_ns.get(account, 0), now_ns)
        wait_ns = empty_at_ns + min(work * self._ns_per_work, self._depth_ns)
        wait_ns -= now_ns + self._depth_ns
        if wait_ns > 0:
            return wait_ns
        self._empty_at_ns[account] = empty_at_ns + work * self._ns_per_work
        if len(self._empty_at_ns) > self._sweep_at:
            self._sweep(now_ns)
        return 0

    def _sweep(self, now_ns: int) -> None:
        """Forget whose bucket is empty; once for each doubling, so at O(1) an account."""
        left = {account: at for account, at in self._empty_at_ns.items() if at > now_ns}
        self._empty_at_ns = left
        self._sweep_at = max(_SWEEP_FROM, 2 * len(left))
