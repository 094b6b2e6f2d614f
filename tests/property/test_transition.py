"""What holds after every command of any log, honest or not, on a calm day and in a crash."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.transition import invariants
from node.transition.apply import apply
from node.transition.state import State
from node.transition.tree.tree import StateTree
from node.types import errors, events
from node.types.commands import Command, SignedAction
from node.types.events import CancelReason, Event, ItemRejected, OrderCancelled, Rejected
from tests.property.command_strategies import commands
from tests.property.observed_state import Observed, Watch
from tests.property.random_log import DOMAIN, RULES, RandomLog
from tests.property.tempers import TEMPERS

STEPS = 1_000
DAYS = [(temper, seed) for temper in TEMPERS for seed in (1, 2, 3)]

Leaves = dict[bytes, bytes]


def rejected(happened: tuple[Event, ...]) -> bool:
    return bool(happened) and isinstance(happened[0], Rejected)


class Day:
    """A log as it was applied, with what each command did, and the state at its end."""

    def __init__(self, temper: str, seed: int, steps: int) -> None:
        self.state = State.genesis(RULES, DOMAIN)
        self.log: list[tuple[Command, tuple[Event, ...]]] = []
        self._draw = RandomLog(seed, TEMPERS[temper], self.state).draw
        for _ in range(steps):
            self.step()

    def step(self) -> tuple[Command, tuple[Event, ...]]:
        command = self._draw()
        happened = apply(self.state, command)
        self.log.append((command, happened))
        return command, happened


@pytest.mark.parametrize(("temper", "seed"), DAYS)
def test_every_command_keeps_the_books(temper: str, seed: int) -> None:
    """Money, leaves, isolation, bounds and time, each looked at after every single command."""
    day = Day(temper, seed, 0)
    leaves: Leaves = dict(day.state.leaves())
    watch = Watch(Observed(day.state))
    for _ in range(STEPS):
        sequence = day.state.sequence
        command, happened = day.step()
        changes = day.state.drain_changes()
        now = dict(day.state.leaves())
        if rejected(happened):
            assert now == leaves, command
            assert day.state.sequence == sequence
        else:
            assert day.state.sequence == sequence + 1
        for key, value in changes.items():
            if value is None:
                leaves.pop(key, None)
            else:
                leaves[key] = value
        assert now == leaves, command
        invariants.check(day.state)
        watch.see(command, happened, Observed(day.state))


@pytest.mark.parametrize(("temper", "seed"), DAYS[::2])
def test_a_state_rebuilt_from_its_leaves_goes_on_as_if_nothing_had_happened(
    temper: str, seed: int
) -> None:
    day = Day(temper, seed, 150)
    twin = State.from_leaves(RULES, DOMAIN, day.state.leaves())
    for place in range(STEPS):
        command, happened = day.step()
        assert apply(twin, command) == happened
        if place % 100 == 0:
            invariants.check(twin)
            assert dict(twin.leaves()) == dict(day.state.leaves())
            twin = State.from_leaves(RULES, DOMAIN, twin.leaves())
    assert dict(twin.leaves()) == dict(day.state.leaves())


@settings(max_examples=8)
@given(st.integers(100, 10**9), st.sampled_from(sorted(TEMPERS)), st.integers(20, 300))
def test_two_executions_agree(seed: int, temper: str, steps: int) -> None:
    day = Day(temper, seed, steps)
    invariants.check(day.state)
    again = State.genesis(RULES, DOMAIN)
    tree = StateTree.build(dict(again.leaves()))
    for command, happened in day.log:
        assert apply(again, command) == happened
        tree = tree.update(again.drain_changes())
    assert dict(again.leaves()) == dict(day.state.leaves())
    assert tree.root == StateTree.build(dict(day.state.leaves())).root


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_what_was_executed_once_is_never_accepted_again(seed: int) -> None:
    """Neither while its agent lives, nor after it was revoked, forgotten and approved anew."""
    day, random = Day("long", seed, 0), Random(seed)
    executed: list[SignedAction] = []
    known: set[tuple[bytes, bytes]] = set()
    forgotten: set[tuple[bytes, bytes]] = set()
    returned = 0
    for _ in range(2 * STEPS):
        command, happened = day.step()
        if isinstance(command, SignedAction) and not rejected(happened):
            executed.append(command)
        before = known
        known = {(a.address, agent) for a in day.state.accounts.values() for agent in a.agents}
        forgotten |= before - known
        returned += len((known - before) & forgotten)
        for action in executed[-3:] + random.sample(executed, min(3, len(executed))):
            assert rejected(apply(day.state, action)), action
    assert returned > 0


@settings(max_examples=60)
@given(st.data())
def test_whatever_the_protocol_can_carry_is_answered(data: st.DataObject) -> None:
    """Extreme values are rejected or applied; they never break the state or its leaves."""
    day = Day("crashes", data.draw(st.integers(1, 3)), 60)
    day.state.drain_changes()
    for command in data.draw(st.lists(commands, max_size=12)):
        leaves = dict(day.state.leaves())
        happened = apply(day.state, command)
        day.state.drain_changes()
        assert not rejected(happened) or dict(day.state.leaves()) == leaves
        invariants.check(day.state)


def test_random_logs_reach_every_event_every_reason_and_every_rejection() -> None:
    """What the draw does not reach, the properties above do not prove."""
    seen: set[type[Event]] = set()
    codes: set[int] = set()
    reasons: set[CancelReason] = set()
    shortfalls = 0
    for temper, seed in DAYS:
        for _, happened in Day(temper, seed, STEPS).log:
            seen |= {type(event) for event in happened}
            for event in happened:
                if isinstance(event, Rejected | ItemRejected):
                    codes.add(event.code)
                elif isinstance(event, OrderCancelled):
                    reasons.add(event.reason)
                elif isinstance(event, events.Liquidated):
                    shortfalls += event.shortfall > 0
    # Auctions have random blocks of their own: ``test_fair_order``.
    assert set(events.Event.__args__) - seen == {events.Uncrossed}
    assert reasons == set(CancelReason)
    assert shortfalls > 0
    assert {errors_by_code()[code] for code in REACHABLE - codes} == set()
    assert {errors_by_code()[code] for code in codes - REACHABLE} == set()


def errors_by_code() -> dict[int, str]:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    return {kind.code: kind.__name__ for kind in kinds if issubclass(kind, errors.PlimsollError)}


REACHABLE = {
    kind.code
    for kind in (
        errors.TooManyItems,
        errors.WrongSigner,
        errors.OwnerRequired,
        errors.AgentExpired,
        errors.NonceUsed,
        errors.ActionExpired,
        errors.ExpiryTooFar,
        errors.NonceTooFar,
        errors.TooManyAgents,
        errors.AgentRefused,
        errors.UnknownAccount,
        errors.UnknownMarket,
        errors.SizeInvalid,
        errors.NotionalTooSmall,
        errors.PriceOutsideBand,
        errors.MarkStale,
        errors.PostOnlyWouldCross,
        errors.FillOrKillUnfilled,
        errors.ReduceOnlyNothing,
        errors.DuplicateClientId,
        errors.UnknownOrder,
        errors.TooManyOpenOrders,
        errors.NothingToTake,
        errors.NothingToCancel,
        errors.EveryItemRejected,
        errors.InsufficientCollateral,
        errors.InsufficientMargin,
        errors.NoPosition,
        errors.AmountInvalid,
        errors.PositionTooLarge,
        errors.NotLiquidatable,
        errors.LiquidationStalled,
        errors.OracleRoundRefused,
        errors.FundingNotDue,
        errors.DepositOutOfOrder,
        errors.BlockOutOfOrder,
        errors.FeeAboveMax,
        errors.FeeOutOfRange,
        errors.RiskDataTooOld,
        errors.OrderExpired,
        errors.TriggerInvalid,
        errors.GroupFull,
        errors.AmendInvalid,
        errors.NothingExpired,
        errors.NotTriggered,
        errors.SwitchNotSet,
        errors.ValueOutOfRange,
    )
}
