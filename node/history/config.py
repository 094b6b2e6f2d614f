"""Where history is kept, and its bounds: keys with their ranges, all faults in one go."""

import msgspec

from node.types.faults import out_of_ranges, raise_faults

_RANGES: dict[str, tuple[float, float]] = {
    "queue_blocks": (16, 1_000_000),
    "blocks_per_group": (1, 10_000),
    "gather_ms": (0, 60_000),
    "hold_batches_max": (1, 1_000_000),
    "query_ms_max": (10, 600_000),
    "queries_waiting_max": (1, 10_000),
    "page_rows_max": (1, 10_000),
}
"""Lowest and highest value of each number, both allowed."""

_DATABASES = ("sqlite:///", "postgresql+psycopg://")


class HistoryConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Keys of the history; the allowed ranges of numbers stand in ``_RANGES``."""

    enabled: bool = True
    """Whether history is written and can be asked for at all."""
    url: str = ""
    """The database; empty: ``history.sqlite`` in the data folder."""
    queue_blocks: int = 4_096
    """Durable blocks that may wait for the writer; past it they are read from the journal later."""
    blocks_per_group: int = 256
    """The most blocks that one transaction writes."""
    gather_ms: int = 200
    """How long blocks are gathered for one transaction while few come."""
    hold_batches_max: int = 2_000
    """Final batches whose log is kept on disk for a history that is behind; past it, it has a gap
    and must be rebuilt from L1."""
    query_ms_max: int = 2_000
    """How long one question may take."""
    queries_waiting_max: int = 64
    """Questions that wait for an answer; more are refused."""
    page_rows_max: int = 1_000
    """The most rows of one answer."""


def check_history_config(config: HistoryConfig) -> None:
    """Raise ``ConfigInvalid`` with *all* faults of ``config``, each with its key and range."""
    faults = out_of_ranges(config, _RANGES)
    if config.url and not config.url.startswith(_DATABASES):
        faults.append(f"url: {config.url.partition(':')[0]}:…, {' or '.join(_DATABASES)} allowed")
    raise_faults(faults)
