"""Every method and every channel of the WebSocket: one entry each, of which ``asyncapi`` is made.

Tests hold the methods against those that a conversation knows, and the channels against those that
may be subscribed to.
"""

from typing import Any, Final

from msgspec import Struct

from node.app.contract import errors
from node.app.contract.errors import Errors
from node.capacity.loadline import LoadLine
from node.codec import account_feed, answers, messages
from node.codec.json_actions import Body
from node.codec.json_rounds import RoundBody
from node.ingress.conversation import ChannelParams, LoginParams, NoParams
from node.ports.api import LimitsResult
from node.types import errors as tree


class Method(Struct, frozen=True):
    """What a client may ask for; ``errors`` come on top of those that every method has."""

    name: str
    about: str
    params: Any
    result: Any
    errors: Errors = ()


class Feed(Struct, frozen=True):
    """A channel: the messages that it bears, as one type or a union by ``type``."""

    name: str
    about: str
    messages: tuple[Any, ...]


class LoadMessage(LoadLine, frozen=True, kw_only=True, tag_field="channel", tag="load"):
    """The load line, at once and then every half second."""


_CHANNEL: Final[Errors] = (tree.LoginRequired, tree.UnknownMarket)

METHODS: Final[tuple[Method, ...]] = (
    Method(
        "action",
        "Send a signed action; answered once its block is durable.",
        Body,
        answers.ActionResult,
        errors.ACTION,
    ),
    Method(
        "oracle_round",
        "Send the reports of a quorum of oracle reporters.",
        RoundBody,
        answers.ActionResult,
        errors.ROUND,
    ),
    Method(
        "login",
        "Prove to act for an account, to hear its feed and ask for its limits.",
        LoginParams,
        messages.LoginResult,
        (tree.MalformedAddress, tree.BadSignature, tree.WrongSigner, tree.RateLimited),
    ),
    Method(
        "subscribe",
        "Hear a channel from now on; where things stand comes first, or what came after `since`.",
        ChannelParams,
        messages.ChannelResult,
        (*_CHANNEL, tree.SinceAhead, tree.Overloaded),
    ),
    Method(
        "unsubscribe",
        "Hear a channel no more.",
        ChannelParams,
        messages.ChannelResult,
        _CHANNEL,
    ),
    Method(
        "limits",
        "What the account that is logged in has used of its budgets.",
        NoParams,
        LimitsResult,
        (tree.LoginRequired,),
    ),
    Method("ping", "Ask for the node's clock.", Any, messages.PongResult),
)

EVERY_METHOD: Final[Errors] = (tree.MalformedMessage, tree.OversizedMessage, tree.RateLimited)
"""What any message may be answered with."""

CLOSING: Final[Errors] = (
    tree.RateLimited,
    tree.OversizedMessage,
    tree.ShuttingDown,
    tree.SlowReader,
)
"""With what a connection may be closed: an error whose id is null comes before the close."""

FEEDS: Final[tuple[Feed, ...]] = (
    Feed("book", "The total size at each price of a market.", (messages.BookMessage,)),
    Feed(
        "orders",
        "Every order in the book of a market.",
        (messages.OrdersSnapshot, messages.OrdersDiff),
    ),
    Feed("bbo", "The best bid and offer of a market.", (messages.BestMessage,)),
    Feed("trades", "The fills of a market.", (messages.TradesMessage,)),
    Feed("candles", "The fills of a market, summed up by time.", (messages.CandlesMessage,)),
    Feed("marks", "The mark prices.", (messages.MarksMessage,)),
    Feed("blocks", "The heads of durable blocks.", (messages.BlocksMessage,)),
    Feed("finality", "How far the log has come on L1.", (messages.FinalityMessage,)),
    Feed(
        "account",
        "All that happens to the account that is logged in.",
        (account_feed.AccountSnapshot, account_feed.AccountUpdate),
    ),
    Feed("load", "The load line, at once and then every half second.", (LoadMessage,)),
    Feed("fee", "The price of work, at once and then every half second.", (messages.FeeMessage,)),
)
