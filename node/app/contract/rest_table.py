"""Every REST endpoint: one entry each, of which ``openapi`` makes the document.

A test holds the table against the routes of the server, both ways.
"""

from typing import Annotated, Any, Final

from msgspec import Meta

from node.adapters.http.rest import LIMIT_MAX
from node.app.contract import errors
from node.app.contract.endpoint import ADDRESS, SYMBOL, TEXT, Endpoint, Parameter
from node.app.contract.errors import Errors
from node.app.contract.history_table import HISTORY
from node.app.stats import StatsAnswer
from node.capacity.loadline import LoadLine
from node.capacity.telemetry import Telemetry
from node.codec import answers, market_answers, tape_answers
from node.codec.json_actions import Body
from node.codec.json_rounds import RoundBody
from node.ports.api import BOOK_DEPTH, BOOK_DEPTH_MAX, DEADLINE_MS_MAX
from node.publisher.preview import PreviewAnswer, PreviewBody
from node.types import errors as tree
from node.types.units import UINT64_MAX

HEADERS: Final = {
    "X-RateLimit-Budget": ("string", "the account's budget that the action drew on"),
    "X-RateLimit-Limit": ("integer", "the weight that the budget takes at once"),
    "X-RateLimit-Used": ("integer", "the weight in it now"),
    "X-RateLimit-Remaining": ("integer", "the weight that still fits"),
    "X-RateLimit-Reset-Ms": ("integer", "milliseconds of silence until nothing is used"),
    "Retry-After": ("integer", "seconds after which asking again makes sense"),
}
"""Headers by name: their type, and what they tell. They stand where they can be known."""

BUDGET: Final = tuple(name for name in HEADERS if name.startswith("X-"))

_ADDRESS = Parameter("address", "path", ADDRESS, "the account")
_DEADLINE = Parameter(
    "deadline_ms",
    "query",
    Annotated[int, Meta(ge=1, le=DEADLINE_MS_MAX)],
    "milliseconds after which the request is not begun any more",
)


_MARKET = Parameter("market", "query", SYMBOL, "the market", needed=True)
_LIMIT = Parameter(
    "limit",
    "query",
    Annotated[int, Meta(ge=1, le=LIMIT_MAX)],
    "how many of the last; 100 if left out, and never more than are kept",
)


def _number(name: str, about: str) -> Parameter:
    return Parameter(name, "path", int, about, (1, UINT64_MAX))


_OF_A_NUMBER: Final[Errors] = (tree.MalformedMessage, tree.NotFound)
_OF_AN_ACCOUNT: Final[Errors] = (tree.MalformedMessage, tree.MalformedAddress)
_OF_NOTHING: Final[Errors] = (tree.MalformedMessage,)
"""What is asked for without a word may be asked for with one that it does not know."""

ENDPOINTS: Final[tuple[Endpoint, ...]] = (
    Endpoint(
        "post",
        "/action",
        "Send a signed action; answered once its block is durable.",
        answers.ActionResult,
        Body,
        (_DEADLINE,),
        errors.ACTION,
        (*BUDGET, "Retry-After"),
    ),
    Endpoint(
        "post",
        "/oracle_round",
        "Send the reports of a quorum of oracle reporters.",
        answers.ActionResult,
        RoundBody,
        (_DEADLINE,),
        errors.ROUND,
        ("Retry-After",),
    ),
    Endpoint(
        "post",
        "/preview",
        "Try an order out without signing it: margin, fees, fills, liquidation price, or the error"
        " that it would be refused with. Nothing is sent, nothing changes.",
        PreviewAnswer,
        PreviewBody,
        errors=(*errors.READING, tree.UnknownAccount, tree.RateLimited, tree.Overloaded),
        headers=("Retry-After",),
    ),
    Endpoint(
        "post",
        "/faucet",
        "Get test money, by a deposit on L1. On a devnet only: elsewhere there is no such path.",
        answers.FaucetAnswer,
        answers.FaucetBody,
        errors=(
            tree.MalformedMessage,
            tree.MalformedAddress,
            tree.OversizedMessage,
            tree.CallReverted,
            tree.TransactionFailed,
            tree.Overloaded,
            tree.ChainUnavailable,
            tree.TransactionUnseen,
            tree.RateLimited,
            tree.NotFound,
        ),
        headers=("Retry-After",),
    ),
    Endpoint(
        "get",
        "/markets",
        "Every market, and how it stands.",
        market_answers.MarketsAnswer,
        errors=_OF_NOTHING,
    ),
    Endpoint(
        "get",
        "/rules",
        "All rules of the exchange, and the domain that is signed for it.",
        market_answers.RulesAnswer,
        errors=_OF_NOTHING,
    ),
    Endpoint(
        "get",
        "/book/{symbol}",
        "The best levels of a book as it stands: the total size at each price.",
        answers.BookAnswer,
        parameters=(
            Parameter("symbol", "path", SYMBOL, "the market"),
            Parameter(
                "depth",
                "query",
                Annotated[int, Meta(ge=1, le=BOOK_DEPTH_MAX)],
                f"levels of each side; {BOOK_DEPTH} if left out",
            ),
        ),
        errors=(tree.MalformedMessage, tree.UnknownMarket),
    ),
    Endpoint(
        "get",
        "/trades",
        "The last trades of a market that are kept, the oldest first.",
        tape_answers.TradesAnswer,
        parameters=(_MARKET, _LIMIT),
        errors=(tree.MalformedMessage, tree.UnknownMarket),
    ),
    Endpoint(
        "get",
        "/candles",
        "The last candles of a market that are kept, the oldest first.",
        tape_answers.CandlesAnswer,
        parameters=(
            _MARKET,
            Parameter(
                "interval", "query", tape_answers.Interval, "the length of each", needed=True
            ),
            _LIMIT,
        ),
        errors=(tree.MalformedMessage, tree.UnknownMarket),
    ),
    Endpoint(
        "get",
        "/account/{address}",
        "Balances, positions, open orders and nonces. Public: L1 tells all of it.",
        answers.AccountAnswer,
        parameters=(_ADDRESS,),
        errors=_OF_AN_ACCOUNT,
    ),
    Endpoint(
        "get",
        "/orders/{address}",
        "The open orders of an account.",
        answers.OrdersAnswer,
        parameters=(_ADDRESS,),
        errors=_OF_AN_ACCOUNT,
    ),
    Endpoint(
        "get",
        "/receipts/{sequence}",
        "A receipt, with the ids that follow it, to check it without the node.",
        answers.ReceiptAnswer,
        parameters=(_number("sequence", "the command's place in the log"),),
        errors=_OF_A_NUMBER,
    ),
    Endpoint(
        "get",
        "/blocks/{number}",
        "A block's head and the ids of its commands.",
        answers.BlockAnswer,
        parameters=(_number("number", "the block"),),
        errors=_OF_A_NUMBER,
    ),
    Endpoint(
        "get",
        "/finality/{sequence}",
        "How sure a command is on L1.",
        answers.FinalityAnswer,
        parameters=(_number("sequence", "the command's place in the log"),),
        errors=_OF_A_NUMBER,
    ),
    Endpoint(
        "get",
        "/withdrawals/{id}",
        "The proof that claims a withdrawal on L1, once its batch is final.",
        answers.WithdrawalAnswer,
        parameters=(_number("id", "the withdrawal"),),
        errors=_OF_A_NUMBER,
    ),
    *HISTORY,
    Endpoint(
        "get",
        "/fee",
        "The price of work, and how high it can be soon.",
        answers.FeeQuote,
        errors=_OF_NOTHING,
    ),
    Endpoint("get", "/load", "The load line.", LoadLine, errors=_OF_NOTHING),
    Endpoint("get", "/telemetry", "Every counter since the start.", Telemetry),
    Endpoint("get", "/stats", "The node at a glance.", StatsAnswer),
    Endpoint(
        "get",
        "/health",
        "Whether the node can do its work, and every reason why not.",
        answers.HealthAnswer,
        otherwise={503: answers.HealthAnswer},
    ),
    Endpoint("get", "/metrics", "The counters as Prometheus reads them.", content=TEXT),
    Endpoint("get", "/openapi.json", "This document.", dict[str, Any], errors=_OF_NOTHING),
    Endpoint(
        "get", "/asyncapi.json", "The WebSocket's document.", dict[str, Any], errors=_OF_NOTHING
    ),
)
