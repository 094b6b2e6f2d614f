"""A case is proposed once, again only after its back-off, and closed when it is over."""

from node.risk.cases import CaseBook
from tests.unit.risk.risk_cases import address

TRIGGER = (100, 5)


def proposed(cases: CaseBook, number: int, limit: int = 10) -> list[int]:
    cases.begin_round(number)
    return [int.from_bytes(c.account, "big") for c in cases.propose(limit, number)]


def test_a_case_is_proposed_once_while_it_is_in_flight() -> None:
    cases = CaseBook(2, 8)
    cases.open(address(1), TRIGGER, 5)
    assert proposed(cases, 1) == [1]
    assert proposed(cases, 1) == []
    assert proposed(cases, 2) == []
    assert address(1) in cases


def test_the_back_off_doubles_up_to_its_bound() -> None:
    cases = CaseBook(2, 8)
    cases.open(address(1), TRIGGER, 5)
    rounds = [number for number in range(1, 40) if proposed(cases, number)]
    assert rounds == [1, 3, 7, 15, 23, 31, 39]


def test_a_release_ends_flight_and_back_off() -> None:
    cases = CaseBook(2, 8)
    cases.open(address(1), TRIGGER, 5)
    assert [number for number in range(1, 8) if proposed(cases, number)] == [1, 3, 7]
    cases.release(address(1))
    assert [number for number in range(8, 13) if proposed(cases, number)] == [8, 10]
    cases.release(address(2))
    assert address(2) not in cases


def test_the_limit_holds_back_the_later_ones() -> None:
    cases = CaseBook(2, 8)
    for number in range(1, 6):
        cases.open(address(number), TRIGGER, 0)
    assert proposed(cases, 1, limit=2) == [1, 2]
    assert proposed(cases, 1, limit=2) == [3, 4]
    assert proposed(cases, 1, limit=0) == []
    assert proposed(cases, 1, limit=2) == [5]


def test_closing_takes_back_what_was_ready() -> None:
    cases = CaseBook(2, 8)
    cases.open(address(1), TRIGGER, 77)
    case = cases.get(address(1))
    assert case is not None
    assert (case.crossed_ms, case.trigger, case.proposals) == (77, TRIGGER, 0)
    cases.close(address(1))
    assert cases.get(address(1)) is None
    assert proposed(cases, 1) == []
    assert len(cases) == 0
