"""Auto-deleveraging: the last resort, when margin and insurance fund together do not suffice.

The rest of a bankrupt position goes, share by share, to the opposing positions with the best entry
price: those that gained most on each lot, and so also the most in proportion to what they put in,
since all face one mark. Of each share of s lots the position gives up its margin and the fund its
money in proportion, and the counterparty gets exactly what then is missing:

    value = entry_s - margin_s - fund_s        (signed, as a sale: what the bankrupt side receives)

so that the share is closed at zero and no unit is lost or made.
"""

from node.margin.position import Position, initial_margin
from node.transition.effects import Effects
from node.transition.orders import drop_idle_reducers
from node.transition.state import Account, Market
from node.types.events import Deleveraged
from node.types.units import Lots, Money


def deleverage(effects: Effects, market: Market, position: Position) -> Money:
    """Hand the bankrupt ``position`` over; return what the insurance fund paid.

    At most ``Rules.limits.deleverage_steps`` opposing positions are looked at; what then is left
    stays for the next Liquidate. A counterparty whose own equity would not survive is passed over.
    """
    state = effects.state
    opposing = market.queues[1 if position.size > 0 else 0]
    candidates = [address for _, address in opposing[: state.rules.limits.deleverage_steps]]
    paid = 0
    _settle_funding(position, market)
    for address in candidates:
        if not position.size:
            break
        counterparty = state.accounts[address]
        paid += _hand_over(effects, market, position, counterparty)
    return Money(paid)


def _hand_over(effects: Effects, market: Market, position: Position, counterparty: Account) -> int:
    """Close one share against ``counterparty``; return what the fund paid for it."""
    state = effects.state
    other = counterparty.positions[market.market_id]
    size = abs(position.size)
    share = min(size, abs(other.size))
    lots = share if position.size > 0 else -share
    margin = position.margin * share // size
    entry = position.entry * share // size
    fund = state.insurance * share // size
    value = entry - margin - fund
    if not _take_over(market, counterparty, other, lots, value):
        return 0
    position.size -= lots
    position.margin -= margin
    position.entry -= entry
    state.insurance -= fund
    effects.account_changed(counterparty)
    effects.position_changed(other)
    effects.position_changed(position)
    effects.events.append(
        Deleveraged(
            position.account, counterparty.address, market.market_id, Lots(share), Money(abs(value))
        )
    )
    if not other.size:
        drop_idle_reducers(effects, counterparty, market.market_id)
    return fund


def _take_over(
    market: Market, counterparty: Account, other: Position, lots: int, value: int
) -> bool:
    """Close ``lots`` (signed as the bankrupt's) of ``other`` for ``value``; False: it cannot."""
    size, left = other.size, other.size + lots
    settled = other.margin - other.owed_funding(market.funding_index)
    removed = other.entry * lots // -size
    margin = settled - value - removed
    entry = other.entry - removed
    equity = margin + left * market.mark - entry
    if equity < 0 or (left == 0 and margin < 0):
        return False
    released = margin
    if left:
        kept = -(-settled * abs(left) // abs(size))
        spare = equity - initial_margin(market.rules, left, market.mark)
        released = max(0, min(margin - kept, spare))
    other.size, other.entry, other.margin = left, entry, margin - released
    other.funding = market.funding_index
    counterparty.free += released
    return True


def _settle_funding(position: Position, market: Market) -> None:
    position.margin -= position.owed_funding(market.funding_index)
    position.funding = market.funding_index
