"""What the exchange weighs: state root, bytes on L1, gas, recovery, memory, and pauses.

One row a measurement, with its unit: these are not rates of one thing beside another's.
"""

import gc
import json
import subprocess
import sys
from pathlib import Path
from statistics import median
from time import perf_counter_ns
from typing import Final

import msgspec

from node.transition.apply import apply
from node.transition.state import State
from node.transition.tree.tree import StateTree
from tests.benchmarks.batch_bytes import BULK, log_of_all_kinds, measure_bytes
from tests.benchmarks.burden import Burden, burden
from tests.benchmarks.recovering import measure_recovery
from tests.benchmarks.rounds import seconds_of
from tests.benchmarks.signed_log import signed_log
from tests.benchmarks.transition_tape import ActionTape, action_tape
from tests.benchmarks.verifying import measure_verifier
from tests.examples import DOMAIN, RULES

SEED: Final = 20_190_523
ITEMS: Final = 40_000
ROUNDS: Final = 3
ROOT_COMMANDS: Final = 10_000
BATCH_COMMANDS: Final = 3_000
BATCH_BULKS: Final = 600
BATCH_OF_ALL_KINDS: Final = 5_000
"""Rare kinds are to be there a dozen times."""


class Crowd(msgspec.Struct, frozen=True):
    """How large the state is whose memory is measured."""

    accounts: int = 100_000
    orders_each: int = 5


def measure_burdens(
    items: int = ITEMS, rounds: int = ROUNDS, crowd: Crowd | None = None
) -> list[Burden]:
    """Return every row."""
    tape = action_tape(SEED, items, 1)
    singles = action_tape(SEED, min(items, BATCH_COMMANDS), 1)
    bulks = action_tape(SEED, BULK * min(items, BATCH_BULKS), BULK)
    kinds = log_of_all_kinds(SEED, min(25 * items, BATCH_OF_ALL_KINDS))
    return [
        *_measure_root(tape, rounds),
        *measure_bytes(singles.commands, bulks.commands, kinds),
        *measure_recovery(signed_log(tape), rounds),
        *measure_verifier({1: signed_log(singles), BULK: signed_log(bulks)}, rounds),
        *_measure_pauses(tape, rounds),
        *_measure_crowd(crowd or Crowd()),
    ]


def _warm(tape: ActionTape) -> State:
    state = State.genesis(RULES, DOMAIN)
    for command in tape.warm:
        apply(state, command)
    return state


def _measure_root(tape: ActionTape, rounds: int) -> list[Burden]:
    """Time the update of the tree with what a stretch of commands has changed, and a whole tree."""
    commands = tape.commands[:ROOT_COMMANDS]
    state = _warm(tape)
    before = StateTree.build(dict(state.leaves()))
    state.drain_changes()
    for command in commands:
        apply(state, command)
    changes, whole = state.drain_changes(), dict(state.leaves())
    update = median(seconds_of(lambda: _root(before.update(changes))) for _ in range(rounds))
    build = median(seconds_of(lambda: _root(StateTree.build(whole))) for _ in range(rounds))
    scale = ROOT_COMMANDS / len(commands)
    return [
        burden(
            "state root",
            1e3 * update * scale,
            "ms per 10,000 commands",
            f"{len(changes):,} leaves",
        ),
        burden("state root, whole tree", 1e3 * build, "ms", f"{len(whole):,} leaves"),
    ]


def _root(tree: StateTree) -> None:
    assert len(tree.root) == 32


def _measure_pauses(tape: ActionTape, rounds: int) -> list[Burden]:
    """Return the longest time of one command, with the collector as it is, frozen, and off."""

    def longest_ms() -> float:
        state, longest = _warm(tape), 0
        last = perf_counter_ns()
        for command in tape.commands:
            apply(state, command)
            now = perf_counter_ns()
            longest, last = max(longest, now - last), now
        return longest / 1e6

    def frozen_ms() -> float:
        gc.collect()
        gc.freeze()
        try:
            return longest_ms()
        finally:
            gc.unfreeze()

    def off_ms() -> float:
        gc.disable()
        try:
            return longest_ms()
        finally:
            gc.enable()

    ways = {"as it is": longest_ms, "frozen before": frozen_ms, "off": off_ms}
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            found[name].append(way())
    return [
        burden(f"longest command, collector {name}", median(times), "ms", f"{tape.items:,} items")
        for name, times in found.items()
    ]


def _measure_crowd(crowd: Crowd) -> list[Burden]:
    """Let a process of its own build the state, and tell its memory and the collector's pauses."""
    program = [sys.executable, "-m", "tests.benchmarks.crowd"]
    sizes = [str(crowd.accounts), str(crowd.orders_each)]
    top = Path(__file__).parents[2]
    answer = subprocess.run([*program, *sizes], check=True, capture_output=True, cwd=top)
    told = json.loads(answer.stdout)
    of = (
        f"{told['accounts']:,} accounts, {told['positions']:,} positions, {told['orders']:,} orders"
    )
    node, replica = told["node_mib"], told["replica_mib"]
    process = sum(node.values())
    copy = sum(replica.values())
    both = f"sum of both; each interpreter's {told['bare_mib']} MiB comes on top"
    return [
        Burden("memory of the state", told["node_mib"]["state"], "MiB", of),
        burden("memory of a node's own process", process, "MiB", _parts(node)),
        burden("memory of its replica's process", copy, "MiB", _parts(replica)),
        burden("memory of a node", process + copy, "MiB", both),
        Burden("full collection", told["collect_ms"], "ms", of),
        Burden("full collection, frozen before", told["collect_frozen_ms"], "ms", of),
    ]


def _parts(mib: dict[str, float]) -> str:
    return ", ".join(f"{name} {value}" for name, value in mib.items())
