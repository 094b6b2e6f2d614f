"""The configuration of a node: one TOML file, read once, all its faults told at once.

``configs/devnet.toml`` explains every key. The rules of the exchange stand in a file of their own,
because they belong to the exchange and not to the node that runs it.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from node.adapters.http.config import HttpConfig, check_http_config
from node.app.faucet import FaucetConfig, check_faucet_config
from node.app.fees_config import FeesConfig, check_fees_config
from node.app.sections import Faults, in_range, read_section, read_toml
from node.batcher.config import BatcherConfig, check_batcher_config
from node.codec.block_bytes import block_work_max
from node.history.config import HistoryConfig, check_history_config
from node.ingress.account_limits import ITEMS_MAX
from node.ingress.config import IngressConfig, check_ingress_config
from node.ingress.greeting import greeting_bytes_max
from node.publisher.account_messages import snapshot_bytes_max
from node.publisher.config import PublisherConfig, check_publisher_config
from node.risk.config import RiskConfig, check_risk_config
from node.settlement.config import SettlementConfig, check_settlement_config
from node.triggers.config import TriggersConfig, check_triggers_config
from node.types.errors import ConfigInvalid, PlimsollError
from node.types.fees import FeeRules
from node.types.ids import address_from_hex
from node.types.rules import Bracket, Limits, MarketRules, Rules, StalenessRules, check_rules

ADMISSION_SHARE_MAX = 4
"""One connection may hold one part in so many of the gate, so that others always find room."""

BLOCK_WORK_MAX = block_work_max(ITEMS_MAX)

_SEQUENCER_RANGES: dict[str, tuple[float, float]] = {
    "system_lane": (1, 1_000_000),
    "liquidation_lane": (1, 1_000_000),
    "reducing_lane": (1, 1_000_000),
    "resting_lane": (1, 1_000_000),
    "taking_lane": (1, 1_000_000),
    "block_work": (1, BLOCK_WORK_MAX),
    "block_ms_max": (0.1, 1_000),
    "gather_ms": (0, 250),
    "outlet_blocks": (16, 1_000_000),
    "segment_bytes": (1 << 20, 1 << 32),
    "signature_workers": (0, 64),
    "admission_limit": (64, 1_000_000),
    "delay_target_ms": (1, 10_000),
    "delay_interval_ms": (1, 60_000),
    "account_share": (1, 1_000_000),
    "turn_work": (1, 10_000),
    "closed_burst": (1, 1_000_000),
    "closed_per_minute": (1, 1_000_000),
}


class L1Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The chain that the exchange settles on."""

    rpc: str = "http://127.0.0.1:8545"
    """The JSON-RPC endpoint."""
    rollup: str = ""
    """The rollup's address; empty: the one of the data folder, or a new one is deployed."""
    token: str = ""
    """The token to deposit; empty: a test token is deployed along with a new rollup."""
    key_file: str = ""
    """A file with the sequencer's private key, in hexadecimal; empty: the devnet's public key."""
    first_block: int = 0
    """The rollup's own block, or one before it: deposits are looked for from there."""
    finality_blocks: int = 4
    """Blocks after which the contract takes a batch for final; used when deploying."""
    head_age_s_max: int = 900
    """How far this machine's clock may be ahead of L1's head, and of the log, at a start."""


class SequencerConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The one writer, its lanes and its journal."""

    system_lane: int = 1_024
    liquidation_lane: int = 4_096
    reducing_lane: int = 4_096
    resting_lane: int = 4_096
    taking_lane: int = 4_096
    block_work: int = 512
    block_ms_max: float = 3.0
    gather_ms: int = 0
    outlet_blocks: int = 4_096
    segment_bytes: int = 64 << 20
    signature_workers: int = 1
    admission_limit: int = 4_096
    delay_target_ms: int = 20
    delay_interval_ms: int = 100
    account_share: int = 512
    turn_work: int = 32
    spare_core: bool = False
    closed_burst: int = 600
    closed_per_minute: int = 60


class NodeConfig(msgspec.Struct, frozen=True):
    """Everything that a node is told."""

    rules: Rules
    data: Path
    log_level: str
    drain_s: float
    l1: L1Config
    sequencer: SequencerConfig
    batcher: BatcherConfig
    settlement: SettlementConfig
    risk: RiskConfig
    triggers: TriggersConfig
    publisher: PublisherConfig
    ingress: IngressConfig
    http: HttpConfig
    fees: FeesConfig
    history: HistoryConfig
    faucet: FaucetConfig = FaucetConfig()


class _Top(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    rules: str
    data: str = "data"
    log_level: str = "info"
    drain_s: float = 60.0


_CHECKS: dict[str, tuple[type[msgspec.Struct], Callable[[Any], None] | None]] = {
    "l1": (L1Config, None),
    "sequencer": (SequencerConfig, None),
    "batcher": (BatcherConfig, check_batcher_config),
    "settlement": (SettlementConfig, check_settlement_config),
    "risk": (RiskConfig, check_risk_config),
    "triggers": (TriggersConfig, check_triggers_config),
    "publisher": (PublisherConfig, check_publisher_config),
    "ingress": (IngressConfig, check_ingress_config),
    "http": (HttpConfig, check_http_config),
    "fees": (FeesConfig, check_fees_config),
    "faucet": (FaucetConfig, check_faucet_config),
    "history": (HistoryConfig, check_history_config),
}


def read_config(path: Path, overrides: dict[str, dict[str, Any]] | None = None) -> NodeConfig:
    """Return the configuration in ``path``.

    ``overrides`` are single keys from the command line, by section (``""`` is the top). Relative
    paths of the file start at its own folder, but ``data`` at the working folder. Raises
    ``ConfigInvalid`` with every fault.
    """
    tables = read_toml(path)
    faults = Faults()
    for section, keys in (overrides or {}).items():
        target = tables.setdefault(section, {}) if section else tables
        target.update({key: value for key, value in keys.items() if value is not None})
    sections = {name: tables.pop(name, {}) for name in _CHECKS}
    top = read_section(_Top, tables, "", faults)
    read = {name: _section(name, table, faults) for name, table in sections.items()}
    _check_fairness(read["ingress"], read["sequencer"], faults)
    _check_resumption(read["publisher"], read["http"], faults)
    _check_backlog(read["batcher"], read["settlement"], faults)
    rules = None
    if top is not None:
        rules = _rules((path.parent / top.rules).resolve(), faults)
        in_range(faults, "", top, {"drain_s": (1, 3_600)})
        if top.log_level not in ("debug", "info", "warning", "error"):
            faults.add("log_level", f"{top.log_level}: debug, info, warning or error allowed")
    _check_outbox(rules, read["http"], faults)
    faults.raise_if_any()
    assert top is not None
    assert rules is not None
    return NodeConfig(
        rules=rules,
        data=Path(top.data),
        log_level=top.log_level,
        drain_s=top.drain_s,
        **read,
    )


def read_rules(path: Path) -> Rules:
    """Return the rules in a TOML file. Raises ``ConfigInvalid`` with every fault."""
    faults = Faults()
    rules = _rules(path, faults)
    faults.raise_if_any()
    assert rules is not None
    return rules


def _section(name: str, table: Any, faults: Faults) -> Any:
    kind, check = _CHECKS[name]
    section = read_section(kind, table, name, faults)
    if section is None:
        return None
    if check is not None:
        faults.absorb(name, lambda: check(section))
    if isinstance(section, SequencerConfig):
        in_range(faults, name, section, _SEQUENCER_RANGES)
    if isinstance(section, L1Config):
        _check_l1(section, faults)
    return section


def _check_fairness(
    ingress: IngressConfig | None, sequencer: SequencerConfig | None, faults: Faults
) -> None:
    if sequencer is None:
        return
    if sequencer.gather_ms >= sequencer.delay_target_ms:
        faults.add(
            "sequencer.gather_ms",
            f"{sequencer.gather_ms}, below delay_target_ms ({sequencer.delay_target_ms}) allowed:"
            " whoever has to gather for so long would count as late",
        )
    if ingress is None:
        return
    highest = sequencer.admission_limit // ADMISSION_SHARE_MAX
    if ingress.in_flight > highest:
        faults.add(
            "ingress.in_flight",
            f"{ingress.in_flight}, at most {highest} allowed:"
            f" one part in {ADMISSION_SHARE_MAX} of sequencer.admission_limit",
        )


def _check_resumption(
    publisher: PublisherConfig | None, http: HttpConfig | None, faults: Faults
) -> None:
    """What a reader who comes back is told at once must fit into its outbox, or it is cut anew."""
    if publisher is not None and http is not None:
        highest = http.outbox_bytes // 2
        if publisher.resume_bytes > highest:
            faults.add(
                "publisher.resume_bytes",
                f"{publisher.resume_bytes}, at most {highest} allowed: half of http.outbox_bytes",
            )


def _check_backlog(
    batcher: BatcherConfig | None, settlement: SettlementConfig | None, faults: Faults
) -> None:
    """The gate must close before settlement takes no more, or all stands still behind an open one.

    What waits between the two is little: batches that are not taken over hold up the writer.
    """
    if batcher is not None and settlement is not None:
        lowest = batcher.backlog_batches_max
        if settlement.held_max < lowest:
            faults.add(
                "settlement.held_max",
                f"{settlement.held_max}, at least {lowest} allowed: batcher.backlog_batches_max,"
                " at which the gate closes",
            )


def _check_outbox(rules: Rules | None, http: HttpConfig | None, faults: Faults) -> None:
    """What is told in one message must fit, or whoever is to hear it is cut at every try."""
    if rules is not None and http is not None:
        lowest, what = max(
            (snapshot_bytes_max(rules), "account of these rules (limits.open_orders_per_account)"),
            (greeting_bytes_max(rules), "hello, which tells all markets of these rules"),
        )
        if http.outbox_bytes < lowest:
            faults.add(
                "http.outbox_bytes",
                f"{http.outbox_bytes}, at least {lowest} allowed: the largest {what}",
            )


def _check_l1(section: L1Config, faults: Faults) -> None:
    if not section.rpc.startswith(("http://", "https://")):
        faults.add("l1.rpc", f"{section.rpc}: an http:// or https:// address allowed")
    ranges = {
        "finality_blocks": (1, 1_000_000),
        "first_block": (0, 2**63),
        "head_age_s_max": (60, 10**9),
    }
    in_range(faults, "l1", section, ranges)
    for key in ("rollup", "token"):
        text = getattr(section, key)
        try:
            _ = text and address_from_hex(text)
        except PlimsollError:
            faults.add(f"l1.{key}", f"{text}: 0x and 40 hexadecimal digits allowed")


def _rules(path: Path, faults: Faults) -> Rules | None:
    try:
        tables = read_toml(path)
    except ConfigInvalid as error:
        for fault in error.faults:
            faults.add("rules", fault)
        return None
    markets = [
        _market(table, f"markets[{place}]", faults)
        for place, table in enumerate(tables.pop("markets", ()))
    ]
    limits = read_section(Limits, tables.pop("limits", {}), "limits", faults)
    reporters = _reporters(tables.pop("reporters", ()), faults)
    fees = read_section(FeeRules, tables.pop("fees", {}), "fees", faults)
    table = {**tables, "markets": (), "limits": {}, "fees": {}, "reporters": ()}
    frame = read_section(Rules, table, "rules", faults)
    complete = [market for market in markets if market is not None]
    if frame is None or limits is None or fees is None or len(complete) < len(markets):
        return None
    rules = msgspec.structs.replace(
        frame, markets=tuple(complete), limits=limits, fees=fees, reporters=reporters
    )
    faults.absorb("rules", lambda: check_rules(rules))
    return rules


def _market(table: Any, prefix: str, faults: Faults) -> MarketRules | None:
    if not isinstance(table, dict):
        faults.add(prefix, "must be a table")
        return None
    brackets = [
        read_section(Bracket, row, f"{prefix}.brackets[{place}]", faults)
        for place, row in enumerate(table.get("brackets", ()))
    ]
    staleness = read_section(
        StalenessRules, table.get("staleness", {}), f"{prefix}.staleness", faults
    )
    plain = {**table, "brackets": (), "staleness": {}}
    market = read_section(MarketRules, plain, prefix, faults)
    complete = tuple(bracket for bracket in brackets if bracket is not None)
    if market is None or staleness is None or len(complete) < len(brackets):
        return None
    return msgspec.structs.replace(market, brackets=complete, staleness=staleness)


def _reporters(texts: Any, faults: Faults) -> tuple[Any, ...]:
    found = []
    for place, text in enumerate(texts):
        try:
            found.append(address_from_hex(str(text)))
        except PlimsollError:
            faults.add(f"reporters[{place}]", f"{text}: 0x and 40 hexadecimal digits allowed")
    return tuple(found)
