"""What ``plimsoll verify --json`` writes: the verdict, and the exchange as it was rebuilt.

Prices, sizes and money are decimal strings in the units of the market and of the quote asset, as
everywhere on the node's outside; hashes and addresses are hex.
"""

import msgspec

from node.transition.account import Account
from node.transition.state import Market, State
from node.types.commands import Side
from node.types.ids import hex_from_address
from node.types.units import decimal_from_units, money_text
from node.verifier.verdict import Difference, Verdict, shown

_SIDES = {Side.BUY: "buy", Side.SELL: "sell"}


class RestingOrder(msgspec.Struct, frozen=True, gc=False):
    """An order in a book; those of one side of one market stand in priority."""

    market: str
    side: str
    price: str
    size: str
    account: str
    order_id: int
    client_id: int
    reduce_only: bool


class OpenPosition(msgspec.Struct, frozen=True, gc=False):
    """A position: signed size, signed entry value, its own margin."""

    market: str
    size: str
    entry: str
    margin: str


class AccountBalance(msgspec.Struct, frozen=True, gc=False):
    """An account's free collateral, what its orders reserve, and its open positions."""

    account: str
    free: str
    reserved: str
    positions: tuple[OpenPosition, ...]


class VerifyReport(msgspec.Struct, frozen=True, gc=False):
    """The whole outcome; ``root`` is the last one that agreed.

    ``sequencer`` alone posts batches; each is final ``finality_blocks`` L1 blocks later, and
    withdrawals are paid in ``token`` by ``inbox``.
    ``lag_understated_ms``: how much older than stated the settled state was, at least, at the worst
    block; no difference, but margin was asked for too little then.
    """

    ok: bool
    chain_id: int
    rollup: str
    sequencer: str
    finality_blocks: int
    inbox: str
    token: str
    batches: int
    commands: int
    root: str
    roots: tuple[str, ...]
    difference: Difference | None
    lag_understated_ms: int
    resting_orders: tuple[RestingOrder, ...]
    accounts: tuple[AccountBalance, ...]

    def to_json(self) -> bytes:
        """Return the report as indented JSON."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2)


def verify_report(verdict: Verdict, state: State | None) -> VerifyReport:
    """Return the report on ``verdict``; ``state`` is the exchange as far as it was rebuilt.

    After a difference it is that of the batch in which it was found, not a state that agreed.
    """
    terms = verdict.terms
    return VerifyReport(
        ok=verdict.ok,
        chain_id=terms.domain.chain_id,
        rollup=shown(terms.domain.rollup),
        sequencer=hex_from_address(terms.sequencer),
        finality_blocks=terms.finality_blocks,
        inbox=hex_from_address(terms.inbox),
        token=hex_from_address(terms.token),
        batches=verdict.batches,
        commands=verdict.commands,
        root=shown(verdict.roots[-1]) if verdict.roots else "",
        roots=tuple(shown(root) for root in verdict.roots),
        difference=verdict.difference,
        lag_understated_ms=verdict.lag_understated_ms,
        resting_orders=() if state is None else _resting_orders(state),
        accounts=() if state is None else _accounts(state),
    )


def _resting_orders(state: State) -> tuple[RestingOrder, ...]:
    return tuple(
        RestingOrder(
            market=market.rules.symbol,
            side=_SIDES[side],
            price=decimal_from_units(order.price, market.rules.tick_decimals),
            size=decimal_from_units(order.remaining, market.rules.lot_decimals),
            account=hex_from_address(order.account),
            order_id=order.order_id,
            client_id=order.client_id,
            reduce_only=order.reduce_only,
        )
        for market in state.markets
        for side in Side
        for order in market.book.orders(side)
    )


def _accounts(state: State) -> tuple[AccountBalance, ...]:
    return tuple(
        AccountBalance(
            account=hex_from_address(address),
            free=money_text(account.free),
            reserved=money_text(account.reserved),
            positions=_positions(account, state.markets),
        )
        for address, account in sorted(state.accounts.items())
    )


def _positions(account: Account, markets: list[Market]) -> tuple[OpenPosition, ...]:
    found = []
    for market_id, position in sorted(account.positions.items()):
        if position.size:
            rules = markets[market_id - 1].rules
            size = decimal_from_units(position.size, rules.lot_decimals)
            entry, margin = money_text(position.entry), money_text(position.margin)
            found.append(OpenPosition(rules.symbol, size, entry, margin))
    return tuple(found)
