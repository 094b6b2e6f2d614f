"""The envelope of a request: which method, and under which id the answer goes back.

    {"id": 7, "method": "action", "deadline_ms": 50, "params": {…}}
    {"id": 7, "result": {…}}    or    {"id": 7, "error": {"code": …, "name": …, "values": {…}}}

``params`` stay raw: an action is parsed in a worker process, so the loop that serves everyone reads
no order. ``deadline_ms`` is how long the client is ready to wait for an action to be begun; it is
not signed, and may be left out. Of a message that is no envelope the id is looked for all the same,
so that its sender can tell which one failed; where there is none the error's id is null.
"""

from typing import Annotated

import msgspec

from node.ports.api import DEADLINE_MS_MAX
from node.ports.intake import NEVER_NS
from node.types.errors import MalformedMessage
from node.types.units import NS_PER_MS

ID_MAX = 2**53 - 1
"""The largest integer that every JSON reader keeps exactly."""

RequestId = Annotated[int, msgspec.Meta(ge=0, le=ID_MAX)]


class Envelope(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """One request."""

    id: RequestId
    method: str
    params: msgspec.Raw = msgspec.Raw(b"{}")
    deadline_ms: Annotated[int, msgspec.Meta(ge=1, le=DEADLINE_MS_MAX)] | None = None


class _Named(msgspec.Struct, frozen=True, gc=False):
    id: RequestId


_decoder: msgspec.json.Decoder[Envelope] = msgspec.json.Decoder(Envelope)
_id_decoder: msgspec.json.Decoder[_Named] = msgspec.json.Decoder(_Named)


def deadline_ns_of(deadline_ms: int | None, now_ns: int) -> int:
    """Return when a request that came at ``now_ns`` is past its deadline, on the node's clock."""
    return NEVER_NS if deadline_ms is None else now_ns + deadline_ms * NS_PER_MS


def read_envelope(text: str) -> Envelope:
    """Return the request in ``text``. Raises ``MalformedMessage``."""
    try:
        return _decoder.decode(text)
    except (ValueError, RecursionError) as error:
        raise MalformedMessage(detail=str(error)) from None


def find_id(text: str) -> int | None:
    """Return the id of a message that is no envelope, if it has one."""
    try:
        return _id_decoder.decode(text).id
    except (ValueError, RecursionError):
        return None


def result_envelope(request: int, body: bytes) -> bytes:
    """Return the answer that holds the JSON text ``body``."""
    return b'{"id":%d,"result":%b}' % (request, body)


def error_envelope(request: int | None, body: bytes) -> bytes:
    """Return the answer that holds the JSON text ``body`` of an error."""
    if request is None:
        return b'{"id":null,"error":%b}' % body
    return b'{"id":%d,"error":%b}' % (request, body)
