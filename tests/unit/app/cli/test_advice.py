"""What to do about an error: what the command at hand can really do."""

from pathlib import Path

import pytest

from node.app.cli.advice import advice
from node.app.cli.keys import make_key_file
from node.client.errors import NotTakenIn
from node.client.trader import OutcomeUnknown
from node.simulation.ramp.command import RampTimedOut
from node.types.errors import (
    AddressUnavailable,
    CallReverted,
    NothingToTake,
    Overloaded,
    PathUnusable,
    PlimsollError,
    RateLimited,
    Shed,
    StateDiverged,
    UnknownAccount,
)

ORDER = ("order", "BTC-PERP", "buy", "1")


@pytest.mark.parametrize(
    ("error", "words", "parts"),
    [
        (UnknownAccount(), ORDER, ["plimsoll deposit 1000,", "--faucet"]),
        (
            UnknownAccount(),
            (*ORDER, "--key", "dev:5", "--node=http://h:1"),
            ["plimsoll deposit 1000 --key dev:5 --node=http://h:1 --rpc", "--faucet"],
        ),
        (UnknownAccount(), (*ORDER, "--account", "0x12", "--key", "k"), ["the account's own key"]),
        (Shed(retry_after_ms=5), ORDER, ["--retry"]),
        (Overloaded(queue="lane"), ("amend", "7", "--size", "1"), ["--retry"]),
        (
            RateLimited(of="faucet_account", retry_after_ms=3_540_001),
            ("faucet", "0x12"),
            ["again in 60 min"],
        ),
        (RateLimited(of="faucet_origin", retry_after_ms=9_000), ("faucet", "0x12"), ["in 9 s"]),
        # Values come from the peer: none of them may be missed, or be something else.
        (RateLimited(of="faucet"), ("faucet", "0x12"), ["again in 0 s"]),
        (RateLimited(of="faucet", retry_after_ms="soon"), ("faucet", "0x12"), ["again in 0 s"]),
        (RampTimedOut(seconds=9), ("plan", "--verify"), ["--turns"]),
        (RampTimedOut(seconds=9), ("ramp",), ["--within"]),
        (OutcomeUnknown(answer=2100), ("faucet", "0x12"), ["may be paid", "--account"]),
        (NotTakenIn(block=3, waited_s=60), ("faucet", "0x12"), ["plimsoll status"]),
        (NotTakenIn(block=3, waited_s=60), ("deposit", "1"), ["--rpc"]),
        (
            CallReverted(error="TransferFailed", balance="0"),
            ("deposit", "1"),
            ["has 0 dollars on L1", "--faucet"],
        ),
        (NothingToTake(price="1", best="2"), ORDER, ["plimsoll book", "--slippage"]),
        (AddressUnavailable(of="rpc", port=8545), ("run", "--embedded"), ["--rpc"]),
        (AddressUnavailable(port=8480), ("run",), ["--port"]),
        (StateDiverged(where="history", sequence=9), ("run",), ["plimsoll history rebuild"]),
    ],
)
def test_what_to_do_fits_the_command_that_was_typed(
    error: PlimsollError, words: tuple[str, ...], parts: list[str]
) -> None:
    line = advice(error, words)
    assert all(part in line for part in parts), line


@pytest.mark.parametrize("words", [("faucet", "0x12"), ("switch", "--off"), ("withdraw", "5"), ()])
def test_no_option_is_named_that_the_command_does_not_have(words: tuple[str, ...]) -> None:
    for error in (Shed(retry_after_ms=5), Overloaded(queue="faucet")):
        assert "--retry" not in advice(error, words)


def test_a_key_that_is_there_is_not_overwritten_and_another_name_is_asked_for(
    tmp_path: Path,
) -> None:
    file = tmp_path / "key"
    make_key_file(file)
    held = file.read_bytes()
    with pytest.raises(PathUnusable) as refused:
        make_key_file(file)
    assert file.read_bytes() == held
    assert "never overwritten: name another" in advice(refused.value)
    assert "is yours" in advice(PathUnusable(path="/x", detail="Permission denied"))


def test_a_long_value_is_cut_where_it_is_shown_and_a_hash_is_not() -> None:
    assert str(PlimsollError(data=bytes(132))) == (
        "PlimsollError(data=0x00000000000000000000… of 132 bytes)"
    )
    assert str(PlimsollError(root=bytes(32))) == f"PlimsollError(root=0x{'00' * 32})"
