"""Rules, accounts and events that the tests of the risk station share."""

from node.risk.book import MarketView, RiskBook
from node.risk.config import RiskConfig
from node.types.events import BlockOpened, FundingMoved, MarkMoved, PositionChanged
from node.types.fees import FREE
from node.types.ids import Address, MarketId
from node.types.rules import Bracket, MarketRules, Rules
from node.types.units import Lots, Millis, Money, Ppm, Ticks

MARKET = MarketId(1)
START_MS = 1_700_000_000_000
NS_PER_MS = 1_000_000


def market_rules(symbol: str = "BTC-PERP") -> MarketRules:
    return MarketRules(
        symbol=symbol,
        tick_decimals=2,
        lot_decimals=4,
        min_notional=Money(1_000_000),
        price_band=Ppm(100_000),
        brackets=(
            Bracket(max_size=Lots(1_000), initial=Ppm(20_000), maintenance=Ppm(10_000)),
            Bracket(max_size=Lots(10_000), initial=Ppm(50_000), maintenance=Ppm(25_000)),
            Bracket(max_size=Lots(2**40), initial=Ppm(100_000), maintenance=Ppm(50_000)),
        ),
        maker_fee=Ppm(0),
        taker_fee=Ppm(500),
        liquidation_fee=Ppm(5_000),
        mark_stale_ms=Millis(10_000),
        funding_interval_ms=Millis(3_600_000),
        funding_cap=Ppm(7_500),
    )


def rules(markets: int = 1) -> Rules:
    return Rules(
        name="test",
        markets=tuple(market_rules(f"M{place}") for place in range(markets)),
        reporters=(Address(bytes(19) + b"\x01"),),
        quorum=1,
        fees=FREE,
    )


def address(number: int) -> Address:
    return Address(number.to_bytes(20, "big"))


def position(
    number: int,
    size: int,
    price: int,
    margin: int,
    *,
    funding: int = 0,
    market: MarketId = MARKET,
) -> PositionChanged:
    """A position of ``size`` lots that was opened at ``price``."""
    return PositionChanged(
        account=address(number),
        market=market,
        size=Lots(size),
        entry=Money(size * price),
        margin=Money(margin),
        funding=funding,
    )


def block(number: int, time: int = 0) -> BlockOpened:
    return BlockOpened(number=number, time=Millis(time or START_MS + 1_000 * number))


def mark(price: int, time: int = START_MS, market: MarketId = MARKET) -> MarkMoved:
    return MarkMoved(market=market, price=Ticks(price), time=Millis(time))


def funding(index: int, market: MarketId = MARKET) -> FundingMoved:
    return FundingMoved(market=market, delta=0, index=index)


def view_of(*events: PositionChanged) -> MarketView:
    return RiskBook.from_positions(rules(), events).view(MARKET)


CONFIG = RiskConfig(audit_per_round=4)
