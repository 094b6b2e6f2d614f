"""Reading a recorded price path: CSV, packed or not, of trades or of bars."""

import csv
import gzip
import io
import shutil
import subprocess
from pathlib import Path
from typing import Annotated, Final, TextIO

import typer

from node.planner.prices import Record, record_of
from node.planner.scenario import Scenario
from node.types.errors import ConfigInvalid

RecordedOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        envvar="PLIMSOLL_DATA",
        help="The folder of recorded markets; ../shared/data where there is one.",
    ),
]
BESIDE: Final = Path("../shared/data")
"""Where recorded markets are looked for when nothing else is said."""

_TIMES = {"timestamp": 1e6, "close_time": 1e3, "ts": 1.0}
"""Columns that tell a row's time, and how many of their units make a second."""
_PRICES = ("price", "close")
_BEFORE_S = 3_600.0
"""Rows so long before the beginning are looked at for the price at the beginning."""


def recorded_folder(named: Path | None) -> Path | None:
    """Return the folder of recorded markets, None where there is none."""
    return BESIDE if named is None and BESIDE.is_dir() else named


def recorded_path(scenario: Scenario, folder: Path | None) -> tuple[Record | None, str]:
    """Return the scenario's record, or None and why its shape stands in for it.

    Raises ``ConfigInvalid`` for a file that is there and does not hold what the scenario asks for.
    """
    market = scenario.market
    if market.path != "recorded":
        return None, ""
    if folder is None:
        return None, f"no data folder: {market.recorded} is replaced by market.shape"
    file = folder / market.recorded
    if not file.is_file():
        return None, f"there is no {file}: market.shape stands in for it"
    if file.suffix == ".zst" and shutil.which("zstd") is None:
        return None, f"zstd, which unpacks {file.name}, is not installed: market.shape stands in"
    begin = float(market.recorded_from)
    try:
        rows, bars = _rows(file, begin - _BEFORE_S, begin + scenario.extent.horizon_s)
        return record_of(rows, begin, scenario.steps, scenario.extent.step_s, evenly=bars), ""
    except (OSError, KeyError, ValueError) as error:
        raise ConfigInvalid(faults=(f"market.recorded: {file}: {error}",)) from None


def _rows(file: Path, from_s: float, until_s: float) -> tuple[list[tuple[float, float]], bool]:
    """Return time in Unix seconds and price, in the file's order, and whether rows are bars."""
    with _opened(file) as text:
        table = csv.DictReader(text)
        columns = table.fieldnames or ()
        time = next((name for name in _TIMES if name in columns), None)
        price = next((name for name in _PRICES if name in columns), None)
        if time is None or price is None:
            raise ValueError(f"a column of {', '.join(_TIMES)} and one of price, close are needed")
        rows = ((float(row[time]) / _TIMES[time], float(row[price])) for row in table)
        return [row for row in rows if from_s <= row[0] <= until_s], price == "close"


def _opened(file: Path) -> TextIO:
    if file.suffix == ".gz":
        return gzip.open(file, "rt", encoding="utf-8")
    if file.suffix == ".zst":
        packed = subprocess.run(["zstd", "-dc", str(file)], check=False, capture_output=True)  # noqa: S603, S607
        if packed.returncode:
            raise ValueError("zstd cannot unpack it")
        return io.StringIO(packed.stdout.decode())
    return file.open(encoding="utf-8")
