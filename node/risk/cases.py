"""The positions of one market that are known to fail maintenance, and when each is proposed.

A case is opened when the index finds a position crossed and closed when it is not any more, or
when it was liquidated; what a partial liquidation leaves may become a new case at once. While it is
open, the position is proposed once and is then in flight. A liquidation that did anything, a change
of the position, or a refusal by the queue, ends the flight at once. Otherwise nothing came of it
(the book had nothing to offer, nobody was left to deleverage, the command was lost), and it is
proposed again after a number of oracle rounds that doubles up to a bound: a stalled position is
never forgotten and never floods the lane.
"""

from collections.abc import Iterator

from node.types.ids import Address


class Case:
    """One crossed position. ``crossed_ms`` is the log's time of what made it liquidatable.

    ``trigger`` is the position's as it was last judged; ``liquidated`` tells that a ``Liquidated``
    or ``Deleveraged`` of it has arrived since.
    """

    __slots__ = (
        "account",
        "attempts",
        "crossed_ms",
        "liquidated",
        "proposals",
        "retry_round",
        "trigger",
    )

    def __init__(self, account: Address, trigger: tuple[int, int], crossed_ms: int) -> None:
        self.account = account
        self.trigger = trigger
        self.crossed_ms = crossed_ms
        self.liquidated = False
        self.attempts = 0
        self.proposals = 0
        self.retry_round = 0


class CaseBook:
    """The open cases of one market; rounds are counted by the caller, upward."""

    __slots__ = ("_base", "_cases", "_most", "_ready")

    def __init__(self, retry_rounds: int, retry_rounds_max: int) -> None:
        """Wait ``retry_rounds`` at first, twice as long each time, ``retry_rounds_max`` at most."""
        self._base = retry_rounds
        self._most = retry_rounds_max
        self._cases: dict[Address, Case] = {}
        # A dict for its order: who became ready first is proposed first.
        self._ready: dict[Address, None] = {}

    def __len__(self) -> int:
        """Return the number of open cases."""
        return len(self._cases)

    def __contains__(self, account: object) -> bool:
        """Return whether ``account`` has an open case."""
        return account in self._cases

    def __iter__(self) -> Iterator[Address]:
        """Iterate over a copy of the accounts with open cases, so that they may be closed."""
        return iter(tuple(self._cases))

    def get(self, account: Address) -> Case | None:
        """Return the account's open case, or None."""
        return self._cases.get(account)

    def open(self, account: Address, trigger: tuple[int, int], crossed_ms: int) -> None:
        """Open a case, ready to be proposed; the account must have none."""
        assert account not in self._cases
        self._cases[account] = Case(account, trigger, crossed_ms)
        self._ready[account] = None

    def close(self, account: Address) -> None:
        """Close the account's case, which must be open."""
        self._ready.pop(account, None)
        del self._cases[account]

    def release(self, account: Address) -> None:
        """End the flight: something happened to the position or to its command."""
        case = self._cases.get(account)
        if case is not None:
            case.attempts = 0
            self._ready[account] = None

    def begin_round(self, number: int) -> None:
        """Make ready whatever has waited long enough by round ``number``."""
        for account, case in self._cases.items():
            if case.retry_round <= number:
                self._ready[account] = None

    def propose(self, limit: int, number: int) -> list[Case]:
        """Return at most ``limit`` ready cases, now in flight since round ``number``."""
        chosen = [
            self._cases[account] for account, _ in zip(self._ready, range(limit), strict=False)
        ]
        for case in chosen:
            del self._ready[case.account]
            wait = min(self._base << min(case.attempts, 32), self._most)
            case.attempts += 1
            case.proposals += 1
            case.retry_round = number + wait
        return chosen
