"""Questions about many blocks at once: logs and the history of fees. Both are bounded."""

from bisect import bisect_left
from itertools import accumulate
from typing import Any, Final

from node.adapters.devnet.chain import EvmChain, MinedBlock
from node.adapters.devnet.parameters import LogFilter, TopicFilter
from node.adapters.devnet.rendering import hex_quantity, render_logs
from node.adapters.devnet.rpc_errors import SERVER_ERROR, RpcError, invalid_params

LOGS_MAX: Final = 10_000
FEE_HISTORY_BLOCKS_MAX: Final = 1_024


def find_logs(chain: EvmChain, wanted: LogFilter, first: int, last: int) -> list[dict[str, Any]]:
    """The logs of blocks ``first`` to ``last``, both included, that pass the filter, in order.

    Raises RpcError rather than return more than LOGS_MAX of them.
    """
    found: list[dict[str, Any]] = []
    for number in range(first, min(last, chain.head.number) + 1):
        mined = chain.block(number)
        assert mined is not None, number
        found.extend(_block_logs(mined, wanted))
        if len(found) > LOGS_MAX:
            raise RpcError(SERVER_ERROR, f"query returned more than {LOGS_MAX} results")
    return found


def _block_logs(mined: MinedBlock, wanted: LogFilter) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for index, receipt in enumerate(mined.receipts):
        if not any(_passes(log, wanted) for log in receipt.logs):
            continue
        rendered = render_logs(mined, index)
        found.extend(
            shown for shown, log in zip(rendered, receipt.logs, strict=True) if _passes(log, wanted)
        )
    return found


def _passes(log: Any, wanted: LogFilter) -> bool:
    if wanted.addresses and log.address not in wanted.addresses:
        return False
    return _topics_pass([topic.to_bytes(32, "big") for topic in log.topics], wanted.topics)


def _topics_pass(topics: list[bytes], wanted: TopicFilter) -> bool:
    if len(wanted) > len(topics):
        return False
    return all(
        allowed is None or topic in allowed for allowed, topic in zip(wanted, topics, strict=False)
    )


def fee_history(
    chain: EvmChain, blocks: int, newest: int, percentiles: list[float]
) -> dict[str, Any]:
    """Base fees, fullness and tips of up to ``blocks`` blocks ending at ``newest``."""
    if not 1 <= blocks <= FEE_HISTORY_BLOCKS_MAX:
        raise invalid_params(f"block count outside of 1 to {FEE_HISTORY_BLOCKS_MAX}")
    if any(not 0 <= point <= 100 for point in percentiles) or percentiles != sorted(percentiles):
        raise invalid_params("percentiles must rise from 0 to 100")
    oldest = max(0, newest - blocks + 1)
    window = [
        mined for number in range(oldest, newest + 1) if (mined := chain.block(number)) is not None
    ]
    after = chain.block(newest + 1)
    base_fees = [int(mined.header.base_fee_per_gas) for mined in window]
    base_fees.append(chain.next_base_fee if after is None else int(after.header.base_fee_per_gas))
    history: dict[str, Any] = {
        "oldestBlock": hex_quantity(oldest),
        "baseFeePerGas": [hex_quantity(fee) for fee in base_fees],
        "gasUsedRatio": [mined.header.gas_used / mined.header.gas_limit for mined in window],
    }
    if percentiles:
        history["reward"] = [
            [hex_quantity(tip) for tip in _tips(mined, percentiles)] for mined in window
        ]
    return history


def _tips(mined: MinedBlock, percentiles: list[float]) -> list[int]:
    """The tips at ``percentiles`` of the block's gas, cheapest first; zeros for an empty block."""
    base_fee = int(mined.header.base_fee_per_gas)
    by_tip = sorted(
        (transaction.tip_at(base_fee), mined.gas_used(index))
        for index, transaction in enumerate(mined.transactions)
    )
    if not by_tip:
        return [0] * len(percentiles)
    gas_up_to = list(accumulate(gas for _, gas in by_tip))
    places = [bisect_left(gas_up_to, gas_up_to[-1] * point / 100) for point in percentiles]
    return [by_tip[place][0] for place in places]
