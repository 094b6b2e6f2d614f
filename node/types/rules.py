"""The rules of one exchange: everything that the transition knows beforehand.

Rules never change during the life of a rollup. They stand on L1 (the rollup contract announces
their bytes when it is created), so a verifier needs no file from the operator.
"""

from enum import StrEnum

import msgspec

from node.types.errors import ConfigInvalid
from node.types.faults import out_of, out_of_ranges, raise_faults
from node.types.fees import FeeRules, faults_of_fees
from node.types.hashing import keccak256
from node.types.ids import Address, MarketId
from node.types.units import MONEY_DECIMALS, PPM_ONE, Lots, Millis, Money, Ppm


class Bracket(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """Margin rates of a position of at most ``max_size`` lots (the whole of it, not the part)."""

    max_size: Lots
    initial: Ppm
    maintenance: Ppm


class Ordering(StrEnum):
    """Who comes first among the commands of a block that meet in one market.

    CONTINUOUS: who the sequencer took first. CANCELS_FIRST: within a block nothing that only
    cancels may follow what may trade. AUCTION: all that arrives in a block trades at its end, at
    one price, and shares the margin in proportion.
    """

    CONTINUOUS = "continuous"
    CANCELS_FIRST = "cancels_first"
    AUCTION = "auction"


class StalenessRules(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """What a market's margin allows for moves that nobody has seen yet (``node.margin.staleness``).

    ``deviations``: how many standard deviations, in millionths (3_000_000 is 3; 0 asks for none).
    The volatility is in millionths of the price per square root of a second: 100 is 56 % a year.
    It starts at the prior, is averaged over ``window_ms``, and never leaves floor and ceiling.
    """

    deviations: Ppm = Ppm(3_000_000)
    volatility_floor: Ppm = Ppm(50)
    volatility_prior: Ppm = Ppm(120)
    volatility_ceiling: Ppm = Ppm(3_000)
    window_ms: Millis = Millis(1_800_000)


class MarketRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One linear perpetual.

    ``price_band``: how far a limit price may lie from the mark. ``mark_stale_ms``: a mark older
    than this opens nothing, and a round older than this in every market is refused. Funding moves
    every ``funding_interval_ms`` by the mean premium of the book over the mark, each sample at most
    ``funding_cap`` of it, times the interval by 8 hours.
    """

    symbol: str
    tick_decimals: int
    lot_decimals: int
    min_notional: Money
    price_band: Ppm
    brackets: tuple[Bracket, ...]
    maker_fee: Ppm
    taker_fee: Ppm
    liquidation_fee: Ppm
    mark_stale_ms: Millis
    funding_interval_ms: Millis
    funding_cap: Ppm
    staleness: StalenessRules = StalenessRules()
    ordering: Ordering = Ordering.CONTINUOUS

    @property
    def max_size(self) -> Lots:
        """Return the largest position, and the largest order, in lots."""
        return self.brackets[-1].max_size

    def bracket(self, size: int) -> Bracket:
        """Return the bracket of a position of ``size`` lots (unsigned, at most ``max_size``)."""
        first = self.brackets[0]
        if size <= first.max_size:  # As nearly all are.
            return first
        for bracket in self.brackets:
            if size <= bracket.max_size:
                return bracket
        return self.brackets[-1]


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What bounds the work of a single command, and the memory of a single account.

    ``steps_per_action``: the fills, and the makers that leave without one, of all orders of an
    action together; the last ones are left with fewer than ``fills_per_order``, or none.
    ``client_ids_kept``: an account's last client ids, which no other order of it is given; at least
    as many as one action can name, or one that is signed anew would push out its own.
    ``withdrawal_min``: a withdrawal stands in the state for ever, and on L1 only its owner's money
    is held back by it. A smaller one is for an account that takes out all that it has.
    """

    items_per_action: int = 100
    fills_per_order: int = 100
    steps_per_action: int = 1_000
    open_orders_per_account: int = 200
    agents_per_account: int = 8
    orders_per_auction: int = 200
    deleverage_steps: int = 20
    nonce_window: int = 256
    nonce_jump: int = 1_000_000
    client_ids_kept: int = 128
    action_lifetime_ms: Millis = Millis(7 * 24 * 3_600_000)
    oracle_ahead_ms: Millis = Millis(2_000)
    withdrawal_min: Money = Money(1_000_000)


class Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The rules of the exchange. ``markets[i]`` has the id ``i + 1``.

    ``root_interval``: an intermediate root stands at the first block end after so many commands.
    ``finality_ms``: how long a command takes until L1 will not take it back, on an ordinary day
    (Ethereum: 64 slots of 12 s). The age of risk data counts at least so much.
    """

    name: str
    markets: tuple[MarketRules, ...]
    reporters: tuple[Address, ...]
    quorum: int
    limits: Limits = Limits()
    fees: FeeRules = FeeRules()
    root_interval: int = 1_000
    finality_ms: Millis = Millis(0)

    def market(self, market: MarketId) -> MarketRules:
        """Return the rules of ``market``; the id must be known."""
        return self.markets[market - 1]

    def oldest_round(self, now: int) -> int:
        """Return the time of the oldest round of which a mark is still fresh at ``now``.

        A round marks every market, so it is the most patient one that counts.
        """
        return now - max(market.mark_stale_ms for market in self.markets)

    def ordered(self, ordering: Ordering) -> frozenset[MarketId]:
        """Return the markets whose blocks are ordered so."""
        return frozenset(
            MarketId(place)
            for place, market in enumerate(self.markets, start=1)
            if market.ordering is ordering
        )

    def encode(self) -> bytes:
        """Return the canonical bytes, as they stand on L1."""
        return msgspec.json.encode(self, order="sorted")

    def digest(self) -> bytes:
        """Return the 32-byte hash of the canonical bytes."""
        return keccak256(self.encode())


def decode_rules(data: bytes) -> Rules:
    """Return the rules encoded in ``data``. Raises ``ConfigInvalid`` with every fault found."""
    try:
        rules = msgspec.json.decode(data, type=Rules)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigInvalid(faults=(f"rules: {error}",)) from None
    check_rules(rules)
    return rules


def check_rules(rules: Rules) -> None:
    """Raise ``ConfigInvalid`` with *all* faults of ``rules``, each with its key and range."""
    faults = [
        *_faults_of_limits(rules.limits),
        *(f"fees.{fault}" for fault in faults_of_fees(rules.fees)),
        *_faults_of_oracle(rules),
        *(
            f"markets[{place}].{fault}"
            for place, market in enumerate(rules.markets)
            for fault in _faults_of_market(market)
        ),
    ]
    if not 1 <= len(rules.markets) <= 1_000:
        faults.append(f"markets: {len(rules.markets)} given, 1 … 1000 allowed")
    if len({market.symbol for market in rules.markets}) != len(rules.markets):
        faults.append("markets: symbols must differ from each other")
    faults += out_of("root_interval", rules.root_interval, 1, 1_000_000)
    faults += out_of("finality_ms", rules.finality_ms, 0, 7 * 24 * 3_600_000)
    raise_faults(faults)


def _faults_of_limits(limits: Limits) -> list[str]:
    ranges = {
        "items_per_action": (1, 100),
        "fills_per_order": (1, 10_000),
        "steps_per_action": (1, 1_000_000),
        "open_orders_per_account": (1, 10_000),
        "agents_per_account": (0, 64),
        "orders_per_auction": (1, 10_000),
        "deleverage_steps": (1, 1_000),
        "nonce_window": (64, 4_096),
        "nonce_jump": (1_000, 2**32),
        "client_ids_kept": (1, 256),
        "action_lifetime_ms": (60_000, 366 * 24 * 3_600_000),
        "oracle_ahead_ms": (0, 60_000),
        "withdrawal_min": (1, 10**12),
    }
    faults = out_of_ranges(limits, ranges)
    if limits.client_ids_kept < limits.items_per_action:
        most = limits.items_per_action
        faults.append(
            f"client_ids_kept: {limits.client_ids_kept}, items_per_action ({most}) or more"
        )
    return [f"limits.{fault}" for fault in faults]


def _faults_of_oracle(rules: Rules) -> list[str]:
    faults = out_of("quorum", rules.quorum, 1, max(1, len(rules.reporters)))
    if not 1 <= len(rules.reporters) <= 32:
        faults.append(f"reporters: {len(rules.reporters)} given, 1 … 32 allowed")
    if len(set(rules.reporters)) != len(rules.reporters):
        faults.append("reporters: addresses must differ from each other")
    if any(len(reporter) != 20 for reporter in rules.reporters):
        faults.append("reporters: an address has 20 bytes")
    return faults


def _faults_of_market(market: MarketRules) -> list[str]:
    faults = [
        *out_of("tick_decimals", market.tick_decimals, 0, MONEY_DECIMALS),
        *out_of("min_notional", market.min_notional, 1, 10**12),
        *out_of("price_band", market.price_band, 1, PPM_ONE - 1),
        *out_of("maker_fee", market.maker_fee, 0, 100_000),
        *out_of("taker_fee", market.taker_fee, 0, 100_000),
        *out_of("liquidation_fee", market.liquidation_fee, 0, 100_000),
        *out_of("mark_stale_ms", market.mark_stale_ms, 1, 24 * 3_600_000),
        *out_of("funding_interval_ms", market.funding_interval_ms, 1_000, 24 * 3_600_000),
        *out_of("funding_cap", market.funding_cap, 0, 100_000),
        *_faults_of_brackets(market.brackets),
        *_faults_of_staleness(market.staleness),
    ]
    if market.tick_decimals + market.lot_decimals != MONEY_DECIMALS:
        faults.append(
            f"lot_decimals: {market.lot_decimals}, tick_decimals + lot_decimals must be 6"
        )
    if not (
        1 <= len(market.symbol) <= 32 and market.symbol.isascii() and market.symbol.isprintable()
    ):
        faults.append("symbol: 1 … 32 printable ASCII characters allowed")
    return faults


def _faults_of_staleness(staleness: StalenessRules) -> list[str]:
    floor, ceiling = staleness.volatility_floor, staleness.volatility_ceiling
    faults = [
        *out_of("deviations", staleness.deviations, 0, 10 * PPM_ONE),
        *out_of("volatility_floor", floor, 0, 100_000),
        *out_of("volatility_ceiling", ceiling, max(0, floor), 100_000),
        *out_of("volatility_prior", staleness.volatility_prior, max(0, floor), max(floor, ceiling)),
        *out_of("window_ms", staleness.window_ms, 1_000, 24 * 3_600_000),
    ]
    return [f"staleness.{fault}" for fault in faults]


def _faults_of_brackets(brackets: tuple[Bracket, ...]) -> list[str]:
    if not 1 <= len(brackets) <= 32:
        return [f"brackets: {len(brackets)} given, 1 … 32 allowed"]
    faults = []
    below = Bracket(max_size=Lots(0), initial=Ppm(0), maintenance=Ppm(0))
    for place, bracket in enumerate(brackets):
        name = f"brackets[{place}]"
        faults += out_of(f"{name}.max_size", bracket.max_size, below.max_size + 1, 2**48)
        faults += out_of(f"{name}.initial", bracket.initial, max(2, below.initial), PPM_ONE)
        faults += out_of(
            f"{name}.maintenance",
            bracket.maintenance,
            max(1, below.maintenance),
            bracket.initial - 1,
        )
        below = bracket
    return faults
