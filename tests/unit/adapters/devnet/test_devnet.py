"""The node without HTTP: what it admits, mines, drops and tells."""

from typing import Any

import pytest

from node.adapters.artifacts import load_artifact
from node.adapters.devnet.devnet import Devnet
from node.adapters.devnet.rpc_errors import (
    EXECUTION_REVERTED,
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    RpcError,
)
from node.adapters.devnet.settings import ETHER, GWEI, DevnetSettings
from node.adapters.devnet.transactions import RAW_BYTES_MAX
from node.types.hashing import keccak256
from tests.unit.adapters.devnet.devnet_examples import (
    ALICE,
    BOB,
    START_S,
    address_of,
    ask,
    legacy,
    new_devnet,
    send,
    signed,
)


@pytest.fixture
def devnet() -> Devnet:
    return new_devnet()


def refusal(devnet: Devnet, raw: bytes) -> str:
    with pytest.raises(RpcError) as caught:
        send(devnet, raw)
    assert len(devnet.pool) == 0
    return caught.value.message


def word(number: int) -> str:
    return number.to_bytes(32, "big").hex()


def faucet_call(amount: int) -> str:
    """TestToken.faucet(Alice, amount)."""
    selector = keccak256(b"faucet(address,uint256)")[:4].hex()
    return f"0x{selector}{word(int(ALICE.address, 16))}{word(amount)}"


def token_on(devnet: Devnet) -> str:
    """The address of a TestToken that Alice has deployed in block 1."""
    code = bytes.fromhex(load_artifact("TestToken").bytecode[2:])
    created = send(devnet, signed(ALICE, 0, to=b"", value=0, data=code, gas=2_000_000))
    devnet.mine()
    address: str = ask(devnet, "eth_getTransactionReceipt", created)["contractAddress"]
    return address


# --- admission ------------------------------------------------------------------------------------


def test_each_of_the_three_types_is_mined_and_shown(devnet: Devnet) -> None:
    access_list = [{"address": BOB.address, "storageKeys": ["0x" + "01" * 32]}]
    hashes = [
        send(devnet, legacy(ALICE, 0)),
        send(devnet, legacy(ALICE, 1, accessList=access_list)),
        send(devnet, signed(ALICE, 2, accessList=access_list, gas=30_000)),
    ]
    devnet.mine()
    shown = [ask(devnet, "eth_getTransactionByHash", each) for each in hashes]
    assert [each["type"] for each in shown] == ["0x0", "0x1", "0x2"]
    assert [each["transactionIndex"] for each in shown] == ["0x0", "0x1", "0x2"]
    assert [each.get("accessList") for each in shown] == [None, access_list, access_list]
    receipts = [ask(devnet, "eth_getTransactionReceipt", each) for each in hashes]
    assert [each["status"] for each in receipts] == ["0x1"] * 3
    assert receipts[2]["cumulativeGasUsed"] == hex(sum(int(r["gasUsed"], 16) for r in receipts))
    base_fee = int(ask(devnet, "eth_getBlockByNumber", "latest")["baseFeePerGas"], 16)
    assert receipts[2]["effectiveGasPrice"] == hex(base_fee + GWEI)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "too short"),
        (b"\x03" + bytes(50), "not supported"),
        (b"\x02\xc0", "rlp"),
        (b"\xf8\x00junk", "rlp"),
        (signed(ALICE, 0)[:-1], "rlp"),
        (signed(ALICE, 0, chainId=1), "invalid chain id"),
        (legacy(ALICE, 0, chainId=1), "invalid chain id"),
        (signed(ALICE, 0, gas=20_999), "intrinsic gas too low"),
        # 21,000 + 40 × 100 is the floor of EIP-7623; 21,000 + 16 × 100 would be the older rule's.
        (signed(ALICE, 0, gas=24_999, data=b"\x01" * 100), "intrinsic gas too low"),
        (signed(ALICE, 0, gas=30_000_001), "exceeds block gas limit"),
        (signed(ALICE, 0, maxPriorityFeePerGas=11 * GWEI), "higher than max fee"),
        (signed(ALICE, 0, value=1_000_000 * ETHER), "insufficient funds"),
        (signed(ALICE, 0, data=bytes(RAW_BYTES_MAX), gas=2_000_000), "oversized data"),
    ],
)
def test_what_is_inadmissible_is_refused(devnet: Devnet, raw: bytes, words: str) -> None:
    assert words in refusal(devnet, raw)


def test_a_nonce_that_was_mined_is_too_low(devnet: Devnet) -> None:
    send(devnet, signed(ALICE, 0))
    devnet.mine()
    assert refusal(devnet, signed(ALICE, 0)) == "nonce too low: next nonce 1, tx nonce 0"


def test_what_waits_counts_against_the_balance(devnet: Devnet) -> None:
    send(devnet, signed(ALICE, 0, value=600_000 * ETHER))
    with pytest.raises(RpcError, match="insufficient funds"):
        send(devnet, signed(ALICE, 1, value=600_000 * ETHER))


# --- blocks ---------------------------------------------------------------------------------------


def test_a_block_takes_what_fits_and_leaves_the_rest() -> None:
    devnet = new_devnet(gas_limit=5_000_000)
    # A transfer with a large gas limit uses little of it: the limit counts when it is picked.
    for nonce in range(3):
        send(devnet, signed(ALICE, nonce, gas=2_480_000))
    send(devnet, signed(BOB, 0, gas=4_990_000, maxPriorityFeePerGas=1))
    devnet.mine()
    assert ask(devnet, "eth_getTransactionCount", ALICE.address) == "0x3"
    assert ask(devnet, "eth_getTransactionCount", BOB.address) == "0x0"
    assert ask(devnet, "eth_getTransactionCount", BOB.address, "pending") == "0x1"
    devnet.mine()
    assert len(devnet.pool) == 0
    assert ask(devnet, "eth_getTransactionCount", BOB.address) == "0x1"


def test_a_fee_below_the_base_fee_waits_until_it_has_fallen(devnet: Devnet) -> None:
    base_fee = devnet.chain.next_base_fee
    send(devnet, signed(ALICE, 0, maxFeePerGas=base_fee - 1, maxPriorityFeePerGas=0))
    devnet.mine()
    assert len(devnet.pool) == 1
    devnet.mine()
    assert len(devnet.pool) == 0


def test_money_moves_and_fees_are_paid(devnet: Devnet) -> None:
    before = devnet.chain.balance(address_of(ALICE))
    assert before == 1_000_000 * ETHER
    sent = send(devnet, signed(ALICE, 0, value=5))
    devnet.mine()
    receipt = ask(devnet, "eth_getTransactionReceipt", sent)
    paid = 21_000 * int(receipt["effectiveGasPrice"], 16)
    assert devnet.chain.balance(address_of(ALICE)) == before - 5 - paid
    assert ask(devnet, "eth_getBalance", BOB.address, "latest") == hex(before + 5)
    assert ask(devnet, "eth_getBalance", BOB.address, "earliest") == hex(before)
    assert receipt["gasUsed"] == hex(21_000)


def test_time_rises_though_the_clock_stands(devnet: Devnet) -> None:
    ask(devnet, "anvil_mine", "0x3")
    times = [ask(devnet, "eth_getBlockByNumber", hex(n))["timestamp"] for n in range(4)]
    assert times == [hex(START_S + second) for second in range(4)]


def test_two_devnets_told_the_same_reach_the_same_block() -> None:
    hashes = []
    for entropy in (0, 0, 2**63 - 1):
        devnet = Devnet(DevnetSettings(), lambda: START_S, entropy=entropy)
        send(devnet, signed(ALICE, 0))
        devnet.mine()
        hashes.append(devnet.chain.head.hash)
    assert hashes[0] == hashes[1]
    assert hashes[1] != hashes[2]


def test_a_reorg_loses_mined_transactions_and_keeps_waiting_ones(devnet: Devnet) -> None:
    ask(devnet, "evm_mine")
    lost = send(devnet, signed(ALICE, 0))
    devnet.mine()
    old_head = devnet.chain.head.hash
    waiting = send(devnet, signed(BOB, 0))
    ask(devnet, "anvil_reorg", 1, [])
    assert devnet.chain.head.number == 2
    assert ask(devnet, "eth_getBlockByHash", "0x" + old_head.hex()) is None
    assert ask(devnet, "eth_getTransactionByHash", lost) is None
    assert ask(devnet, "eth_getTransactionReceipt", lost) is None
    assert ask(devnet, "eth_getTransactionByHash", waiting)["blockNumber"] is None
    assert devnet.chain.nonce(address_of(ALICE)) == 0
    assert send(devnet, signed(ALICE, 0)) == lost
    devnet.mine()
    assert ask(devnet, "eth_getTransactionByHash", lost)["blockNumber"] == "0x3"
    assert ask(devnet, "eth_getTransactionByHash", waiting)["blockNumber"] == "0x3"


def test_a_reorg_can_go_back_to_genesis_and_no_further(devnet: Devnet) -> None:
    ask(devnet, "anvil_mine", 70)
    ask(devnet, "anvil_reorg", 70, [])
    assert devnet.chain.head.number == 70
    for depth in (0, 71):
        with pytest.raises(RpcError):
            ask(devnet, "anvil_reorg", depth, [])
    with pytest.raises(RpcError):
        ask(devnet, "anvil_reorg", 1, [["0x00", 0]])


def test_tags_stand_at_their_depths() -> None:
    devnet = new_devnet(safe_depth=2, finalized_depth=4)
    assert ask(devnet, "eth_getBlockByNumber", "finalized")["number"] == "0x0"
    ask(devnet, "anvil_mine", 10)
    tags = ("earliest", "finalized", "safe", "latest", "pending")
    numbers = [int(ask(devnet, "eth_getBlockByNumber", tag)["number"], 16) for tag in tags]
    assert numbers == [0, 6, 8, 10, 11]
    assert ask(devnet, "eth_getBlockByNumber", hex(11)) is None


def test_the_pending_block_shows_what_would_be_mined(devnet: Devnet) -> None:
    sent = send(devnet, signed(ALICE, 0))
    send(devnet, signed(ALICE, 5))
    pending = ask(devnet, "eth_getBlockByNumber", "pending", False)
    assert (pending["hash"], pending["transactions"]) == (None, [sent])
    (whole,) = ask(devnet, "eth_getBlockByNumber", "pending", True)["transactions"]
    assert whole["hash"] == sent
    devnet.mine()
    mined = ask(devnet, "eth_getBlockByNumber", "latest", True)
    assert [each["hash"] for each in mined["transactions"]] == [sent]
    assert mined["parentHash"] == ask(devnet, "eth_getBlockByNumber", "earliest")["hash"]


def test_automine_mines_with_each_transaction(devnet: Devnet) -> None:
    ask(devnet, "evm_setAutomine", True)
    sent = send(devnet, signed(ALICE, 0))
    assert ask(devnet, "eth_getTransactionReceipt", sent)["blockNumber"] == "0x1"
    ask(devnet, "evm_setIntervalMining", 5)
    assert (devnet.automine, devnet.interval_s) == (False, 5)


# --- calls, logs, fees ----------------------------------------------------------------------------


def test_a_call_reads_the_state_of_any_block(devnet: Devnet) -> None:
    token = token_on(devnet)
    send(devnet, signed(ALICE, 1, to=token, value=0, data=faucet_call(9), gas=200_000))
    devnet.mine()
    supply = {"to": token, "data": "0x" + keccak256(b"totalSupply()")[:4].hex()}
    assert ask(devnet, "eth_call", supply, "0x1") == "0x" + word(0)
    assert ask(devnet, "eth_call", supply, "latest") == "0x" + word(9)
    # The code that stays is the tail of the code that created it: TestToken has no immutables.
    code = ask(devnet, "eth_getCode", token)
    assert len(code) > 1_000
    assert load_artifact("TestToken").bytecode.endswith(code[2:])
    assert ask(devnet, "eth_getCode", token, "earliest") == "0x"


def test_a_reverting_call_brings_its_data(devnet: Devnet) -> None:
    limit = 1_000_000 * 1_000_000
    call = {"to": token_on(devnet), "data": faucet_call(limit + 1), "from": ALICE.address}
    expected = "0x" + keccak256(b"FaucetLimitExceeded(uint256,uint256)")[:4].hex()
    for method in ("eth_call", "eth_estimateGas"):
        with pytest.raises(RpcError) as caught:
            ask(devnet, method, call)
        assert caught.value.code == EXECUTION_REVERTED
        assert caught.value.data == expected + word(limit) + word(limit + 1)


def test_a_call_leaves_no_trace(devnet: Devnet) -> None:
    token = token_on(devnet)
    root = devnet.chain.head.header.state_root
    ask(devnet, "eth_call", {"to": token, "data": faucet_call(9), "from": ALICE.address})
    devnet.mine()
    supply = {"to": token, "data": "0x" + keccak256(b"totalSupply()")[:4].hex()}
    assert ask(devnet, "eth_call", supply) == "0x" + word(0)
    assert devnet.chain.head.header.state_root == root


def test_estimates_are_enough_and_not_far_off(devnet: Devnet) -> None:
    transfer = {"from": ALICE.address, "to": BOB.address, "value": "0x1"}
    assert ask(devnet, "eth_estimateGas", transfer) == hex(21_000)
    with pytest.raises(RpcError):
        ask(devnet, "eth_estimateGas", {**transfer, "gas": hex(20_999)})
    call = {"to": token_on(devnet), "data": faucet_call(9), "from": ALICE.address}
    estimate = int(ask(devnet, "eth_estimateGas", call), 16)
    raw = signed(ALICE, 1, to=call["to"], value=0, data=call["data"], gas=estimate)
    sent = send(devnet, raw)
    devnet.mine()
    receipt = ask(devnet, "eth_getTransactionReceipt", sent)
    assert receipt["status"] == "0x1"
    assert estimate <= 1.05 * int(receipt["gasUsed"], 16)


def test_logs_are_found_by_address_topic_and_block(devnet: Devnet) -> None:
    token = token_on(devnet)
    for nonce in (1, 2):
        send(devnet, signed(ALICE, nonce, to=token, value=0, data=faucet_call(nonce), gas=200_000))
    devnet.mine()
    transfer = "0x" + keccak256(b"Transfer(address,address,uint256)").hex()
    to_alice = "0x" + word(int(ALICE.address, 16))

    def amounts(**wanted: Any) -> list[int]:
        logs = ask(devnet, "eth_getLogs", {"fromBlock": "earliest", **wanted})
        return [int(log["data"], 16) for log in logs]

    assert amounts() == amounts(address=token, topics=[transfer]) == [1, 2]
    assert amounts(topics=[None, None, [to_alice]]) == [1, 2]
    assert amounts(topics=[transfer, to_alice]) == []
    assert amounts(topics=[None, None, None, None]) == []
    assert amounts(address=BOB.address) == []
    assert amounts(toBlock="0x1") == []
    assert amounts(fromBlock="0x63", toBlock="0x64") == []
    head = ask(devnet, "eth_getBlockByNumber", "latest")["hash"]
    logs = ask(devnet, "eth_getLogs", {"blockHash": head})
    assert [log["logIndex"] for log in logs] == ["0x0", "0x1"]
    with pytest.raises(RpcError):
        ask(devnet, "eth_getLogs", {"blockHash": "0x" + "00" * 32})


def test_the_fee_history_tells_fees_fullness_and_tips(devnet: Devnet) -> None:
    send(devnet, signed(ALICE, 0, maxPriorityFeePerGas=1 * GWEI))
    send(devnet, signed(BOB, 0, maxPriorityFeePerGas=3 * GWEI))
    devnet.mine()
    devnet.mine()
    history = ask(devnet, "eth_feeHistory", "0x2", "latest", [0, 50, 51, 100])
    assert history["oldestBlock"] == "0x1"
    assert history["reward"] == [[hex(t * GWEI) for t in (1, 1, 3, 3)], ["0x0"] * 4]
    assert history["gasUsedRatio"] == [42_000 / 30_000_000, 0]
    assert len(history["baseFeePerGas"]) == 3
    assert history["baseFeePerGas"][2] == hex(devnet.chain.next_base_fee)
    older = ask(devnet, "eth_feeHistory", 1024, "0x1", [])
    assert "reward" not in older
    assert older["baseFeePerGas"] == [
        ask(devnet, "eth_getBlockByNumber", hex(n))["baseFeePerGas"] for n in range(3)
    ]
    for wrong in ((0, "latest", []), (1025, "latest", []), (1, "latest", [9, 1]), (1, "latest", 5)):
        with pytest.raises(RpcError) as caught:
            ask(devnet, "eth_feeHistory", *wrong)
        assert caught.value.code == INVALID_PARAMS


def test_who_and_where(devnet: Devnet) -> None:
    assert ask(devnet, "eth_chainId") == hex(31337)
    assert ask(devnet, "net_version") == "31337"
    assert ask(devnet, "eth_blockNumber") == "0x0"
    assert ask(devnet, "eth_syncing") is False
    assert "plimsoll" in ask(devnet, "web3_clientVersion")
    assert ask(devnet, "eth_accounts")[:2] == [ALICE.address, BOB.address]
    assert len(ask(devnet, "eth_accounts")) == 10
    assert ask(devnet, "eth_maxPriorityFeePerGas") == hex(GWEI)
    assert ask(devnet, "eth_gasPrice") == hex(devnet.chain.next_base_fee + GWEI)


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("eth_nothing", [], METHOD_NOT_FOUND),
        ("eth_call", [], INVALID_PARAMS),
        ("eth_chainId", [1], INVALID_PARAMS),
        ("eth_getBlockByNumber", ["latest", "yes"], INVALID_PARAMS),
        ("eth_getBalance", ["0x00", "latest"], INVALID_PARAMS),
        ("anvil_mine", [0], INVALID_PARAMS),
        ("anvil_mine", [1_001], INVALID_PARAMS),
        ("evm_setIntervalMining", [-1], INVALID_PARAMS),
        ("evm_setIntervalMining", [True], INVALID_PARAMS),
    ],
)
def test_wrong_requests_get_their_code(
    devnet: Devnet, method: str, params: list[Any], code: int
) -> None:
    with pytest.raises(RpcError) as caught:
        ask(devnet, method, *params)
    assert caught.value.code == code
