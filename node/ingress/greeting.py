"""The hello that every connection begins with: the same for all, but for its challenge."""

from typing import Final

import msgspec

from node.codec.json_markets import exchange_to_json, markets_to_json
from node.types.blocks import Domain
from node.types.feed_states import (
    CANCEL_REASONS,
    FEED_STATES_VERSION,
    FILL_STAGES,
    ORDER_STATES,
)
from node.types.ids import NO_ADDRESS, Address
from node.types.rules import Rules
from node.types.units import UINT64_MAX

PROTOCOL_VERSION: Final = 1

CHALLENGE_BYTES: Final = 32

_FRAME_BYTES: Final = 10
"""The longest head of a frame."""


class Greeting:
    """The hello's bytes. Its markets may be hundreds of kilobytes: they are written once."""

    __slots__ = ("_before",)

    def __init__(self, rules: Rules, domain: Domain, sequencer: Address) -> None:
        fields = {
            "channel": "hello",
            "version": PROTOCOL_VERSION,
            **exchange_to_json(domain, sequencer),
            "markets": markets_to_json(rules),
            "states": {
                "version": FEED_STATES_VERSION,
                "orders": ORDER_STATES,
                "reasons": tuple(CANCEL_REASONS.values()),
                "fills": FILL_STAGES,
            },
            "challenge": "0x",
        }
        self._before = msgspec.json.encode(fields).removesuffix(b'"}')

    def with_challenge(self, challenge: bytes) -> bytes:
        """Return the hello of a connection whose log-in signs ``challenge``."""
        return b'%b%b"}' % (self._before, challenge.hex().encode())


def greeting_bytes_max(rules: Rules) -> int:
    """Return what the hello takes in an outbox at most, on whatever chain."""
    greeting = Greeting(rules, Domain(UINT64_MAX, NO_ADDRESS), NO_ADDRESS)
    return _FRAME_BYTES + len(greeting.with_challenge(bytes(CHALLENGE_BYTES)))
