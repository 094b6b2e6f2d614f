"""The errors of JSON-RPC, with the codes and words that Ethereum clients look for.

Words matter here: web3 and most wallets tell "already known" from "nonce too low" by the message
alone.
"""

from typing import Any, Final

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603
SERVER_ERROR: Final = -32000
EXECUTION_REVERTED: Final = 3


class RpcError(Exception):
    """A request that is answered with an error object."""

    def __init__(self, code: int, message: str, data: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data

    def render(self) -> dict[str, Any]:
        """The ``error`` member of a JSON-RPC response."""
        body: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.data is not None:
            body["data"] = self.data
        return body


def invalid_params(detail: str) -> RpcError:
    """A parameter that is missing, superfluous or of the wrong form."""
    return RpcError(INVALID_PARAMS, f"invalid params: {detail}")


def refused(message: str) -> RpcError:
    """A transaction that the pool does not take."""
    return RpcError(SERVER_ERROR, message)
