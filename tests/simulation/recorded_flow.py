"""Recorded flow of two venues as events of a few kinds, for fitting arrival processes.

The files are not part of the project; ``recorded_folder`` is where they would be.
"""

import csv
import gzip
from pathlib import Path

import numpy as np

from node.planner.hawkes_likelihood import Events, untie
from tests.simulation.price_paths import recorded_folder

LOBSTER = "l3_lobster_aapl_20120621/AAPL_2012-06-21_34200000_37800000_message_50.csv.gz"
BITSTAMP = "l3_bitstamp_btcusd_20260502/orders.csv.gz"

LOBSTER_KINDS = {"1": 0, "2": 1, "3": 1, "4": 2, "5": 2}
"""Added, cancelled in part or whole, executed (visible or hidden)."""
LOBSTER_OPENS_S = 34_200.0
BITSTAMP_KINDS = {"created": 0, "changed": 1, "deleted": 1}
"""An order is new, or an order is changed or goes."""


def lobster_events(file: Path, duration_s: float) -> Events:
    """Return the first ``duration_s`` after the opening.

    One arriving order that meets several resting ones is several rows of one nanosecond and one
    direction: it is one execution here, as it was one decision.
    """
    times, kinds, last = [], [], None
    with gzip.open(file, "rt") as rows:
        for row in csv.reader(rows):
            kind = LOBSTER_KINDS[row[1]]
            mark = (row[0], kind, row[5])
            if kind == 2 and mark == last:
                continue
            last = mark
            time_s = float(row[0]) - LOBSTER_OPENS_S
            if time_s >= duration_s:
                break
            times.append(time_s)
            kinds.append(kind)
    # Nanoseconds; a float of seconds holds them to 10 ps within the day.
    untied = untie(np.array(times), 1e-9, np.random.default_rng(0))
    return Events(untied, np.array(kinds), 3, duration_s)


def bitstamp_events(file: Path, duration_s: float) -> Events:
    """Return ``duration_s`` of live flow, without what the recorder made up.

    The first timestamp holds a snapshot and the last a clean-up, neither of which was flow. An
    order that is created and deleted by the very next row was a post-only order that the venue
    refused: one decision of a client, counted once as new.
    """
    with gzip.open(file, "rt") as text:
        rows = list(csv.DictReader(text))
    made_up = {rows[0]["timestamp"], rows[-1]["timestamp"]}
    times, kinds, last_created = [], [], ""
    for row in rows:
        refused = row["action"] == "deleted" and row["id"] == last_created
        last_created = row["id"] if row["action"] == "created" else ""
        if refused or row["timestamp"] in made_up:
            continue
        times.append(int(row["timestamp"]))
        kinds.append(BITSTAMP_KINDS[row["action"]])
    since_first_s = (np.array(times) - times[0]) / 1e3
    untied = untie(since_first_s, 1e-3, np.random.default_rng(0))
    inside = untied < duration_s
    return Events(untied[inside], np.array(kinds)[inside], 2, duration_s)


def recorded_events(name: str, duration_s: float) -> Events | None:
    """Return the events of ``LOBSTER`` or ``BITSTAMP``; None where the file is absent."""
    file = recorded_folder() / name
    if not file.exists():
        return None
    return (
        lobster_events(file, duration_s) if name == LOBSTER else bitstamp_events(file, duration_s)
    )
