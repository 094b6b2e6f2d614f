"""One exchange, a few keys, and one command of every kind, for all tests of the codec."""

from typing import TypeVar

import msgspec

from node.codec.eip712 import Signing
from node.codec.signatures import address_of_private, sign
from node.types.blocks import Domain
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
from node.types.fees import FREE
from node.types.ids import EVERY_MARKET, Address, ClientOrderId, MarketId, OrderId
from node.types.rules import Bracket, MarketRules, Rules
from node.types.units import Lots, Millis, Money, Ppm, Ticks

OWNER_KEY = bytes.fromhex("0a" * 32)
AGENT_KEY = bytes.fromhex("0b" * 32)
REPORTER_KEY = bytes.fromhex("0c" * 32)
OWNER = address_of_private(OWNER_KEY)
AGENT = address_of_private(AGENT_KEY)
REPORTER = address_of_private(REPORTER_KEY)

BTC, ETH = MarketId(1), MarketId(2)
NOON = Millis(1_760_000_000_000)
UNSIGNED = bytes(65)


def market_rules(symbol: str, tick_decimals: int) -> MarketRules:
    """Return a market of which the codec only reads the symbol and the decimals."""
    return MarketRules(
        symbol=symbol,
        tick_decimals=tick_decimals,
        lot_decimals=6 - tick_decimals,
        min_notional=Money(1_000_000),
        price_band=Ppm(100_000),
        brackets=(Bracket(max_size=Lots(10**9), initial=Ppm(50_000), maintenance=Ppm(25_000)),),
        maker_fee=Ppm(200),
        taker_fee=Ppm(500),
        liquidation_fee=Ppm(5_000),
        mark_stale_ms=Millis(60_000),
        funding_interval_ms=Millis(3_600_000),
        funding_cap=Ppm(1_000),
    )


RULES = Rules(
    name="examples",
    markets=(market_rules("BTC-PERP", 1), market_rules("ETH-PERP", 2)),
    reporters=(REPORTER,),
    quorum=1,
    fees=FREE,
)
DOMAIN = Domain(chain_id=31_337, rollup=bytes.fromhex("5f" * 20))
SIGNING = Signing(DOMAIN, RULES)

BUY = NewOrder(BTC, Side.BUY, OrderType.GTC, Ticks(600_005), Lots(1_000), False, ClientOrderId(4))
SELL = NewOrder(ETH, Side.SELL, OrderType.POST_ONLY, Ticks(300_000), Lots(7), True)
STOP = NewOrder(
    BTC,
    Side.SELL,
    OrderType.MARKET,
    Ticks(550_000),
    Lots(1_000),
    True,
    ClientOrderId(5),
    SelfTrade.CANCEL_TAKER,
    Millis(NOON + 86_400_000),
    Trigger.STOP,
    Ticks(580_000),
    9,
)
TARGET = msgspec.structs.replace(
    STOP,
    type=OrderType.GTC,
    price=Ticks(640_000),
    client_id=ClientOrderId(0),
    trigger=Trigger.TAKE_PROFIT,
    trigger_price=Ticks(640_000),
)
HEAD = (OWNER, OWNER, 1, Millis(NOON + 60_000), UNSIGNED)

ACTIONS: dict[str, SignedAction] = {
    "one_order": PlaceOrders(*HEAD, (), (BUY,)),
    "cancels_and_orders": PlaceOrders(
        *HEAD,
        (CancelOrder(order_id=OrderId(7)), CancelOrder(client_id=ClientOrderId(3))),
        (BUY, SELL),
        Money(2_500),
    ),
    "every_order_type": PlaceOrders(
        *HEAD, (), tuple(msgspec.structs.replace(BUY, type=kind) for kind in OrderType)
    ),
    "every_way_to_meet_oneself": PlaceOrders(
        *HEAD, (), tuple(msgspec.structs.replace(BUY, self_trade=way) for way in SelfTrade)
    ),
    "stop_and_target": PlaceOrders(*HEAD, (), (STOP, TARGET, BUY)),
    "amends": PlaceOrders(
        *HEAD,
        (CancelOrder(order_id=OrderId(8)),),
        (BUY,),
        Money(2_500),
        (
            AmendOrder(BTC, Ticks(600_010), Lots(500), order_id=OrderId(7)),
            AmendOrder(ETH, Ticks(299_990), Lots(6), client_id=ClientOrderId(3)),
            AmendOrder(
                BTC,
                Ticks(600_010),
                Lots(500),
                order_id=OrderId(9),
                trigger_price=Ticks(595_000),
                good_till=Millis(NOON + 7_200_000),
            ),
        ),
    ),
    "set_switch": SetSwitch(*HEAD, Millis(NOON + 30_000), True),
    "switch_off": SetSwitch(*HEAD, Millis(0), False),
    "cancel_all_in_market": CancelAll(*HEAD, ETH),
    "cancel_all": CancelAll(*HEAD, EVERY_MARKET),
    "add_margin": AdjustMargin(*HEAD, BTC, Money(12_500_000)),
    "remove_margin": AdjustMargin(*HEAD, BTC, Money(-1)),
    "withdraw": Withdraw(*HEAD, Money(250_000_001)),
    "approve_agent": ApproveAgent(*HEAD, AGENT, Millis(NOON + 86_400_000)),
}

A = TypeVar("A", bound=SignedAction)


def signed(action: A, key: bytes = OWNER_KEY) -> A:
    """Return ``action`` with the signature and the address of ``key``."""
    signature = sign(key, SIGNING.digest(action))
    return msgspec.structs.replace(action, signer=address_of_private(key), signature=signature)


def oracle_round(key: bytes = REPORTER_KEY, reporter: Address = REPORTER) -> OracleRound:
    """Return a round with one report, signed by ``key``."""
    prices = (Ticks(600_000), Ticks(300_000))
    report = PriceReport(reporter, prices, sign(key, SIGNING.report_digest(NOON, prices)))
    return OracleRound(NOON, (report,))


SYSTEM: dict[str, Command] = {
    "open_block": OpenBlock(1, NOON, Money(150), Millis(780_000)),
    "deposit": Deposit(0, OWNER, Money(1_000_000_000)),
    "oracle_round": oracle_round(),
    "settle_funding": SettleFunding(),
    "liquidate": Liquidate(BTC, OWNER),
    "expire": Expire(OWNER),
    "trigger_order": TriggerOrder(AGENT, OrderId(12)),
    "disconnected": Disconnected(OWNER),
    "uncross": Uncross(ETH),
}

LOG: tuple[Command, ...] = (
    *SYSTEM.values(),
    *(signed(action) for action in ACTIONS.values()),
    signed(ACTIONS["one_order"], AGENT_KEY),
)
"""One command of every kind, as a batch would hold them."""
