"""Hypothesis strategies for every command that the protocol can carry."""

from hypothesis import strategies as st

from node.codec.ranges import MARKET_ID_MAX, MONEY_MAX
from node.types.commands import (
    AdjustMargin,
    AmendOrder,
    ApproveAgent,
    CancelAll,
    CancelOrder,
    Command,
    Deposit,
    Disconnected,
    Expire,
    Liquidate,
    NewOrder,
    OpenBlock,
    OracleRound,
    OrderType,
    PlaceOrders,
    PriceReport,
    SelfTrade,
    SetSwitch,
    SettleFunding,
    Side,
    SignedAction,
    Trigger,
    TriggerOrder,
    Uncross,
    Withdraw,
)
from node.types.units import LAG_MAX, UINT64_MAX

# Few addresses, so that they repeat and the differences between rows come to bear.
addresses = st.one_of(
    st.sampled_from([bytes([name]) * 20 for name in range(4)]),
    st.binary(min_size=20, max_size=20),
)
uint64s = st.one_of(
    st.integers(0, 300), st.integers(0, UINT64_MAX), st.sampled_from([UINT64_MAX, UINT64_MAX - 1])
)
times = st.one_of(st.integers(1_760_000_000, 1_760_000_100).map(lambda s: s * 1_000), uint64s)
amounts = st.integers(0, MONEY_MAX)
signatures = st.builds(
    lambda scalars, parity: scalars + bytes([parity]),
    st.binary(min_size=64, max_size=64),
    st.integers(0, 1),
)


def market_ids(high: int) -> st.SearchStrategy[int]:
    """Return market ids from 1 to ``high``."""
    return st.integers(1, high)


def orders(markets: int = MARKET_ID_MAX) -> st.SearchStrategy[NewOrder]:
    """Return orders in the first ``markets`` markets, every other one a plain one."""
    plain = {
        "market": market_ids(markets),
        "side": st.sampled_from(Side),
        "type": st.sampled_from(OrderType),
        "price": uint64s,
        "size": uint64s,
        "reduce_only": st.booleans(),
        "client_id": uint64s,
    }
    return st.builds(NewOrder, **plain) | st.builds(
        NewOrder,
        **plain,
        self_trade=st.sampled_from(SelfTrade),
        good_till=times,
        trigger=st.sampled_from(Trigger),
        trigger_price=uint64s,
        group=uint64s,
    )


def amends(
    markets: int = MARKET_ID_MAX, *, well_formed: bool = False
) -> st.SearchStrategy[AmendOrder]:
    """Return amends; a well-formed one names exactly one of its ids, as a cancel does."""
    return st.builds(
        lambda name, market, price, size, trigger_price, good_till: AmendOrder(
            market, price, size, name.order_id, name.client_id, trigger_price, good_till
        ),
        cancels(well_formed=well_formed),
        market_ids(markets),
        uint64s,
        uint64s,
        st.just(0) | uint64s,
        st.just(0) | times,
    )


def cancels(*, well_formed: bool) -> st.SearchStrategy[CancelOrder]:
    """Return cancels; a well-formed one names exactly one of its ids, any other none or both."""
    ids = st.integers(1, UINT64_MAX)
    named = st.one_of(st.builds(CancelOrder, ids), st.builds(CancelOrder, st.just(0), ids))
    return named if well_formed else st.builds(CancelOrder, uint64s, uint64s)


def actions(
    markets: int = MARKET_ID_MAX, *, well_formed: bool = False
) -> st.SearchStrategy[SignedAction]:
    """Return signed actions; a well-formed one could have come through the gate."""
    head = {
        "account": addresses,
        "signer": addresses,
        "nonce": uint64s,
        "expires": times,
        "signature": signatures,
    }
    least = 1 if well_formed else 0
    order_lists = st.lists(orders(markets), min_size=least, max_size=6).map(tuple)
    cancel_lists = st.lists(cancels(well_formed=well_formed), max_size=6).map(tuple)
    amend_lists = st.lists(amends(markets, well_formed=well_formed), max_size=3).map(tuple)
    market = market_ids(markets)
    return st.one_of(
        st.builds(
            PlaceOrders,
            **head,
            cancels=cancel_lists,
            orders=order_lists,
            max_fee=amounts,
            amends=st.just(()) | amend_lists,
        ),
        st.builds(CancelAll, **head, market=st.one_of(st.just(0), market)),
        st.builds(AdjustMargin, **head, market=market, amount=st.integers(-MONEY_MAX, MONEY_MAX)),
        st.builds(Withdraw, **head, amount=amounts),
        st.builds(ApproveAgent, **head, agent=addresses, until=times),
        st.builds(SetSwitch, **head, cancel_at=times, on_disconnect=st.booleans()),
    )


reports = st.builds(
    PriceReport,
    reporter=addresses,
    prices=st.lists(uint64s, max_size=4).map(tuple),
    signature=signatures,
)

system_commands: st.SearchStrategy[Command] = st.one_of(
    st.builds(OpenBlock, number=uint64s, time=times, fee=amounts, lag=st.integers(0, LAG_MAX)),
    st.builds(Deposit, index=uint64s, account=addresses, amount=amounts),
    st.builds(OracleRound, time=times, reports=st.lists(reports, max_size=4).map(tuple)),
    st.just(SettleFunding()),
    st.builds(Liquidate, market=market_ids(MARKET_ID_MAX), account=addresses),
    st.builds(Expire, addresses),
    st.builds(TriggerOrder, addresses, uint64s),
    st.builds(Disconnected, addresses),
    st.builds(Uncross, market_ids(MARKET_ID_MAX)),
)

commands: st.SearchStrategy[Command] = st.one_of(actions(), system_commands)
