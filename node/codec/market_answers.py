"""What the node answers of markets and rules, as types; ``answers`` has the rest."""

from typing import Literal

from msgspec import Struct

from node.codec.answers import Account, Decimal, Hash, Natural


class BracketAnswer(Struct, frozen=True):
    """Margin rates of a position up to ``max_size``."""

    max_size: Decimal
    initial: Natural
    maintenance: Natural


class StalenessAnswer(Struct, frozen=True):
    """What margin allows for moves that nobody has seen yet: docs/PROTOCOL.md, section 8."""

    deviations: Natural
    volatility_floor: Natural
    volatility_prior: Natural
    volatility_ceiling: Natural
    window_ms: Natural


class MarketAnswer(Struct, frozen=True):
    """The rules of a market."""

    symbol: str
    id: Natural
    tick_decimals: Natural
    lot_decimals: Natural
    min_notional: Decimal
    max_size: Decimal
    price_band: Natural
    maker_fee: Natural
    taker_fee: Natural
    liquidation_fee: Natural
    mark_stale_ms: Natural
    funding_interval_ms: Natural
    funding_cap: Natural
    ordering: Literal["continuous", "cancels_first", "auction"]
    staleness: StalenessAnswer
    brackets: tuple[BracketAnswer, ...]


class FundingAnswer(Struct, frozen=True):
    """Where funding stands, as of the last oracle round.

    ``index`` is what a long has come to owe for each lot in all. Since it last moved ``premium`` is
    the mean of ``samples``, and ``rate`` what that is for a whole interval, to be paid at
    ``next_time``: shares of the mark, to a billionth, toward minus infinity.
    """

    index: Decimal
    premium: Decimal
    samples: Natural
    rate: Decimal
    next_time: Natural


class StandsNow(Struct, frozen=True):
    """What the age of a market's data meant to the last block, and how the market stands.

    Null without a mark. ``open_interest`` is the size of all long positions.
    """

    data_age_ms: int | None
    volatility: int | None
    buffer: int | None
    opens: bool
    funding: FundingAnswer | None
    open_interest: Decimal


class MarketNow(MarketAnswer, frozen=True):
    """The rules of a market, and how it stands."""

    now: StandsNow


class MarketsAnswer(Struct, frozen=True):
    """Every market, in the order of the ids."""

    markets: tuple[MarketNow, ...]


class RulesAnswer(Struct, frozen=True):
    """All rules; ``digest`` is the hash of ``canonical``, as it stands on L1.

    Signatures name ``chain_id`` and ``rollup`` in their domain. ``sequencer`` signs the blocks.
    """

    name: str
    digest: Hash
    canonical: str
    markets: tuple[MarketAnswer, ...]
    reporters: tuple[Account, ...]
    quorum: Natural
    limits: dict[str, int]
    root_interval: Natural
    finality_ms: Natural
    money_decimals: Natural
    rate_one: Natural
    chain_id: Natural
    rollup: Account
    sequencer: Account
