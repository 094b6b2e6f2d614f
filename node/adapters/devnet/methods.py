"""The table of JSON-RPC methods: how many parameters each takes, and what it answers."""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from node.adapters.devnet import parameters
from node.adapters.devnet.devnet import PENDING, Devnet
from node.adapters.devnet.queries import fee_history, find_logs
from node.adapters.devnet.rendering import (
    hex_address,
    hex_data,
    hex_quantity,
    render_block,
    render_pending_block,
    render_receipt,
    render_transaction,
)
from node.adapters.devnet.rpc_errors import METHOD_NOT_FOUND, RpcError, invalid_params

CLIENT_VERSION: Final = "plimsoll-devnet/py-evm"
BLOCKS_PER_CALL_MAX: Final = 1_000
NO_SENDER: Final = bytes(20)

Params = list[Any]


class Method(msgspec.Struct, frozen=True):
    """``handler`` gets at least ``required`` and at most ``allowed`` parameters."""

    handler: Callable[[Devnet, Params], Any]
    required: int = 0
    allowed: int = 0


def call_method(devnet: Devnet, name: str, params: Params) -> Any:
    """Answer one request with a value that JSON can carry. Raises RpcError."""
    method = METHODS.get(name)
    if method is None:
        raise RpcError(METHOD_NOT_FOUND, f"the method {name[:80]} does not exist")
    if not method.required <= len(params) <= method.allowed:
        raise invalid_params(
            f"{name} takes {method.required} to {method.allowed}, given {len(params)}"
        )
    return method.handler(devnet, params)


# --- the chain ------------------------------------------------------------------------------------


def _block_by_number(devnet: Devnet, params: Params) -> Any:
    selector, full = parameters.block_selector(params[0]), _full(params)
    if selector == PENDING:
        return render_pending_block(devnet.chain.pending_header, devnet.waiting(), full=full)
    found = devnet.find_block(selector)
    return None if found is None else render_block(found, full=full)


def _block_by_hash(devnet: Devnet, params: Params) -> Any:
    found = devnet.find_block(parameters.data(params[0], 32))
    return None if found is None else render_block(found, full=_full(params))


def _transaction_by_hash(devnet: Devnet, params: Params) -> Any:
    transaction_hash = parameters.data(params[0], 32)
    place = devnet.chain.find_transaction(transaction_hash)
    if place is not None:
        mined, index = place
        return render_transaction(mined.transactions[index], mined, index)
    waiting = devnet.pool.get(transaction_hash)
    return None if waiting is None else render_transaction(waiting)


def _transaction_receipt(devnet: Devnet, params: Params) -> Any:
    place = devnet.chain.find_transaction(parameters.data(params[0], 32))
    return None if place is None else render_receipt(*place)


def _logs(devnet: Devnet, params: Params) -> Any:
    wanted = parameters.log_filter(params[0])
    return find_logs(devnet.chain, wanted, devnet.height(wanted.first), devnet.height(wanted.last))


# --- accounts and calls ---------------------------------------------------------------------------


def _balance(devnet: Devnet, params: Params) -> Any:
    return hex_quantity(
        devnet.chain.balance(parameters.address(params[0]), devnet.block(_selector(params, 1)))
    )


def _code(devnet: Devnet, params: Params) -> Any:
    return hex_data(
        devnet.chain.code(parameters.address(params[0]), devnet.block(_selector(params, 1)))
    )


def _transaction_count(devnet: Devnet, params: Params) -> Any:
    account, selector = parameters.address(params[0]), _selector(params, 1)
    if selector == PENDING:
        return hex_quantity(devnet.next_nonce(account))
    return hex_quantity(devnet.chain.nonce(account, devnet.block(selector)))


def _call(devnet: Devnet, params: Params) -> Any:
    request = parameters.call_request(params[0], NO_SENDER)
    return hex_data(devnet.chain.call(request, devnet.block(_selector(params, 1))))


def _estimate_gas(devnet: Devnet, params: Params) -> Any:
    request = parameters.call_request(params[0], NO_SENDER)
    return hex_quantity(devnet.chain.estimate_gas(request, devnet.block(_selector(params, 1))))


def _send_raw_transaction(devnet: Devnet, params: Params) -> Any:
    return hex_data(devnet.send_raw_transaction(parameters.data(params[0])))


# --- fees -----------------------------------------------------------------------------------------


def _gas_price(devnet: Devnet, _: Params) -> Any:
    return hex_quantity(devnet.chain.next_base_fee + devnet.settings.tip_suggestion_wei)


def _fee_history(devnet: Devnet, params: Params) -> Any:
    percentiles = params[2] if len(params) > 2 else []
    if not isinstance(percentiles, list) or not all(
        type(point) in (int, float) for point in percentiles
    ):
        raise invalid_params("percentiles must be numbers")
    newest = devnet.block(parameters.block_selector(params[1])).number
    return fee_history(devnet.chain, parameters.quantity(params[0]), newest, percentiles)


# --- test controls --------------------------------------------------------------------------------


def _mine(devnet: Devnet, params: Params) -> Any:
    blocks = parameters.quantity(params[0]) if params else 1
    if not 1 <= blocks <= BLOCKS_PER_CALL_MAX:
        raise invalid_params(f"blocks outside of 1 to {BLOCKS_PER_CALL_MAX}")
    for _ in range(blocks):
        devnet.mine()
    return None


def _evm_mine(devnet: Devnet, _: Params) -> Any:
    devnet.mine()
    return hex_quantity(0)


def _reorg(devnet: Devnet, params: Params) -> Any:
    if len(params) > 1 and params[1] != []:
        raise invalid_params(
            "new blocks of a reorg are empty here: the second parameter must be []"
        )
    devnet.reorg(parameters.quantity(params[0]))
    return None


def _set_automine(devnet: Devnet, params: Params) -> Any:
    devnet.automine = parameters.flag(params[0])
    devnet.interval_s = 0 if devnet.automine else devnet.interval_s
    return None


def _set_interval_mining(devnet: Devnet, params: Params) -> Any:
    seconds = params[0]
    if type(seconds) not in (int, float) or not 0 <= seconds <= 86_400:
        raise invalid_params("seconds outside of 0 to 86400")
    devnet.automine = False
    devnet.interval_s = float(seconds)
    return None


def _selector(params: Params, place: int) -> parameters.BlockSelector:
    """The block parameter at ``place``; the head where it is left out."""
    given = params[place] if len(params) > place else None
    return "latest" if given is None else parameters.block_selector(given)


def _full(params: Params) -> bool:
    return parameters.flag(params[1]) if len(params) > 1 else False


METHODS: Final[dict[str, Method]] = {
    "web3_clientVersion": Method(lambda _, __: CLIENT_VERSION),
    "net_version": Method(lambda devnet, _: str(devnet.settings.chain_id)),
    "eth_chainId": Method(lambda devnet, _: hex_quantity(devnet.settings.chain_id)),
    "eth_accounts": Method(
        lambda devnet, _: [hex_address(account) for account in devnet.chain.accounts]
    ),
    "eth_syncing": Method(lambda _, __: False),
    "eth_blockNumber": Method(lambda devnet, _: hex_quantity(devnet.chain.head.number)),
    "eth_getBlockByNumber": Method(_block_by_number, 1, 2),
    "eth_getBlockByHash": Method(_block_by_hash, 1, 2),
    "eth_getTransactionByHash": Method(_transaction_by_hash, 1, 1),
    "eth_getTransactionReceipt": Method(_transaction_receipt, 1, 1),
    "eth_getLogs": Method(_logs, 1, 1),
    "eth_getBalance": Method(_balance, 1, 2),
    "eth_getCode": Method(_code, 1, 2),
    "eth_getTransactionCount": Method(_transaction_count, 1, 2),
    "eth_call": Method(_call, 1, 2),
    "eth_estimateGas": Method(_estimate_gas, 1, 2),
    "eth_sendRawTransaction": Method(_send_raw_transaction, 1, 1),
    "eth_gasPrice": Method(_gas_price),
    "eth_maxPriorityFeePerGas": Method(
        lambda devnet, _: hex_quantity(devnet.settings.tip_suggestion_wei)
    ),
    "eth_feeHistory": Method(_fee_history, 2, 3),
    "evm_mine": Method(_evm_mine),
    "anvil_mine": Method(_mine, 0, 1),
    "anvil_reorg": Method(_reorg, 1, 2),
    "evm_setAutomine": Method(_set_automine, 1, 1),
    "evm_setIntervalMining": Method(_set_interval_mining, 1, 1),
}
