"""The steps of matching that the orders of one action share."""

from node.types.rules import Limits


class Steps:
    """What is left of them. A step is a fill, or an order that leaves a book without one.

    An order may take ``Limits.fills_per_order`` steps, and fewer where the action has fewer left:
    its remainder is then dropped, as it is at its own limit. What leaves because a position was
    closed is counted afterwards, so the last order may overdraw, and none after it matches.
    """

    __slots__ = ("_each", "left")

    def __init__(self, limits: Limits) -> None:
        """Begin an action."""
        self._each = limits.fills_per_order
        self.left = limits.steps_per_action

    @property
    def most(self) -> int:
        """Return how many steps the next order may take."""
        each, left = self._each, self.left
        return each if each < left else left

    @property
    def most_tried(self) -> int:
        """Return how many steps an order may be tried out for, if it shall then take them too."""
        return min(self._each, self.left // 2)

    def take(self, count: int) -> None:
        """Count ``count`` steps as taken."""
        self.left = max(0, self.left - count)
