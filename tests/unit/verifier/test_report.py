"""What ``verify --json`` writes."""

import msgspec

from node.types.commands import Side
from node.types.units import units_from_decimal
from node.verifier.report import verify_report
from tests.examples import ALICE, CAROL, RULES
from tests.unit.verifier.example_chain import LOG, ExampleChain


def test_the_report_holds_all_books_in_priority() -> None:
    report = verify_report(*ExampleChain().rebuilt())
    expected = [
        order.order_id
        for market in LOG.state.markets
        for side in Side
        for order in market.book.orders(side)
    ]
    assert expected
    assert [order.order_id for order in report.resting_orders] == expected
    first = report.resting_orders[0]
    best = LOG.state.markets[0].book.best(Side.BUY)
    assert best is not None
    assert (first.market, first.side) == ("BTC-PERP", "buy")
    assert units_from_decimal(first.price, 2) == best.price
    assert units_from_decimal(first.size, 4) == best.remaining
    assert first.account == "0x" + best.account.hex()


def test_the_report_holds_all_accounts() -> None:
    report = verify_report(*ExampleChain().rebuilt())
    by_account = {one.account: one for one in report.accounts}
    assert len(by_account) == len(LOG.state.accounts)
    alice = LOG.state.accounts[ALICE.address]
    shown = by_account["0x" + ALICE.address.hex()]
    assert units_from_decimal(shown.free, 6) == alice.free
    assert units_from_decimal(shown.reserved, 6) == alice.reserved
    assert [
        (one.market, units_from_decimal(one.size, 4), units_from_decimal(one.margin, 6))
        for one in shown.positions
    ] == [
        (RULES.market(market).symbol, position.size, position.margin)
        for market, position in sorted(alice.positions.items())
        if position.size
    ]
    assert "0x" + CAROL.address.hex() in by_account


def test_the_report_is_json_with_the_verdict() -> None:
    verdict, state = ExampleChain().rebuilt()
    found = msgspec.json.decode(verify_report(verdict, state).to_json())
    assert found["ok"] is True
    assert found["batches"] == 4
    assert found["root"] == found["roots"][-1] == "0x" + verdict.roots[-1].hex()
    assert found["difference"] is None


def test_a_difference_stands_in_the_report() -> None:
    chain = ExampleChain()
    chain.change_header(1, new_root=bytes(32))
    found = msgspec.json.decode(verify_report(*chain.rebuilt()).to_json())
    assert found["ok"] is False
    assert found["difference"]["fault"] == "root"
    assert found["difference"]["batch"] == 1


def test_without_rules_the_report_is_empty() -> None:
    chain = ExampleChain()
    chain.facts = msgspec.structs.replace(chain.facts, rules=b"")
    report = verify_report(*chain.rebuilt())
    assert (report.root, report.accounts, report.resting_orders) == ("", (), ())
