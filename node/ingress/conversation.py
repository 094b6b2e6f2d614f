"""One client that stays connected: requests in, answers out, with no idea of sockets.

Answers of requests that wait for a block come when it is durable, in the block's order, not in that
of the requests; the id says which is which. A log-in holds for as long as the connection does, even
if an agent's authority ends meanwhile: the feed tells nothing that will not stand on L1 for all.
But the account is connected by it no longer: what its owner wants to go with him would stay.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any, Literal

import msgspec

from node.codec.eip712 import Signing
from node.codec.json_actions import signature_from_hex
from node.codec.json_errors import encode_error
from node.codec.messages import ChannelResult, LoginResult, PongResult
from node.codec.signatures import recover
from node.ingress.config import IngressConfig
from node.ingress.envelope import (
    ID_MAX,
    Envelope,
    deadline_ns_of,
    error_envelope,
    find_id,
    read_envelope,
    result_envelope,
)
from node.ingress.greeting import Greeting
from node.ingress.presence import Presence
from node.ingress.service import Ingress
from node.ingress.session import Session, Verdict
from node.ports.api import (
    OF_A_MARKET,
    RESUMABLE,
    SUCCESS,
    Answer,
    Channel,
    Feeds,
    LimitsResult,
    Wire,
)
from node.ports.clock import Clock
from node.types.errors import (
    LoginRequired,
    MalformedMessage,
    PlimsollError,
    ShuttingDown,
    UnknownMarket,
    WrongSigner,
)
from node.types.ids import Address, MarketId, address_from_hex, hex_from_address

Take = Callable[[bytes, Answer, int, Session, int], None]


class NoParams(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """What a method is asked with that needs nothing."""


class LoginParams(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """Opens the private feed of ``account``: a signature over ``Login(account, challenge)``.

    Without ``presence`` it only reads: the account is not connected by it.
    """

    account: str
    signature: str
    presence: bool = True


class ChannelParams(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """Names a channel.

    ``market`` is a symbol where the channel is of a market; ``interval`` is of candles alone.
    ``since`` is the ``seq`` of the last message seen, to go on from there.
    """

    channel: Literal[
        "book",
        "orders",
        "bbo",
        "trades",
        "candles",
        "marks",
        "blocks",
        "finality",
        "account",
        "load",
        "fee",
    ]
    market: str = ""
    interval: Literal["", "1m", "5m", "15m", "1h", "4h", "1d"] = ""
    since: Annotated[int, msgspec.Meta(ge=0, le=ID_MAX)] | None = None


_nothing_decoder = msgspec.json.Decoder(NoParams)
_login_decoder = msgspec.json.Decoder(LoginParams)
_channel_decoder = msgspec.json.Decoder(ChannelParams)
_encode = msgspec.json.Encoder().encode


class Surroundings(msgspec.Struct, frozen=True):
    """What all conversations share."""

    ingress: Ingress
    feeds: Feeds
    signing: Signing
    clock: Clock
    config: IngressConfig
    symbols: Mapping[str, MarketId]
    greeting: Greeting
    presence: Presence


class ClientConversation:
    """The protocol of one connection; see ``node.ports.api.Conversation``."""

    def __init__(
        self,
        around: Surroundings,
        wire: Wire,
        session: Session,
        challenge: bytes,
        stopping: Callable[[], bool],
    ) -> None:
        """``challenge`` is what a login signs: 32 bytes that never came before."""
        self._around = around
        self._wire = wire
        self._challenge = challenge
        self._stopping = stopping
        self._session = session
        self._account: Address | None = None
        self._present: Address | None = None
        self._methods: dict[str, Callable[[Envelope, int], None]] = {
            "action": partial(self._take, around.ingress.take_action),
            "oracle_round": self._oracle_round,
            "login": self._login,
            "subscribe": self._subscribe,
            "unsubscribe": self._unsubscribe,
            "ping": self._ping,
            "limits": self._limits,
        }

    @property
    def in_flight(self) -> int:
        """Return how many requests are not answered yet."""
        return self._session.in_flight

    def begin(self) -> None:
        """Greet the client."""
        self._wire.send(self._around.greeting.with_challenge(self._challenge))

    def receive(self, text: str) -> None:
        """Take in one message; see ``node.ports.api.Conversation``."""
        now_ns = self._around.clock.now_ns()
        verdict = self._session.judge(now_ns)
        if verdict is not Verdict.TAKE:
            self._turn_away(verdict, text, now_ns)
            return
        try:
            envelope = read_envelope(text)
        except MalformedMessage as error:
            self._send_error(find_id(text), error)
            return
        try:
            method = self._methods.get(envelope.method)
            if method is None:
                raise MalformedMessage(detail="unknown method", method=envelope.method[:64])
            method(envelope, now_ns)
        except PlimsollError as error:
            self._send_error(envelope.id, error)

    def refuse(self, error: PlimsollError) -> None:
        """Answer a message that cannot be read at all; it counts like any other."""
        now_ns = self._around.clock.now_ns()
        verdict = self._session.judge(now_ns)
        if verdict is Verdict.TAKE:
            self._send_error(None, error)
        else:
            self._turn_away(verdict, "", now_ns)

    def touch(self) -> bool:
        """Count a message that says nothing; past the hard limit the connection is closed."""
        now_ns = self._around.clock.now_ns()
        verdict = self._session.judge(now_ns)
        if verdict is Verdict.CLOSE:
            self._wire.close(self._session.limited(now_ns))
        return verdict is Verdict.TAKE

    def review(self) -> None:
        """Let the client connect its account no longer than whoever logged in may act for it."""
        account, signer, around = self._account, self._present, self._around
        if account is None or signer is None:
            return
        if not around.feeds.may_act(account, signer, around.clock.now_ms()):
            self._log_out()

    def end(self) -> None:
        """Stop telling the client anything; what it sent is still decided."""
        self._log_out()
        self._around.feeds.leave(self._wire)
        # They hold this conversation: it goes now, and is not left for the collector.
        self._methods.clear()

    def _turn_away(self, verdict: Verdict, text: str, now_ns: int) -> None:
        error = self._session.limited(now_ns)
        self._around.ingress.turn_away(error)
        if verdict is Verdict.CLOSE:
            self._wire.close(error)
        else:
            self._send_error(find_id(text), error)

    def _take(self, take: Take, envelope: Envelope, now_ns: int) -> None:
        raw = bytes(envelope.params)
        length = len(raw)
        try:
            if self._stopping():
                raise ShuttingDown
            self._session.begin(length)
        except PlimsollError as error:
            self._around.ingress.turn_away(error)
            raise
        answer = partial(self._answered, envelope.id, length)
        take(raw, answer, now_ns, self._session, deadline_ns_of(envelope.deadline_ms, now_ns))

    def _oracle_round(self, envelope: Envelope, now_ns: int) -> None:
        self._session.spend(now_ns)
        self._take(self._around.ingress.take_round, envelope, now_ns)

    def _answered(self, request: int, length: int, code: int, body: bytes) -> None:
        self._session.end(length)
        wrap = result_envelope if code == SUCCESS else error_envelope
        self._wire.send(wrap(request, body))

    def _login(self, envelope: Envelope, now_ns: int) -> None:
        self._session.spend(now_ns)
        around = self._around
        params = _read(_login_decoder, envelope)
        account = address_from_hex(params.account)
        digest = around.signing.login_digest(account, self._challenge)
        signer = recover(digest, signature_from_hex(params.signature))
        if not around.feeds.may_act(account, signer, around.clock.now_ms()):
            raise WrongSigner(account=account, signer=signer, digest=digest)
        if params.presence:
            around.presence.enter(account)
        self._log_out()
        self._account, self._present = account, signer if params.presence else None
        result = LoginResult(account=params.account, signer=hex_from_address(signer))
        self._send_result(envelope.id, result)

    def _log_out(self) -> None:
        """Take back that the account is connected by this client; what it hears it hears still."""
        signer, self._present = self._present, None
        if signer is not None:
            assert self._account is not None
            self._around.presence.leave(self._account)

    def _subscribe(self, envelope: Envelope, _now_ns: int) -> None:
        params = _read(_channel_decoder, envelope)
        channel = self._channel(params)
        since = params.since
        if since is not None and channel.kind not in RESUMABLE:
            raise MalformedMessage(detail=f"the channel {channel.kind} cannot be resumed")
        around = self._around
        opening = self._session.read(
            partial(around.feeds.subscribe, self._wire, channel, since), around.clock.now_ns
        )
        self._send_result(envelope.id, self._named(channel, opening.resumed))
        # In the same turn of the loop, so that no message of the channel can come in between.
        for frame in opening.frames:
            self._wire.push(frame)

    def _unsubscribe(self, envelope: Envelope, _now_ns: int) -> None:
        channel = self._channel(_read(_channel_decoder, envelope))
        self._around.feeds.unsubscribe(self._wire, channel)
        self._send_result(envelope.id, self._named(channel))

    def _limits(self, envelope: Envelope, now_ns: int) -> None:
        _read(_nothing_decoder, envelope)
        if self._account is None:
            raise LoginRequired(method="limits")
        adding, reducing = self._around.ingress.limits.of(self._account, now_ns)
        account = hex_from_address(self._account)
        self._send_result(envelope.id, LimitsResult(account, adding, reducing))

    def _ping(self, envelope: Envelope, _now_ns: int) -> None:
        self._send_result(envelope.id, PongResult(self._around.clock.now_ms()))

    def _channel(self, params: ChannelParams) -> Channel:
        if (params.channel == "candles") != bool(params.interval):
            raise MalformedMessage(detail="candles have an interval, and no other channel has")
        if params.channel in OF_A_MARKET:
            market = self._around.symbols.get(params.market)
            if market is None:
                raise UnknownMarket(market=params.market[:64])
            return Channel(params.channel, market=market, interval=params.interval)
        if params.market:
            raise MalformedMessage(detail=f"the channel {params.channel} is of no market")
        if params.channel == "account":
            if self._account is None:
                raise LoginRequired(channel="account")
            return Channel("account", account=self._account)
        return Channel(params.channel)

    def _named(self, channel: Channel, resumed: bool | None = None) -> ChannelResult:
        market: str | None = None
        account: str | None = None
        if channel.kind in OF_A_MARKET:
            symbols = {market: symbol for symbol, market in self._around.symbols.items()}
            market = symbols[channel.market]
        if channel.kind == "account":
            account = hex_from_address(channel.account)
        return ChannelResult(channel.kind, market, account, channel.interval or None, resumed)

    def _send_result(self, request: int, result: msgspec.Struct) -> None:
        self._wire.send(result_envelope(request, _encode(result)))

    def _send_error(self, request: int | None, error: PlimsollError) -> None:
        self._wire.send(error_envelope(request, encode_error(error)))


def _read(decoder: "msgspec.json.Decoder[Any]", envelope: Envelope) -> Any:
    try:
        return decoder.decode(envelope.params)
    except (ValueError, RecursionError) as error:
        raise MalformedMessage(detail=str(error)) from None
