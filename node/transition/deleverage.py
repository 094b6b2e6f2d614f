"""Auto-deleveraging: the last resort, when margin and insurance fund together do not suffice.

The rest of a bankrupt position goes, share by share, to the opposing positions with the best entry
price: those that gained most on each lot, and so also the most in proportion to what they put in,
since all face one mark. Of each share of s lots the position gives up its margin and the fund its
money in proportion, and the counterparty gets exactly what then is missing:

    value = entry_s - margin_s - fund_s        (signed, as a sale: what the bankrupt side receives)

so that the share is closed at zero and no unit is lost or made.
"""

from node.margin.position import Position, initial_margin
from node.transition.account import Account
from node.transition.effects import Effects
from node.transition.orders import drop_idle_reducers
from node.transition.state import Market, State
from node.types.events import Deleveraged
from node.types.units import Lots, Money


def deleverage(effects: Effects, market: Market, position: Position) -> Money:
    """Hand the bankrupt ``position`` over; return what the insurance fund paid.

    At most ``Rules.limits.deleverage_steps`` opposing positions are looked at; what then is left
    stays for the next Liquidate. A counterparty whose own equity would not survive is passed over.
    """
    paid = 0
    _settle_funding(position, market)
    effects.rank_changed()
    for counterparty in _candidates(effects.state, market, position):
        if not position.size:
            break
        paid += _hand_over(effects, market, position, counterparty)
    return Money(paid)


def can_deleverage(state: State, market: Market, position: Position) -> bool:
    """Return whether any opposing position within reach could take its share as things stand."""
    for counterparty in _candidates(state, market, position):
        other = counterparty.positions[market.market_id]
        share = _Share(state, market, position, other)
        if _taken(market, other, share.lots, share.value) is not None:
            return True
    return False


def _candidates(state: State, market: Market, position: Position) -> list[Account]:
    opposing = market.queues[1 if position.size > 0 else 0]
    steps = state.rules.limits.deleverage_steps
    return [state.accounts[address] for _, address in opposing[:steps]]


class _Share:
    """What one counterparty may take: ``lots`` (signed as the bankrupt's), and what goes along."""

    __slots__ = ("entry", "fund", "lots", "margin", "value")

    def __init__(self, state: State, market: Market, position: Position, other: Position) -> None:
        size = abs(position.size)
        share = min(size, abs(other.size))
        settled = position.margin - position.owed_funding(market.funding_index)
        self.lots = share if position.size > 0 else -share
        self.margin = settled * share // size
        self.entry = position.entry * share // size
        self.fund = state.insurance * share // size
        self.value = self.entry - self.margin - self.fund


def _hand_over(effects: Effects, market: Market, position: Position, counterparty: Account) -> int:
    """Close one share against ``counterparty``; return what the fund paid for it."""
    state = effects.state
    other = counterparty.positions[market.market_id]
    share = _Share(state, market, position, other)
    taken = _taken(market, other, share.lots, share.value)
    if taken is None:
        return 0
    other.size, other.entry, other.margin, released = taken
    other.funding = market.funding_index
    counterparty.free += released
    position.size -= share.lots
    position.margin -= share.margin
    position.entry -= share.entry
    state.insurance -= share.fund
    effects.account_changed(counterparty)
    effects.position_changed(other)
    effects.position_changed(position)
    effects.events.append(
        Deleveraged(
            position.account,
            counterparty.address,
            market.market_id,
            Lots(abs(share.lots)),
            Money(share.value if share.lots > 0 else -share.value),
        )
    )
    if not other.size:
        drop_idle_reducers(effects, counterparty, market.market_id)
    return share.fund


def _taken(
    market: Market, other: Position, lots: int, value: int
) -> tuple[int, int, int, int] | None:
    """Return ``other``'s size, entry and margin, and what is released, once it closed ``lots``.

    ``lots`` are signed as the bankrupt's, closed for ``value``. None: its equity does not bear it.
    """
    size, left = other.size, other.size + lots
    settled = other.margin - other.owed_funding(market.funding_index)
    removed = other.entry * lots // -size
    margin = settled - value - removed
    entry = other.entry - removed
    equity = margin + left * market.mark - entry
    if equity < 0 or (left == 0 and margin < 0):
        return None
    released = margin
    if left:
        kept = -(-settled * abs(left) // abs(size))
        spare = equity - initial_margin(market.rules, left, market.mark)
        released = max(0, min(margin - kept, spare))
    return left, entry, margin - released, released


def _settle_funding(position: Position, market: Market) -> None:
    position.margin -= position.owed_funding(market.funding_index)
    position.funding = market.funding_index
