"""What the stations that may be overrun are told: how long to hold, whom to know, what to keep."""

from typing import TYPE_CHECKING

from node.app.config import SequencerConfig
from node.capacity.delay_watch import DelayLimits
from node.sequencer.insight import Insight
from node.sequencer.lanes import Fairness
from node.sequencer.service import SequencerLimits
from node.sequencer.submission import work_of
from node.transition.state import State
from node.types.commands import Action, Liquidate
from node.types.errors import NonceTooFar, NonceUsed
from node.types.ids import NO_ADDRESS, MarketId
from node.types.lanes import Lane

if TYPE_CHECKING:
    from node.app.node import Node

_LIQUIDATION_WORK = work_of(Liquidate(MarketId(1), NO_ADDRESS))


def delay_limits_of(config: SequencerConfig) -> DelayLimits:
    """Return how long submissions, and messages before them, may wait."""
    return DelayLimits(config.delay_target_ms, config.delay_interval_ms)


def limits_of(config: SequencerConfig) -> SequencerLimits:
    """Return the limits of the sequencer."""
    return SequencerLimits(
        lanes={
            Lane.SYSTEM: config.system_lane,
            Lane.LIQUIDATION: config.liquidation_lane,
            Lane.REDUCING: config.reducing_lane,
            Lane.RESTING: config.resting_lane,
            Lane.TAKING: config.taking_lane,
        },
        block_work=config.block_work,
        block_ms=config.block_ms_max,
        gather_ms=config.gather_ms,
        fairness=Fairness(
            delay=delay_limits_of(config),
            account_share=config.account_share,
            turn_work=config.turn_work,
            closed_burst=config.closed_burst,
            closed_per_minute=config.closed_per_minute,
        ),
    )


def insight_of(node: "Node") -> Insight:
    """Return what the sequencer of ``node`` may ask of state and risk."""
    state = node.base.state
    return Insight(
        # An old action can be read on L1 and sent again by anybody: a used nonce takes no place,
        # and no allowance, of its account's.
        may_act=lambda action: is_entitled(state, action),
        reserve_work=lambda: reserve_work_of(node),
        busy_ns=node.base.platform.busy_ns,
    )


def reserve_work_of(node: "Node") -> int:
    """Return the work of the liquidations that the time to the next marks may bring."""
    return node.risk.expected * _LIQUIDATION_WORK


def may_act(state: State, action: Action) -> bool:
    """Return whether the signer of ``action`` is its account or one of the account's agents.

    Asked before the action's turn: it only decides where the action waits, and the transition
    decides again.
    """
    account = state.accounts.get(action.account)
    if account is None:
        return False
    if action.signer == account.address:
        return True
    agent = account.agents.get(action.signer)
    return agent is not None and agent.until > state.time


def is_entitled(state: State, action: Action) -> bool:
    """Return whether ``action`` is its account's to pay for: its signer may act, its nonce is new.

    Asked before the action's turn, like ``may_act``: it only decides where the action waits and
    whose budget is charged. An old action can be read on L1 and sent again by anybody, so a used
    nonce costs its account nothing. One that is too far is on no L1, and is not too far any more
    once the actions before it have had their turn.
    """
    if not may_act(state, action):
        return False
    account = state.accounts[action.account]
    own = action.signer == account.address
    window = account.nonces if own else account.agents[action.signer].nonces
    try:
        window.check(action.nonce, state.rules.limits)
    except NonceTooFar:
        return True
    except NonceUsed:
        return False
    return True


def register_overload_figures(node: "Node") -> None:
    """Register what was turned away so that the rest is served in time."""
    capacity, sequencer, gate = node.capacity, node.sequencer, node.gate
    ingress = node.ingress
    capacity.counter(
        "shed",
        "Requests refused or put out because others wait too long, by cause.",
        lambda: {
            **{(f"lane_{cause}",): count for cause, count in sequencer.shed.items()},
            **{(f"verification_{cause}",): count for cause, count in gate.shed.items()},
            ("ingress_behind",): ingress.turned_back,
        },
        labels=("cause",),
    )
    capacity.counter(
        "deadline_expired",
        "Requests whose deadline or expiry had passed when their turn came.",
        lambda: sequencer.expired + gate.expired,
    )
    limits = ingress.limits
    capacity.counter(
        "account_weight",
        "Weight of actions that accounts asked for, by budget and by what became of it.",
        lambda: {
            (budget.name, outcome): weight
            for budget in (limits.adding, limits.reducing)
            for outcome, weight in (("charged", budget.charged), ("refused", budget.refused))
        },
        labels=("budget", "outcome"),
    )
    capacity.gauge(
        "accounts_metered",
        "Accounts that have used some of a budget and are remembered for it.",
        lambda: {(budget.name,): len(budget) for budget in (limits.adding, limits.reducing)},
        labels=("budget",),
    )
    capacity.gauge(
        "reserve_work_units",
        "Work kept free in each block for the liquidations that may come up.",
        lambda: reserve_work_of(node),
    )
    capacity.gauge(
        "block_work_units",
        "Work that the next block may hold, by the time that work took lately.",
        lambda: sequencer.block_work,
    )
