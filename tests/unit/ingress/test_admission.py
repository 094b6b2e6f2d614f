"""The gate: what it lets through, and the code under which it refuses all else."""

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from node.codec.json_actions import MESSAGE_BYTES_MAX, action_to_json
from node.codec.signatures import sign
from node.ingress.admission import Admitter
from node.ingress.admission_process import read_frame, serve
from node.ports.admission import Admission, Admitted, Refused
from node.types.commands import PlaceOrders, SignedAction
from node.types.errors import (
    ActionExpired,
    BadSignature,
    CommandRejected,
    MalformedAddress,
    MalformedMessage,
    MalformedNumber,
    OversizedMessage,
    TooManyItems,
    UnknownMarket,
    ValueOutOfRange,
)
from node.types.rules import Rules
from tests.unit.codec.example_actions import (
    ACTIONS,
    AGENT,
    AGENT_KEY,
    DOMAIN,
    OWNER,
    RULES,
    SIGNING,
    signed,
)

ADMITTER = Admitter(DOMAIN, RULES)


def body_of(action: SignedAction, rules: Rules = RULES) -> dict[str, Any]:
    return action_to_json(action, rules)


def raw(body: dict[str, Any]) -> bytes:
    return json.dumps(body).encode()


GOOD = body_of(signed(ACTIONS["one_order"]))
ORDER = GOOD["orders"][0]


@pytest.mark.parametrize("name", ACTIONS)
def test_a_signed_action_is_admitted_with_its_signer_and_digest(name: str) -> None:
    action = signed(ACTIONS[name])
    assert ADMITTER.admit(raw(body_of(action))) == Admitted(action, SIGNING.digest(action))


def test_an_agents_key_is_recovered_and_the_account_kept() -> None:
    admitted = ADMITTER.admit(raw(body_of(signed(ACTIONS["one_order"], AGENT_KEY))))
    assert (admitted.action.account, admitted.action.signer) == (OWNER, AGENT)


def test_a_changed_field_recovers_another_signer() -> None:
    admitted = ADMITTER.admit(raw({**GOOD, "nonce": 2}))
    assert admitted.action.signer not in {OWNER, AGENT}
    assert admitted.digest == SIGNING.digest(admitted.action)


@pytest.mark.parametrize("parity", [0, 1, 27, 28])
def test_a_parity_may_be_written_in_either_way(parity: int) -> None:
    action = signed(ACTIONS["one_order"])
    text = "0x" + action.signature[:64].hex() + f"{parity:02x}"
    admitted = ADMITTER.admit(raw({**GOOD, "signature": text}))
    assert admitted.action.signature[64] == parity % 27
    assert (admitted.action.signer == OWNER) == (parity % 27 == action.signature[64])


def test_optional_fields_have_their_defaults() -> None:
    order = {key: ORDER[key] for key in ("market", "side", "type", "price", "size")}
    body = {key: value for key, value in GOOD.items() if key != "cancels"}
    admitted = ADMITTER.admit(raw({**body, "orders": [order]}))
    assert isinstance(admitted.action, PlaceOrders)
    assert admitted.action.cancels == ()
    assert admitted.action.orders[0].client_id == 0
    assert not admitted.action.orders[0].reduce_only


def with_order(**fields: Any) -> dict[str, Any]:
    return {**GOOD, "orders": [{**ORDER, **fields}]}


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in GOOD.items() if key != name}


WITHDRAW = body_of(signed(ACTIONS["withdraw"]))
CANCEL_ALL = body_of(signed(ACTIONS["cancel_all"]))
MARGIN = body_of(signed(ACTIONS["add_margin"]))

REFUSED: list[tuple[type[CommandRejected], dict[str, Any]]] = [
    (MalformedMessage, {}),
    (MalformedMessage, without("nonce")),
    (MalformedMessage, without("signature")),
    (MalformedMessage, {**GOOD, "type": "place_order"}),
    (MalformedMessage, {**GOOD, "leverage": 5}),
    (MalformedMessage, {**GOOD, "nonce": "1"}),
    (MalformedMessage, {**GOOD, "nonce": 1.5}),
    (MalformedMessage, {**GOOD, "signature": "0x00"}),
    (MalformedMessage, {**GOOD, "signature": GOOD["signature"][2:] + "00"}),
    (MalformedMessage, {**GOOD, "signature": "0x" + "zz" * 65}),
    (MalformedMessage, {**GOOD, "signature": "0x" + "aa " * 43 + "a"}),
    (MalformedMessage, with_order(reduceonly=True)),
    (MalformedMessage, with_order(side="long")),
    (MalformedMessage, with_order(type="GTC")),
    (MalformedMessage, with_order(price=60_000.5)),
    (MalformedMessage, {**GOOD, "cancels": [{}]}),
    (MalformedMessage, {**GOOD, "cancels": [{"order_id": 1, "client_id": 1}]}),
    (MalformedNumber, with_order(price="6e4")),
    (MalformedNumber, with_order(price="60000.55")),
    (MalformedNumber, with_order(size=" 1")),
    (MalformedNumber, with_order(size="0.000001")),
    (MalformedNumber, {**WITHDRAW, "amount": "0.0000001"}),
    (MalformedNumber, {**WITHDRAW, "amount": "NaN"}),
    (MalformedAddress, {**GOOD, "account": "0x12"}),
    (MalformedAddress, {**GOOD, "account": "0x" + "11" * 19 + "  "}),
    (MalformedAddress, {**body_of(signed(ACTIONS["approve_agent"])), "agent": "agent"}),
    (ValueOutOfRange, {**GOOD, "nonce": -1}),
    (ValueOutOfRange, {**GOOD, "nonce": 2**64}),
    (ValueOutOfRange, {**GOOD, "expires": 10**30}),
    (ValueOutOfRange, with_order(price="-1")),
    (ValueOutOfRange, with_order(size="-1")),
    (ValueOutOfRange, with_order(price="9" * 25)),
    (ValueOutOfRange, with_order(client_id=2**64)),
    (ValueOutOfRange, {**GOOD, "cancels": [{"order_id": -1}]}),
    (ValueOutOfRange, {**WITHDRAW, "amount": "-1"}),
    (ValueOutOfRange, {**WITHDRAW, "amount": "9223372036855"}),
    (ValueOutOfRange, {**MARGIN, "amount": "-9223372036855"}),
    (UnknownMarket, with_order(market="DOGE-PERP")),
    (UnknownMarket, with_order(market="")),
    (UnknownMarket, {**CANCEL_ALL, "market": "btc-perp"}),
    (UnknownMarket, {**MARGIN, "market": ""}),
    (TooManyItems, {**GOOD, "orders": []}),
    (TooManyItems, {**GOOD, "orders": [ORDER] * 101}),
    (TooManyItems, {**GOOD, "orders": [ORDER] * 60, "cancels": [{"order_id": 1}] * 41}),
    (BadSignature, {**GOOD, "signature": "0x" + "00" * 65}),
    (BadSignature, {**GOOD, "signature": GOOD["signature"][:-2] + "02"}),
    (BadSignature, {**GOOD, "signature": GOOD["signature"][:-2] + "1d"}),
]


@pytest.mark.parametrize(
    ("error", "body"),
    REFUSED,
    ids=[f"{error.__name__}-{i}" for i, (error, _) in enumerate(REFUSED)],
)
def test_everything_else_is_refused_by_code(
    error: type[CommandRejected], body: dict[str, Any]
) -> None:
    with pytest.raises(error):
        ADMITTER.admit(raw(body))


def test_a_refusal_says_which_item_is_at_fault() -> None:
    cancel = {"order_id": 1}
    for item, items in (
        (1, {"cancels": [cancel, {}], "orders": [ORDER]}),
        (3, {"cancels": [cancel, cancel], "orders": [ORDER, {**ORDER, "price": "x"}]}),
    ):
        with pytest.raises(CommandRejected) as refusal:
            ADMITTER.admit(raw({**GOOD, **items}))
        assert refusal.value.item == item


@pytest.mark.parametrize(
    "message", [b"", b"null", b"[]", b"\xff", b'{"type":', b"[" * 60_000, b'{"type":"\xff"}']
)
def test_what_is_no_json_object_is_malformed(message: bytes) -> None:
    with pytest.raises(MalformedMessage):
        ADMITTER.admit(message)


def test_a_long_message_is_not_even_read() -> None:
    message = raw(GOOD).ljust(MESSAGE_BYTES_MAX)
    assert ADMITTER.admit(message).action.signer == OWNER
    with pytest.raises(OversizedMessage) as refusal:
        ADMITTER.admit(message + b" ")
    assert refusal.value.limit == MESSAGE_BYTES_MAX


def test_the_longest_sensible_action_fits() -> None:
    order = {**ORDER, "price": "9" * 17, "size": "9" * 14, "client_id": 2**64 - 1}
    admitted = ADMITTER.admit(raw({**GOOD, "orders": [order] * 100}))
    assert isinstance(admitted.action, PlaceOrders)
    assert len(admitted.action.orders) == 100


def test_a_bad_signature_tells_what_should_have_been_signed() -> None:
    with pytest.raises(BadSignature) as refusal:
        ADMITTER.admit(raw({**GOOD, "signature": "0x" + "00" * 65}))
    assert refusal.value.digest == SIGNING.digest(ACTIONS["one_order"])


def test_what_has_expired_is_refused_before_its_signature_is_looked_at() -> None:
    unsigned = raw({**GOOD, "signature": "0x" + "00" * 65})
    with pytest.raises(BadSignature):
        ADMITTER.admit(unsigned, GOOD["expires"] - 1)
    with pytest.raises(ActionExpired) as refusal:
        ADMITTER.admit(unsigned, GOOD["expires"])
    sent = SIGNING.digest(ACTIONS["one_order"]) + bytes(65)
    assert refusal.value.values == {
        "expires": GOOD["expires"], "now": GOOD["expires"], "sent": sent,
    }  # fmt: skip


def test_another_chain_recovers_another_signer() -> None:
    elsewhere = Admitter(msgspec.structs.replace(DOMAIN, chain_id=1), RULES)
    assert elsewhere.admit(raw(GOOD)).action.signer != OWNER


def test_many_are_answered_in_their_order() -> None:
    answers = ADMITTER.admit_many([raw(GOOD), b"{", raw(WITHDRAW), raw({**GOOD, "orders": []})])
    assert [type(answer) for answer in answers] == [Admitted, Refused, Admitted, Refused]
    last = answers[3]
    assert isinstance(last, Refused)
    error = last.error()
    assert isinstance(error, TooManyItems)
    assert (error.limit, error.items) == (100, 0)


@pytest.mark.parametrize(("error", "body"), REFUSED)
def test_an_error_crosses_a_process_border_whole(
    error: type[CommandRejected], body: dict[str, Any]
) -> None:
    encoded = ADMITTER.admit_encoded([raw(body)])
    (answer,) = msgspec.msgpack.decode(encoded, type=list[Admission])
    assert isinstance(answer, Refused)
    with pytest.raises(error) as refusal:
        raise answer.error()
    with pytest.raises(error) as original:
        ADMITTER.admit(raw(body))
    assert refusal.value.values == original.value.values


def frame(message: object) -> bytes:
    encoded = msgspec.msgpack.encode(message)
    return len(encoded).to_bytes(4) + encoded


SETUP = frame((DOMAIN.chain_id, DOMAIN.rollup, RULES.encode()))


def test_a_worker_answers_frame_by_frame_until_its_input_ends() -> None:
    sink = io.BytesIO()
    frames = SETUP + frame((0, [raw(GOOD), b"{}"])) + frame((0, [])) + b"\x00\x00"
    serve(io.BytesIO(frames), sink)
    sink.seek(0)
    sizes = []
    while (body := read_frame(sink)) is not None:
        busy_ns, answers = msgspec.msgpack.decode(body, type=tuple[int, list[Admission]])
        assert busy_ns > 0
        sizes.append(len(answers))
    assert sizes == [2, 0]


@pytest.mark.parametrize("cut", [0, 3, 10])
def test_a_worker_whose_set_up_is_cut_off_ends(cut: int) -> None:
    sink = io.BytesIO()
    serve(io.BytesIO(SETUP[:cut]), sink)
    assert sink.getvalue() == b""


def start_worker() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "node.ingress.admission_process"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    )


def test_a_worker_ends_with_its_input() -> None:
    answers, _ = start_worker().communicate(SETUP + frame((0, [raw(GOOD)])), timeout=30)
    assert int.from_bytes(answers[:4]) == len(answers) - 4


def test_a_worker_ends_quietly_once_nobody_reads() -> None:
    with start_worker() as worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        worker.stdout.close()
        worker.stdin.write(SETUP + frame((0, [raw(GOOD)])))
        # The input stays open: it is the broken output that ends the worker.
        worker.stdin.flush()
        assert worker.wait(timeout=30) == 0


def test_a_signature_over_anything_else_is_not_the_owners() -> None:
    signature = "0x" + sign(bytes.fromhex("0a" * 32), bytes(32)).hex()
    assert ADMITTER.admit(raw({**GOOD, "signature": signature})).action.signer != OWNER
