"""The answer to ``/health``: why the node cannot do its work now."""

from collections.abc import Mapping
from typing import Final, Protocol

from node.settlement.sealed import Pressure

PATIENCE: Final = 2
"""A batch may wait so many times ``settlement.stuck_after_ms``: by then a dearer transaction has
taken the place of the first one and has not been mined either."""


class Settling(Protocol):
    """What settlement says of itself."""

    @property
    def chain_away(self) -> bool:
        """Return whether L1 did not answer when it was last asked."""
        ...

    @property
    def held_back(self) -> str:
        """Return why nothing (more) is sent; empty where all is."""
        ...

    @property
    def pressure(self) -> Pressure:
        """Return what waits to be posted."""
        ...


class Timed(Protocol):
    """What is known of the clock."""

    @property
    def jumped(self) -> bool:
        """Return whether the machine's clock is not believed."""
        ...

    @property
    def log_ahead(self) -> bool:
        """Return whether the log's time lies ahead of the time that there is."""
        ...


def faults_of(
    *,
    stopping: bool,
    gate: str | None,
    settlement: Settling,
    clock: Timed,
    silent: Mapping[str, bool],
    stuck_after_ms: int,
) -> list[str]:
    """Return every reason, nothing where all is well. ``silent``: which processes do not answer.

    The texts are few and hold no measurement, so that an alarm can match on them.
    """
    reasons = {
        "stopping": stopping,
        f"gate closed: {gate}": gate is not None,
        "L1 does not answer": settlement.chain_away,
        f"settlement held back: {settlement.held_back}": settlement.held_back != "",
        "batches wait too long for L1": settlement.pressure.age_ms > PATIENCE * stuck_after_ms,
        "the machine's clock has jumped": clock.jumped,
        "the log is ahead of the clock": clock.log_ahead,
        **{f"{process} does not answer": holds for process, holds in silent.items()},
    }
    return [reason for reason, holds in reasons.items() if holds]
