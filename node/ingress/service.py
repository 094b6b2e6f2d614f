"""From raw bytes to an answer: through the gate, into a lane, and back with what became of it.

    action ─▶ gate (parse, recover: a worker process) ─▶ sequencer's lane ─▶ outcome ─▶ JSON body

Only actions and oracle rounds come in here. A body of any other kind is not an action for the gate,
so that no client can put a deposit, a liquidation or a block of its own into the log.
"""

from collections.abc import Callable

from node.capacity.stage import Stage
from node.codec.commands import command_id
from node.codec.eip712 import Signing
from node.codec.json_errors import encode_error, shown, write_json
from node.codec.json_rounds import read_round
from node.codec.refusals import Refusals
from node.codec.signatures import authenticate
from node.ingress.account_limits import AccountLimits, WeightBudget, unpaid_weight
from node.ingress.claim import claimed_lane
from node.ingress.replies import Replies
from node.ingress.session import Session
from node.ingress.turnstile import Turnstile
from node.ports.admission import Admitted, Gate, Origin, Passage
from node.ports.api import SUCCESS, Answer, Meter
from node.ports.clock import Clock
from node.ports.intake import NEVER_NS, Deliver, Intake
from node.types.commands import OracleRound
from node.types.durable import Executed, Outcome
from node.types.errors import (
    ActionExpired,
    AgentExpired,
    CommandRejected,
    DeadlineExceeded,
    GateClosed,
    NonceUsed,
    OracleRoundRefused,
    Overloaded,
    OwnerRequired,
    PlimsollError,
    Shed,
    UnknownAccount,
    WrongSigner,
)
from node.types.events import Rejected
from node.types.lanes import Lane, lane_of
from node.types.rules import Rules

_NOT_THEIRS = frozenset(
    kind.code for kind in (WrongSigner, UnknownAccount, AgentExpired, NonceUsed)
)
"""Rejections that tell that whoever brought the action had no business to, or brought it again."""

_SENT_AGAIN = frozenset((NonceUsed.code, ActionExpired.code))
"""Rejections of what may have been executed already, when it came first."""

_WHO_SIGNED = frozenset(
    kind.code for kind in (WrongSigner, OwnerRequired, AgentExpired, UnknownAccount)
)
"""Rejections that a client understands only with the digest and with whom the signature names."""

# Names of this module are found several times faster than members of an enum class.
_REDUCING = Lane.REDUCING
_RESTING = Lane.RESTING

_NEVER_KNOWN = (ActionExpired, DeadlineExceeded, GateClosed, Overloaded, Shed)
"""What a claim may come to whose truth nobody has seen: it took up room all the same."""


class _Ticket:
    """One request on its way; its methods are what gate and sequencer call back.

    ``claimant`` is the session that said of it that it reduces risk, if it did. ``meter`` hears of
    the account's budget; ``proven`` is what the gate found; ``lane`` is where it
    said it belongs, once the gate has taken it on, and ``origin`` by whom.
    """

    __slots__ = (
        "_answer", "_budget", "_ingress", "claimant", "deadline_ns", "lane", "meter", "origin",
        "proven", "spent_ns",
    )  # fmt: skip

    def __init__(
        self,
        ingress: "Ingress",
        answer: Answer,
        claimant: Session | None,
        deadline_ns: int,
        meter: Meter | None = None,
    ) -> None:
        self._ingress = ingress
        self._answer = answer
        self._budget: WeightBudget | None = None
        self.lane: Lane | None = None
        self.origin = Origin()
        self.claimant = claimant
        self.deadline_ns = deadline_ns
        self.meter = meter
        self.proven: Admitted | None = None
        self.spent_ns = 0

    def admitted(self, answer: Admitted | PlimsollError) -> None:
        """Go on into the lane, unless the gate refused."""
        ingress = self._ingress
        started_ns = ingress.clock.now_ns()
        if isinstance(answer, Admitted):
            self.proven = answer
            try:
                self._offer(answer, started_ns)
            except PlimsollError as error:
                self._leave_open(error, started_ns)
                self.fail(error, started_ns)
            else:
                self.spent_ns += ingress.clock.now_ns() - started_ns
        else:
            if isinstance(answer, ActionExpired):
                if self._repeat(ingress.replies.find_sent(answer.sent), started_ns):
                    return
                # What it would have been known by is nobody's business.
                answer = ActionExpired(expires=answer.expires, now=answer.now)
            # Coming late is no lie; anything else that the gate finds was known to the client.
            if isinstance(answer, CommandRejected) and not isinstance(answer, ActionExpired):
                self._disbelieve(started_ns)
            else:
                self._leave_open(answer, started_ns)
            self.fail(answer, started_ns)

    def _offer(self, admitted: Admitted, now_ns: int) -> None:
        """Queue the action if its account may ask for so much; charge for it once it is queued."""
        ingress, action = self._ingress, admitted.action
        limits, lane = ingress.limits, lane_of(action)
        budget = limits.budget_of(action, lane)
        if budget is None and self._answer_again(admitted, now_ns):
            return
        try:
            if budget is not None:
                limits.require(budget, action, now_ns)
            ingress.writer.offer(action, admitted.digest, self.decided, lane, self.deadline_ns)
            if budget is not None:
                limits.charge(budget, action, now_ns)
                self._budget = budget
        finally:
            if self.meter is not None and budget is not None:
                self.meter(budget.of(action.account, now_ns))

    def _answer_again(self, admitted: Admitted, now_ns: int) -> bool:
        """Give an action that was executed its first answer again; return whether it is known.

        It waits in no lane for that, and is taken neither for nor against whoever brought it:
        anybody can read old actions on L1.
        """
        return self._repeat(self._ingress.replies.find(_key_of(admitted)), now_ns)

    def _repeat(self, first: bytes | None, now_ns: int) -> bool:
        if first is None:
            return False
        self._ingress.stage.leave()
        self._finish(SUCCESS, first, now_ns)
        return True

    def _result(self, outcome: Executed, now_ns: int) -> bytes:
        """Return the body of a result, marked where somebody was told it before.

        That may be a moment ago: of two who sent the same action at once, only one has sent it.
        """
        proven, replies = self.proven, self._ingress.replies
        told = None if proven is None else replies.find(_key_of(proven))
        if told is not None:
            return told
        self._charge_unpaid(outcome, now_ns)
        body = self._ingress.render(outcome)
        if proven is not None:
            sent = proven.digest + proven.action.signature
            replies.remember(_key_of(proven), sent, body)
        return body

    def decided(self, outcome: Outcome | PlimsollError) -> None:
        """Answer with what became of the command."""
        started_ns = self._ingress.clock.now_ns()
        if isinstance(outcome, Executed):
            self._believe()
            self._ingress.stage.leave()
            self._finish(SUCCESS, self._result(outcome, started_ns), started_ns)
        elif isinstance(outcome, Rejected):
            proven = self.proven if outcome.code in _SENT_AGAIN else None
            if proven is not None and self._answer_again(proven, started_ns):
                return
            if outcome.code in _NOT_THEIRS:
                self._disbelieve(started_ns)
            else:
                self._believe()
            self._ingress.stage.refuse(outcome.error)
            self._finish(outcome.code, self._refusal(outcome), started_ns)
        else:
            late = self.proven if isinstance(outcome, ActionExpired) else None
            if late is not None and self._answer_again(late, started_ns):
                return
            self._leave_open(outcome, started_ns)
            self.fail(outcome, started_ns)

    def _charge_unpaid(self, outcome: Executed, now_ns: int) -> None:
        """Charge what was refused and not paid for, once of all who asked for the same."""
        if self._budget is None or self.proven is None:
            return
        weight = unpaid_weight(outcome.events, self._ingress.fees)
        if weight:
            account = self.proven.action.account
            self._budget.charge(account, weight, now_ns)
            if self.meter is not None:
                self.meter(self._budget.of(account, now_ns))

    def _refusal(self, outcome: Rejected) -> bytes:
        """Return the body of the refusal, with who signed what where that is why."""
        proven, refusals = self.proven, self._ingress.refusals
        if proven is None:
            return write_json(refusals.of_command(None, outcome))
        body = refusals.of_command(proven.action, outcome)
        if outcome.code in _WHO_SIGNED:
            body["values"] |= shown({"signer": proven.action.signer, "digest": proven.digest})
        return write_json(body)

    def fail(self, error: PlimsollError, started_ns: int) -> None:
        """Answer with ``error``."""
        # The names of the error classes are few and fixed; none is a client's text.
        self._ingress.stage.refuse(type(error).__name__)
        self._finish(error.code, encode_error(error), started_ns)

    def _believe(self) -> None:
        if self.claimant is not None:
            self.claimant.believe()

    def _disbelieve(self, now_ns: int) -> None:
        if self.claimant is not None:
            self.claimant.distrust(now_ns)

    def _leave_open(self, error: PlimsollError, now_ns: int) -> None:
        """Count a claim that nobody will ever know the truth of, unless the fault is our own."""
        if self.claimant is not None and isinstance(error, _NEVER_KNOWN):
            self.claimant.doubt(now_ns)

    def _finish(self, code: int, body: bytes, started_ns: int) -> None:
        ingress = self._ingress
        ingress.open.discard(self)
        if self.lane is not None:
            ingress.turnstile.leave(self.lane, self.origin, done=self.proven is not None)
        self._answer(code, body)
        self.spent_ns += ingress.clock.now_ns() - started_ns
        ingress.stage.busy(0, self.spent_ns, 1)


def _key_of(proven: Admitted) -> bytes:
    """Return what names an action together with who signed it; see ``Submission``."""
    return proven.digest + proven.action.signer


class Ingress:
    """Takes in actions and oracle rounds; every one of them gets exactly one answer."""

    def __init__(  # noqa: PLR0913, PLR0917 - it stands between all of these
        self,
        gate: Gate,
        writer: Intake,
        render: Callable[[Executed], bytes],
        signing: Signing,
        rules: Rules,
        clock: Clock,
        limits: AccountLimits,
        turnstile: Turnstile,
        replies: Replies | None = None,
    ) -> None:
        """``render`` writes the JSON body of a result; ``replies`` are those of before."""
        self.limits = limits
        self.writer = writer
        self.render = render
        self.replies = Replies(render) if replies is None else replies
        self.clock = clock
        self.open: set[_Ticket] = set()
        self.turnstile = turnstile
        self.turned_back = 0
        """Actions that were refused before their signature was checked, as their lane is late."""
        self.stage = Stage("ingress", capacity=None, held=self.open.__len__)
        self._gate = gate
        self._signing = signing
        self.refusals = Refusals(rules)
        self._rules = rules
        self.fees = rules.fees
        self._reporters = frozenset(rules.reporters)
        self._newest_round = 0
        self._told: tuple[Shed | None, bytes] = (None, b"")

    def take_action(
        self,
        raw: bytes,
        answer: Answer,
        started_ns: int,
        session: Session,
        deadline_ns: int = NEVER_NS,
        meter: Meter | None = None,
    ) -> None:
        """Take in the JSON body of an action that came by ``session``.

        Work on it began at ``started_ns``, with whatever the caller did before. Past
        ``deadline_ns`` it is not begun any more. ``meter`` hears of its account's budget.
        """
        lane = claimed_lane(raw)
        reduces = lane is _REDUCING and session.is_trusted(started_ns)
        if not reduces:
            # Who is not believed to reduce risk waits with the first of those who do not.
            lane = max(lane, _RESTING)
            late = self.turnstile.refusal_of(lane, session.origin, started_ns)
            if late is not None:
                self._turn_back(late, answer)
                return
        ticket = self._enter(answer, session if reduces else None, deadline_ns, meter)
        try:
            self._gate.submit(raw, ticket.admitted, Passage(session.origin, reduces, deadline_ns))
        except PlimsollError as error:
            ticket.fail(error, started_ns)
        else:
            # Whom the gate turned away was never on the way, and says nothing of how fast it goes.
            ticket.lane, ticket.origin = lane, session.origin
            self.turnstile.enter(lane, session.origin)
            ticket.spent_ns += self.clock.now_ns() - started_ns

    def take_round(
        self,
        raw: bytes,
        answer: Answer,
        started_ns: int,
        _session: Session,
        deadline_ns: int = NEVER_NS,
    ) -> None:
        """Take in the JSON body of an oracle round; its few signatures are recovered here."""
        ticket = self._enter(answer, None, deadline_ns)
        try:
            command = read_round(raw, self._rules)
            self._check(command)
            authenticate(command, self._signing)
            name = command_id(command, self._signing)
            self.writer.offer(
                command, name, self._noting(command, ticket), Lane.SYSTEM, deadline_ns
            )
        except PlimsollError as error:
            ticket.fail(error, started_ns)
        else:
            ticket.spent_ns += self.clock.now_ns() - started_ns

    def turn_away(self, error: PlimsollError) -> None:
        """Count a request that its own connection's limits kept out."""
        self.stage.turn_away(type(error).__name__)

    def _turn_back(self, late: Shed, answer: Answer) -> None:
        """Refuse an action as its lane would, at a fraction of the cost.

        It has no ticket, its signature is not checked, and the answer is written once for all who
        hear the same: at twice what a node carries every other message ends here, and what it costs
        is taken from those that are served.
        """
        told, body = self._told
        if told is not late:
            body = encode_error(late)
            self._told = (late, body)
        self.turned_back += 1
        self.stage.turn_away("Shed")
        answer(late.code, body)

    def _enter(
        self,
        answer: Answer,
        claimant: Session | None,
        deadline_ns: int,
        meter: Meter | None = None,
    ) -> _Ticket:
        self.stage.enter()
        ticket = _Ticket(self, answer, claimant, deadline_ns, meter)
        self.open.add(ticket)
        return ticket

    def _check(self, command: OracleRound) -> None:
        """Refuse what cannot pass, before a signature is recovered: anyone can send one again."""
        after = max(self._newest_round, self._rules.oldest_round(self.clock.now_ms()) - 1)
        if command.time <= after:
            raise OracleRoundRefused(time=command.time, after=after)
        for report in command.reports:
            if report.reporter not in self._reporters:
                raise WrongSigner(signer=report.reporter, known=False)
        # Less than a quorum is refused in any case, and has no business in the most urgent lane.
        reporters, quorum = len({one.reporter for one in command.reports}), self._rules.quorum
        if reporters < quorum:
            raise OracleRoundRefused(reporters=reporters, quorum=quorum)

    def _noting(self, command: OracleRound, ticket: _Ticket) -> Deliver:
        def decided(outcome: Outcome | PlimsollError) -> None:
            told = outcome.values if isinstance(outcome, Rejected) else {}
            newest = command.time if isinstance(outcome, Executed) else told.get("after")
            # Also by a log that is ahead of this clock.
            self._newest_round = max(self._newest_round, newest if type(newest) is int else 0)
            ticket.decided(outcome)

        return decided
