"""The contracts on both chains: what they refuse and with which values, what they pay and once."""

from typing import Any

import pytest
from eth_abi.abi import encode
from web3.logs import DISCARD
from web3.types import Nonce
from web3.utils.address import get_create_address

from node.adapters.artifacts import load_artifact
from node.codec.l1_calls import POST_BATCH, commitment, posted_batch
from node.transition import leaves
from node.transition.tree.proofs import prove_membership
from node.transition.tree.tree import StateTree
from node.types.blocks import Batch
from node.types.hashing import keccak256
from node.types.ids import Address
from node.types.units import Money
from tests.integration.l1_stage import (
    DOLLAR,
    FINALITY_BLOCKS,
    GENESIS_ROOT,
    RULES,
    Exchange,
    Stage,
    error_data,
    revert_data,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")

FIRST_ROOT = keccak256(b"first")
SECOND_ROOT = keccak256(b"second")
BOBS_AMOUNT = 250 * DOLLAR

Proof = tuple[list[int], list[bytes]]


# --- a tree small enough to be read ---------------------------------------------------------------


def withdrawal_key(withdrawal_id: int) -> bytes:
    return b"\x06" + withdrawal_id.to_bytes(8, "big") + bytes(23)


def withdrawal_value(owner: str, amount: int) -> bytes:
    return bytes.fromhex(owner[2:]) + amount.to_bytes(16, "big")


def naive_tree(items: dict[bytes, bytes]) -> tuple[bytes, dict[bytes, Proof]]:
    """The root of a tree, and the proof of each key: bits and siblings from the leaf up."""
    keys = sorted(items)
    if len(keys) == 1:
        return keccak256(b"\x00" + keys[0] + items[keys[0]]), {keys[0]: ([], [])}
    first, last = (int.from_bytes(key, "big") for key in (keys[0], keys[-1]))
    bit = 256 - (first ^ last).bit_length()
    goes_right = {key: int.from_bytes(key, "big") >> (255 - bit) & 1 for key in keys}
    left, left_proofs = naive_tree({key: items[key] for key in keys if not goes_right[key]})
    right, right_proofs = naive_tree({key: items[key] for key in keys if goes_right[key]})
    proofs = {key: ([*bits, bit], [*up, right]) for key, (bits, up) in left_proofs.items()}
    proofs |= {key: ([*bits, bit], [*up, left]) for key, (bits, up) in right_proofs.items()}
    return keccak256(b"\x01" + bytes([bit]) + left + right), proofs


def tree_with_bobs_withdrawal(stage: Stage, size: int) -> tuple[bytes, Proof]:
    """Bob's withdrawal 7 among others of the same size. Returns the root and Bob's proof."""
    value = withdrawal_value(stage.bob.address, BOBS_AMOUNT)
    ids = [7, 6, 1 << 63][:size]
    root, proofs = naive_tree({withdrawal_key(place): value for place in ids})
    return root, proofs[withdrawal_key(7)]


async def final_withdrawal(exchange: Exchange, size: int) -> Proof:
    """Post a batch that holds Bob's withdrawal, and wait until it is final. Returns the proof."""
    root, proof = tree_with_bobs_withdrawal(exchange.stage, size)
    await exchange.fund_inbox(1_000 * DOLLAR)
    await exchange.post(new_root=root, inbox_cursor=1)
    await mine(exchange.stage, FINALITY_BLOCKS)
    return proof


def bobs_claim(exchange: Exchange, proof: Proof, **fields: Any) -> Any:
    claim = {
        "batch": 0,
        "id": 7,
        "owner": exchange.stage.bob.address,
        "amount": BOBS_AMOUNT,
        "bits": proof[0],
        "siblings": proof[1],
        **fields,
    }
    return exchange.inbox.functions.claim(*claim.values())


async def mine(stage: Stage, blocks: int) -> None:
    for _ in range(blocks):
        await stage.rpc("evm_mine")


# --- the rollup -----------------------------------------------------------------------------------


async def test_a_new_rollup_tells_its_rules_and_stands_at_genesis(exchange: Exchange) -> None:
    rollup = exchange.rollup
    (opened,) = await rollup.events.Opened().get_logs(from_block=exchange.deployment.block_number)
    assert (opened["args"]["rules"], opened["args"]["genesisRoot"]) == (RULES, GENESIS_ROOT)
    assert await rollup.functions.rulesHash().call() == keccak256(RULES)
    assert await rollup.functions.latestRoot().call() == GENESIS_ROOT
    assert await rollup.functions.batchCount().call() == 0
    assert await rollup.functions.sequencer().call() == exchange.stage.sequencer.address
    assert await rollup.functions.finalityBlocks().call() == FINALITY_BLOCKS
    assert await exchange.inbox.functions.rollup().call() == rollup.address
    assert await exchange.inbox.functions.token().call() == exchange.token.address


async def test_batches_chain_from_root_to_root(exchange: Exchange) -> None:
    rollup = exchange.rollup
    first = await exchange.post(intermediate_roots=[keccak256(b"midway")])
    second = await exchange.post(
        b"more",
        index=1,
        previous_root=FIRST_ROOT,
        new_root=SECOND_ROOT,
        first_sequence=11,
        last_sequence=11,
    )
    assert await rollup.functions.latestRoot().call() == SECOND_ROOT
    assert await rollup.functions.batchCount().call() == 2
    (posted,) = rollup.events.BatchPosted().process_receipt(second)
    assert dict(posted["args"]) == {
        "index": 1,
        "newRoot": SECOND_ROOT,
        "firstSequence": 11,
        "lastSequence": 11,
        "inboxCursor": 0,
        "dataHash": keccak256(b"more"),
    }
    header = exchange.header(intermediate_roots=[keccak256(b"midway")])
    commitment = keccak256(
        encode(
            ["(uint64,bytes32,bytes32,uint64,uint64,uint64,bytes32[])", "bytes32"],
            [header, keccak256(b"commands")],
        )
    )
    record = await rollup.functions.batches(0).call()
    assert tuple(record) == (FIRST_ROOT, commitment, first["blockNumber"], 10, 0)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"index": 2}, ("WrongIndex", 1, 2)),
        ({"index": 0}, ("WrongIndex", 1, 0)),
        ({"previous_root": SECOND_ROOT}, ("WrongPreviousRoot", FIRST_ROOT, SECOND_ROOT)),
        ({"first_sequence": 10}, ("WrongFirstSequence", 11, 10)),
        ({"first_sequence": 12}, ("WrongFirstSequence", 11, 12)),
        ({"last_sequence": 10}, ("WrongLastSequence", 11, 10)),
        ({"inbox_cursor": 0}, ("CursorMovedBack", 1, 0)),
        ({"inbox_cursor": 2}, ("CursorPastInbox", 1, 2)),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
async def test_a_batch_that_does_not_continue_is_refused(
    exchange: Exchange, fields: dict[str, Any], error: tuple[Any, ...]
) -> None:
    await exchange.fund_inbox(DOLLAR)
    await exchange.post(inbox_cursor=1)
    fitting = {
        "index": 1,
        "previous_root": FIRST_ROOT,
        "first_sequence": 11,
        "last_sequence": 20,
        "inbox_cursor": 1,
    }
    sequencer = exchange.stage.sequencer.address
    post = exchange.rollup.functions.postBatch
    assert await post(exchange.header(**fitting), b"").call({"from": sequencer}) == []
    wrong = post(exchange.header(**{**fitting, **fields}), b"")
    assert await revert_data(wrong, sequencer) == error_data(*error)


async def test_only_the_sequencer_posts(exchange: Exchange) -> None:
    stage = exchange.stage
    call = exchange.rollup.functions.postBatch(exchange.header(), b"")
    expected = error_data("NotSequencer", stage.sequencer.address, stage.bob.address)
    assert await revert_data(call, stage.bob.address) == expected


async def test_a_batch_through_another_contract_is_refused(stage: Stage) -> None:
    """Its data would stand in no transaction to the rollup, where verifiers look."""
    nonce = await stage.w3.eth.get_transaction_count(stage.alice.address)
    # Alice creates the forwarder, the token and the rollup, in this order.
    rollup_address = get_create_address(stage.alice.address, Nonce(nonce + 2))
    runtime = bytes.fromhex(
        "365f5f37"  # the whole calldata to memory
        f"5f5f365f5f73{rollup_address[2:]}5af1"  # passed on to the rollup
        "3d5f5f3e3d5ffd"  # and whatever came back, reverted with
    )
    creation = bytes([0x60, len(runtime)]) + bytes.fromhex("8060095f395ff3") + runtime
    raw = await stage.raw(stage.alice, to=b"", data=creation, gas=200_000)
    sent = await stage.w3.eth.send_raw_transaction(raw)
    forwarder = (await stage.w3.eth.wait_for_transaction_receipt(sent, 20, 0.01))["contractAddress"]
    assert forwarder is not None
    exchange = await stage.open_exchange(sequencer=forwarder)
    assert exchange.rollup.address == rollup_address

    rollup = load_artifact("Rollup")
    passing_on = stage.w3.eth.contract(address=forwarder, abi=rollup.abi)
    call = passing_on.functions.postBatch(exchange.header(), b"")
    expected = error_data("NotTopLevelCall", forwarder, stage.bob.address)
    assert await revert_data(call, stage.bob.address) == expected


async def test_a_sequencer_that_is_a_contract_is_refused(stage: Stage) -> None:
    """A key that has delegated to code (EIP-7702) could hide a batch just as well."""
    contract = (await stage.open_exchange()).token.address
    exchange = await stage.open_exchange(sequencer=contract)
    call = exchange.rollup.functions.postBatch(exchange.header(), b"")
    assert await revert_data(call, contract) == error_data("NotTopLevelCall", contract, contract)


async def test_a_batch_becomes_final_by_blocks(exchange: Exchange) -> None:
    receipt = await exchange.post()
    final = exchange.rollup.functions.finalRoot(0)
    final_at = receipt["blockNumber"] + FINALITY_BLOCKS
    await mine(exchange.stage, FINALITY_BLOCKS - 1)
    assert await exchange.rollup.functions.isFinal(0).call() is False
    expected = error_data("NotFinal", 0, final_at, final_at - 1)
    assert await revert_data(final, exchange.stage.bob.address) == expected
    await mine(exchange.stage, 1)
    assert await exchange.rollup.functions.isFinal(0).call() is True
    assert await final.call() == FIRST_ROOT


async def test_a_batch_that_was_never_posted_is_unknown(exchange: Exchange) -> None:
    functions = exchange.rollup.functions
    for call in (functions.batches(0), functions.isFinal(0), functions.finalRoot(0)):
        assert await revert_data(call, exchange.stage.bob.address) == error_data(
            "UnknownBatch", 0, 0
        )


async def test_120_kilobytes_go_in_one_batch_and_are_read_back(exchange: Exchange) -> None:
    data = bytes(1 + place % 255 for place in range(120_000))
    receipt = await exchange.post(data)
    transaction = await exchange.stage.w3.eth.get_transaction(receipt["transactionHash"])
    _, arguments = exchange.rollup.decode_function_input(transaction["input"])
    assert arguments["data"] == data
    # EIP-7623: forty gas for each byte that is not zero, and a little for the call.
    assert 40 * len(data) < receipt["gasUsed"] < 40 * len(data) + 40_000


# --- the inbox: money out -------------------------------------------------------------------------


def words(*values: int | bytes) -> bytes:
    return b"".join(
        value.to_bytes(32, "big") if isinstance(value, int) else value for value in values
    )


HEAD = words(0, GENESIS_ROOT, FIRST_ROOT, 1, 10, 0)
"""Of a first batch: all of its header but where the intermediate roots are."""
ODD_CALLDATA = {
    "dirty padding": words(64, 320, HEAD, 224, 0, 8, b"commands".ljust(31, b"\0"), b"\1"),
    "no padding": words(64, 320, HEAD, 224, 0, 8, b"commands"),
    "more behind": words(64, 320, HEAD, 224, 0, 8, b"commands".ljust(32, b"\0"), 7),
    "data first": words(104, 64, 8, b"commands", HEAD, 224, 1, SECOND_ROOT),
    "data in the header": words(64, 160, HEAD, 224, 1, SECOND_ROOT),
    "one for both": words(64, 288, HEAD, 224, 1, SECOND_ROOT),
    "roots before the header": words(128, 352, 1, SECOND_ROOT, HEAD, 2**256 - 64, 3, b"abc"),
    "roots in the header": words(64, 64, HEAD, 96),
    "roots nowhere": words(64, 288, HEAD, 2**256 - 100, 3, b"abc"),
}


@pytest.mark.parametrize("name", ODD_CALLDATA)
async def test_what_the_contract_reads_is_what_the_node_reads(
    exchange: Exchange, name: str
) -> None:
    stage, rollup = exchange.stage, exchange.rollup
    calldata = POST_BATCH.selector + ODD_CALLDATA[name]
    fields = {"to": rollup.address, "data": calldata, "gas": 1_000_000}
    await stage.deliver(await stage.raw(stage.sequencer, **fields))
    batch = Batch(*posted_batch(calldata), "age", last_block=1)
    assert (await rollup.functions.batches(0).call())[1] == commitment(batch)


@pytest.mark.parametrize("size", [1, 2, 3])
async def test_a_final_withdrawal_is_paid_to_its_owner_once(exchange: Exchange, size: int) -> None:
    stage = exchange.stage
    proof = await final_withdrawal(exchange, size)
    claim = bobs_claim(exchange, proof)
    # Whoever sends the claim, the money goes to the owner.
    receipt = await stage.send(stage.alice, claim)
    (claimed,) = exchange.inbox.events.Claimed().process_receipt(receipt, DISCARD)
    assert dict(claimed["args"]) == {
        "withdrawalId": 7,
        "owner": stage.bob.address,
        "amount": BOBS_AMOUNT,
    }
    assert await exchange.token.functions.balanceOf(stage.bob.address).call() == BOBS_AMOUNT
    assert await exchange.inbox.functions.claimed(7).call() is True
    assert await revert_data(claim, stage.bob.address) == error_data("AlreadyClaimed", 7)


async def test_the_proof_that_the_node_makes_is_paid(exchange: Exchange) -> None:
    """The state tree, its leaves and the contract are three authors of one format."""
    stage = exchange.stage
    owner = Address(bytes.fromhex(stage.bob.address[2:]))
    value = leaves.withdrawal_value(owner, Money(BOBS_AMOUNT))
    others = {keccak256(bytes([seed])): bytes([seed]) * seed for seed in range(1, 41)}
    withdrawals = {leaves.withdrawal_key(place): value for place in range(20)}
    tree = StateTree.build({**others, **withdrawals})
    proof = prove_membership(tree, leaves.withdrawal_key(7))
    await exchange.fund_inbox(1_000 * DOLLAR)
    await exchange.post(new_root=tree.root, inbox_cursor=1)
    await mine(stage, FINALITY_BLOCKS)
    await stage.send(stage.bob, bobs_claim(exchange, (list(proof.bits), list(proof.siblings))))
    assert await exchange.token.functions.balanceOf(stage.bob.address).call() == BOBS_AMOUNT


async def test_a_claim_on_a_batch_that_is_not_final_is_refused(exchange: Exchange) -> None:
    root, proof = tree_with_bobs_withdrawal(exchange.stage, 2)
    bob = exchange.stage.bob.address
    assert await revert_data(bobs_claim(exchange, proof), bob) == error_data("UnknownBatch", 0, 0)
    await exchange.fund_inbox(1_000 * DOLLAR)
    receipt = await exchange.post(new_root=root, inbox_cursor=1)
    posted_at = receipt["blockNumber"]
    assert await revert_data(bobs_claim(exchange, proof), bob) == error_data(
        "NotFinal", 0, posted_at + FINALITY_BLOCKS, posted_at
    )


async def test_a_claim_that_the_root_does_not_hold_is_refused(exchange: Exchange) -> None:
    bits, siblings = proof = await final_withdrawal(exchange, 3)
    bob, alice = exchange.stage.bob.address, exchange.stage.alice.address
    wrong: list[dict[str, Any]] = [
        {"amount": BOBS_AMOUNT + 1},
        {"owner": alice},
        {"id": 6},
        {"siblings": siblings[::-1]},
        {"bits": bits[:-1], "siblings": siblings[:-1]},
        {"bits": [bits[0], bits[1] - 1]},
    ]
    root = await exchange.rollup.functions.latestRoot().call()
    for fields in wrong:
        data = await revert_data(bobs_claim(exchange, proof, **fields), bob)
        assert data.startswith(error_data("WrongRoot", root, bytes(32))[: 2 + 2 * 36]), fields
    assert await exchange.token.functions.balanceOf(bob).call() == 0


async def test_a_proof_of_the_wrong_shape_is_refused(exchange: Exchange) -> None:
    bits, siblings = proof = await final_withdrawal(exchange, 3)
    bob = exchange.stage.bob.address
    longer = bobs_claim(exchange, proof, bits=[*bits, 0])
    assert await revert_data(longer, bob) == error_data("ProofLengthMismatch", 3, 2)
    level = bobs_claim(exchange, proof, bits=[bits[0], bits[0]])
    assert await revert_data(level, bob) == error_data("BitsNotDecreasing", 1, bits[0], bits[0])
    rising = bobs_claim(exchange, proof, bits=[bits[1], bits[0]], siblings=siblings[::-1])
    assert await revert_data(rising, bob) == error_data("BitsNotDecreasing", 1, bits[1], bits[0])
