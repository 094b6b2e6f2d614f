"""Markets and rules as clients see them: names, decimals and money as decimal strings."""

from typing import Any

import msgspec

from node.types.blocks import Domain
from node.types.ids import Address, hex_from_address
from node.types.rules import Bracket, MarketRules, Rules
from node.types.units import MONEY_DECIMALS, PPM_ONE, decimal_from_units, money_text


def markets_to_json(rules: Rules) -> list[dict[str, Any]]:
    """Return every market in the order of the ids. Rates are millionths, times milliseconds."""
    return [_market(place, market) for place, market in enumerate(rules.markets, start=1)]


def exchange_to_json(domain: Domain, sequencer: Address) -> dict[str, Any]:
    """Return what the domain of a signature names of an exchange, and who signs its blocks."""
    return {
        "chain_id": domain.chain_id,
        "rollup": "0x" + domain.rollup.hex(),
        "sequencer": hex_from_address(sequencer),
    }


def rules_to_json(rules: Rules) -> dict[str, Any]:
    """Return all rules; ``digest`` is the hash of their canonical bytes, as it stands on L1.

    ``canonical`` is the text of those bytes, for programs; the rest is for people.
    """
    limits = rules.limits
    return {
        "name": rules.name,
        "digest": "0x" + rules.digest().hex(),
        "canonical": rules.encode().decode(),
        "markets": markets_to_json(rules),
        "reporters": ["0x" + reporter.hex() for reporter in rules.reporters],
        "quorum": rules.quorum,
        "limits": {name: getattr(limits, name) for name in limits.__struct_fields__},
        "root_interval": rules.root_interval,
        "finality_ms": rules.finality_ms,
        "money_decimals": MONEY_DECIMALS,
        "rate_one": PPM_ONE,
    }


def _market(market_id: int, market: MarketRules) -> dict[str, Any]:
    return {
        "symbol": market.symbol,
        "id": market_id,
        "tick_decimals": market.tick_decimals,
        "lot_decimals": market.lot_decimals,
        "min_notional": money_text(market.min_notional),
        "max_size": decimal_from_units(market.max_size, market.lot_decimals),
        "price_band": market.price_band,
        "maker_fee": market.maker_fee,
        "taker_fee": market.taker_fee,
        "liquidation_fee": market.liquidation_fee,
        "mark_stale_ms": market.mark_stale_ms,
        "funding_interval_ms": market.funding_interval_ms,
        "funding_cap": market.funding_cap,
        "ordering": market.ordering.value,
        "staleness": msgspec.structs.asdict(market.staleness),
        "brackets": [_bracket(bracket, market) for bracket in market.brackets],
    }


def _bracket(bracket: Bracket, market: MarketRules) -> dict[str, Any]:
    return {
        "max_size": decimal_from_units(bracket.max_size, market.lot_decimals),
        "initial": bracket.initial,
        "maintenance": bracket.maintenance,
    }
