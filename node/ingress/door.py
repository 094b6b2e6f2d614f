"""Where servers bring what clients send; see ``node.ports.api.Api``."""

from collections.abc import Callable
from functools import partial

from node.codec.eip712 import Signing
from node.codec.json_errors import encode_error
from node.ingress.config import IngressConfig
from node.ingress.conversation import ClientConversation, Surroundings, Take
from node.ingress.envelope import deadline_ns_of
from node.ingress.greeting import Greeting
from node.ingress.peers import Peers
from node.ingress.presence import Presence
from node.ingress.service import Ingress
from node.ingress.session import Session, Verdict
from node.ports.api import Answer, Feeds, Meter, Wire
from node.ports.clock import Clock
from node.types.blocks import Domain
from node.types.errors import PlimsollError, ShuttingDown
from node.types.ids import Address, MarketId
from node.types.rules import Rules


def surroundings(  # noqa: PLR0913, PLR0917 - a conversation knows all of these
    ingress: Ingress,
    feeds: Feeds,
    signing: Signing,
    clock: Clock,
    config: IngressConfig,
    rules: Rules,
    domain: Domain,
    sequencer: Address,
    presence: Presence,
) -> Surroundings:
    """Return what the conversations of one exchange share."""
    markets = enumerate(rules.markets, start=1)
    return Surroundings(
        ingress=ingress,
        feeds=feeds,
        signing=signing,
        clock=clock,
        config=config,
        symbols={market.symbol: MarketId(place) for place, market in markets},
        greeting=Greeting(rules, domain, sequencer),
        presence=presence,
    )


class Door:
    """Opens conversations, and takes single requests; those of one address share a session."""

    def __init__(self, around: Surroundings, challenge: Callable[[], bytes]) -> None:
        """``challenge`` draws 32 bytes that nobody can foresee."""
        self._around = around
        self._challenge = challenge
        self._peers = Peers(around.config)
        self._stopping = False

    def open(self, wire: Wire, address: str = "") -> ClientConversation:
        """Return a new conversation with ``address``, which answers to ``wire``."""
        session = self._peers.connect(address)
        return ClientConversation(
            self._around, wire, session, self._challenge(), lambda: self._stopping
        )

    def action(
        self,
        raw: bytes,
        answer: Answer,
        address: str = "",
        deadline_ms: int | None = None,
        meter: Meter | None = None,
    ) -> None:
        """Take in one action of a client that does not stay connected."""
        session = self._peers.session_of(address)
        take = self._around.ingress.take_action
        if meter is not None:
            take = partial(take, meter=meter)
        self._take(take, raw, answer, session, deadline_ms, costly=False)

    def oracle_round(
        self,
        raw: bytes,
        answer: Answer,
        address: str = "",
        deadline_ms: int | None = None,
        meter: Meter | None = None,  # noqa: ARG002 - a round is on no account's budget
    ) -> None:
        """Take in one oracle round, likewise."""
        session = self._peers.session_of(address)
        self._take(self._around.ingress.take_round, raw, answer, session, deadline_ms, costly=True)

    def spend(self, address: str) -> None:
        """Count one costly request from ``address``. Raises ``RateLimited``."""
        session, now_ns = self._peers.session_of(address), self._around.clock.now_ns()
        if session.judge(now_ns) is not Verdict.TAKE:
            raise session.limited(now_ns)
        session.spend(now_ns)

    def read(self, address: str, view: Callable[[], bytes]) -> bytes:
        """Return what ``view`` writes, at the cost of ``address``. Raises ``RateLimited``."""
        return self._peers.session_of(address).read(view, self._around.clock.now_ns)

    def stop(self) -> None:
        """Take on nothing more; what is in flight is still answered."""
        self._stopping = True

    def _take(
        self,
        take: Take,
        raw: bytes,
        answer: Answer,
        session: Session,
        deadline_ms: int | None,
        *,
        costly: bool,
    ) -> None:
        now_ns = self._around.clock.now_ns()
        length = len(raw)
        try:
            if self._stopping:
                raise ShuttingDown
            if session.judge(now_ns) is not Verdict.TAKE:
                raise session.limited(now_ns)
            if costly:
                session.spend(now_ns)
            session.begin(length)
        except PlimsollError as error:
            self._around.ingress.turn_away(error)
            answer(error.code, encode_error(error))
            return
        answered = partial(_answered, session, length, answer)
        take(raw, answered, now_ns, session, deadline_ns_of(deadline_ms, now_ns))


def _answered(session: Session, length: int, answer: Answer, code: int, body: bytes) -> None:
    session.end(length)
    answer(code, body)
