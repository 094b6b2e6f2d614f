"""What the ramp and its generator say to each other: MessagePack frames with a length before them.

Rates are actions a second, times are seconds.
"""

from enum import StrEnum

import msgspec

from node.adapters.worker_process import LENGTH_BYTES


class Mix(StrEnum):
    """What a flow consists of; see ``node.simulation.ramp.mixes``."""

    SINGLE = "single"
    BULK = "bulk"
    CANCEL = "cancel"


class Setup(msgspec.Struct, frozen=True):
    """The first message: where the node is, and who trades."""

    port: int
    chain_id: int
    rollup: bytes
    rules: bytes
    """The canonical JSON of the exchange's rules."""
    mix: Mix
    accounts: int
    first_nonces: list[int]
    """For each account, a nonce above all that it ever used."""
    middle: int
    """The price, in ticks, around which the flow trades in the first market."""
    seed: int
    connections: int


class Prepare(msgspec.Struct, frozen=True, tag="prepare"):
    """Clear the book, lay what the flow will cancel, and sign all that will be sent."""

    rate: float
    seconds: float
    """How long actions become due, the warm-up included."""
    cluster: int = 1
    """How many become due at a time; the rate stays the mean one."""


class Fire(msgspec.Struct, frozen=True, tag="fire"):
    """Send what was prepared, each action when it is due.

    The answers that count are those within ``warm_s`` … ``seconds`` of the start; those that are
    not there ``grace_s`` after the last action was due are lost.
    """

    warm_s: float
    grace_s: float


Request = Prepare | Fire


class Prepared(msgspec.Struct, frozen=True, tag="prepared"):
    """Everything is signed and framed, and the book is laid."""

    actions: int


class LaneSample(msgspec.Struct, frozen=True):
    """What became of a lane's actions that were due within the window.

    ``due`` = ``done`` + ``rejected`` + ``refused`` + ``lost``. ``rejected`` by the rules of the
    exchange, ``refused`` for want of room; ``causes`` counts both by name. ``delays_us`` is from
    when a done one was due to its answer, in microseconds, ascending.
    """

    due: int
    done: int
    rejected: int
    refused: int
    lost: int
    causes: dict[str, int]
    delays_us: list[int]


class Sample(msgspec.Struct, frozen=True, tag="sample"):
    """One point as the generator saw it.

    ``answered_in_window`` are the answers of success that came within the window, whenever their
    actions were due: over the window's length they are the goodput. ``late_us`` is how late the
    generator itself sent, ascending.
    """

    window_s: float
    answered_in_window: int
    lanes: dict[str, LaneSample]
    late_us: list[int]
    cpu_s: float
    """Processor time of the generator within the window."""
    wakes: int = 0
    """How often it woke up in the window to send."""


Answer = Prepared | Sample


def framed(message: msgspec.Struct) -> bytes:
    """Return ``message`` with its length before it."""
    body = msgspec.msgpack.encode(message)
    return len(body).to_bytes(LENGTH_BYTES) + body
