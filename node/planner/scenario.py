"""A scenario: one node, one flow, one market and one chain over some hours, as a person writes it.

Read from the tables of a TOML file by ``node.planner.scenario_reading``. A file states what is
special about it and no more: what it leaves out costs what a default node was measured to take on
two ordinary cores (medians of nine nodes), and is a public chain with settings that suit it. Times
are seconds unless the name says otherwise, money is in units of the quote asset, prices are
relative to the price at the start.
"""

from typing import Literal

import msgspec

from node.types.lanes import Lane

LANES = tuple(lane.name.lower() for lane in Lane)
"""From the most urgent to the least."""
RISK_ADDING = frozenset({"resting", "taking"})
"""The lanes that a closed gate and a stale mark shut."""

STEPS_MAX = 604_800
"""Of one run: a week in seconds."""
KNEE_BLOCKS = 100
"""Blocks of L1 that take batches in a run for the knee. By lot: of 105 of which 95 % do, 98 to 102
will, and of a thousand of which a tenth does, 90 to 110."""

Point = tuple[float, float]
"""A time in seconds and a value; between two points the value changes evenly."""
Window = tuple[float, float]
"""From and until, in seconds from the start."""


class FlowKind(msgspec.Struct, frozen=True):
    """A kind of action that clients send."""

    name: str
    lane: str
    share: float
    """Of all actions; shares are scaled to a sum of one."""
    loop_us: float | None = None
    """Mean time on the node's loop in full blocks, sockets and publishing included, waits for a
    core not; None: as calibrated for ``law``."""
    variation: float = 0.5
    """Coefficient of variation of that time: 0 is constant, 1 exponential."""
    verify_us: float | None = None
    """Mean time of one signature worker; None: as calibrated."""
    bytes: float = 66.0
    """What it takes of a batch's data on L1."""
    law: str = ""
    """The kind of command in a calibration; empty: ``name``."""
    items: float = 1.0
    """Orders and cancels under its one signature."""
    beside_us: float | None = None
    """Mean processor time of all that shares the machine but signature workers: replica, chain.
    None: as calibrated, or ``BESIDE_US`` and ``BESIDE_US_PER_ITEM``."""


BESIDE_US = 65.0
BESIDE_US_PER_ITEM = 19.0
"""Replica and chain took 83 µs for a single order and 440 for a bulk of twenty."""

DEFAULT_KINDS = (
    FlowKind("cancel", "reducing", 0.35, 180.0, 0.5, 110.0, 62.0),
    FlowKind("rest", "resting", 0.45, 210.0, 0.5, 110.0, 66.0, law="place"),
    FlowKind("take", "taking", 0.20, 225.0, 0.8, 110.0, 66.0, law="place"),
)
"""Single orders: each under a signature of its own, which is most of its bytes."""

CORES = 2
IDLE_MS = 42.0
BESIDE_IDLE_MS = 75.0
COMMIT_US = 600.0
RECORD_US = 22.0
RECORDS_MAX = 512


class Service(msgspec.Struct, frozen=True):
    """What the node's stages take, beside what each kind of action says for itself."""

    calibration: str = ""
    """A file of `plimsoll calibrate`, beside the scenario's. Its laws stand in wherever a kind
    gives no time, and the arrivals of a tape wherever ``Flow`` gives no rate or no bursts."""
    workers: int = 1
    cores: int | None = None
    """Of the machine that loop, workers, replica and chain share. 0: each has one to itself, of one
    speed. None: as calibrated, or ``CORES``."""
    idle_ms: float | None = None
    """What the loop takes of each second however little comes. None: as calibrated, or
    ``IDLE_MS``."""
    beside_idle_ms: float | None = None
    """What all other processes take of it. None: as calibrated, or ``BESIDE_IDLE_MS``."""
    commit_us: float | None = None
    """One append to the journal, made durable. None: as calibrated, or ``COMMIT_US``."""
    record_us: float | None = None
    """Each command in it, encoded and written. None: as calibrated, or ``RECORD_US``."""
    records_max: int | None = None
    """The most commands of one block, ``sequencer.block_work``. None: as calibrated, or
    ``RECORDS_MAX``."""
    patience_ms: float | None = None
    """The delay at which lanes begin to shed, ``sequencer.delay_target_ms``. None: as calibrated,
    or 20."""
    liquidate_us: float = 80.0
    round_us: float = 150.0
    """One oracle round on the loop, with its signatures and new marks."""
    scan_us_per_1000: float = 40.0
    """What the risk tiers cost for 1,000 accounts at each round: 1 % of them checked at 4 µs."""
    scan_us_max: float = 8_000.0
    """The most of it in one round: ``risk.checks_per_round`` times 4 µs."""


class Lanes(msgspec.Struct, frozen=True):
    """How many may wait in each lane before it refuses."""

    system: int = 1_024
    liquidation: int = 4_096
    reducing: int = 4_096
    resting: int = 4_096
    taking: int = 4_096


class Batches(msgspec.Struct, frozen=True):
    """How batches are made, and at how many unposted ones the gate closes to new risk."""

    commands_max: int = 5_000
    data_bytes_max: int = 100_000
    gas_max: int = 8_000_000
    age_s: float = 12.0
    """A batch closes when its oldest command is so old, full or not, unless as many are on their
    way as may be. Rehearsals play it; in a forecast batches close when L1 makes a block."""
    backlog_batches_max: int = 64
    backlog_bytes_max: int = 8_000_000


class L1Phase(msgspec.Struct, frozen=True):
    """A stretch of time in which L1 is not its ordinary self."""

    from_s: float
    until_s: float
    gas_price_factor: float = 1.0
    inclusion: float | None = None
    """As that of ``Chain``; None: as ordinary."""
    block_share: float = 1.0
    """Of the block that this node ordinarily gets."""
    outage: bool = False
    """No block at all."""


class Chain(msgspec.Struct, frozen=True):
    """L1 as this node meets it."""

    block_s: float = 12.0
    block_gas: float = 60e6
    block_share: float = 0.5
    """Of a block's gas that this node can get."""
    batch_gas: float = 160_000.0
    """Of any batch: the transaction, the contract's storage and checks."""
    byte_gas: float = 40.0
    in_flight_max: int = 8
    inclusion: float = 0.95
    """Probability that a block takes batches: then as many as wait and fit, otherwise none."""
    finality_blocks: int = 64
    gas_price_gwei: float = 5.0
    fee_cap_gwei: float = 200.0
    """Nothing is sent while gas costs more: ``settlement.fees.max_fee_cap``."""
    reorgs_per_hour: float = 0.0
    reorg_blocks: int = 1
    """How many blocks each one takes back."""
    unposted_at_start: int = 0
    """Commands that already wait for L1."""
    phases: tuple[L1Phase, ...] = ()


class Oracle(msgspec.Struct, frozen=True):
    """How prices become marks."""

    interval_s: float = 0.25
    stale_s: float = 5.0
    """An older mark opens nothing: ``mark_stale_ms`` of the market."""
    stalls: tuple[Window, ...] = ()
    """When no round comes."""


class MarketPath(msgspec.Struct, frozen=True):
    """How the price moves, and how deep the book is."""

    path: Literal["constant", "random", "recorded"] = "random"
    daily_volatility: float = 0.03
    """Standard deviation of a day's log price, jumps and ``shape`` apart."""
    garch: tuple[float, float] = (0.08, 0.90)
    """Weight of the last minute's square and of the last variance; (0, 0): constant volatility."""
    tail_degrees: float = 4.0
    """Of Student's t that the minutes are drawn from."""
    jumps_per_day: float = 1.0
    jump_size: float = 0.01
    """Standard deviation of a jump, in log price."""
    shape: tuple[Point, ...] = ()
    """What every run does beside its chance: time, price relative to the start (0.8 = −20 %)."""
    volatility_path: tuple[Point, ...] = ()
    """Factor on the volatility over time."""
    recorded: str = ""
    """A file under the data folder; where it is absent, ``shape`` and chance stand in for it."""
    recorded_from: int = 0
    """Unix second at which the record begins to be used."""
    recorded_block_s: float = 60.0
    """What the record does within so long is resampled between runs."""
    depth: float = 20e6
    """Quote units on each side of the book within ``depth_within`` of the price."""
    depth_within: float = 0.01
    depth_recovery_s: float = 30.0
    """Time in which a dent of the book fades to a third (1/e)."""


class Positions(msgspec.Struct, frozen=True):
    """Who is exposed, and how near to liquidation."""

    accounts: int = 20_000
    open: int = 10_000
    notional: float = 5_000.0
    """Mean of a position, in quote units."""
    long_share: float = 0.6
    leverage: tuple[Point, ...] = ((2.0, 0.30), (5.0, 0.40), (10.0, 0.25), (20.0, 0.05))
    """Leverage at entry and its share."""
    maintenance: float = 0.025
    """Maintenance margin as a share of the notional."""
    seasoned: float = 0.03
    """How far the price has moved since they were entered: a standard deviation, in log price."""


class Risk(msgspec.Struct, frozen=True):
    """The way of a liquidation from a mark to the lane."""

    turn_ms: float = 2.0
    """From the mark in the log to the proposal in the lane."""
    late_after_ms: float = 500.0
    """A liquidation that begins later than this after the price crossed is late."""


class Flow(msgspec.Struct, frozen=True):
    """What clients send. With empty ``branching`` arrivals are Poisson, else Hawkes.

    ``rate_per_s``, and ``branching`` with ``decays_per_s``, are a calibration's where the scenario
    names one that was fitted to a tape and leaves them out.
    """

    rate_per_s: float = 300.0
    path: tuple[Point, ...] = ()
    """Factor on the rate over time."""
    branching: tuple[float, ...] = (0.35, 0.15)
    """Mean direct children of an event on each time scale; their sum is the spectral radius."""
    decays_per_s: tuple[float, ...] = (5.0, 1_000.0)


class Extent(msgspec.Struct, frozen=True):
    """How much to simulate."""

    horizon_s: float = 3_600.0
    step_s: float = 1.0
    stretch_events: int = 10_000
    """Events of each run that are simulated one by one."""
    knee_runs: int = 100
    """Runs for the distribution of the knee, each of ``knee_s``."""
    knee_s: float = 300.0
    runs: int = 1_000
    seed: int = 1


class Scenario(msgspec.Struct, frozen=True):
    """One question to the planner, complete."""

    name: str
    about: str
    extent: Extent = Extent()
    service: Service = Service()
    lanes: Lanes = Lanes()
    batches: Batches = Batches()
    l1: Chain = Chain()
    oracle: Oracle = Oracle()
    market: MarketPath = MarketPath()
    positions: Positions = Positions()
    risk: Risk = Risk()
    flow: Flow = Flow()
    kinds: tuple[FlowKind, ...] = DEFAULT_KINDS

    @property
    def knee_s(self) -> float:
        """Return how long a run for the knee is, in which L1 makes enough blocks to tell."""
        taking_s = self.l1.block_s / max(self.l1.inclusion, 1 / KNEE_BLOCKS)
        return max(self.extent.knee_s, KNEE_BLOCKS * taking_s)

    @property
    def steps(self) -> int:
        """Return the whole steps of the horizon."""
        return int(self.extent.horizon_s / self.extent.step_s)
