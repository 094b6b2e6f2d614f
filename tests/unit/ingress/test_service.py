"""The way of a request: one answer for each, whatever happens, and counters that conserve."""

from collections.abc import Callable

import msgspec
import pytest

from node.codec.eip712 import Signing
from node.codec.json_rounds import round_to_json
from node.ingress.account_limits import UNPAID_ITEM_WEIGHT, AccountLimits
from node.ingress.config import IngressConfig
from node.ingress.service import Ingress
from node.ingress.session import CLAIMS_ON_CREDIT, Session
from node.ingress.turnstile import Turnstile
from node.ports.admission import ORDINARY, Admitted, Origin, Passage
from node.ports.api import SUCCESS, Budget
from node.ports.intake import NEVER_NS, Deliver, Late
from node.types.blocks import Block
from node.types.commands import CancelAll, CancelOrder, Command, OracleRound, PlaceOrders
from node.types.durable import DurableBlock, Executed
from node.types.errors import (
    ActionExpired,
    BadSignature,
    DeadlineExceeded,
    GateClosed,
    IntegrityError,
    NonceUsed,
    Overloaded,
    PlimsollError,
    Shed,
    ShuttingDown,
    Unavailable,
    UnknownAccount,
    UnknownOrder,
    WrongSigner,
)
from node.types.events import ItemRejected, Rejected
from node.types.fees import FREE, FeeRules
from node.types.ids import EVERY_MARKET, OrderId, Sequence
from node.types.lanes import Lane
from node.types.rules import Rules
from node.types.units import Millis
from tests.examples import ALICE, DOMAIN, RULES, START_MS, signed
from tests.unit.sequencer.surroundings import HandClock

SIGNING = Signing(DOMAIN, RULES)
ACTION = signed(
    CancelAll(ALICE.address, ALICE.address, 1, Millis(START_MS + 1), b"", EVERY_MARKET),
    ALICE,
    SIGNING,
)
ADMITTED = Admitted(ACTION, SIGNING.digest(ACTION))
RAW = b"{}"
MS = 1_000_000


def expired() -> ActionExpired:
    """Return what the gate answers to ``ACTION`` when its time is over."""
    return ActionExpired(expires=1, now=2, sent=SIGNING.digest(ACTION) + ACTION.signature)


def rendered(outcome: Executed) -> bytes:
    assert outcome.index == 0
    return b'{"name":"done"}'


class HandGate:
    """A gate that answers when it is told to."""

    def __init__(self) -> None:
        self.fault: PlimsollError | None = None
        self.answers: list[Callable[[Admitted | PlimsollError], None]] = []
        self.passages: list[Passage] = []
        self.raw = RAW

    def submit(
        self,
        raw: bytes,
        answer: Callable[[Admitted | PlimsollError], None],
        passage: Passage = ORDINARY,
    ) -> None:
        assert raw == self.raw
        self.passages.append(passage)
        if self.fault is not None:
            raise self.fault
        self.answers.append(answer)

    async def admit(self, raw: bytes) -> Admitted:
        assert raw == RAW
        return ADMITTED


class HandIntake:
    """A sequencer that decides when it is told to."""

    def __init__(self) -> None:
        self.fault: PlimsollError | None = None
        self.offers: list[tuple[Command, Lane | None, Deliver]] = []
        self.deadlines: list[int] = []

    def offer(
        self,
        command: Command,
        command_id: bytes,
        deliver: Deliver,
        lane: Lane | None = None,
        deadline_ns: int = NEVER_NS,
    ) -> None:
        assert len(command_id) == 32
        if self.fault is not None:
            raise self.fault
        self.offers.append((command, lane, deliver))
        self.deadlines.append(deadline_ns)


class Desk:
    """An ingress between a gate and a sequencer, and the answers that it gave."""

    def __init__(self, rules: Rules = RULES) -> None:
        self.gate, self.intake, self.clock = HandGate(), HandIntake(), HandClock()
        self.answers: list[tuple[int, str]] = []
        self.repeated: list[bool] = []
        self.late: Late | None = None
        self.ingress = Ingress(
            self.gate, self.intake, rendered, SIGNING, rules, self.clock,
            AccountLimits(IngressConfig(), lambda action: action.signer == action.account),
            Turnstile(lambda: self.late, 100 * MS),
        )  # fmt: skip
        self.session = Session(IngressConfig(), number=7)

    def take(self, raw: bytes = RAW, deadline_ns: int = NEVER_NS) -> None:
        self.gate.raw = raw
        self.ingress.take_action(raw, self._answer, 0, self.session, deadline_ns)

    def take_round(self, command: OracleRound) -> None:
        body = msgspec.json.encode(round_to_json(command, RULES))
        self.ingress.take_round(body, self._answer, 0, self.session)

    def counts(self) -> tuple[int, int, int, dict[str, int]]:
        stage = self.ingress.stage
        assert stage.conserved()
        return stage.arrived, stage.done, stage.held(), stage.refused

    def _answer(self, code: int, body: bytes) -> None:
        said = msgspec.json.decode(body)
        self.answers.append((code, said["name"]))
        self.repeated.append("repeated" in said)


def executed(command: Command) -> Executed:
    block = Block(
        1, START_MS, Sequence(1), (command,), (bytes(32),), bytes(32), bytes(32), b"", bytes(32)
    )
    return Executed(DurableBlock(block, ((),), (bytes(32),) * 2, {}), 0)


def test_an_action_goes_through_gate_and_lane_to_its_result() -> None:
    desk = Desk()
    desk.take()
    assert desk.counts() == (1, 0, 1, {})
    desk.gate.answers[0](ADMITTED)
    assert desk.intake.offers[0][:2] == (ACTION, Lane.REDUCING)
    assert desk.counts() == (1, 0, 1, {})
    desk.intake.offers[0][2](executed(ACTION))
    assert desk.answers == [(SUCCESS, "done")]
    assert desk.counts() == (1, 1, 0, {})
    assert desk.ingress.stage.service.count == 1


@pytest.mark.parametrize(("fees", "weight"), [(FeeRules(), 2), (FREE, 0)])
def test_what_applied_with_refusals_that_nobody_paid_for_is_charged_once_it_is_known(
    fees: FeeRules, weight: int
) -> None:
    desk = Desk(msgspec.structs.replace(RULES, fees=fees))
    head = (ALICE.address, ALICE.address, 1, Millis(START_MS + 1), b"")
    cancels = signed(PlaceOrders(*head, (CancelOrder(OrderId(1)),) * 3, ()), ALICE, SIGNING)
    told: list[Budget] = []
    done = executed(cancels)
    refused = ItemRejected(0, UnknownOrder.code, "UnknownOrder", {})
    durable = msgspec.structs.replace(done.durable, events=((refused, refused),))
    # Two ask for the same action before it is executed: it stands on L1 once.
    for _ in range(2):
        desk.ingress.take_action(RAW, lambda *_: None, 0, desk.session, meter=told.append)
        desk.gate.answers[-1](Admitted(cancels, SIGNING.digest(cancels)))
    for _, _, deliver in desk.intake.offers:
        deliver(Executed(durable, 0))
    assert told[-1].used == 2 * 3 + weight * UNPAID_ITEM_WEIGHT


def test_what_was_never_executed_has_no_first_result() -> None:
    desk = Desk()
    desk.take()
    desk.gate.answers[0](ADMITTED)
    desk.intake.offers[0][2](Rejected(NonceUsed.code, "NonceUsed", {"nonce": 1}))
    assert desk.answers == [(NonceUsed.code, "NonceUsed")]


def test_a_rejection_is_answered_with_its_own_code() -> None:
    desk = Desk()
    desk.take()
    desk.gate.answers[0](ADMITTED)
    desk.intake.offers[0][2](Rejected(1213, "NothingToCancel", {"market": 0}))
    assert desk.answers == [(1213, "NothingToCancel")]
    assert desk.counts() == (1, 0, 0, {"NothingToCancel": 1})


@pytest.mark.parametrize("fault", [Overloaded(queue="verification", limit=1), ShuttingDown()])
def test_a_gate_that_takes_nothing_is_an_answer(fault: PlimsollError) -> None:
    desk = Desk()
    desk.gate.fault = fault
    desk.take()
    assert desk.answers == [(fault.code, type(fault).__name__)]
    assert desk.counts() == (1, 0, 0, {type(fault).__name__: 1})


def test_what_the_gate_refuses_is_answered() -> None:
    desk = Desk()
    desk.take()
    desk.gate.answers[0](BadSignature(digest=bytes(32)))
    assert desk.answers == [(1101, "BadSignature")]
    assert desk.counts() == (1, 0, 0, {"BadSignature": 1})


def test_a_full_lane_and_a_closed_gate_are_answered() -> None:
    desk = Desk()
    for fault in (Overloaded(queue="lane_taking", limit=5), GateClosed(cause="backlog")):
        desk.intake.fault = fault
        desk.take()
        desk.gate.answers[-1](ADMITTED)
    assert [name for _, name in desk.answers] == ["Overloaded", "GateClosed"]
    assert desk.counts() == (2, 0, 0, {"Overloaded": 1, "GateClosed": 1})


def test_an_outcome_that_nobody_will_ever_know_is_answered() -> None:
    desk = Desk()
    desk.take()
    desk.gate.answers[0](ADMITTED)
    desk.intake.offers[0][2](IntegrityError(what="journal"))
    assert desk.answers == [(3000, "IntegrityError")]
    assert desk.counts() == (1, 0, 0, {"IntegrityError": 1})


def test_what_a_connections_limits_keep_out_is_counted() -> None:
    desk = Desk()
    desk.ingress.turn_away(Overloaded(queue="connection", limit=1))
    assert desk.counts() == (1, 0, 0, {"Overloaded": 1})


CANCELS = msgspec.json.encode({"type": "cancel_all", "whatever": "else"})
TAKES = msgspec.json.encode({"type": "place_orders", "orders": [{"reduce_only": False}]})


def test_a_request_tells_the_gate_whose_it_is_what_it_claims_and_until_when() -> None:
    desk = Desk()
    desk.take(CANCELS, deadline_ns=99)
    desk.take(TAKES)
    assert desk.gate.passages == [
        Passage(Origin(0, 7), True, 99),
        Passage(Origin(0, 7), False, NEVER_NS),
    ]
    for answer in desk.gate.answers:
        answer(ADMITTED)
    assert desk.intake.deadlines == [99, NEVER_NS]


@pytest.mark.parametrize(
    ("fault", "believed"),
    [
        (BadSignature(digest=bytes(32)), False),
        (expired(), True),
        (DeadlineExceeded(waited_ms=3), True),
        (Overloaded(queue="verification", limit=1), True),
    ],
)
def test_a_claim_that_the_gate_finds_false_costs_the_connection_its_privilege(
    fault: PlimsollError, believed: bool
) -> None:
    desk = Desk()
    desk.take(CANCELS)
    desk.gate.answers[0](fault)
    desk.take(CANCELS)
    assert desk.gate.passages[1].reduces is believed


@pytest.mark.parametrize(
    ("rejected", "believed"),
    [
        (Rejected(WrongSigner.code, "WrongSigner", {}), False),
        (Rejected(UnknownAccount.code, "UnknownAccount", {}), False),
        (Rejected(NonceUsed.code, "NonceUsed", {}), False),
        # Losing a race for an order is no lie.
        (Rejected(UnknownOrder.code, "UnknownOrder", {}), True),
    ],
)
def test_a_claim_in_anothers_name_costs_it_too(rejected: Rejected, believed: bool) -> None:
    desk = Desk()
    desk.take(CANCELS)
    desk.gate.answers[0](ADMITTED)
    desk.intake.offers[0][2](rejected)
    desk.take(CANCELS)
    assert desk.gate.passages[1].reduces is believed


def test_what_claimed_nothing_costs_nothing() -> None:
    desk = Desk()
    desk.take(TAKES)
    desk.gate.answers[0](BadSignature(digest=bytes(32)))
    desk.take(CANCELS)
    assert desk.gate.passages[1].reduces


@pytest.mark.parametrize(
    "nothing",
    [expired(), DeadlineExceeded(waited_ms=3), Shed(queue="q", delay_ms=1)],
)
def test_claims_that_never_come_to_anything_are_not_believed_for_ever(
    nothing: PlimsollError,
) -> None:
    desk = Desk()
    for _ in range(CLAIMS_ON_CREDIT):
        desk.take(CANCELS)
        desk.gate.answers[-1](nothing)
    desk.take(CANCELS)
    believed = [passage.reduces for passage in desk.gate.passages]
    assert believed == [True] * CLAIMS_ON_CREDIT + [False]


def test_whom_the_sequencer_turns_away_has_proven_nothing() -> None:
    desk = Desk()
    desk.intake.fault = Shed(queue="lane_taking", delay_ms=1)
    for _ in range(CLAIMS_ON_CREDIT):
        desk.take(CANCELS)
        desk.gate.answers[-1](ADMITTED)
    desk.take(CANCELS)
    assert not desk.gate.passages[-1].reduces


def test_a_claim_that_proves_true_restores_the_credit() -> None:
    desk = Desk()
    for turn in range(3 * CLAIMS_ON_CREDIT):
        desk.take(CANCELS)
        if turn % 8:
            desk.gate.answers[-1](DeadlineExceeded(waited_ms=3))
        else:
            desk.gate.answers[-1](ADMITTED)
            desk.intake.offers[-1][2](Rejected(UnknownOrder.code, "UnknownOrder", {}))
    assert all(passage.reduces for passage in desk.gate.passages)


def test_what_the_gate_itself_loses_counts_against_nobody() -> None:
    desk = Desk()
    for _ in range(2 * CLAIMS_ON_CREDIT):
        desk.take(CANCELS)
        desk.gate.answers[-1](Unavailable(cause="verification worker lost"))
    assert all(passage.reduces for passage in desk.gate.passages)
