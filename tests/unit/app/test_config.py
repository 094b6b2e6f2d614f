"""Configuration: what is given is read, and every fault is told at once."""

import random
from pathlib import Path
from typing import Any

import pytest

from node.app.config import BLOCK_WORK_MAX, NodeConfig, read_config, read_rules
from node.app.sections import read_toml
from node.codec.batch import encode_batch
from node.codec.l1_gas import POSTABLE_BYTES
from node.codec.ranges import MARKET_ID_MAX
from node.ingress.account_limits import ITEMS_MAX
from node.ingress.greeting import greeting_bytes_max
from node.publisher.account_messages import snapshot_bytes_max
from node.types.commands import (
    Command,
    NewOrder,
    OpenBlock,
    OracleRound,
    OrderType,
    PlaceOrders,
    PriceReport,
    SelfTrade,
    Side,
    Trigger,
    Uncross,
)
from node.types.errors import ConfigInvalid
from node.types.ids import Address, ClientOrderId, MarketId
from node.types.rules import Limits
from node.types.units import Lots, Millis, Money, Ticks

TOP = Path(__file__).resolve().parents[3]
CONFIGS = sorted((TOP / "configs").glob("*.toml"))
RULES = TOP / "configs" / "rules.toml"


def write(folder: Path, text: str) -> Path:
    file = folder / "node.toml"
    file.write_text(text, "utf-8")
    return file


def faults_of(folder: Path, text: str, **overrides: dict[str, Any]) -> tuple[str, ...]:
    with pytest.raises(ConfigInvalid) as raised:
        read_config(write(folder, text), overrides)
    return tuple(raised.value.faults)


@pytest.mark.parametrize(
    "file", [file for file in CONFIGS if file.name != "rules.toml"], ids=lambda file: file.name
)
def test_every_configuration_of_the_project_is_good(file: Path) -> None:
    assert isinstance(read_config(file), NodeConfig)


EXPLAINED = (
    *("l1", "sequencer", "batcher", "risk", "triggers", "publisher", "ingress", "http", "history"),
)


def test_a_block_gathers_for_less_than_lanes_may_be_late(tmp_path: Path) -> None:
    def text(gather_ms: int) -> str:
        return f"""
rules = "{RULES}"
[sequencer]
gather_ms = {gather_ms}
delay_target_ms = 150
"""

    assert read_config(write(tmp_path, text(149))).sequencer.gather_ms == 149
    with pytest.raises(ConfigInvalid) as refusal:
        read_config(write(tmp_path, text(150)))
    (fault,) = refusal.value.faults
    assert fault.startswith("sequencer.gather_ms: 150, below delay_target_ms (150) allowed")


def longest_block(work: int) -> list[Command]:
    """Return commands that are hard to pack: whatever lanes put into a block of ``work``, and more.

    All values are long, no two are alike and nobody comes twice. The last action is as large as
    may be, and there is an oracle round and an auction in every market.
    """
    dice = random.Random(work)

    def long() -> int:
        return dice.randrange(2**62, 2**63)

    def order() -> NewOrder:
        return NewOrder(
            MarketId(dice.randrange(128, MARKET_ID_MAX + 1)),
            dice.choice([*Side]),
            OrderType.GTC,
            Ticks(long() * dice.choice([0, 2])),
            Lots(2 * long()),
            client_id=ClientOrderId(2 * long()),
            self_trade=SelfTrade.DECREMENT,
            good_till=Millis(2 * long()),
            trigger=Trigger.STOP,
            trigger_price=Ticks(2 * long()),
            group=2 * long(),
        )

    def place(orders: int) -> PlaceOrders:
        account, signer = Address(dice.randbytes(20)), Address(dice.randbytes(20))
        expires, signature = Millis(2 * long()), dice.randbytes(64) + b"\1"
        new = tuple(order() for _ in range(orders))
        return PlaceOrders(account, signer, 2 * long(), expires, signature, (), new, Money(long()))

    def report() -> PriceReport:
        prices = tuple(Ticks(long()) for _ in range(10))
        return PriceReport(Address(dice.randbytes(20)), prices, dice.randbytes(64) + b"\1")

    return [
        OpenBlock(1, Millis(long())),
        OracleRound(Millis(long()), tuple(report() for _ in range(32))),
        *(place(1) for _ in range(work - 1)),
        place(ITEMS_MAX),
        *(Uncross(MarketId(market)) for market in range(1, MARKET_ID_MAX + 1)),
    ]


def test_the_longest_block_that_may_be_configured_fits_into_one_transaction(
    tmp_path: Path,
) -> None:
    def text(work: int) -> str:
        return f"""
rules = "{RULES}"
[sequencer]
block_work = {work}
block_ms_max = 1_000
"""

    work = read_config(write(tmp_path, text(BLOCK_WORK_MAX))).sequencer.block_work
    (fault,) = faults_of(tmp_path, text(work + 1))
    assert fault.startswith(f"sequencer.block_work: {work + 1}, 1 … {work} allowed")
    assert POSTABLE_BYTES * 9 // 10 < len(encode_batch(longest_block(work))) <= POSTABLE_BYTES


def test_the_devnet_file_says_what_the_code_has_for_default(tmp_path: Path) -> None:
    """A key that is left out must not mean something else than the file that explains it says."""
    said = read_config(TOP / "configs" / "devnet.toml")
    default = read_config(write(tmp_path, f'rules = "{RULES}"'))
    for name in EXPLAINED:
        assert getattr(said, name) == getattr(default, name), name


def test_the_devnet_file_explains_every_key() -> None:
    text = (TOP / "configs" / "devnet.toml").read_text("utf-8")
    tables = read_toml(TOP / "configs" / "devnet.toml")
    config = read_config(TOP / "configs" / "devnet.toml")
    for section in (*EXPLAINED, "faucet"):
        assert {*tables[section]} == {*getattr(config, section).__struct_fields__}
    settlement = {*config.settlement.__struct_fields__}
    # TOML has no word for nothing, so what is nothing by default can only stand in a comment.
    absent = {"safe_depth", "final_depth"}
    assert {*tables["settlement"]} == settlement - absent
    assert all(f"# {name} = " in text for name in absent)
    assert {*tables["settlement"]["fees"]} == {*config.settlement.fees.__struct_fields__}


def test_a_minimal_file_is_enough(tmp_path: Path) -> None:
    read = read_config(write(tmp_path, f'rules = "{RULES}"'))
    assert read.rules == read_rules(RULES)
    assert read.rules.limits == Limits()


def test_the_command_line_wins_over_the_file(tmp_path: Path) -> None:
    text = f'rules = "{RULES}"\n[http]\nport = 1\n'
    read = read_config(write(tmp_path, text), {"http": {"port": 2}, "l1": {"rpc": None}})
    assert read.http.port == 2
    assert read.l1.rpc == "http://127.0.0.1:8545"


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    text = f"""
rules = "{RULES}"
log_levl = "x"
log_level = "loud"
drain_s = 0
[l1]
rpc = "ftp://x"
rollup = "0x12"
[sequencer]
gather_ms = 99
nope = 1
[batcher]
age_ms_max = "soon"
gas_max = 1
[settlement.fees]
tip_min = 0
"""
    keys = {fault.split(":")[0] for fault in faults_of(tmp_path, text)}
    assert keys >= {
        "log_levl",
        "log_level",
        "drain_s",
        "l1.rpc",
        "l1.rollup",
        "sequencer.gather_ms",
        "sequencer.nope",
        "batcher.age_ms_max",
        "batcher.gas_max",
        "settlement.fees.tip_min",
    }


def test_one_connection_may_fill_a_quarter_of_the_gate_and_no_more(tmp_path: Path) -> None:
    def text(in_flight: int) -> str:
        return f"""
rules = "{RULES}"
[sequencer]
admission_limit = 1_000
[ingress]
in_flight = {in_flight}
"""

    assert read_config(write(tmp_path, text(250))).ingress.in_flight == 250
    [fault] = faults_of(tmp_path, text(251))
    assert fault.startswith("ingress.in_flight: 251, at most 250 allowed")
    both = faults_of(tmp_path, text(251) + "costly_per_s = 0\n")
    assert {fault.split(":")[0] for fault in both} == {"ingress.in_flight", "ingress.costly_per_s"}


def test_the_gate_closes_before_settlement_takes_no_more(tmp_path: Path) -> None:
    def text(held_max: int) -> str:
        return f"""
rules = "{RULES}"
[batcher]
backlog_batches_max = 100
[settlement]
held_max = {held_max}
"""

    assert read_config(write(tmp_path, text(100))).settlement.held_max == 100
    (fault,) = faults_of(tmp_path, text(99))
    assert fault.startswith("settlement.held_max: 99, at least 100 allowed")


def test_a_section_that_is_no_table_is_a_fault(tmp_path: Path) -> None:
    assert faults_of(tmp_path, f'rules = "{RULES}"\nhttp = 3\n') == ("http: must be a table",)


def test_a_missing_file_and_bad_toml_are_faults(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match="no such file"):
        read_config(tmp_path / "absent.toml")
    assert "node.toml" in faults_of(tmp_path, "= nonsense")[0]
    assert faults_of(tmp_path, 'rules = "absent.toml"')[0].startswith("rules: ")


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("quorum = 2", "quorum = 9", "rules.quorum"),
        ("tick_decimals = 1 ", "tick_decimals = 2 ", "rules.markets[0].lot_decimals"),
        ("initial = 50_000,", "initial = 1,", "rules.markets[0].brackets[0].initial"),
        ("window_ms = 1_800_000", "window_ms = 1", "rules.markets[0].staleness.window_ms"),
        ("volatility_prior = 120", "volatility_pri = 1", "markets[0].staleness.volatility_pri"),
        ("finality_ms = 10_000", "finality_ms = -1", "rules.finality_ms"),
        ("items_per_action = 100 ", "items_per_action = 0 ", "rules.limits.items_per_action"),
        ("client_ids_kept = 128 ", "client_ids_kept = 99 ", "rules.limits.client_ids_kept"),
        ('symbol = "ETH-PERP"', 'symbol = "BTC-PERP"', "rules.markets"),
        ("taker_fee = 500 ", "taker_fee = true ", "markets[0].taker_fee"),
        ("min_notional = 10_000_000 ", "# ", "markets[0].min_notional"),
        ('"0x7d60b85c', '"0xzz60b85c', "reporters[0]"),
    ],
)
def test_rules_are_held_to_their_ranges(tmp_path: Path, old: str, new: str, key: str) -> None:
    text = RULES.read_text("utf-8")
    assert old in text
    (tmp_path / "rules.toml").write_text(text.replace(old, new, 1), "utf-8")
    faults = faults_of(tmp_path, 'rules = "rules.toml"')
    assert any(fault.startswith(key) for fault in faults), faults


def assert_outbox_holds(lowest: int, rules: Path, folder: Path) -> None:
    """Assert that under ``rules`` an outbox of ``lowest`` bytes is allowed, and no smaller one."""

    def text(outbox_bytes: int) -> str:
        return f"""
rules = "{rules}"
[publisher]
resume_bytes = 1_024
[http]
outbox_bytes = {outbox_bytes}
"""

    assert read_config(write(folder, text(lowest))).http.outbox_bytes == lowest
    (fault,) = faults_of(folder, text(lowest - 1))
    assert fault.startswith(f"http.outbox_bytes: {lowest - 1}, at least {lowest} allowed")


def test_the_largest_account_of_the_rules_must_fit_into_an_outbox(tmp_path: Path) -> None:
    assert_outbox_holds(snapshot_bytes_max(read_rules(RULES)), RULES, tmp_path)


def test_the_hello_with_all_markets_must_fit_into_an_outbox(tmp_path: Path) -> None:
    head, market = RULES.read_text("utf-8").split("[[markets]]")[:2]
    many = "".join(
        "[[markets]]" + market.replace("BTC-PERP", f"M{place}-PERP") for place in range(310)
    )
    rules = tmp_path / "rules.toml"
    rules.write_text(head + many, "utf-8")
    lowest = greeting_bytes_max(read_rules(rules))
    assert lowest > snapshot_bytes_max(read_rules(rules))
    assert_outbox_holds(lowest, rules, tmp_path)


def test_what_a_reader_missed_must_fit_into_its_outbox(tmp_path: Path) -> None:
    def text(resume_bytes: int) -> str:
        return f"""
rules = "{RULES}"
[publisher]
resume_bytes = {resume_bytes}
[http]
outbox_bytes = 100_000
"""

    assert read_config(write(tmp_path, text(50_000))).publisher.resume_bytes == 50_000
    (fault,) = faults_of(tmp_path, text(50_001))
    assert fault.startswith("publisher.resume_bytes: 50001, at most 50000 allowed")
