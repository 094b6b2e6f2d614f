"""Paying in and taking out through the client, and the watcher that sees what was paid in."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from node.adapters.key_signer import KeySigner
from node.adapters.l1_chain import L1Chain
from node.adapters.system_clock import SystemClock
from node.client.l1 import Claim, L1Account
from node.settlement.config import SettlementConfig
from node.settlement.inbox import InboxScan
from node.settlement.inbox_service import InboxService
from node.transition import leaves
from node.transition.tree.proofs import prove_membership
from node.transition.tree.tree import StateTree
from node.types.commands import Deposit
from node.types.durable import Outcome
from node.types.errors import (
    CallReverted,
    ChainDisagrees,
    Overloaded,
    TransactionFailed,
    WrongChain,
    WrongContract,
)
from node.types.events import Rejected
from node.types.hashing import keccak256
from node.types.ids import Address
from node.types.units import Money
from tests.integration.l1_stage import DOLLAR, FINALITY_BLOCKS, Exchange, Stage

pytestmark = pytest.mark.asyncio(loop_scope="session")

CONFIG = SettlementConfig(poll_ms=10, inbox_confirmations=2, inbox_blocks_per_query=4)
OWNERS = [Address(keccak256(b"%d" % index)[12:]) for index in range(450)]


@pytest_asyncio.fixture(loop_scope="session")
async def chain(stage: Stage) -> AsyncIterator[L1Chain]:
    chain = L1Chain(str(stage.w3.provider.endpoint_uri))
    yield chain
    await chain.close()


@pytest_asyncio.fixture(loop_scope="session")
async def bob(exchange: Exchange, chain: L1Chain) -> L1Account:
    signer = KeySigner(bytes(exchange.stage.bob.key))
    return await L1Account.open(chain, signer, address(exchange.deployment.rollup), 31337)


class Lane:
    """Takes deposits as the sequencer does, in a lane that is full now and then."""

    def __init__(self) -> None:
        self.taken: list[Deposit] = []
        self.refusals = 0
        self.reject = False

    def submit(self, deposit: Deposit) -> "asyncio.Future[Outcome]":
        if len(self.taken) % 7 == 3 and self.refusals < 4:
            self.refusals += 1
            raise Overloaded(queue="system", limit=3)
        self.taken.append(deposit)
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        outcome.set_result(Rejected(1405, "DepositOutOfOrder", {}) if self.reject else outcome_of())
        return outcome


def outcome_of() -> Outcome:
    """An outcome of which nothing but its type matters here."""
    return Outcome.__args__[0](durable=None, index=0)  # type: ignore[no-any-return]


def watcher(exchange: Exchange, chain: L1Chain, lane: Lane, cursor: int = 0) -> InboxService:
    scan = InboxScan(cursor, exchange.deployment.block_number)
    inbox = address(exchange.deployment.inbox)
    return InboxService(chain, inbox, scan, lane.submit, SystemClock(), CONFIG)


def address(text: str) -> Address:
    return Address(bytes.fromhex(text[2:]))


async def mine(stage: Stage, blocks: int) -> None:
    for _ in range(blocks):
        await stage.rpc("evm_mine")


async def catch_up(service: InboxService) -> None:
    while await service.turn() == 0:
        pass


async def test_dollars_are_poured_and_paid_in(bob: L1Account) -> None:
    before = await bob.balance()
    await bob.faucet(Money(1_500_000 * DOLLAR))
    assert await bob.balance() == before + 1_500_000 * DOLLAR
    receipt = await bob.deposit(bob.address, Money(5 * DOLLAR))
    assert receipt.succeeded
    assert await bob.deposits_made() == 1
    assert len(await bob.deposit_many([(owner, Money(DOLLAR)) for owner in OWNERS])) == 3
    assert await bob.deposits_made() == 451
    assert await bob.balance() == before + (1_500_000 - 455) * DOLLAR


async def test_what_the_contract_refuses_costs_nothing(bob: L1Account) -> None:
    nonce = await bob._chain.nonce(bob.address)
    too_much = Money(await bob.balance() + 1)
    with pytest.raises(CallReverted) as caught:
        await bob.deposit(bob.address, too_much)
    assert caught.value.error in ("InsufficientBalance", "TransferFailed")
    # Only the allowance was given.
    assert await bob._chain.nonce(bob.address) == nonce + 1


async def test_a_transaction_that_the_pool_refuses_is_named(chain: L1Chain, bob: L1Account) -> None:
    poor = L1Account(chain, KeySigner(keccak256(b"poor")), 31337, bob.rollup, bob.inbox, bob.token)
    with pytest.raises(TransactionFailed) as caught:
        await poor.faucet(Money(DOLLAR))
    assert "insufficient" in caught.value.detail.lower()


async def test_wrong_places_are_named(chain: L1Chain, bob: L1Account) -> None:
    signer = KeySigner(keccak256(b"anyone"))
    with pytest.raises(WrongChain):
        await L1Account.open(chain, signer, bob.rollup, chain_id=1)
    with pytest.raises(WrongContract):
        await L1Account.open(chain, signer, bob.token)


async def test_a_withdrawal_is_claimed_once_it_is_final(exchange: Exchange, bob: L1Account) -> None:
    value = leaves.withdrawal_value(bob.address, Money(40 * DOLLAR))
    tree = StateTree.build({leaves.withdrawal_key(place): value for place in range(20)})
    proof = prove_membership(tree, leaves.withdrawal_key(7))
    claim = Claim(0, 7, bob.address, Money(40 * DOLLAR), proof.bits, proof.siblings)
    await bob.faucet(Money(100 * DOLLAR))
    await bob.deposit(bob.address, Money(100 * DOLLAR))
    assert not await bob.is_final(0)
    await exchange.post(new_root=tree.root, inbox_cursor=1)
    assert not await bob.is_final(0)
    with pytest.raises(CallReverted) as caught:
        await bob.claim_withdrawal(claim)
    assert caught.value.error == "NotFinal"
    waiting = asyncio.ensure_future(bob.wait_until_final(0))
    await mine(exchange.stage, FINALITY_BLOCKS)
    await asyncio.wait_for(waiting, 10)
    before = await bob.balance()
    await bob.claim_withdrawal(claim)
    assert await bob.balance() == before + 40 * DOLLAR
    assert await bob.is_claimed(7)
    with pytest.raises(CallReverted) as again:
        await bob.claim_withdrawal(claim)
    assert (again.value.error, again.value.arguments) == ("AlreadyClaimed", (7,))


async def test_deposits_are_handed_on_in_order_once_they_are_deep_enough(
    exchange: Exchange, chain: L1Chain, bob: L1Account
) -> None:
    lane = Lane()
    service = watcher(exchange, chain, lane)
    await bob.faucet(Money(100 * DOLLAR))
    for amount in (3, 4):
        await bob.deposit(OWNERS[amount], Money(amount * DOLLAR))
    await catch_up(service)
    # The second deposit stands in the newest block, the first one two below it.
    assert [deposit.index for deposit in lane.taken] == [0]
    await bob.deposit_many([(owner, Money(DOLLAR)) for owner in OWNERS[:20]])
    await mine(exchange.stage, 2)
    await catch_up(service)
    assert lane.taken == [
        Deposit(0, OWNERS[3], Money(3 * DOLLAR)),
        Deposit(1, OWNERS[4], Money(4 * DOLLAR)),
        *(Deposit(2 + place, OWNERS[place], Money(DOLLAR)) for place in range(20)),
    ]
    assert (lane.refusals, service.cursor) == (4, 22)
    stage = service.stage
    assert (stage.arrived, stage.done, stage.conserved()) == (22, 22, True)
    await catch_up(service)
    assert len(lane.taken) == 22


async def test_a_restart_goes_on_where_the_log_is(
    exchange: Exchange, chain: L1Chain, bob: L1Account
) -> None:
    await bob.faucet(Money(100 * DOLLAR))
    await bob.deposit_many([(owner, Money(DOLLAR)) for owner in OWNERS[:5]])
    await mine(exchange.stage, 2)
    lane = Lane()
    await catch_up(watcher(exchange, chain, lane, cursor=3))
    assert [deposit.index for deposit in lane.taken] == [3, 4]


async def test_a_deep_reorg_that_changes_a_deposit_stops_the_node(
    exchange: Exchange, chain: L1Chain, bob: L1Account
) -> None:
    lane = Lane()
    service = watcher(exchange, chain, lane)
    await bob.faucet(Money(100 * DOLLAR))
    await bob.deposit(OWNERS[0], Money(DOLLAR))
    await mine(exchange.stage, 2)
    await catch_up(service)
    await exchange.stage.rpc("anvil_reorg", 3, [])
    await catch_up(service)
    assert (len(lane.taken), await bob.deposits_made()) == (1, 0)
    await bob.deposit(OWNERS[1], Money(DOLLAR))
    await mine(exchange.stage, 2)
    with pytest.raises(ChainDisagrees) as caught:
        await catch_up(service)
    assert caught.value.expected.account == OWNERS[0]
    assert caught.value.found.account == OWNERS[1]


async def test_a_deep_reorg_that_moves_a_deposit_changes_nothing(
    exchange: Exchange, chain: L1Chain, bob: L1Account
) -> None:
    lane = Lane()
    service = watcher(exchange, chain, lane)
    await bob.faucet(Money(100 * DOLLAR))
    for _ in range(2):
        await bob.deposit(OWNERS[0], Money(DOLLAR))
        await mine(exchange.stage, 2)
        await catch_up(service)
        await exchange.stage.rpc("anvil_reorg", 3, [])
    assert len(lane.taken) == 1


async def test_a_deposit_that_the_log_rejects_stops_the_node(
    exchange: Exchange, chain: L1Chain, bob: L1Account
) -> None:
    lane = Lane()
    lane.reject = True
    await bob.faucet(Money(DOLLAR))
    await bob.deposit(OWNERS[0], Money(DOLLAR))
    await mine(exchange.stage, 2)
    with pytest.raises(ChainDisagrees) as caught:
        await catch_up(watcher(exchange, chain, lane))
    assert caught.value.error == "DepositOutOfOrder"
