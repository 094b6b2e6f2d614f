"""A claim says what the lane will be, for every body that can be read."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.codec.action_types import ORDER_TYPE_NAMES, TRIGGER_NAMES
from node.codec.json_actions import ActionReader, action_to_json
from node.ingress.claim import claimed_lane
from node.types.lanes import Lane, lane_of
from tests.unit.codec.example_actions import ACTIONS, RULES, signed

BODIES = {name: action_to_json(signed(action), RULES) for name, action in ACTIONS.items()}
READER = ActionReader(RULES)
ORDER = BODIES["one_order"]["orders"][0]
CANCEL = {"order_id": 7}


@pytest.mark.parametrize("name", sorted(BODIES))
def test_a_claim_is_what_the_lane_says(name: str) -> None:
    raw = msgspec.json.encode(BODIES[name])
    assert claimed_lane(raw) is lane_of(READER.read(raw))


def test_an_amend_claims_no_more_than_an_order() -> None:
    raw = msgspec.json.encode({**BODIES["amends"], "orders": [], "cancels": []})
    assert claimed_lane(raw) is lane_of(READER.read(raw)) is Lane.TAKING


_TYPES = st.sampled_from(ORDER_TYPE_NAMES)
_TRIGGERS = st.sampled_from([{}, *({"trigger": name} for name in TRIGGER_NAMES)])


@given(st.lists(st.tuples(st.booleans(), _TYPES, _TRIGGERS), max_size=4), st.integers(0, 3))
def test_a_bulk_claims_what_its_riskiest_order_is(
    kinds: list[tuple[bool, str, dict[str, str]]], cancels: int
) -> None:
    orders = [
        {**ORDER, "reduce_only": reduces, "type": kind, **waits} for reduces, kind, waits in kinds
    ]
    body = {**BODIES["one_order"], "orders": orders, "cancels": [CANCEL] * cancels}
    if not orders and not cancels:
        return
    raw = msgspec.json.format(msgspec.json.encode(body), indent=2)
    assert claimed_lane(raw) is lane_of(READER.read(raw))


@pytest.mark.parametrize("amount", ["1", "0.000001", "-1", "-0.5", "0", "0.0", "00.10"])
def test_margin_is_topped_up_by_more_than_nothing(amount: str) -> None:
    head = {key: BODIES["one_order"][key] for key in ("account", "nonce", "expires", "signature")}
    body = {**head, "type": "adjust_margin", "market": ORDER["market"], "amount": amount}
    raw = msgspec.json.encode(body)
    assert claimed_lane(raw) is lane_of(READER.read(raw))


@pytest.mark.parametrize("until", [0, 1, 2**64 - 1])
def test_an_agent_is_ended_by_0_alone(until: int) -> None:
    body = {**BODIES["approve_agent"], "until": until}
    raw = msgspec.json.encode(body)
    assert claimed_lane(raw) is lane_of(READER.read(raw))
    assert claimed_lane(raw) is (Lane.TAKING if until else Lane.REDUCING)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b"7",
        b'{"type":"deposit"}',
        b'{"type":"adjust_margin"}',
        b'{"type":"approve_agent"}',
        b"\xff",
        b"[" * 60_000,
    ],
)
def test_what_cannot_be_read_claims_nothing(raw: bytes) -> None:
    assert claimed_lane(raw) is Lane.TAKING
