"""The rows of a random log say what its state says, in however many groups they are made."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

import pytest

from node.history.gathering import INTEGER_MAX
from node.history.record import decode_blocks, encode_blocks
from node.transition.account import Account
from node.transition.state import State
from node.types.events import OrderCancelled
from node.types.history import KEPT_UNLESS_TOLD, Row
from node.types.history_rows import RecordedBlock, RowGroup
from node.types.ids import hex_from_address
from node.types.rules import Ordering
from tests.property.fair_log import FairLog
from tests.property.random_log import DOMAIN, RULES
from tests.property.test_mirrors import blocks_of, fresh_state
from tests.unit.history.recorded_blocks import chained, groups_of

SEEDS = (1, 2, 5, 13)
RARE_SEEDS = range(5, 45)
BLOCKS = 250
FAIR_BLOCKS = 120
STATUSES = {"waiting", "resting", "filled", "cancelled"}


class Tables:
    """What a database would hold after some groups."""

    def __init__(self, groups: Iterable[RowGroup]) -> None:
        self.rows: dict[str, list[Row]] = defaultdict(list)
        self.orders: dict[int, dict[str, Any]] = {}
        self.positions: dict[Any, Row] = {}
        for group in groups:
            self._take(group)

    def _take(self, group: RowGroup) -> None:
        for table, rows in group.rows.items():
            self.rows[table] += rows
        for row in group.rows.get("orders", ()):
            number = row["order_id"]
            assert isinstance(number, int)
            self.orders[number] = dict(row)
        for change in group.order_changes:
            number = change["order_id"]
            assert isinstance(number, int)
            order = self.orders[number]
            for name in ("filled", "value", "fees"):
                order[name] += change[name]
            order["remaining"] = change["remaining"]
            order["size"] = order["filled"] + order["remaining"]
            told = {name: change[name] for name in KEPT_UNLESS_TOLD if change[name] is not None}
            order.update(told)
        for holder, position in group.positions.items():
            self.positions.pop(holder, None)
            if position is not None:
                self.positions[holder] = position

    def total(self, table: str, *columns: str) -> int:
        """Return the sum of some columns over all rows."""
        return sum(int(row[name] or 0) for row in self.rows[table] for name in columns)


def recorded_log(seed: int) -> tuple[State, list[RecordedBlock]]:
    state = fresh_state()
    return state, list(chained(blocks_of(seed, state, BLOCKS)))


def recorded_fair_log(seed: int) -> tuple[State, list[RecordedBlock]]:
    log = FairLog(seed)
    blocks = [log.opening(), *(log.block() for _ in range(FAIR_BLOCKS))]
    return log.state, list(chained(blocks))


@pytest.fixture(scope="module", params=SEEDS)
def log(request: pytest.FixtureRequest) -> tuple[State, list[RecordedBlock]]:
    return recorded_log(request.param)


@pytest.fixture(scope="module", params=SEEDS)
def fair_log(request: pytest.FixtureRequest) -> tuple[State, list[RecordedBlock]]:
    return recorded_fair_log(request.param)


def test_orders_tell_what_their_fills_tell(log: tuple[State, list[RecordedBlock]]) -> None:
    state, blocks = log
    tables = Tables(groups_of(blocks, 7))
    require_orders(state, tables)
    assert {order["status"] for order in tables.orders.values()} == STATUSES
    assert not tables.total("fills", "auction")
    reasons = {order["reason"] for order in tables.orders.values()}
    assert reasons >= {"self_trade", "expired", "one_cancels_other", "amended"}


def test_orders_of_markets_of_every_ordering_tell_it_too(
    fair_log: tuple[State, list[RecordedBlock]],
) -> None:
    state, blocks = fair_log
    tables = Tables(groups_of(blocks, 7))
    require_orders(state, tables)
    auction = 1 + list(Ordering).index(Ordering.AUCTION)
    # A liquidation takes at once, in whatever market.
    for row in tables.rows["fills"]:
        assert row["auction"] == (row["market"] == auction and row["taker_order"] is not None)
    assert tables.total("fills", "auction") > 10
    assert {order["status"] for order in tables.orders.values()} == STATUSES
    fees = tables.total("fills", "maker_fee", "taker_fee")
    assert fees + tables.total("work", "amount") == state.fees


def require_orders(state: State, tables: Tables) -> None:
    """Orders add up to their fills, and those that are open are the state's."""
    filled: Counter[int] = Counter()
    fees: Counter[int] = Counter()
    for fill in tables.rows["fills"]:
        for side in ("maker", "taker"):
            number = fill[f"{side}_order"]
            if isinstance(number, int):
                filled[number] += int(fill["size"] or 0)
                fees[number] += int(fill[f"{side}_fee"] or 0)
    assert filled
    for number, order in tables.orders.items():
        assert order["filled"] == filled[number]
        assert order["fees"] == fees[number]
        assert order["filled"] + order["remaining"] == order["size"]
        assert (order["status"] == "filled") == (not order["remaining"])
        assert (order["reason"] is None) == (order["status"] != "cancelled")
        assert (order["closed_sequence"] is None) == (order["status"] in {"resting", "waiting"})
        assert (order["trigger"] is None) == (order["trigger_price"] is None)
        assert order["trigger"] or (order["triggered_sequence"] is None)
        assert order["status"] != "waiting" or order["triggered_sequence"] is None
        assert (order["triggered_sequence"] is None) == (order["triggered_time"] is None)
    resting, waiting = {}, {}
    for account in state.accounts.values():
        owner = hex_from_address(account.address)
        for order_id, one in account.orders.items():
            resting[order_id] = (owner, one.price, one.size, one.remaining)
        for order_id, other in account.waiting.items():
            price = min(other.price, INTEGER_MAX)
            waiting[order_id] = (owner, price, other.size, other.trigger_price)
    assert resting == open_rows(tables, "resting", "account", "price", "size", "remaining")
    assert waiting == open_rows(tables, "waiting", "account", "price", "size", "trigger_price")


def open_rows(tables: Tables, status: str, *columns: str) -> dict[int, tuple[Any, ...]]:
    return {
        number: tuple(order[name] for name in columns)
        for number, order in tables.orders.items()
        if order["status"] == status
    }


def test_fees_insurance_and_transfers_add_up_to_the_state_s(
    log: tuple[State, list[RecordedBlock]],
) -> None:
    state, blocks = log
    tables = Tables(groups_of(blocks, 7))
    fees = tables.total("fills", "maker_fee", "taker_fee")
    assert fees + tables.total("work", "amount") == state.fees
    deposits = [row for row in tables.rows["transfers"] if row["kind"] == "deposit"]
    assert len(deposits) == state.inbox_cursor
    assert sum(int(row["amount"] or 0) for row in deposits) == state.deposited
    withdrawals = [row for row in tables.rows["transfers"] if row["kind"] == "withdrawal"]
    assert len(withdrawals) == state.next_withdrawal_id - 1
    assert tables.rows["liquidations"]


def test_positions_are_the_state_s_and_funding_sums_to_zero(
    log: tuple[State, list[RecordedBlock]],
) -> None:
    state, blocks = log
    tables = Tables(groups_of(blocks, 7))
    standing = {
        (hex_from_address(account.address), market): (
            position.size, position.entry, position.margin, position.funding
        )
        for account in state.accounts.values()
        for market, position in account.positions.items()
        if position.size
    }  # fmt: skip
    names = ("size", "entry", "margin", "funding_index")
    assert standing == {
        holder: tuple(row[name] for name in names) for holder, row in tables.positions.items()
    }
    owed = sum(
        position.owed_funding(state.market(market).funding_index)
        for account in state.accounts.values()
        for market, position in account.positions.items()
        if position.size
    )
    # What has been received and what is still owed: each side's is the other's.
    assert tables.rows["funding"]
    assert tables.total("funding", "amount") == owed
    indices = {row["market"]: row["funding_index"] for row in tables.rows["funding_moves"]}
    assert all(state.markets[int(m or 0) - 1].funding_index == i for m, i in indices.items())


def test_the_rows_do_not_depend_on_the_groups(
    log: tuple[State, list[RecordedBlock]], fair_log: tuple[State, list[RecordedBlock]]
) -> None:
    for _, blocks in (log, fair_log):
        one, many = Tables(groups_of(blocks, len(blocks))), Tables(groups_of(blocks, 1))
        assert one.orders == many.orders
        assert one.positions == many.positions
        for table in one.rows.keys() | many.rows.keys():
            if table != "orders":
                assert one.rows[table] == many.rows[table]


def test_no_two_rows_of_a_table_share_a_place(log: tuple[State, list[RecordedBlock]]) -> None:
    tables = Tables(groups_of(log[1], 11))
    for name, rows in tables.rows.items():
        if name != "orders":
            places = [(row["sequence"], row["place"]) for row in rows]
            assert places == sorted(set(places))


def test_blocks_cross_to_the_writer_s_process_unchanged() -> None:
    _, blocks = recorded_log(0)
    assert decode_blocks(encode_blocks(tuple(blocks))) == tuple(blocks)
    assert (DOMAIN, RULES.name) == (fresh_state().domain, "random")


def test_random_logs_reach_what_is_rare() -> None:
    """What the draw does not reach, the tests above do not prove."""
    rare: set[str] = set()
    for seed in RARE_SEEDS:
        _, blocks = recorded_log(seed)
        told = {
            event.order_id
            for block in blocks
            for happened in block.happened
            for event in happened.events
            if isinstance(event, OrderCancelled)
        }
        for number, order in Tables(groups_of(blocks, 7)).orders.items():
            if order["status"] == "cancelled" and number not in told:
                assert order["reason"] == "self_trade"
                rare.add("used up without a word")
            if order["price"] == INTEGER_MAX:
                rare.add("at any price")
        if len(rare) == 2:
            return
    raise AssertionError(rare)


def test_what_changed_each_account_s_money_adds_up_to_what_it_has(
    log: tuple[State, list[RecordedBlock]], fair_log: tuple[State, list[RecordedBlock]]
) -> None:
    for state, blocks in (log, fair_log):
        tables = Tables(groups_of(blocks, 7))
        assert {owner: amount for owner, amount in changes_of(tables).items() if amount} == {
            hex_from_address(account.address): amount
            for account in state.accounts.values()
            if (amount := money_of(account))
        }


def changes_of(tables: Tables) -> Counter[str]:
    """Return what all rows together have changed of each account's money."""
    changed: Counter[str] = Counter()

    def add(table: str, owner: str, *gains: str, less: tuple[str, ...] = ()) -> None:
        for row in tables.rows[table]:
            gain = sum(int(row[name] or 0) for name in gains)
            changed[str(row[owner])] += gain - sum(int(row[name] or 0) for name in less)

    add("fills", "maker", "maker_realized", less=("maker_fee",))
    add("fills", "taker", "taker_realized", less=("taker_fee",))
    add("funding", "account", "amount")
    add("liquidations", "account", "shortfall", less=("fee",))
    add("deleveragings", "account", "realized")
    add("deleveragings", "counterparty", "counterparty_realized")
    add("work", "account", less=("amount",))
    for row in tables.rows["transfers"]:
        sign = 1 if row["kind"] == "deposit" else -1
        changed[str(row["account"])] += sign * int(row["amount"] or 0)
    return changed


def money_of(account: Account) -> int:
    """Return an account's collateral: free, reserved by orders, and the margin of positions."""
    margins = sum(position.margin for position in account.positions.values())
    return account.free + account.reserved + margins


def test_a_liquidation_tells_what_was_closed_and_for_what(
    log: tuple[State, list[RecordedBlock]],
) -> None:
    _, blocks = log
    tables = Tables(groups_of(blocks, 7))
    closed: Counter[Any] = Counter()
    for row in tables.rows["fills"]:
        if row["taker_order"] is None:
            side = row["taker_side"]
            closed[row["sequence"], side, "closed"] += int(row["size"] or 0)
            closed[row["sequence"], side, "value"] += int(row["value"] or 0)
    for row in tables.rows["deleveragings"]:
        closed[row["sequence"], "deleveraged"] += int(row["size"] or 0)
        closed[row["sequence"], "deleveraged_value"] += int(row["value"] or 0)
    told: Counter[Any] = Counter()
    for row in tables.rows["liquidations"]:
        for name in ("closed", "value"):
            told[row["sequence"], row["side"], name] += int(row[name] or 0)
        for name in ("deleveraged", "deleveraged_value"):
            told[row["sequence"], name] += int(row[name] or 0)
    assert +told == +closed
    assert tables.total("liquidations", "deleveraged")
