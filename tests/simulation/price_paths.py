"""Price paths on which the tiers are measured: synthetic with fat tails and jumps, and recorded."""

import csv
import io
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np

MINUTE_MS = 60_000
TICKS_PER_UNIT = 100


def garch_path(seed: int, steps: int) -> list[int]:
    """Return one price a minute: GARCH(1,1) with Student t (4 degrees) and about one jump a day.

    The stationary volatility is 0.07 % a minute (some 50 % a year without the jumps); a jump has a
    standard deviation of 2 %.
    """
    draw = np.random.default_rng(seed)
    shocks = (draw.standard_t(4, steps) / np.sqrt(2)).tolist()
    jumps = np.where(draw.random(steps) < 1 / 1_440, draw.normal(0, 0.02, steps), 0).tolist()
    base = 0.0007**2
    alpha, beta = 0.08, 0.90
    variance = base
    returns = []
    for shock, jump in zip(shocks, jumps, strict=True):
        diffusion = shock * variance**0.5
        returns.append(diffusion + jump)
        variance = base * (1 - alpha - beta) + alpha * diffusion**2 + beta * variance
    prices: list[int] = (
        np.rint(60_000 * TICKS_PER_UNIT * np.exp(np.cumsum(returns))).astype(int).tolist()
    )
    return prices


RECORDED = Path(__file__).resolve().parents[3] / "shared" / "data"
"""Where recorded data, which are no part of the project, are looked for by default."""


def recorded_folder() -> Path:
    """Return where recorded data would be: the folder that PLIMSOLL_DATA names, or the default."""
    return Path(os.environ.get("PLIMSOLL_DATA", RECORDED))


def recorded_minutes(year: int) -> tuple[list[int], list[int]] | str:
    """Return Unix seconds and closes (ticks) of a year of minutes, or why there are none."""
    file = recorded_folder() / "perp_1m_bitmex_xbtusd" / f"XBTUSD_1m_{year}.csv.zst"
    if not file.is_file():
        return f"no recorded minutes at {file.name}; PLIMSOLL_DATA names their folder"
    zstd = shutil.which("zstd")
    if zstd is None:
        return "the program zstd, which unpacks the recorded minutes, is not installed"
    text = subprocess.run([zstd, "-dc", file], check=True, capture_output=True, text=True).stdout
    rows = csv.reader(io.StringIO(text))
    next(rows)
    times, closes = [], []
    for row in rows:
        times.append(int(row[0]))
        closes.append(round(float(row[4]) * TICKS_PER_UNIT))
    return times, closes
