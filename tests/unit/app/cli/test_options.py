"""Keys come from files and variables, arguments are read before anything is done."""

import re
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from node.adapters.devnet.keys import dev_key
from node.adapters.key_signer import KeySigner, read_key_file
from node.app import cli
from node.app.cli import app
from node.app.cli.advice import advice
from node.app.cli.arguments import (
    read_duration,
    read_market,
    read_moment,
    read_money,
    read_units,
)
from node.app.cli.keys import make_key_file
from node.app.cli.options import account_of, read_key
from node.client.errors import ConnectionLost, NotTakenIn
from node.client.marks import worst_price
from node.client.trader import OutcomeUnknown
from node.codec.ranges import MONEY_MAX
from node.simulation.ramp.command import RampTimedOut
from node.types import errors
from node.types.errors import (
    ConfigInvalid,
    DiskFailed,
    MarkStale,
    MeasurementInvalid,
    NothingToCancel,
    PathUnusable,
    PlimsollError,
    StateDiverged,
    TransactionUnseen,
)
from node.types.ids import hex_from_address
from node.types.units import UINT64_MAX, Millis, Ticks
from tests.architecture.errors_page import errors_of
from tests.architecture.sources import TOP
from tests.examples import ALICE, RULES

ALL_ERRORS = [*errors_of(errors), ConnectionLost, NotTakenIn, OutcomeUnknown]


def completed(words: str) -> list[str]:
    """Return what a shell would offer after ``words``, the last of which is unfinished."""
    variables = {
        "_PLIMSOLL_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    told = CliRunner().invoke(app, [], prog_name="plimsoll", env=variables)
    return told.output.split()


def test_a_key_may_stand_in_a_file_or_a_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "key"
    file.write_text(ALICE.key.hex())
    file.chmod(0o600)
    monkeypatch.setenv("TRADER", "0x" + ALICE.key.hex())
    assert read_key(str(file)) == read_key("env:TRADER") == ALICE.key
    assert read_key("dev:2") == dev_key(2)
    assert account_of(str(file), "") == ALICE.address
    assert account_of("", hex_from_address(ALICE.address)) == ALICE.address


@pytest.mark.parametrize("prefix", ["", "0x"])
def test_a_key_among_arguments_is_refused_and_never_repeated(prefix: str) -> None:
    with pytest.raises(ConfigInvalid) as refusal:
        read_key(prefix + ALICE.key.hex())
    assert "env:NAME" in str(refusal.value)
    assert ALICE.key.hex() not in str(refusal.value)


@pytest.mark.parametrize("text", ["", "12", "zz" * 32, "00" * 32, "ff" * 32])
def test_a_variable_without_a_key_is_told_without_what_it_holds(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRADER", text)
    with pytest.raises(ConfigInvalid) as refusal:
        read_key("env:TRADER")
    assert len(text) < 4 or text not in str(refusal.value)
    monkeypatch.delenv("TRADER")
    with pytest.raises(ConfigInvalid):
        read_key("env:TRADER")


def test_a_new_key_is_its_owners_alone_and_never_written_over_another(tmp_path: Path) -> None:
    file = tmp_path / "key"
    address = make_key_file(file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert KeySigner(read_key_file(file, "key")).address == address
    with pytest.raises(PathUnusable):
        make_key_file(file)
    assert KeySigner(read_key_file(file, "key")).address == address


def test_keys_new_shows_the_address_and_not_the_key(tmp_path: Path) -> None:
    told = CliRunner().invoke(app, ["keys", "new", str(tmp_path / "key")])
    assert told.exit_code == 0
    assert (tmp_path / "key").read_text().strip() not in told.output
    assert re.search(r"0x[0-9a-fA-F]{40}", told.output)


def test_a_market_is_found_in_any_case_and_a_stranger_is_told_the_names() -> None:
    assert read_market("btc-perp", RULES)[0] == 1
    with pytest.raises(ConfigInvalid, match="BTC-PERP, ETH-PERP allowed"):
        read_market("DOGE-PERP", RULES)


@pytest.mark.parametrize("text", ["0", "-1", "1.234", "1e3", "one", "", str(1 << 64)])
def test_a_number_that_the_market_has_no_step_for_is_refused(text: str) -> None:
    assert read_units("size", "1.23", 2) == 123
    with pytest.raises(ConfigInvalid):
        read_units("size", text, 2)


@pytest.mark.parametrize(
    ("text", "length_ms"),
    [("250ms", 250), ("90s", 90_000), ("15m", 900_000), ("4h", 14_400_000), ("2d", 172_800_000)],
)
def test_a_moment_is_a_duration_from_now_or_milliseconds(text: str, length_ms: int) -> None:
    now = Millis(1_000)
    assert read_duration("in", text) == length_ms
    assert read_moment("good_till", text, now) == now + length_ms
    assert read_moment("good_till", "1001", now) == 1_001


@pytest.mark.parametrize("text", ["0s", "-1s", "1.5s", "s", "90", "", "1w", "٣s", str(1 << 64)])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ConfigInvalid, match="in: "):
        read_duration("in", text)


@pytest.mark.parametrize("text", ["1000", "0", "-5", "", "soon", str(1 << 64)])
def test_a_moment_that_is_past_or_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigInvalid, match="good_till: "):
        read_moment("good_till", text, Millis(1_000))


def test_the_largest_number_that_an_action_can_carry_is_the_last_that_is_read() -> None:
    assert read_units("size", "184467440737095516.15", 2) == UINT64_MAX
    assert read_money("amount", "9223372036854.775807") == MONEY_MAX
    with pytest.raises(ConfigInvalid, match="at most"):
        read_units("size", "184467440737095516.16", 2)
    with pytest.raises(ConfigInvalid, match="at most"):
        read_money("amount", "9223372036854.775808")


@pytest.mark.parametrize(
    "name", ["dev:", "dev:-1", "dev:2147483648", "dev:" + "9" * 5_000, "dev:٣"]
)
def test_a_public_key_that_there_is_not_is_refused(name: str) -> None:
    with pytest.raises(ConfigInvalid, match="dev:0 to dev:"):
        read_key(name)


@pytest.mark.parametrize(
    "words",
    [
        ("cancel", "--client-id", 1 << 64),
        ("order", "BTC-PERP", "buy", 1, 1, "--expires-s", 10**30),
        ("order", "BTC-PERP", "buy", 1, 1, "--deadline-ms", 3_600_001),
        ("withdraw", 1, "--nonce", -1),
        ("withdraw", 1, "--opened", 1 << 64),
        ("verify", "--rpc", "http://h", "--rollup", "0x" + "11" * 20, "--workers", -1),
        ("verify", "--rpc", "http://h", "--rollup", "0x" + "11" * 20, "--from-block", -1),
    ],
)
def test_a_number_out_of_its_range_is_a_fault_of_the_command(words: tuple[object, ...]) -> None:
    wide = {"COLUMNS": "200", "NO_COLOR": "1"}
    told = CliRunner().invoke(app, [str(word) for word in words], env=wide)
    assert (told.exit_code, "Input should be " in told.output) == (2, True), told.output


def test_a_market_orders_worst_price_is_rounded_toward_the_mark() -> None:
    assert worst_price(Ticks(999), True, Decimal("0.01")) == 1_008
    assert worst_price(Ticks(999), False, Decimal("0.01")) == 990
    assert worst_price(Ticks(1), False, Decimal("0.9")) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["order", "BTC-PERP", "buy", "1", "--type", "gtc"],
        ["cancel"],
        ["cancel", "7", "--all"],
        ["cancel", "--market", "BTC-PERP", "--all"],
        ["order", "BTC-PERP", "buy", "1", "2", "--good-till", "1"],
        ["order", "BTC-PERP", "buy", "1", "2", "--good-till", "soon"],
        ["order", "BTC-PERP", "buy", "1", "2", "--stop", "3", "--take-profit", "1"],
        ["amend", "--size", "1"],
        ["amend", "7", "--client-id", "7", "--size", "1"],
        ["amend", "7"],
        ["amend", "7", "--good-till", "1"],
        ["switch"],
        ["switch", "--off", "--in", "30s"],
        ["switch", "--off", "--on-disconnect"],
        ["switch", "--in", "30"],
        ["positions", "--account", "0x12"],
        ["orders", "--limit", "5"],
        ["order", "BTC-PERP", "buy", "1", "2", "--key", "11" * 32],
    ],
)
def test_a_slip_is_told_before_any_node_is_asked(arguments: list[str]) -> None:
    told = CliRunner().invoke(app, [*arguments, "--node", "http://127.0.0.1:1"])
    assert isinstance(told.exception, ConfigInvalid)


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("plimsoll ord", ["order", "orders", "ordering"]),
        ("plimsoll keys re", ["revoke"]),
        ("plimsoll order BTC-PERP s", ["sell"]),
        ("plimsoll order BTC-PERP sell 1 2 --type po", ["post-only", "post-only-slide"]),
        ("plimsoll order BTC-PERP sell 1 2 --self-trade dec", ["decrement"]),
        ("plimsoll cancel --al", ["--all"]),
    ],
)
def test_a_shell_completes_commands_choices_and_options(words: str, offered: list[str]) -> None:
    assert completed(words) == offered


@pytest.mark.parametrize("kind", ALL_ERRORS, ids=lambda kind: kind.__name__)
def test_every_error_has_one_line_of_what_to_do(kind: type[PlimsollError]) -> None:
    line = advice(kind())
    assert 10 < len(line) < 100
    assert "\n" not in line


def test_a_market_that_never_had_a_mark_needs_an_oracle_and_not_patience() -> None:
    never = advice(MarkStale(market=1, limit=5_000))
    late = advice(MarkStale(market=1, age_ms=5_001, limit=5_000))
    assert "oracle" in never
    assert "wait" in late


def test_a_measurement_that_failed_is_told_what_to_change() -> None:
    assert "--within" in advice(RampTimedOut(seconds=1.0))
    assert "scripts/replay" in advice(MeasurementInvalid(faults=("kinds: no command",)))


@pytest.mark.parametrize(
    "command",
    [
        "order",
        "cancel",
        "amend",
        "switch",
        "positions",
        "orders",
        "fills",
        "book",
        "status",
        "deposit",
        "withdraw",
    ],
)
def test_every_command_of_a_trader_speaks_json(command: str) -> None:
    told = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"})
    assert "--json" in told.output


@pytest.mark.parametrize("hours", ["inf", "nan", "-1", "0", "1e300"])
def test_an_agent_is_approved_for_a_time_that_ends(hours: str) -> None:
    agent = "0x" + ALICE.address.hex()
    told = CliRunner().invoke(app, ["keys", "approve", agent, f"--hours={hours}"])
    assert told.exit_code == 2, told.exception
    assert "--hours" in told.output


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NothingToCancel(market=0), 1),
        (ConfigInvalid(faults=("size: 0",)), 2),
        (StateDiverged(where="history"), 3),
        (ConnectionLost(path="/rules"), 4),
        (DiskFailed(path="data/journal/1", errno=28, detail="full"), 4),
        (OutcomeUnknown(nonce=7, answer=2100), 5),
        (NotTakenIn(block=7, waited_s=60.0), 5),
        (TransactionUnseen(transaction=bytes(32), waited_s=300.0), 5),
        (AssertionError(), 6),
        (ExceptionGroup("", [KeyError("free")]), 6),
        (ExceptionGroup("", [ExceptionGroup("", [OutcomeUnknown(nonce=7)])]), 5),
    ],
)
def test_each_family_of_errors_has_its_exit_code(
    error: Exception, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(cli, "_application_for", lambda _words: fail)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == code


def test_a_checked_configuration_shows_no_password(tmp_path: Path) -> None:
    file = tmp_path / "node.toml"
    text = (TOP / "configs" / "devnet.toml").read_text(encoding="utf-8")
    url = "postgresql+psycopg://plimsoll:hunter2@db/plimsoll"
    (tmp_path / "rules.toml").write_bytes((TOP / "configs" / "rules.toml").read_bytes())
    file.write_text(text.replace('url = ""', f'url = "{url}"', 1), encoding="utf-8")
    told = CliRunner().invoke(app, ["config", "--config", str(file)], env={"COLUMNS": "2000"})
    assert told.exit_code == 0, told.output
    assert "plimsoll:***@db/plimsoll" in told.output
    assert "hunter2" not in told.output


def test_a_preview_takes_no_option_of_how_an_order_is_sent() -> None:
    preview = ["order", "BTC-PERP", "buy", "1", "5", "--key", "dev:1", "--preview"]
    for sent in (["--retry"], ["--deadline-ms", "50"]):
        refused = CliRunner().invoke(app, [*preview, *sent]).exception
        assert isinstance(refused, ConfigInvalid)
        assert [fault.split(":")[0] for fault in refused.values["faults"]] == ["preview"]
