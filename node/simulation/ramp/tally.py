"""What became of every action of one point, and when."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from time import perf_counter
from typing import Final

import msgspec

from node.simulation.ramp.messages import LaneSample, Sample

_RESULT: Final = b'"result"'
_FIRST_UNAVAILABLE: Final = 2000
"""Errors from here on are not the sender's: the node had no room."""

_US: Final = 1_000_000


class _Error(msgspec.Struct, gc=False):
    code: int
    name: str
    values: dict[str, object] = {}


class _Refusal(msgspec.Struct, gc=False):
    error: _Error


_refusals: Final = msgspec.json.Decoder(_Refusal)


class Tally:
    """Counts answers to actions that were due at ``due_s``, seconds of ``perf_counter``."""

    def __init__(self, due_s: Sequence[float], lanes: Sequence[str]) -> None:
        self.left = len(due_s)
        self.sent_s = [0.0] * len(due_s)
        self._due_s = due_s
        self._lanes = lanes
        self._answered_s = [0.0] * len(due_s)
        # As they came: they are read when the run is over, and its machine free.
        self._errors: dict[int, bytes] = {}

    def note(self, action: int, text: bytes) -> None:
        """Take the answer to ``action``; ``text`` follows the id in it."""
        if action >= len(self._answered_s) or self._answered_s[action]:
            return
        self._answered_s[action] = perf_counter()
        if not text.startswith(_RESULT):
            self._errors[action] = text
        self.left -= 1

    def sample(self, from_s: float, to_s: float, cpu_s: float) -> Sample:
        """Return what is known of the window ``from_s`` … ``to_s``."""
        first, last = bisect_left(self._due_s, from_s), bisect_left(self._due_s, to_s)
        places = range(first, last)
        by_lane: dict[str, list[int]] = {lane: [] for lane in sorted(set(self._lanes))}
        for action in places:
            by_lane[self._lanes[action]].append(action)
        answered = sum(
            from_s <= at < to_s and action not in self._errors
            for action, at in enumerate(self._answered_s)
        )
        late = sorted(round((self.sent_s[a] - self._due_s[a]) * _US) for a in places)
        return Sample(
            window_s=to_s - from_s,
            answered_in_window=answered,
            lanes={lane: self._lane(actions) for lane, actions in by_lane.items()},
            late_us=late,
            cpu_s=cpu_s,
        )

    def _lane(self, actions: Sequence[int]) -> LaneSample:
        causes: Counter[str] = Counter()
        rejected = refused = lost = 0
        delays: list[int] = []
        for action in actions:
            text = self._errors.get(action)
            if not self._answered_s[action]:
                lost += 1
            elif text is None:
                delays.append(round((self._answered_s[action] - self._due_s[action]) * _US))
            else:
                error = _refusals.decode(b"{" + text).error
                causes[_cause(error)] += 1
                refused += error.code >= _FIRST_UNAVAILABLE
                rejected += error.code < _FIRST_UNAVAILABLE
        delays.sort()
        assert all(earlier <= later for earlier, later in pairwise(delays))
        return LaneSample(
            due=len(actions),
            done=len(delays),
            rejected=rejected,
            refused=refused,
            lost=lost,
            causes=dict(causes),
            delays_us=delays,
        )


def _cause(error: _Error) -> str:
    """Return the error's name, and which queue or cause it tells of."""
    where = error.values.get("queue") or error.values.get("cause") or ""
    return f"{error.name} {where}".rstrip()
