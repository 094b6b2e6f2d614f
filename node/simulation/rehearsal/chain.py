"""L1 in the same process: py-evm without a network, under the script's faults.

The node's own ``L1Chain`` speaks to it in JSON-RPC; only the connection is left out. A dear block
is told to be dear: the scenario's price stands in what the endpoint says, not in the blocks. A
block's room is counted in full batches, since those of a thinned flow are smaller.
"""

import asyncio
import random
from typing import Any, Final

import msgspec
from web3.providers.async_base import AsyncBaseProvider
from web3.types import RPCEndpoint, RPCResponse

from node.adapters.devnet.devnet import Devnet
from node.adapters.devnet.methods import call_method
from node.adapters.devnet.rpc_errors import RpcError
from node.adapters.devnet.settings import DevnetSettings
from node.adapters.l1_chain import L1Chain
from node.codec.l1_gas import HEADER_BYTES
from node.ports.clock import Clock
from node.simulation.rehearsal.script import Fault, Script

_PRICES: Final = {"baseFeePerGas", "effectiveGasPrice"}
_GWEI: Final = 10**9
_GAS_LIMIT: Final = 2**30
"""Never reached: the script says what a block has room for."""


class SimulatedL1:
    """A devnet and its miner; ``answer`` is its endpoint."""

    def __init__(self, script: Script, clock: Clock, full_bytes: int) -> None:
        """Make the genesis block at the clock's time; a full batch has ``full_bytes`` of data."""
        settings = DevnetSettings(
            block_time_s=script.block_s,
            gas_limit=_GAS_LIMIT,
            safe_depth=max(1, script.finality_blocks // 2),
            finalized_depth=script.finality_blocks,
        )
        self.devnet = Devnet(settings, lambda: clock.now_ms() / 1_000)
        self.devnet.automine = True
        self.reorgs = 0
        self._script = script
        self._full_bytes = full_bytes
        self._lots = random.Random(script.seed)
        self._started_s: float | None = None

    async def run(self) -> None:
        """Mine a block each ``block_s`` until cancelled."""
        self.devnet.automine = False
        reorgs = [fault for fault in self._script.faults if fault.kind == "reorg"]
        while True:
            await asyncio.sleep(self._script.block_s)
            if self._fault("outage") is not None:
                continue
            while reorgs and reorgs[0].from_s <= self._now_s():
                self._reorg(reorgs.pop(0).depth)
            self._mine()

    def begin(self) -> None:
        """Let the script's time begin, and with it the faults."""
        self._started_s = asyncio.get_running_loop().time()

    def heal(self) -> None:
        """Let nothing hold L1 up any more: what is left is to be posted."""
        self._script = msgspec.structs.replace(self._script, faults=(), gas_price_gwei=0.0)
        self._started_s = None

    def answer(self, method: str, params: list[Any]) -> dict[str, Any]:
        """Return the response to one request. Raises ``ConnectionError`` while L1 is away."""
        if self._fault("outage") is not None:
            raise ConnectionError("outage")
        try:
            result = call_method(self.devnet, method, params)
        except RpcError as error:
            return {"error": error.render()}
        fault = self._fault("congestion")
        factor = 1.0 if fault is None else fault.gas_price_factor
        return {"result": _at_least(result, round(self._script.gas_price_gwei * factor * _GWEI))}

    def _mine(self) -> None:
        if self._started_s is None:
            self.devnet.mine()
            return
        fault = self._fault("congestion")
        inclusion = self._script.inclusion if fault is None else fault.inclusion
        share = 1.0 if fault is None else fault.block_share
        included = self._lots.random() < inclusion
        self.devnet.mine(self._fitting(self._script.block_batches * share) if included else 0)

    def _fitting(self, room: float) -> int:
        """Return how many of the transactions that wait fit ``room`` full batches.

        All of them are batches: deposits are over when the script's time begins. One that came out
        larger than a full one counts as full, or it might never fit.
        """
        overhead, count = self._script.batch_overhead, 0
        for transaction in self.devnet.waiting():
            fullness = (len(transaction.evm.data) - HEADER_BYTES) / self._full_bytes
            room -= overhead + (1 - overhead) * min(fullness, 1.0)
            if room < 0:
                break
            count += 1
        return count

    def _reorg(self, depth: int) -> None:
        depth = min(depth, self.devnet.chain.head.number)
        if depth:
            self.devnet.reorg(depth)
            self.reorgs += 1

    def _now_s(self) -> float:
        """Return the script's time; before its beginning that is negative."""
        if self._started_s is None:
            return -1.0
        return asyncio.get_running_loop().time() - self._started_s

    def _fault(self, kind: str) -> Fault | None:
        now_s = self._now_s()
        return next(
            (
                fault
                for fault in self._script.faults
                if fault.kind == kind and fault.from_s <= now_s < fault.until_s
            ),
            None,
        )


class DirectChain(L1Chain):
    """The node's client of L1, without a connection between the two."""

    def __init__(self, l1: SimulatedL1) -> None:
        super().__init__("http://127.0.0.1:0")
        self._l1 = l1

    async def _post(self, method: str, params: tuple[Any, ...]) -> Any:
        # As over HTTP: neither side may hold what the other one changes.
        plain = msgspec.json.decode(msgspec.json.encode(params))
        return msgspec.json.decode(msgspec.json.encode(self._l1.answer(method, plain)))


class DirectProvider(AsyncBaseProvider):
    """The same for web3, which deploys the contracts."""

    def __init__(self, l1: SimulatedL1) -> None:
        super().__init__()
        self._l1 = l1

    async def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """Return the response to one request."""
        response: RPCResponse = {"jsonrpc": "2.0", "id": 1}
        answer = self._l1.answer(str(method), msgspec.json.decode(msgspec.json.encode(params)))
        response.update(answer)  # type: ignore[typeddict-item]
        return response


def _at_least(result: Any, price: int) -> Any:
    """Return ``result`` with no price of gas below ``price``, in wei."""
    if not isinstance(result, dict):
        return result
    return {
        key: _raised(value, price) if key in _PRICES else value for key, value in result.items()
    }


def _raised(told: Any, price: int) -> Any:
    if isinstance(told, list):
        return [_raised(one, price) for one in told]
    return hex(max(int(told, 16), price))
