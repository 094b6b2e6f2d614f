"""Settlement against both chains: the same bytes, the same misfortunes, the same end."""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any
from unittest.mock import AsyncMock

import msgspec
import pytest
import pytest_asyncio

from node.adapters.l1_chain import L1Chain
from node.codec.l1_calls import BATCH_COUNT, commitment, post_batch
from node.codec.l1_gas import posting_gas
from node.ports.chain import At, Tag
from node.settlement.contracts import check_contracts
from node.settlement.costs import COST_TRIES
from node.types.blocks import Domain
from node.types.errors import ChainDisagrees, ChainUnavailable, WrongChain, WrongContract
from node.types.hashing import keccak256
from node.types.ids import Address, Sequence
from node.types.marks import Standing
from tests.integration.l1_stage import GENESIS_ROOT, RULES, Exchange, Stage
from tests.integration.settlement_stage import CONFIG, Pier, Wire

pytestmark = pytest.mark.asyncio(loop_scope="session")

ALL_THE_WAY = [Standing.PENDING, Standing.POSTED, Standing.SAFE, Standing.FINAL]


@pytest_asyncio.fixture(loop_scope="session")
async def wire(stage: Stage) -> AsyncIterator[Wire]:
    async with Wire(str(stage.w3.provider.endpoint_uri)).laid() as wire:
        yield wire


@pytest_asyncio.fixture(loop_scope="session")
async def pier(exchange: Exchange, wire: Wire) -> AsyncIterator[Pier]:
    chain = L1Chain(wire.url, timeout_s=5)
    pier = await Pier.build(exchange, chain)
    await exchange.stage.rpc("evm_setAutomine", False)
    yield pier
    await exchange.stage.rpc("evm_setAutomine", True)
    await exchange.stage.rpc("evm_mine")
    await chain.close()


def expected(pier: Pier) -> list[bytes]:
    return [commitment(batch) for batch in pier.store.batches]


async def test_batches_go_all_the_way_and_are_counted(pier: Pier) -> None:
    before = await pier.transactions()
    for _ in range(6):
        pier.seal()
    await pier.turns(1)
    assert (pier.service.pressure.batches, pier.service.stage.conserved()) == (6, True)
    await pier.turns(7, mine=True)
    assert await pier.posted() == expected(pier)
    assert [pier.standings(index) for index in range(6)] == [ALL_THE_WAY] * 6
    assert [mark.index for mark in pier.marks if mark.standing is Standing.FINAL] == [*range(6)]
    assert await pier.transactions() == before + 6
    stage, spending = pier.service.stage, pier.service.spending
    assert (stage.arrived, stage.done, stage.conserved()) == (6, 6, True)
    assert pier.service.pressure.batches == 0
    assert 6 * 100_000 < spending.gas_used < 6 * 250_000
    assert (spending.wei > spending.gas_used, spending.failed_wei) == (True, 0)


async def test_a_batch_on_l1_is_unaccounted_for_until_its_receipt_is_found(
    pier: Pier, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[int] = []
    pier.service.costs.included = lambda index, _receipt: found.append(index)
    with monkeypatch.context() as patched:
        patched.setattr(pier.chain, "receipt", AsyncMock(return_value=None))
        pier.seal()
        await pier.turns(3, mine=True)
        assert Standing.POSTED in pier.standings(0)
        assert (pier.service.unaccounted, found) == (1, [])
    await pier.turns(1)
    assert (pier.service.unaccounted, found) == (0, [0])


async def test_a_receipt_that_an_endpoint_has_let_go_of_is_given_up_soon_after_finality(
    pier: Pier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pier.chain, "receipt", AsyncMock(return_value=None))
    pier.seal()
    await pier.turns(3, mine=True)
    assert pier.service.unaccounted == 1
    await pier.turns(5, mine=True)
    assert pier.standings(0) == ALL_THE_WAY
    await pier.turns(COST_TRIES)
    assert (pier.service.unaccounted, pier.service.spending.gas_used) == (0, 0)


@pytest.mark.parametrize(("length", "roots"), [(0, 0), (4_000, 12), (120_000, 5)])
async def test_the_formula_bounds_the_gas_closely(pier: Pier, length: int, roots: int) -> None:
    data = random.Random(length).randbytes(length)
    pier.seal(data, roots)
    await pier.turns(2, mine=True)
    await pier.turns(1)
    used = pier.service.spending.gas_used
    bound = posting_gas(post_batch(pier.store.batches[0]))
    print("data", length, "roots", roots, "gas", used, "bound", bound)
    assert used <= bound <= used + 20_000


async def test_a_stuck_transaction_is_replaced_by_a_dearer_one(pier: Pier) -> None:
    before = await pier.transactions()
    pier.seal()
    await pier.turns(1)
    (slot,) = pier.service._tracker._slots.values()
    first = slot.fees
    assert first is not None
    async with asyncio.timeout(10):
        while slot.attempts < 3:
            await pier.turns(1)
            await asyncio.sleep(0.05)
    assert await pier.chain.nonce(pier.account, Tag.PENDING) == before + 1
    await pier.turns(5, mine=True)
    at = hex(pier.marks[-1].block)
    block: Any = await pier.exchange.stage.rpc("eth_getBlockByNumber", at, True)
    (mined,) = block["transactions"]
    assert 64 * int(mined["maxPriorityFeePerGas"], 16) >= 81 * first.tip
    assert 64 * int(mined["maxFeePerGas"], 16) >= 81 * first.max_fee
    assert await pier.posted() == expected(pier)
    assert await pier.transactions() == before + 1


async def test_a_batch_that_a_reorg_drops_is_posted_again_unchanged(pier: Pier) -> None:
    pier.seal()
    pier.seal()
    await pier.turns(1, mine=True)
    await pier.turns(1)
    first = {mark.index: mark.block for mark in pier.marks if mark.standing is Standing.POSTED}
    await pier.exchange.stage.rpc("anvil_reorg", 1, [])
    assert await pier.posted() == []
    await asyncio.sleep(0.12)
    await pier.turns(7, mine=True)
    assert await pier.posted() == expected(pier)
    assert pier.standings(0) == [Standing.PENDING, Standing.POSTED, Standing.SEALED, *ALL_THE_WAY]
    again = {mark.index: mark.block for mark in pier.marks if mark.standing is Standing.POSTED}
    assert all(again[index] > first[index] for index in first)
    assert [mark.cause for mark in pier.marks if mark.standing is Standing.SEALED] == ["reorg"] * 2


async def test_after_an_outage_everything_is_posted_once_and_in_order(
    pier: Pier, wire: Wire
) -> None:
    before = await pier.transactions()
    pier.seal()
    await pier.turns(1)
    wire.break_off()
    pier.seal()
    pauses = []
    for _ in range(5):
        pier.seal()
        pauses.append(await pier.service.turn())
    assert pauses == [20, 40, 80, 100, 100]
    assert pier.service.chain_away
    assert pier.service.pressure.batches == 7
    await pier.exchange.stage.rpc("evm_mine")
    wire.mend()
    await pier.turns(9, mine=True)
    assert not pier.service.chain_away
    assert await pier.posted() == expected(pier)
    assert await pier.transactions() == before + 7
    assert [pier.standings(index)[-1] for index in range(7)] == [Standing.FINAL] * 7


async def test_a_wire_that_breaks_in_mid_sending_loses_and_doubles_nothing(
    pier: Pier, wire: Wire
) -> None:
    before = await pier.transactions()
    dice = random.Random(7)
    for _ in range(12):
        pier.seal(dice.randbytes(3_000))
        turn = asyncio.ensure_future(pier.service.turn())
        await asyncio.sleep(dice.random() * 0.02)
        wire.break_off()
        await turn
        wire.mend()
        await pier.exchange.stage.rpc("evm_mine")
    await asyncio.sleep(0.12)
    await pier.turns(10, mine=True)
    assert await pier.posted() == expected(pier)
    assert await pier.transactions() == before + 12


async def test_a_restart_with_transactions_in_flight_posts_nothing_twice(pier: Pier) -> None:
    before = await pier.transactions()
    for _ in range(3):
        pier.seal()
    await pier.turns(1)
    pier.start()
    await pier.turns(2)
    await pier.exchange.stage.rpc("evm_mine")
    pier.start()
    pier.seal()
    await pier.turns(8, mine=True)
    assert await pier.posted() == expected(pier)
    assert await pier.transactions() == before + 4
    assert pier.service.stage.done == 4


async def test_a_transaction_that_fails_is_paid_for_and_followed_by_one_with_more_gas(
    pier: Pier,
) -> None:
    before = await pier.transactions()
    pier.start()
    pier.store.seal()
    pier.service.recover()
    pier.service._tracker._entries[0].gas = 60_000
    await pier.turns(8, mine=True)
    assert await pier.posted() == expected(pier)
    assert await pier.transactions() == before + 3
    assert [mark.cause for mark in pier.marks if mark.cause] == ["reverted", "reverted"]
    assert pier.service.spending.failed_wei > 60_000 + 90_000


async def test_a_batch_waits_until_l1_has_the_deposits_that_it_takes_in(pier: Pier) -> None:
    pier.seal(deposits=1)
    await pier.turns(3, mine=True)
    assert (pier.standings(0), pier.service.pressure.batches) == ([], 1)
    await pier.exchange.stage.rpc("evm_setAutomine", True)
    await pier.exchange.fund_inbox(1)
    await pier.turns(6, mine=True)
    assert pier.standings(0) == ALL_THE_WAY


async def test_past_its_limit_the_outbox_is_left_alone(pier: Pier) -> None:
    pier.start(msgspec.structs.replace(CONFIG, held_max=2))
    for _ in range(5):
        pier.seal()
    await pier.turns(1)
    assert (len(pier.outbox), pier.service.stage.depth) == (3, 2)
    running = asyncio.ensure_future(pier.service.run())
    async with asyncio.timeout(10):
        while Standing.FINAL not in pier.standings(4):
            await asyncio.sleep(0.03)
            await pier.exchange.stage.rpc("evm_mine")
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await pier.posted() == expected(pier)


async def test_a_batch_that_another_key_holder_posted_stops_the_node(pier: Pier) -> None:
    await pier.exchange.stage.rpc("evm_setAutomine", True)
    await pier.exchange.post(new_root=keccak256(b"not ours"))
    pier.seal()
    with pytest.raises(ChainDisagrees) as caught:
        await pier.service.turn()
    assert caught.value.found == keccak256(b"not ours")


async def test_what_the_contract_refuses_is_known_before_it_is_paid_for(pier: Pier) -> None:
    before = await pier.transactions()
    pier.seal()
    wrong = pier.store.batches[0]
    header = msgspec.structs.replace(wrong.header, first_sequence=Sequence(5))
    pier.store.batches[0] = msgspec.structs.replace(wrong, header=header)
    pier.start()
    with pytest.raises(ChainDisagrees) as caught:
        await pier.service.turn()
    assert (caught.value.error, caught.value.arguments) == ("WrongFirstSequence", (1, 5))
    assert await pier.transactions() == before


class Deaf(L1Chain):
    """An endpoint that answers everything but questions about large calls."""

    async def call(
        self, to: Address, data: bytes, at: At = Tag.LATEST, sender: Address | None = None
    ) -> bytes:
        if sender is not None:
            raise ChainUnavailable(detail="gas required exceeds allowance")
        return await super().call(to, data, at, sender)


async def test_an_endpoint_that_cannot_rehearse_holds_nothing_up(pier: Pier, wire: Wire) -> None:
    chain, pier.chain = pier.chain, Deaf(wire.url)
    pier.start()
    pier.seal()
    await pier.turns(6, mine=True)
    await pier.chain.close()
    pier.chain = chain
    assert await pier.posted() == expected(pier)
    assert pier.service.stage.done == 1


async def test_the_loop_runs_by_itself_on_the_standing_that_l1_tells(pier: Pier) -> None:
    pier.start(msgspec.structs.replace(CONFIG, safe_depth=None, final_depth=None))
    await pier.exchange.stage.rpc("evm_setAutomine", True)
    running = asyncio.ensure_future(pier.service.run())
    pier.seal()
    async with asyncio.timeout(10):
        while Standing.FINAL not in pier.standings(0):
            await asyncio.sleep(0.03)
            await pier.exchange.stage.rpc("evm_mine")
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await pier.posted() == expected(pier)


async def test_wrong_chains_and_contracts_are_named(pier: Pier) -> None:
    rollup, chain = pier.rollup, pier.chain
    given: dict[str, Any] = {
        "sequencer": pier.sequencer_key(pier.exchange).address,
        "rules": keccak256(RULES),
        "genesis_root": GENESIS_ROOT,
    }
    with pytest.raises(WrongChain) as wrong_chain:
        await check_contracts(chain, Domain(1, rollup), **given)
    assert wrong_chain.value.values == {"expected": 1, "found": 31337}
    for place in (bytes(19) + b"\1", bytes.fromhex(pier.exchange.deployment.token[2:])):
        with pytest.raises(WrongContract):
            await check_contracts(chain, Domain(31337, place), **given)
    for key, details in {
        "sequencer": "sequencer()",
        "rules": "rulesHash()",
        "genesis_root": "genesisRoot()",
    }.items():
        other = {**given, key: Address(b"\7" * len(given[key]))}
        with pytest.raises(WrongContract) as caught:
            await check_contracts(chain, Domain(31337, rollup), **other)
        assert (caught.value.detail, caught.value.expected) == (details, other[key])


async def test_an_endpoint_that_is_not_there_is_unavailable(wire: Wire) -> None:
    wire.break_off()
    chain = L1Chain(wire.url, timeout_s=1)
    with pytest.raises(ChainUnavailable):
        await chain.chain_id()
    await chain.close()


@pytest.mark.parametrize("seed", [1, 2])
async def test_whatever_happens_each_batch_is_posted_once_and_in_order(
    pier: Pier, wire: Wire, seed: int
) -> None:
    print("seed", seed)
    dice = random.Random(seed)
    rpc = pier.exchange.stage.rpc
    fates = {"mine": 8, "seal": 6, "reorg": 2, "cut": 2, "mend": 3, "restart": 1}
    for _ in range(60):
        match dice.choices(list(fates), list(fates.values()))[0]:
            case "mine":
                await rpc("evm_mine")
            case "seal":
                pier.seal(dice.randbytes(500))
            case "reorg":
                await rpc("anvil_reorg", dice.choice([1, 2]), [])
            case "cut":
                wire.break_off()
            case "mend":
                wire.mend()
            case _:
                pier.start()
        await pier.service.turn()
    wire.mend()
    await asyncio.sleep(0.12)
    await pier.turns(len(pier.store.batches) + 12, mine=True)
    assert await pier.posted() == expected(pier)
    assert len(pier.service._tracker) == 0
    assert pier.service.stage.conserved()


async def test_an_endpoint_that_answers_with_two_states_for_one_block_is_asked_again(
    pier: Pier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anvil does so in the moment in which it applies a block."""
    call, ahead = pier.chain.call, True

    async def early(
        to: Address, data: bytes, at: At = Tag.LATEST, sender: Address | None = None
    ) -> bytes:
        nonlocal ahead
        if data == BATCH_COUNT.encode() and ahead:
            ahead = False
            return (1).to_bytes(32, "big")
        return await call(to, data, at, sender)

    monkeypatch.setattr(pier.chain, "call", early)
    pier.seal()
    await pier.service.turn()
    assert pier.service.chain_away
    await pier.turns(8, mine=True)
    assert not pier.service.chain_away
    assert await pier.posted() == expected(pier)
