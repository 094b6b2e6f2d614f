"""What ``plimsoll verify`` tells people of its verdict."""

import io

import msgspec
import pytest
from rich.console import Console

from node.app.cli.verify import _tell
from node.client.addresses import checksummed
from node.verifier.verdict import Difference, Fault, Verdict
from tests.unit.verifier.example_chain import ExampleChain


def told(verdict: Verdict) -> str:
    """Return what is printed."""
    console = Console(file=io.StringIO(), soft_wrap=True, highlight=False)
    _tell(verdict, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.fixture(scope="module")
def verdict() -> Verdict:
    return ExampleChain().verdict()


def test_who_orders_and_who_holds_the_money_is_told_with_the_root(verdict: Verdict) -> None:
    text = told(verdict)
    assert text.startswith(f"OK  4 batches, {verdict.commands} commands, root 0x")
    assert verdict.roots[-1].hex() in text
    for address in (verdict.terms.sequencer, verdict.terms.token, verdict.terms.inbox):
        assert checksummed(address) in text
    assert "final 64 L1 blocks later" in text
    assert "lag" not in text


def test_a_lag_that_was_understated_is_told(verdict: Verdict) -> None:
    late = msgspec.structs.replace(verdict, lag_understated_ms=6_940)
    assert "understated by 6,940 ms" in told(late)


def test_a_difference_is_told_with_its_place(verdict: Verdict) -> None:
    found = Difference(Fault.SIGNATURE, 2, "signed", "BadSignature()", 31, 31, "PlaceOrders")
    text = told(msgspec.structs.replace(verdict, difference=found))
    assert text.startswith("DIFFERENT  signature in batch 2\n  commands   31 … 31 PlaceOrders\n")
    assert checksummed(verdict.terms.inbox) in text
    before = msgspec.structs.replace(found, batch=-1, first_sequence=0, fault=Fault.CONTRACT)
    text = told(msgspec.structs.replace(verdict, difference=before))
    assert text.startswith("DIFFERENT  contract before the first batch\n  expected")
