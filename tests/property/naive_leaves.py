"""The leaves of the naive engine's state, as docs/PROTOCOL.md lays them out, written by hand."""

from node.types.units import UINT64_MAX
from tests.property.naive_exchange import Exchange, Listed, Owner, Signer, Waiting


def leaves_of(exchange: Exchange) -> dict[bytes, bytes]:
    """Return every leaf of the state."""
    found = {bytes(32): _totals_leaf(exchange), b"\x05" + bytes(31): exchange.rules.digest()}
    for market in exchange.markets:
        found[_key(b"\x04", _int(market.market_id, 2))] = _market_leaf(market)
    for owner in exchange.owners.values():
        found[_key(b"\x01", owner.address)] = _account_leaf(exchange, owner)
    for held in exchange.held.values():
        if held.size:
            key = _key(b"\x02", _int(held.market, 2), held.account)
            numbers = (held.entry, held.margin, held.funding)
            found[key] = _int(held.size, 8) + b"".join(_int(one, 16) for one in numbers)
    for order in exchange.orders:
        if order.gathered is not None:
            # It stands in no leaf before its auction.
            continue
        first = order.price if order.side else UINT64_MAX - order.price
        place = _int(order.market, 2) + bytes([order.side]) + _int(first, 8)
        found[_key(b"\x03", place, _int(order.rank, 8))] = (
            order.account
            + _int(order.order_id, 8)
            + _int(order.client_id, 8)
            + _int(order.remaining, 8)
            + _int(order.size, 8)
            + bytes([order.reduce_only + 2 * order.post_only + 4 * order.self_trade])
            + _int(order.reserve, 16)
            + _int(order.good_till, 8)
            + _int(order.group, 8)
            + _int(order.batch, 8)
        )
    for one in exchange.waiting:
        key = _key(b"\x07", _int(one.market, 2), _int(one.order_id, 8))
        found[key] = _waiting_leaf(one)
    for number, (account, amount) in exchange.withdrawals.items():
        found[_key(b"\x06", _int(number, 8))] = account + _int(amount, 16)
    return found


def _totals_leaf(exchange: Exchange) -> bytes:
    now = exchange.totals
    counters = (
        now.time, now.block, now.sequence, now.next_order, now.next_withdrawal, now.inbox,
        now.oracle_time, now.fee, now.fee_anchor, now.lag,
    )  # fmt: skip
    money = (now.insurance, now.fees, now.deposited, now.withdrawn)
    return b"".join([*(_int(one, 8) for one in counters), *(_int(one, 16) for one in money)])


def _account_leaf(exchange: Exchange, owner: Owner) -> bytes:
    window = exchange.rules.limits.nonce_window
    width = -(-window // 8)

    def nonces(signer: Signer) -> bytes:
        return _int(max(signer.used), 8) + signer.bits(window).to_bytes(width, "big")

    agents = [
        address + _int(agent.until, 8) + nonces(agent)
        for address, agent in sorted(owner.agents.items())
    ]
    switch = _int(owner.switch_at, 8) + bytes([owner.switch_on_disconnect])
    kept = owner.names[-exchange.rules.limits.client_ids_kept :]
    names = b"".join(_int(one, 8) for pair in kept for one in pair)
    head = _int(owner.free, 16) + nonces(owner.key) + switch
    return head + _int(len(names), 2) + names + b"".join(agents)


def _key(*parts: bytes) -> bytes:
    return b"".join(parts).ljust(32, b"\0")


def _int(number: int, width: int) -> bytes:
    """Return ``number`` in two's complement, or unsigned where only that has room."""
    return (number % (1 << 8 * width)).to_bytes(width, "big")


def _waiting_leaf(waiting: Waiting) -> bytes:
    new = waiting.new
    kinds = bytes([new.side, new.type, new.reduce_only, new.self_trade, new.trigger])
    numbers = (new.price, new.size, new.good_till, new.trigger_price, new.group)
    told = b"".join(_int(one, 8) for one in numbers)
    return waiting.account + _int(new.client_id, 8) + kinds + told + _int(waiting.max_fee, 16)


def _market_leaf(market: Listed) -> bytes:
    small = (
        market.mark, market.mark_time, market.funding_time, market.samples,
        market.anchor, market.anchor_time, market.variance,
    )  # fmt: skip
    large = (market.index, market.premium_sum, market.carry)
    return b"".join([*(_int(one, 8) for one in small), *(_int(one, 16) for one in large)])
