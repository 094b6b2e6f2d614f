"""The JSON body of an oracle round, both ways.

    {"time": 1760000000000,
     "reports": [{"reporter": "0x…", "prices": ["60000.5", "3000.1"], "signature": "0x…"}]}

``prices`` holds one decimal for each market, in the order of the ids. What a reporter signs is
``Signing.report_digest``.
"""

from typing import Any

import msgspec

from node.codec.json_actions import MESSAGE_BYTES_MAX, signature_from_hex
from node.codec.ranges import require_range
from node.types.commands import OracleRound, PriceReport
from node.types.errors import MalformedMessage, OversizedMessage, TooManyItems
from node.types.ids import address_from_hex, hex_from_address
from node.types.rules import Rules
from node.types.units import UINT64_MAX, Millis, Ticks, decimal_from_units, units_from_decimal


class ReportBody(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """What one reporter signed: a decimal for each market, in the order of the ids."""

    reporter: str
    prices: tuple[str, ...]
    signature: str


class RoundBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The reports for the moment ``time``."""

    time: int
    reports: tuple[ReportBody, ...]


_decoder: msgspec.json.Decoder[RoundBody] = msgspec.json.Decoder(RoundBody)


def read_round(raw: bytes, rules: Rules) -> OracleRound:
    """Return the round in ``raw``; its signatures are not looked at.

    Raises ``OversizedMessage``, ``MalformedMessage``, ``MalformedNumber``, ``MalformedAddress``,
    ``ValueOutOfRange``, or ``TooManyItems`` when more report than there are reporters.
    """
    if len(raw) > MESSAGE_BYTES_MAX:
        raise OversizedMessage(limit=MESSAGE_BYTES_MAX, length=len(raw))
    try:
        body = _decoder.decode(raw)
    # Bytes that are no UTF-8 raise a plain ValueError, an endless nesting RecursionError.
    except (ValueError, RecursionError) as error:
        raise MalformedMessage(detail=str(error)) from None
    if not 1 <= len(body.reports) <= len(rules.reporters):
        raise TooManyItems(limit=len(rules.reporters), items=len(body.reports))
    require_range("time", body.time, 0, UINT64_MAX)
    return OracleRound(Millis(body.time), tuple(_report(report, rules) for report in body.reports))


def _report(body: ReportBody, rules: Rules) -> PriceReport:
    if len(body.prices) != len(rules.markets):
        raise MalformedMessage(detail="prices holds one decimal for each market")
    return PriceReport(
        address_from_hex(body.reporter),
        tuple(
            _price(text, market.tick_decimals)
            for text, market in zip(body.prices, rules.markets, strict=True)
        ),
        signature_from_hex(body.signature),
    )


def _price(text: str, decimals: int) -> Ticks:
    price = units_from_decimal(text, decimals)
    require_range("price", price, 0, UINT64_MAX)
    return Ticks(price)


def round_to_json(command: OracleRound, rules: Rules) -> dict[str, Any]:
    """Return the body of ``command``, ready to be written as JSON; ``read_round`` reads it back."""
    return {
        "time": command.time,
        "reports": [
            {
                "reporter": hex_from_address(report.reporter),
                "prices": [
                    decimal_from_units(price, market.tick_decimals)
                    for price, market in zip(report.prices, rules.markets, strict=True)
                ],
                "signature": "0x" + report.signature.hex(),
            }
            for report in command.reports
        ],
    }
