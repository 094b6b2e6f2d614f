"""The transition is the naive engine: event by event, leaf by leaf, over every kind of command.

In continuous markets alone, and in markets of each ordering beside one another.
``PLIMSOLL_COMMANDS`` and ``PLIMSOLL_SEED`` size and place the thorough run; a day that differs
names its temper, its seed and the command.
"""

import os
from collections import Counter

import msgspec
import pytest

from node.transition.apply import apply
from node.transition.state import State
from node.transition.tree.tree import StateTree
from node.types.commands import Command
from node.types.errors import AuctionFull
from node.types.events import CancelReason, Event, ItemRejected, OrderCancelled, Rejected
from node.types.hashing import keccak256
from node.types.rules import Rules
from tests.property import naive_rules
from tests.property.naive_engine import NaiveEngine
from tests.property.naive_leaves import leaves_of
from tests.property.naive_tree import naive_root
from tests.property.random_log import DOMAIN, MIXED, RULES, RandomLog
from tests.property.stranding import Pairing, Stranding
from tests.property.tempers import TEMPERS

DAY = 5_000
"""Commands a day; each begins with an empty exchange, so that withdrawals do not pile up."""
HASH_EACH = 50
KINDS = {"random": 14, "mixed": 15}
"""Of commands: without auctions there is no ``Uncross``."""
BOTH = pytest.mark.parametrize("rules", [RULES, MIXED], ids=lambda rules: rules.name)
COMMANDS = int(os.environ.get("PLIMSOLL_COMMANDS", "1000000"))
FIRST_SEED = int(os.environ.get("PLIMSOLL_SEED", "1"))


def state_hash(leaves: dict[bytes, bytes]) -> bytes:
    """Return a hash of every leaf."""
    return keccak256(b"".join(key + value for key, value in sorted(leaves.items())))


class Day:
    """One seed's commands through both engines; ``seen`` counts what was applied and refused."""

    def __init__(self, temper: str, seed: int, rules: Rules) -> None:
        self.name = f"{rules.name}, {temper}, seed {seed}"
        self.state = State.genesis(rules, DOMAIN)
        self.naive = NaiveEngine(rules)
        self.draw = RandomLog(seed, TEMPERS[temper], self.state).draw
        self.seen: Counter[tuple[str, bool]] = Counter()
        self.told: Counter[str] = Counter()

    def run(self, commands: int) -> None:
        for place in range(commands):
            self.step(place)
            if place % HASH_EACH == HASH_EACH - 1:
                self.compare_states(place)
        tree = StateTree.build(dict(self.state.leaves()))
        assert tree.root == naive_root(leaves_of(self.naive.exchange)), self.name

    def step(self, place: int) -> None:
        command = self.draw()
        happened = apply(self.state, command)
        expected = self.naive.apply(command)
        assert happened == expected, (self.name, place, command, happened, expected)
        self._note(command, happened)

    def compare_states(self, place: int) -> None:
        real, naive = dict(self.state.leaves()), leaves_of(self.naive.exchange)
        if state_hash(real) != state_hash(naive):
            differing = {key.hex() for key in real | naive if real.get(key) != naive.get(key)}
            raise AssertionError((self.name, place, differing))

    def _note(self, command: Command, happened: tuple[Event, ...]) -> None:
        refused = bool(happened) and isinstance(happened[0], Rejected)
        self.seen[type(command).__name__, refused] += 1
        self.told.update({type(event).__name__ for event in happened})
        dropped = Counter(
            event.account
            for event in happened
            if isinstance(event, OrderCancelled) and event.reason is CancelReason.MARGIN
        )
        self.told["went along"] += sum(dropped.values()) - len(dropped)
        self.told["full"] += sum(
            isinstance(event, Rejected | ItemRejected) and event.code == AuctionFull.code
            for event in happened
        )


@BOTH
@pytest.mark.parametrize("temper", sorted(TEMPERS))
def test_the_transition_is_the_naive_engine(temper: str, rules: Rules) -> None:
    Day(temper, 9, rules).run(600)


@BOTH
@pytest.mark.parametrize("temper", sorted(TEMPERS))
def test_they_agree_where_quotes_have_nothing_behind_them(temper: str, rules: Rules) -> None:
    """And where an auction is soon full."""
    few = msgspec.structs.replace(rules.limits, orders_per_auction=3)
    day = Day(temper, 3, msgspec.structs.replace(rules, limits=few))
    day.draw = Stranding(3, day.state, day.draw).draw
    day.run(900)
    assert day.told["full" if rules is MIXED else "went along"] > 2, day.name


@pytest.mark.parametrize("temper", sorted(TEMPERS))
def test_they_agree_where_the_older_of_a_pair_has_nothing_to_reduce(temper: str) -> None:
    room = msgspec.structs.replace(MIXED.limits, orders_per_auction=40, open_orders_per_account=20)
    day = Day(temper, 4, msgspec.structs.replace(MIXED, limits=room))
    day.draw = Pairing(4, day.state, day.draw).draw
    day.run(600)


def test_a_rounding_the_other_way_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        naive_rules, "share", lambda rate, lots, price: abs(lots) * price * rate // 1_000_000
    )
    with pytest.raises(AssertionError):
        Day("calm", 9, RULES).run(600)


@pytest.mark.lengthy
@BOTH
@pytest.mark.parametrize("temper", sorted(TEMPERS))
def test_the_transition_is_the_naive_engine_for_longer(temper: str, rules: Rules) -> None:
    """Every kind of command applies and is refused, and all that can be told is told."""
    day = Day(temper, 10, rules)
    day.run(DAY)
    print(day.name, dict(day.told))
    assert {name for name, refused in day.seen if not refused} == {n for n, _ in day.seen}
    assert len({name for name, _ in day.seen}) == KINDS[rules.name]


@pytest.mark.thorough
# A million commands take five to ten minutes of a core, and PLIMSOLL_COMMANDS may ask for more.
@pytest.mark.timeout(4 * 3_600)
@BOTH
def test_the_transition_is_the_naive_engine_for_a_million_commands(rules: Rules) -> None:
    tempers, played, seed = sorted(TEMPERS), 0, FIRST_SEED
    told: Counter[str] = Counter()
    seen: Counter[tuple[str, bool]] = Counter()
    while played < COMMANDS:
        day = Day(tempers[seed % len(tempers)], seed, rules)
        commands = min(DAY, COMMANDS - played)
        day.run(commands)
        told += day.told
        seen += day.seen
        played, seed = played + commands, seed + 1
    print(f"{rules.name}: {played:,} commands, seeds {FIRST_SEED} to {seed - 1}")
    print(f"applied and refused: {dict(seen)}; told: {dict(told)}")
    assert told["Deleveraged"] > 0
