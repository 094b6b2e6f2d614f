"""The states that feeds tell: closed lists, each version of which stays what it was."""

from node.types import feed_states
from node.types.feed_states import CANCEL_REASONS, FILL_STAGES, NEXT_ORDER_STATES, ORDER_STATES

VERSIONS = {
    1: (
        ("accepted", "resting", "partly_filled", "filled", "cancelled"),
        (
            "by_account",
            "immediate_remainder",
            "self_trade",
            "margin",
            "reduce_only",
            "liquidation",
            "fill_limit",
        ),
        ("accepted", "sealed", "posted", "safe", "final"),
    ),
    2: (
        ("waiting", "accepted", "resting", "partly_filled", "filled", "cancelled"),
        (
            "by_account",
            "immediate_remainder",
            "self_trade",
            "margin",
            "reduce_only",
            "liquidation",
            "fill_limit",
            "expired",
            "switch",
            "disconnected",
            "one_cancels_other",
            "amended",
            "refused_on_arrival",
        ),
        ("accepted", "sealed", "posted", "safe", "final"),
    ),
}
"""A changed list is a new version, and a line here; no line here ever changes."""


def test_the_lists_are_those_of_their_version() -> None:
    lists = (ORDER_STATES, tuple(CANCEL_REASONS.values()), FILL_STAGES)
    assert VERSIONS[feed_states.FEED_STATES_VERSION] == lists


def test_every_state_says_what_may_follow() -> None:
    assert set(NEXT_ORDER_STATES) == set(ORDER_STATES)
    assert all(after <= set(ORDER_STATES) for after in NEXT_ORDER_STATES.values())
    assert [state for state, after in NEXT_ORDER_STATES.items() if not after] == [
        "filled",
        "cancelled",
    ]
