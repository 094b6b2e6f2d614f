"""Envelopes: raw parameters stay raw, ids come back, what is none is refused with its id."""

import msgspec
import pytest

from node.ingress.envelope import (
    ID_MAX,
    deadline_ns_of,
    error_envelope,
    find_id,
    read_envelope,
    result_envelope,
)
from node.ports.intake import NEVER_NS
from node.types.errors import MalformedMessage


def test_parameters_are_handed_on_byte_for_byte() -> None:
    raw = '{"orders": [ {"price" : "1.50"}] , "x":1e3}'
    envelope = read_envelope(f'{{"id": 7, "method": "action", "params": {raw}}}')
    assert (envelope.id, envelope.method, bytes(envelope.params)) == (7, "action", raw.encode())


def test_parameters_may_be_left_out() -> None:
    assert bytes(read_envelope('{"id": 0, "method": "ping"}').params) == b"{}"


def test_a_deadline_is_so_many_milliseconds_from_now_or_never() -> None:
    assert deadline_ns_of(50, 7) == 50_000_007
    assert deadline_ns_of(None, 7) == NEVER_NS


@pytest.mark.parametrize("number", [0, 1, ID_MAX])
def test_every_id_in_range_is_taken(number: int) -> None:
    assert read_envelope(f'{{"id": {number}, "method": "ping"}}').id == number


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", None),
        ("[1]", None),
        ('{"method": "ping"}', None),
        ('{"id": 1.5, "method": "ping"}', None),
        (f'{{"id": {ID_MAX + 1}, "method": "ping"}}', None),
        ('{"id": 3}', 3),
        ('{"id": 3, "method": null}', 3),
        ('{"id": 3, "method": "ping", "parms": {}}', 3),
        ("[" * 100_000, None),
    ],
)
def test_what_is_no_envelope_is_refused_with_its_id(text: str, found: int | None) -> None:
    with pytest.raises(MalformedMessage):
        read_envelope(text)
    assert find_id(text) == found


def test_answers_are_json_under_the_id_of_the_request() -> None:
    assert msgspec.json.decode(result_envelope(7, b'{"a":1}')) == {"id": 7, "result": {"a": 1}}
    assert msgspec.json.decode(error_envelope(7, b"{}")) == {"id": 7, "error": {}}
    assert msgspec.json.decode(error_envelope(None, b"{}")) == {"id": None, "error": {}}
