"""What ``plimsoll replay --engine-only`` does: a file in, counts and fills out."""

import csv
from collections.abc import Callable
from pathlib import Path

import msgspec

from node.simulation.tape.engine import TapeResult, run_tape
from node.simulation.tape.event import Tape
from node.simulation.tape.formats import FORMATS
from node.types.errors import ConfigInvalid
from node.types.units import decimal_from_units

FILL_COLUMNS = ("maker_id", "taker_id", "price", "size")


def replay_engine_only(
    format_name: str,
    path: Path,
    json_path: Path | None,
    fills_path: Path | None,
    progress: Callable[[int], None] | None = None,
) -> TapeResult:
    """Play the tape ``path`` and write its counts (JSON) and its fills (CSV) where asked.

    Ids, prices and sizes are written as the tape writes them. Raises ``ConfigInvalid`` for an
    unknown format, ``TapeMalformed`` for a row that cannot be read, and ``OSError``.
    """
    if format_name not in FORMATS:
        known = ", ".join(FORMATS)
        raise ConfigInvalid(faults=(f"format: {format_name!r} given, one of {known} allowed",))
    tape = FORMATS[format_name](path)
    result = run_tape(tape.events, progress)
    if json_path is not None:
        json_path.write_bytes(msgspec.json.format(_summary(tape, result)) + b"\n")
    if fills_path is not None:
        _write_fills(tape, result, fills_path)
    return result


def _summary(tape: Tape, result: TapeResult) -> bytes:
    volume = decimal_from_units(result.volume, tape.lot_decimals)
    counts: dict[str, object] = {
        "operations": result.operations,
        "fills": len(result.fills),
        # A JSON number may have any number of digits; a float would not hold them all.
        "volume": msgspec.Raw(volume.encode()),
        "resting_orders": result.resting_orders,
        "unknown_references": result.unknown_references,
        "refused": result.refused,
        "self_trades": result.self_trades,
        "ops_per_s": round(result.ops_per_s),
    }
    if result.executions:
        counts["executions"] = result.executions
        counts["executions_reproduced"] = result.executions_reproduced
    return msgspec.json.encode(counts)


def _write_fills(tape: Tape, result: TapeResult, path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(FILL_COLUMNS)
        rows.writerows(
            (
                tape.names.text(fill.maker_id),
                tape.names.text(fill.taker_id),
                decimal_from_units(fill.price, tape.tick_decimals),
                decimal_from_units(fill.size, tape.lot_decimals),
            )
            for fill in result.fills
        )
