"""How fast the whole transition is, beside another engine's bare matching.

Ours does all that the exchange does to an order: nonces, bands, brackets, reserves, matching with
self-trade prevention, fees, margin, positions, events. lightmatchingengine matches and nothing
else, on the tape of ``tests.benchmarks.book``, whose mix ours has as well.
"""

from typing import Final

import msgspec

from node.transition.apply import apply
from node.transition.state import State
from tests.benchmarks.book_peers import LightMatchingEngine
from tests.benchmarks.book_tape import Step, mixed_tape, volume_of
from tests.benchmarks.rounds import per_second, rate_ratios, seconds_of
from tests.benchmarks.transition_tape import ActionTape, action_tape
from tests.examples import DOMAIN, RULES

OURS: Final = "plimsoll"
PEER: Final = "lightmatchingengine"
SEED: Final = 20_190_523
ITEMS: Final = 40_000
ROUNDS: Final = 5
BULKS: Final = (1, 20, 100)


class TransitionSpeed(msgspec.Struct, frozen=True):
    """Orders and cancels a second, as the median of the rounds.

    ``ratio`` is this speed over the peer's bare matching, between ``ratio_low`` and
    ``ratio_high``. ``fills_per_item`` tells how much the items trade. Without figures, ``missing``
    says why.
    """

    engine: str
    items_per_action: int
    items_per_s: int | None = None
    fills_per_item: float | None = None
    ratio: float | None = None
    ratio_low: float | None = None
    ratio_high: float | None = None
    missing: str | None = None


class Played:
    """A state after the warm-up of a tape, and the tape to be played on it, once."""

    def __init__(self, tape: ActionTape) -> None:
        self.tape = tape
        self.state = State.genesis(RULES, DOMAIN)
        for command in tape.warm:
            apply(self.state, command)
        self.state.drain_changes()

    def seconds(self) -> float:
        """Return how long the tape takes; it must lead where it led when it was drawn."""
        taken = seconds_of(self.play)
        assert self.state.sequence == self.tape.last_sequence
        return taken

    def play(self) -> None:
        """Apply the whole tape."""
        state = self.state
        for command in self.tape.commands:
            apply(state, command)


def measure_transition(
    items: int = ITEMS, rounds: int = ROUNDS, seed: int = SEED
) -> list[TransitionSpeed]:
    """Return a row for each size of action, then the peer's."""
    tapes = [action_tape(seed, items, bulk) for bulk in BULKS]
    steps = mixed_tape(seed, items)
    fault = _fault_of_peer(steps, volume_of(steps))
    ours: list[list[float]] = [[] for _ in tapes]
    peer: list[float] = []
    for _ in range(rounds):
        for tape, seconds in zip(tapes, ours, strict=True):
            seconds.append(Played(tape).seconds())
        if fault is None:
            peer.append(_peer_seconds(steps))
    rows = [
        _our_speed(bulk, tape, seconds, len(steps), peer)
        for bulk, tape, seconds in zip(BULKS, tapes, ours, strict=True)
    ]
    speed = per_second(len(steps), peer) if peer else None
    return [*rows, TransitionSpeed(PEER, 1, items_per_s=speed, missing=fault)]


def _fault_of_peer(steps: list[Step], volume: int) -> str | None:
    """Return why the peer cannot be compared; this first run also warms it up."""
    try:
        engine = LightMatchingEngine()
    except ImportError as error:
        return f"not installed: {error}"
    engine.play(steps)
    traded = engine.volume()
    return None if traded == volume else f"trades {traded} lots where {volume} are right"


def _peer_seconds(steps: list[Step]) -> float:
    engine = LightMatchingEngine()
    return seconds_of(lambda: engine.play(steps))


def _our_speed(
    bulk: int, tape: ActionTape, seconds: list[float], steps: int, peer: list[float]
) -> TransitionSpeed:
    row = TransitionSpeed(
        OURS,
        bulk,
        items_per_s=per_second(tape.items, seconds),
        fills_per_item=round(tape.fills / tape.items, 3),
    )
    if not peer:
        return row
    ratio = rate_ratios(tape.items, seconds, steps, peer)
    return msgspec.structs.replace(
        row, ratio=ratio.middle, ratio_low=ratio.low, ratio_high=ratio.high
    )
