"""Which deposits are new, which are known, and which cannot be."""

import pytest

from node.ports.chain import L1Block
from node.settlement import inbox
from node.settlement.inbox import InboxScan
from node.types.commands import Deposit
from node.types.errors import ChainDisagrees
from node.types.ids import Address
from node.types.units import Money


def deposits(*indices: int, amount: int = 1) -> list[Deposit]:
    return [Deposit(index, Address(bytes(20)), Money(amount)) for index in indices]


def block(number: int, fork: bytes = b"a") -> L1Block:
    return L1Block(number, fork * 32, 0, 0)


def test_a_scan_begins_where_it_is_told_and_goes_on_behind_the_last_block() -> None:
    scan = InboxScan(cursor=0, first_block=10)
    assert (scan.next_block, scan.anchor) == (10, None)
    assert scan.scanned(block(14), deposits(0, 1)) == tuple(deposits(0, 1))
    assert (scan.next_block, scan.cursor) == (15, 2)


def test_what_the_log_has_is_not_handed_on_again() -> None:
    scan = InboxScan(cursor=2, first_block=0)
    assert scan.scanned(block(5), deposits(0, 1, 2, 3)) == tuple(deposits(2, 3))


def test_what_comes_again_after_a_reorg_is_recognised() -> None:
    scan = InboxScan(cursor=0, first_block=0)
    scan.scanned(block(5), deposits(0))
    scan.scanned(block(9), deposits(1, 2))
    scan.step_back()
    assert scan.next_block == 6
    assert scan.scanned(block(10, b"b"), deposits(1, 2, 3)) == tuple(deposits(3))
    scan.step_back()
    scan.step_back()
    assert scan.next_block == 0


@pytest.mark.parametrize("found", [(1,), (0, 2), (0, 0), (0, 1, 3)])
def test_a_gap_stops_the_node(found: tuple[int, ...]) -> None:
    scan = InboxScan(cursor=0, first_block=0)
    with pytest.raises(ChainDisagrees):
        scan.scanned(block(5), deposits(*found))
    assert (scan.cursor, scan.anchor) == (0, None)


def test_a_scan_knows_up_to_which_deposit_l1_holds_what_the_log_has() -> None:
    scan = InboxScan(4, 0, deposits(2, 3))
    assert scan.standing == 2, "what the log took in before is final"
    scan.scanned(block(5), deposits(0, 1, 2))
    scan.scanned(block(9), ())
    assert scan.standing == 3
    assert scan.scanned(block(12), deposits(3, 4)) == tuple(deposits(4))
    assert scan.standing == 5
    scan.step_back()
    assert (scan.standing, scan.cursor) == (3, 5)


def test_a_deposit_that_a_process_before_took_in_and_that_changed_stops_the_node() -> None:
    scan = InboxScan(3, 0, deposits(1, 2))
    with pytest.raises(ChainDisagrees) as caught:
        scan.scanned(block(5), [*deposits(0, 1), *deposits(2, amount=2)])
    assert (caught.value.expected.amount, caught.value.found.amount) == (1, 2)
    assert (scan.standing, scan.anchor) == (1, None)


def test_a_deposit_that_is_missing_among_those_of_a_process_before_stops_the_node() -> None:
    with pytest.raises(ChainDisagrees):
        InboxScan(3, 0, deposits(1, 2)).scanned(block(5), deposits(2))


def test_a_changed_deposit_stops_the_node() -> None:
    scan = InboxScan(cursor=0, first_block=0)
    scan.scanned(block(5), deposits(0))
    scan.step_back()
    with pytest.raises(ChainDisagrees) as caught:
        scan.scanned(block(5, b"b"), deposits(0, amount=2))
    assert (caught.value.expected.amount, caught.value.found.amount) == (1, 2)


def test_of_more_deposits_than_are_remembered_the_newest_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(inbox, "DEPOSITS_REMEMBERED", 2)
    scan = InboxScan(cursor=0, first_block=0)
    scan.scanned(block(5), deposits(0, 1, 2, 3))
    scan.step_back()
    with pytest.raises(ChainDisagrees) as caught:
        scan.scanned(block(5, b"b"), deposits(0, 1, 2, 3, amount=2))
    assert caught.value.found.index == 2
