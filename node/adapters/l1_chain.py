"""One JSON-RPC endpoint as the ``Chain`` port: py-evm's devnet, anvil, a public chain, all alike.

Requests are sent one by one and without retries: who asks knows better when to ask again. Answers
are read here, so that there is one place where an endpoint can be wrong. The requests do not go
through web3's provider: it takes a lock in a thread before each, and a task that is cancelled in
that moment (a node that stops) leaves it locked, so that every later request waits for ever.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import aiohttp
import msgspec
from eth_utils import to_checksum_address

from node.adapters.untrusted_json import decode_untrusted
from node.codec.l1_calls import error_of
from node.ports.chain import (
    At,
    FeeSample,
    L1Block,
    L1Log,
    L1Receipt,
    L1Transaction,
    SendAnswer,
    Sending,
    Tag,
)
from node.types.errors import CallReverted, ChainUnavailable
from node.types.ids import Address

T = TypeVar("T")

_HEADERS: Final = {"Content-Type": "application/json"}

REQUEST_TIMEOUT_S: Final = 20.0
ANSWER_BYTES_MAX: Final = 64 << 20
"""Past this an answer is given up; the events of 10,000 L1 blocks full of batches are a tenth."""
MEDIAN_PERCENTILE: Final = 50
EXECUTION_REVERTED: Final = 3

# How the pools of geth, reth, nethermind, erigon, anvil and our devnet word their refusals; the
# first that occurs in the message counts.
_WORDINGS: Final = (
    ("already known", Sending.KNOWN),
    ("already imported", Sending.KNOWN),
    ("alreadyknown", Sending.KNOWN),
    ("nonce too low", Sending.SPENT),
    ("oldnonce", Sending.SPENT),
    ("underpriced", Sending.UNDERPRICED),
    ("replacement", Sending.UNDERPRICED),
    ("could not replace", Sending.UNDERPRICED),
    ("fee too low", Sending.UNDERPRICED),
    ("feetoolow", Sending.UNDERPRICED),
    ("less than block base fee", Sending.UNDERPRICED),
    ("insufficient funds", Sending.UNFUNDED),
    ("insufficientfunds", Sending.UNFUNDED),
)


class _Refusal(Exception):
    """The endpoint answered with an error object."""

    def __init__(self, code: int, message: str, data: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data


class L1Chain:
    """The endpoint at ``url``. Close it when done."""

    def __init__(self, url: str, *, timeout_s: float = REQUEST_TIMEOUT_S) -> None:
        self._url = url
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._http: aiohttp.ClientSession | None = None
        self._ids = itertools.count(1)

    async def close(self) -> None:
        """Close the HTTP connections."""
        if self._http is not None:
            await self._http.close()

    async def chain_id(self) -> int:
        """Return the id that transactions must be signed for."""
        return _quantity(await self._ask("eth_chainId"))

    async def block(self, at: At) -> L1Block | None:
        """Return the block, None where there is none (yet, or no longer)."""
        method = "eth_getBlockByHash" if isinstance(at, bytes) else "eth_getBlockByNumber"
        selector = _hex(at) if isinstance(at, bytes) else _selector(at)
        try:
            found = await self._request(method, selector, False)
        except _Refusal as refusal:
            # geth knows no safe block before the first epoch, and says so with an error.
            if at in (Tag.SAFE, Tag.FINALIZED) and "not found" in refusal.message.lower():
                return None
            raise _unavailable(method, refusal) from refusal
        return None if found is None else _read(_block, found)

    async def call(
        self, to: Address, data: bytes, at: At = Tag.LATEST, sender: Address | None = None
    ) -> bytes:
        """Return what the contract answers in the state after block ``at``."""
        request = {"to": _hex(to), "data": _hex(data)}
        if sender is not None:
            request["from"] = _hex(sender)
        return _bytes(await self._execute("eth_call", to, request, _selector(at)))

    async def estimate_gas(self, sender: Address, to: Address, data: bytes) -> int:
        """Return a gas limit that would suffice now."""
        request = {"from": _hex(sender), "to": _hex(to), "data": _hex(data)}
        return _quantity(await self._execute("eth_estimateGas", to, request))

    async def code(self, address: Address, at: At = Tag.LATEST) -> bytes:
        """Return the code at ``address`` after block ``at``, empty where no contract is."""
        return _bytes(await self._ask("eth_getCode", _hex(address), _selector(at)))

    async def balance(self, account: Address) -> int:
        """Return the account's wei."""
        return _quantity(await self._ask("eth_getBalance", _hex(account), Tag.LATEST.value))

    async def nonce(self, account: Address, at: At = Tag.LATEST) -> int:
        """Return the nonce of the account's next transaction."""
        return _quantity(await self._ask("eth_getTransactionCount", _hex(account), _selector(at)))

    async def fees(self, blocks: int) -> FeeSample:
        """Return the next base fee, and the tips of the last ``blocks`` that held transactions."""
        history = await self._ask(
            "eth_feeHistory", hex(blocks), Tag.LATEST.value, [MEDIAN_PERCENTILE]
        )
        return _read(_fee_sample, history)

    async def send(self, raw: bytes) -> SendAnswer:
        """Hand over a signed transaction."""
        try:
            await self._request("eth_sendRawTransaction", _hex(raw))
        except _Refusal as refusal:
            return SendAnswer(_sending(refusal.message), refusal.message)
        return SendAnswer(Sending.TAKEN, "")

    async def receipt(self, transaction: bytes) -> L1Receipt | None:
        """Return the receipt of a transaction, None while it is in no block."""
        found = await self._ask("eth_getTransactionReceipt", _hex(transaction))
        return None if found is None else _read(_receipt, found)

    async def transaction(self, transaction: bytes) -> L1Transaction | None:
        """Return a mined transaction by its hash, None where there is none."""
        found = await self._ask("eth_getTransactionByHash", _hex(transaction))
        return None if found is None else _read(_transaction, found)

    async def logs(
        self, address: Address, topics: tuple[bytes, ...], first: int, last: int
    ) -> tuple[L1Log, ...]:
        """Return the logs of blocks ``first`` to ``last``, both included, in order."""
        wanted = {
            "address": to_checksum_address(address),
            "topics": [_hex(topic) for topic in topics],
            "fromBlock": hex(first),
            "toBlock": hex(last),
        }
        return _read(_logs, await self._ask("eth_getLogs", wanted))

    async def _execute(self, method: str, to: Address, *params: Any) -> Any:
        """Ask for an execution, of which a contract may have its own opinion."""
        try:
            return await self._request(method, *params)
        except _Refusal as refusal:
            if refusal.code == EXECUTION_REVERTED or "revert" in refusal.message.lower():
                data = _revert_data(refusal.data)
                error, arguments = error_of(data)
                raise CallReverted(to=to, error=error, arguments=arguments, data=data) from refusal
            raise _unavailable(method, refusal) from refusal

    async def _ask(self, method: str, *params: Any) -> Any:
        """Return the result; an error object is no answer."""
        try:
            return await self._request(method, *params)
        except _Refusal as refusal:
            raise _unavailable(method, refusal) from refusal

    async def _request(self, method: str, *params: Any) -> Any:
        """Return the result. Raises ``_Refusal`` or ``ChainUnavailable``."""
        try:
            response = await self._post(method, params)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            detail = f"{method}: {type(error).__name__}: {error}"
            raise ChainUnavailable(detail=detail) from error
        if isinstance(response, dict) and response.get("error") is not None:
            raise _refusal_of(response["error"])
        if not isinstance(response, dict) or "result" not in response:
            raise ChainUnavailable(detail=f"{method}: not a JSON-RPC response")
        return response["result"]

    async def _post(self, method: str, params: tuple[Any, ...]) -> Any:
        request = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}
        return decode_untrusted(await self._read_answer(msgspec.json.encode(request)))

    async def _read_answer(self, body: bytes) -> bytes:
        """Return the bytes of the answer, of which there may be ``ANSWER_BYTES_MAX``."""
        if self._http is None:
            # Only inside of a running loop can a session be made.
            self._http = aiohttp.ClientSession(timeout=self._timeout, raise_for_status=True)
        answer = bytearray()
        async with self._http.post(self._url, data=body, headers=_HEADERS) as response:
            async for chunk in response.content.iter_any():
                answer += chunk
                if len(answer) > ANSWER_BYTES_MAX:
                    raise ValueError(f"an answer of more than {ANSWER_BYTES_MAX} bytes")
        return bytes(answer)


def _refusal_of(error: Any) -> _Refusal:
    if not isinstance(error, dict):
        return _Refusal(0, str(error), None)
    code = error.get("code")
    message = str(error.get("message", ""))
    return _Refusal(code if isinstance(code, int) else 0, message, error.get("data"))


def _unavailable(method: str, refusal: _Refusal) -> ChainUnavailable:
    return ChainUnavailable(detail=f"{method}: {refusal.code}: {refusal.message[:200]}")


def _sending(message: str) -> Sending:
    lowered = message.lower()
    return next((told for wording, told in _WORDINGS if wording in lowered), Sending.REFUSED)


def _revert_data(data: Any) -> bytes:
    """Return the contract's error; some endpoints wrap it in an object, some leave it out."""
    inner = data.get("data") if isinstance(data, dict) else data
    try:
        return bytes.fromhex(inner.removeprefix("0x")) if isinstance(inner, str) else b""
    except ValueError:
        return b""


def _read(parse: Callable[[Any], T], answer: Any) -> T:
    """Return ``parse(answer)``; an answer of another form is no answer."""
    try:
        return parse(answer)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise ChainUnavailable(detail=f"unreadable answer: {error!r}") from error


def _block(found: dict[str, Any]) -> L1Block:
    return L1Block(
        number=_quantity(found["number"]),
        hash=_hash(found["hash"]),
        time_s=_quantity(found["timestamp"]),
        base_fee=_quantity(found.get("baseFeePerGas") or "0x0"),
        gas_limit=_quantity(found.get("gasLimit") or "0x0"),
    )


def _receipt(found: dict[str, Any]) -> L1Receipt:
    gas_used = _quantity(found["gasUsed"])
    return L1Receipt(
        transaction=_hash(found["transactionHash"]),
        block_number=_quantity(found["blockNumber"]),
        block_hash=_hash(found["blockHash"]),
        succeeded=_quantity(found["status"]) == 1,
        gas_used=gas_used,
        fee=gas_used * _quantity(found["effectiveGasPrice"]),
    )


def _transaction(found: dict[str, Any]) -> L1Transaction:
    to = found["to"]
    return L1Transaction(
        to=None if to is None else _address(to),
        input=_bytes(found["input"]),
    )


def _logs(found: Sequence[dict[str, Any]]) -> tuple[L1Log, ...]:
    if not isinstance(found, list):
        raise TypeError("logs come as an array")
    return tuple(
        L1Log(
            address=_address(log["address"]),
            topics=tuple(_hash(topic) for topic in log["topics"]),
            data=_bytes(log["data"]),
            block_number=_quantity(log["blockNumber"]),
            block_hash=_hash(log["blockHash"]),
            transaction=_hash(log["transactionHash"]),
        )
        for log in found
    )


def _fee_sample(history: dict[str, Any]) -> FeeSample:
    """Blocks that used no gas say nothing of tips: they report zeros."""
    tips = [
        _quantity(rewards[0])
        for rewards, fullness in zip(
            history.get("reward") or (), history["gasUsedRatio"], strict=False
        )
        if fullness > 0
    ]
    return FeeSample(base_fee=_quantity(history["baseFeePerGas"][-1]), tips=tuple(tips))


def _selector(at: At) -> Any:
    match at:
        case Tag():
            return at.value
        case bytes():
            return {"blockHash": _hex(at)}  # EIP-1898
        case _:
            return hex(at)


def _hex(data: bytes) -> str:
    return "0x" + data.hex()


def _bytes(answer: Any) -> bytes:
    try:
        return bytes.fromhex(answer.removeprefix("0x"))
    except (AttributeError, TypeError, ValueError):
        raise ChainUnavailable(detail=f"not hexadecimal: {answer!r:.80}") from None


def _hash(answer: Any) -> bytes:
    return _of_length(_bytes(answer), 32)


def _address(answer: Any) -> Address:
    return Address(_of_length(_bytes(answer), 20))


def _of_length(data: bytes, length: int) -> bytes:
    if len(data) != length:
        raise ChainUnavailable(detail=f"{len(data)} bytes where {length} are due")
    return data


def _quantity(answer: Any) -> int:
    """Return the number, which has at most 256 bits."""
    try:
        quantity = int(answer, 16)
    except (TypeError, ValueError):
        quantity = -1
    if not 0 <= quantity < 2**256:
        raise ChainUnavailable(detail=f"not a quantity: {answer!r:.80}")
    return quantity
