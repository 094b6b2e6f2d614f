"""Let a key act for an account, for a time; or end that."""

from collections.abc import Iterable

from node.transition.authority import authorize
from node.transition.effects import Effects
from node.transition.nonces import NonceWindow
from node.types.commands import ApproveAgent
from node.types.errors import AgentRefused, TooManyAgents
from node.types.events import AgentChanged
from node.types.ids import NO_ADDRESS, Address
from node.types.rules import Limits
from node.types.units import Millis


def approve_agent(effects: Effects, command: ApproveAgent) -> None:
    """Set until when ``agent`` may sign; a time that has passed revokes it, from now on.

    An agent that was known keeps its used nonces, so nothing it signed can be used again. One may
    be forgotten only when every action it could have signed has expired: ``action_lifetime_ms``
    after its end. One that has ended keeps its end when it is revoked, or it would stay longer.
    Raises ``OwnerRequired``, ``AgentRefused``, ``TooManyAgents``.
    """
    state = effects.state
    authority = authorize(state, command, owner_only=True)
    account, agent = authority.account, command.agent
    if agent in (NO_ADDRESS, account.address):
        raise AgentRefused(agent=agent)
    known = account.agents.get(agent)
    ends = ((held.until, address) for address, held in account.agents.items())
    forgotten = None if known else forgettable(ends, state.rules.limits, state.time)
    if known is None and forgotten is None:
        limit = state.rules.limits.agents_per_account
        if len(account.agents) >= limit:
            raise TooManyAgents(limit=limit)
    if forgotten is not None:
        del account.agents[forgotten]
    end = min(known.until, state.time) if known else state.time
    until = command.until if command.until > state.time else Millis(end)
    account.add_agent(agent, until, known.nonces if known else NonceWindow())
    effects.events.append(AgentChanged(account.address, agent, until))
    authority.use(effects)


def forgettable(ends: Iterable[tuple[Millis, Address]], limits: Limits, now: int) -> Address | None:
    """Return the agent that ended longest ago, if all that it may have signed has expired.

    ``ends`` are an account's agents with the end of each. Whoever mirrors the state asks this too:
    no event tells that an agent was forgotten.
    """
    oldest = min(ends, default=None)
    if oldest is None or oldest[0] + limits.action_lifetime_ms >= now:
        return None
    return oldest[1]
