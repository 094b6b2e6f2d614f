"""The verifier on an honest chain, and on every kind of tampered one: it names the place."""

import msgspec
import pytest

from node.transition.apply import apply
from node.transition.replay import Replica
from node.transition.state import State
from node.types.commands import (
    Command,
    Deposit,
    Liquidate,
    OpenBlock,
    OracleRound,
    PlaceOrders,
    Withdraw,
)
from node.types.events import Event
from node.types.hashing import keccak256
from node.types.ids import Address
from node.types.units import Millis, Money
from node.verifier.rebuild import NO_BATCH
from node.verifier.verdict import Difference, Fault
from tests.examples import DOLLAR, DOMAIN, MALLORY, RULES
from tests.unit.verifier.example_chain import LOG, ExampleChain


@pytest.fixture
def chain() -> ExampleChain:
    return ExampleChain()


def difference(chain: ExampleChain) -> Difference:
    verdict = chain.verdict()
    assert not verdict.ok
    assert verdict.difference is not None
    assert verdict.batches == max(0, verdict.difference.batch)
    assert verdict.commands == (
        chain.posted[verdict.batches - 1].header.last_sequence if verdict.batches else 0
    )
    assert len(verdict.roots) == (verdict.batches + 1 if verdict.difference.batch >= 0 else 0)
    return verdict.difference


def place_of(commands: list[Command], kind: type[Command], skip: int = 0) -> int:
    return [place for place, one in enumerate(commands) if isinstance(one, kind)][skip]


def test_an_honest_chain_leads_to_the_same_state(chain: ExampleChain) -> None:
    verdict, state = chain.rebuilt()
    assert verdict.ok
    assert verdict.batches == chain.count == 4
    assert verdict.commands == len(LOG.commands)
    assert verdict.roots == (
        chain.facts.genesis_root,
        *(posted.header.new_root for posted in chain.posted),
    )
    assert state is not None
    assert dict(state.leaves()) == dict(LOG.state.leaves())


def test_an_exchange_without_batches_agrees(chain: ExampleChain) -> None:
    chain.posted, chain.count, chain.root = [], 0, chain.facts.genesis_root
    verdict = chain.verdict()
    assert (verdict.ok, verdict.roots) == (True, (chain.facts.genesis_root,))


def test_a_changed_order_breaks_its_signature(chain: ExampleChain) -> None:
    places: list[int] = []

    def enlarge(commands: list[Command]) -> None:
        places.append(place_of(commands, PlaceOrders, 3))
        action = commands[places[0]]
        assert isinstance(action, PlaceOrders)
        first = msgspec.structs.replace(action.orders[0], size=action.orders[0].size + 1)
        commands[places[0]] = msgspec.structs.replace(action, orders=(first, *action.orders[1:]))

    chain.change_commands(1, enlarge)
    found = difference(chain)
    sequence = chain.posted[1].header.first_sequence + places[0]
    assert (found.fault, found.batch) == (Fault.SIGNATURE, 1)
    assert (found.first_sequence, found.last_sequence) == (sequence, sequence)
    assert found.command == "PlaceOrders"


def test_a_changed_price_report_breaks_its_signature(chain: ExampleChain) -> None:
    def raise_price(commands: list[Command]) -> None:
        place = place_of(commands, OracleRound, 1)
        round_ = commands[place]
        assert isinstance(round_, OracleRound)
        report = round_.reports[1]
        changed = msgspec.structs.replace(report, prices=(report.prices[0] + 1, report.prices[1]))
        reports = (round_.reports[0], changed, round_.reports[2])
        commands[place] = msgspec.structs.replace(round_, reports=reports)

    chain.change_commands(2, raise_price)
    found = difference(chain)
    assert (found.fault, found.batch, found.command) == (Fault.SIGNATURE, 2, "OracleRound")


def test_an_action_in_anothers_name_breaks_its_signature(chain: ExampleChain) -> None:
    def steal(commands: list[Command]) -> None:
        place = place_of(commands, Withdraw)
        action = commands[place]
        assert isinstance(action, Withdraw)
        commands[place] = msgspec.structs.replace(action, signer=MALLORY.address)

    chain.change_commands(3, steal)
    found = difference(chain)
    assert (found.fault, found.batch, found.command) == (Fault.SIGNATURE, 3, "Withdraw")


def test_a_changed_time_shows_in_the_next_root(chain: ExampleChain) -> None:
    """Nobody signs the time of a block; only roots tell."""

    def delay(commands: list[Command]) -> None:
        place = place_of(commands, OpenBlock, -1)
        block = commands[place]
        assert isinstance(block, OpenBlock)
        commands[place] = msgspec.structs.replace(block, time=Millis(block.time + 1))

    chain.change_commands(1, delay)
    found = difference(chain)
    assert (found.fault, found.batch, found.command) == (Fault.ROOT, 1, "")
    assert (found.first_sequence, found.last_sequence) == _stretches_of_batch(1)[-1]
    assert found.first_sequence > chain.posted[1].header.first_sequence


def _stretches_of_batch(index: int) -> list[tuple[int, int]]:
    replica = Replica.genesis(RULES, DOMAIN)
    chain = ExampleChain()
    for earlier in range(index):
        replica.execute(chain.commands(earlier))
    return [
        (one.first_sequence, one.last_sequence) for one in replica.execute(chain.commands(index))
    ]


def test_a_changed_root_names_the_last_stretch_of_its_batch(chain: ExampleChain) -> None:
    chain.change_header(1, new_root=bytes(32))
    chain.change_header(2, previous_root=bytes(32))
    found = difference(chain)
    assert (found.fault, found.batch) == (Fault.ROOT, 1)
    assert (found.first_sequence, found.last_sequence) == _stretches_of_batch(1)[-1]
    assert found.found == "0x" + "00" * 32
    assert found.expected == "0x" + ExampleChain().posted[1].header.new_root.hex()


def test_a_changed_intermediate_root_names_its_stretch(chain: ExampleChain) -> None:
    roots = list(chain.posted[2].header.roots)
    roots[1] = bytes(32)
    chain.change_header(2, roots=tuple(roots))
    found = difference(chain)
    assert (found.fault, found.batch) == (Fault.INTERMEDIATE_ROOT, 2)
    assert (found.first_sequence, found.last_sequence) == _stretches_of_batch(2)[1]


def test_too_few_and_too_many_intermediate_roots_are_found(chain: ExampleChain) -> None:
    roots = chain.posted[0].header.roots
    chain.change_header(0, roots=roots[:-1])
    few = difference(chain)
    assert (few.fault, few.first_sequence) == (
        Fault.INTERMEDIATE_ROOT,
        _stretches_of_batch(0)[len(roots) - 1][0],
    )
    chain.change_header(0, roots=(*roots, bytes(32)))
    many = difference(chain)
    assert (many.fault, many.first_sequence) == (
        Fault.INTERMEDIATE_ROOT,
        _stretches_of_batch(0)[-1][0],
    )


def test_a_missing_batch_is_named(chain: ExampleChain) -> None:
    del chain.posted[1]
    found = difference(chain)
    assert (found.fault, found.batch) == (Fault.MISSING_BATCH, 1)


def test_missing_batches_at_the_end_are_named(chain: ExampleChain) -> None:
    del chain.posted[2:]
    found = difference(chain)
    assert (found.fault, found.batch) == (Fault.MISSING_BATCH, 2)


def test_more_batches_than_there_are_do_not_agree(chain: ExampleChain) -> None:
    chain.count -= 1
    assert not chain.verdict().ok


def test_a_lag_that_l1_proves_to_be_understated_stands_in_the_verdict(chain: ExampleChain) -> None:
    """Nothing was posted before the log had ended, and all that it states is no lag."""
    times = [one.time for one in LOG.commands if isinstance(one, OpenBlock)]
    late = [msgspec.structs.replace(one, time_ms=Millis(times[-1] + 1)) for one in chain.posted]
    stated = max(one.lag for one in LOG.commands if isinstance(one, OpenBlock))
    chain.posted = late
    assert chain.verdict().lag_understated_ms == times[-1] - times[0] - stated > 0


def test_a_batch_that_comes_twice_does_not_go_on(chain: ExampleChain) -> None:
    chain.posted.insert(1, chain.posted[0])
    found = difference(chain)
    assert (found.fault, found.batch) == (Fault.HEADER, 1)


@pytest.mark.parametrize("field", ["previous_root", "last_sequence"])
def test_a_header_that_does_not_go_on_is_refused(chain: ExampleChain, field: str) -> None:
    value = getattr(chain.posted[2].header, field)
    chain.change_header(2, **{field: bytes(32) if isinstance(value, bytes) else value + 1})
    found = difference(chain)
    assert (found.fault, found.batch) == (Fault.HEADER, 2)


def test_a_batch_that_skips_a_sequence_is_refused_though_it_claims_as_many(
    chain: ExampleChain,
) -> None:
    header = chain.posted[2].header
    first, last = header.first_sequence, header.last_sequence
    chain.change_header(2, first_sequence=first + 1, last_sequence=last + 1)
    found = difference(chain)
    assert (found.fault, found.batch) == (Fault.HEADER, 2)
    assert (found.expected, found.found) == (f"first_sequence {first}", f"{first + 1}")


def test_a_wrong_inbox_cursor_is_refused(chain: ExampleChain) -> None:
    chain.change_header(0, inbox_cursor=chain.posted[0].header.inbox_cursor - 1)
    found = difference(chain)
    assert (found.fault, found.batch) == (Fault.HEADER, 0)


def test_a_deposit_counts_before_a_fault_of_its_batch_as_a_whole(chain: ExampleChain) -> None:
    chain.change_header(0, inbox_cursor=chain.posted[0].header.inbox_cursor - 1)
    chain.inbox[0] = msgspec.structs.replace(chain.inbox[0], amount=Money(1))
    found = difference(chain)
    place = place_of(chain.commands(0), Deposit)
    assert (found.fault, found.batch, found.first_sequence) == (Fault.DEPOSIT, 0, place + 1)


def test_an_invented_deposit_is_named(chain: ExampleChain) -> None:
    invented = Deposit(len(LOG.deposits), MALLORY.address, Money(DOLLAR))
    last = len(chain.posted) - 1
    chain.change_commands(last, lambda commands: commands.append(invented))
    header = chain.posted[last].header
    chain.change_header(
        last, last_sequence=header.last_sequence + 1, inbox_cursor=header.inbox_cursor + 1
    )
    found = difference(chain)
    assert (found.fault, found.batch, found.command) == (Fault.DEPOSIT, last, "Deposit")
    assert found.first_sequence == header.last_sequence + 1


@pytest.mark.parametrize(
    "change",
    [{"amount": Money(1)}, {"account": Address(MALLORY.address)}],
    ids=["amount", "account"],
)
def test_a_changed_deposit_is_named(chain: ExampleChain, change: dict[str, object]) -> None:
    def tamper(commands: list[Command]) -> None:
        place = place_of(commands, Deposit, 2)
        commands[place] = msgspec.structs.replace(commands[place], **change)

    chain.change_commands(0, tamper)
    found = difference(chain)
    place = place_of(chain.commands(0), Deposit, 2)
    assert (found.fault, found.batch, found.first_sequence) == (Fault.DEPOSIT, 0, place + 1)


def test_a_command_that_cannot_apply_is_named(chain: ExampleChain) -> None:
    """Unsigned, so no signature tells: a liquidation of somebody who was not liquidatable."""
    healthy = next(iter(LOG.state.accounts))
    index = 2

    def put_in(commands: list[Command]) -> None:
        place = place_of(commands, OracleRound)
        market = LOG.state.markets[0].market_id
        commands.insert(place + 1, Liquidate(market, healthy))

    chain.change_commands(index, put_in)
    header = chain.posted[index].header
    chain.change_header(index, last_sequence=header.last_sequence + 1)
    found = difference(chain)
    place = place_of(chain.commands(index), Liquidate)
    assert (found.fault, found.command) == (Fault.COMMAND_REJECTED, "Liquidate")
    assert found.first_sequence == found.last_sequence == header.first_sequence + place


def test_a_transition_that_breaks_down_is_a_place_and_no_crash(
    chain: ExampleChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No data that somebody posts may stop a verifier from saying where it stopped."""

    def fragile(state: State, command: Command) -> tuple[Event, ...]:
        if isinstance(command, Liquidate):
            raise ZeroDivisionError
        return apply(state, command)

    monkeypatch.setattr("node.transition.replay.apply", fragile)
    found = difference(chain)
    place = place_of(list(LOG.commands), Liquidate)
    assert (found.fault, found.command) == (Fault.COMMAND_REJECTED, "Liquidate")
    assert (found.first_sequence, found.found) == (place + 1, "ZeroDivisionError()")


def test_a_forgery_counts_before_the_root_that_it_spoils(chain: ExampleChain) -> None:
    chain.change_header(1, roots=tuple(bytes(32) for _ in chain.posted[1].header.roots))

    def forge(commands: list[Command]) -> None:
        place = place_of(commands, PlaceOrders)
        commands[place] = msgspec.structs.replace(commands[place], nonce=99)

    chain.change_commands(1, forge)
    assert difference(chain).fault is Fault.SIGNATURE


def test_a_root_counts_before_a_later_forgery(chain: ExampleChain) -> None:
    roots = chain.posted[1].header.roots
    chain.change_header(1, roots=(bytes(32), *roots[1:]))

    def forge(commands: list[Command]) -> None:
        place = place_of(commands, PlaceOrders, -1)
        commands[place] = msgspec.structs.replace(commands[place], nonce=99)

    chain.change_commands(1, forge)
    assert difference(chain).fault is Fault.INTERMEDIATE_ROOT


def test_data_that_is_not_what_was_hashed_is_refused(chain: ExampleChain) -> None:
    chain.posted[1] = msgspec.structs.replace(chain.posted[1], data=chain.posted[1].data + b"\0")
    found = difference(chain)
    assert (found.fault, found.batch) == (Fault.DATA, 1)


def test_data_under_another_hash_is_refused_though_it_is_all_right(chain: ExampleChain) -> None:
    """It is not what the contract took, however well it fits."""
    chain.posted[1] = msgspec.structs.replace(chain.posted[1], data_hash=bytes(32))
    found = difference(chain)
    assert (found.fault, found.batch) == (Fault.DATA, 1)


def test_data_that_cannot_be_decoded_is_refused(chain: ExampleChain) -> None:
    cut = chain.posted[1].data[:-1]
    chain.posted[1] = msgspec.structs.replace(chain.posted[1], data=cut, data_hash=keccak256(cut))
    found = difference(chain)
    assert (found.fault, found.batch) == (Fault.DATA, 1)


def test_a_batch_that_begins_inside_a_block_is_refused(chain: ExampleChain) -> None:
    def behead(commands: list[Command]) -> None:
        del commands[0]

    chain.change_commands(0, behead)
    chain.change_header(0, last_sequence=chain.posted[0].header.last_sequence - 1)
    found = difference(chain)
    assert (found.fault, found.batch) == (Fault.DATA, 0)


def test_another_genesis_is_refused(chain: ExampleChain) -> None:
    chain.facts = msgspec.structs.replace(chain.facts, genesis_root=bytes(32))
    found = difference(chain)
    assert (found.fault, found.batch) == (Fault.GENESIS, NO_BATCH)


def test_rules_that_cannot_be_read_are_refused(chain: ExampleChain) -> None:
    chain.facts = msgspec.structs.replace(chain.facts, rules=b"{}")
    verdict, state = chain.rebuilt()
    assert state is None
    assert verdict.commands == 0
    assert verdict.difference is not None
    assert verdict.difference.fault is Fault.GENESIS
