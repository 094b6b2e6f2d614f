"""Set, move or turn off the account's dead man's switch; its agents may as well."""

from node.transition.authority import authorize
from node.transition.effects import Effects
from node.types.commands import SetSwitch
from node.types.errors import ValueOutOfRange
from node.types.events import SwitchChanged


def set_switch(effects: Effects, command: SetSwitch) -> None:
    """Set the switch. Raises ``ValueOutOfRange`` unless its time lies ahead, or is 0.

    Like an action's own expiry it may lie at most ``action_lifetime_ms`` ahead.
    """
    state = effects.state
    authority = authorize(state, command)
    latest = state.time + state.rules.limits.action_lifetime_ms
    if command.cancel_at and not state.time < command.cancel_at <= latest:
        raise ValueOutOfRange(field="cancel_at", low=state.time + 1, high=latest)
    account = authority.account
    account.switch_at = command.cancel_at
    account.switch_on_disconnect = command.on_disconnect
    effects.events.append(SwitchChanged(account.address, command.cancel_at, command.on_disconnect))
    authority.use(effects)
