"""The scan's floats leave out the clear cases only; its integers decide the rest."""

from node.risk.book import Holding, fails_maintenance
from node.risk.scan import Columns, scan
from tests.unit.risk.risk_cases import address, market_rules, position

RULES = market_rules()


def holding(number: int, size: int, price: int, margin: int) -> Holding:
    return Holding(position(number, size, price, margin), RULES)


def test_nothing_is_found_among_nothing() -> None:
    assert scan(RULES, Columns([]), 100, 0) == []


def test_clear_cases_need_no_exact_check() -> None:
    columns = Columns([holding(n, 100, 1_000, 50_000) for n in range(100)])
    assert columns.candidates(1_000, 0).size == 0
    assert columns.candidates(1_000, 7).size == 0
    assert columns.candidates(400, 0).size == 100


def test_a_unit_is_seen_where_doubles_cannot_see_it() -> None:
    size, price = 2**40 + 1, 2**40 + 1
    # Equity equals the requirement, a number of 77 bits, and is then one unit less.
    required = -(-size * price * 50_000 // 1_000_000)
    covered, failing = holding(1, size, price, required), holding(2, size, price, required - 1)
    columns = Columns([covered, failing])
    assert columns.candidates(price, 0).size == 2
    assert [held.account for held in scan(RULES, columns, price, 0)] == [address(2)]
    assert fails_maintenance(RULES, failing, price, 0)
    assert not fails_maintenance(RULES, covered, price, 0)


def test_funding_that_is_owed_counts() -> None:
    columns = Columns([holding(1, 100, 1_000, 2_000), holding(2, -100, 1_000, 2_000)])
    assert [held.account for held in scan(RULES, columns, 1_000, 11)] == [address(1)]
    assert [held.account for held in scan(RULES, columns, 1_000, -11)] == [address(2)]
