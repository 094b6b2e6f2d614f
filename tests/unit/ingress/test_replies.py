"""The same action gets the first result again, within bounds, and nobody else gets it."""

import msgspec

from node.ingress.presence import Presence
from node.ingress.replies import Replies
from node.ports.api import SUCCESS
from node.types.commands import Action
from node.types.durable import Executed
from node.types.errors import ActionExpired
from node.types.ids import Address
from tests.examples import ALICE, BOB
from tests.unit.ingress.test_service import ACTION, ADMITTED, RAW, SIGNING, Desk, executed, expired
from tests.unit.triggers.trigger_cases import durable, limit, placed

KEY = bytes(32) + ALICE.address
SENT = bytes(32) + b"s" * 65


def rendered(executed: Executed) -> bytes:
    return b'{"index":%d}' % executed.index


def test_a_result_is_found_again_and_says_so() -> None:
    replies = Replies(rendered)
    replies.remember(KEY, SENT, b'{"sequence":5}')
    assert replies.find(KEY) == b'{"repeated":true,"sequence":5}'
    assert replies.find(bytes(32) + BOB.address) is None
    assert replies.find_sent(SENT) == replies.find(KEY)
    assert replies.find_sent(bytes(32) + b"t" * 65) is None


def test_the_oldest_results_are_forgotten_first() -> None:
    replies = Replies(rendered, bytes_max=30)
    for place in range(4):
        replies.remember(bytes([place]) * 52, bytes([place]) * 97, b'{"n":"%d0"}' % place)
    assert [replies.find(bytes([place]) * 52) is not None for place in range(4)] == [
        False, True, True, True,
    ]  # fmt: skip
    assert [replies.find_sent(bytes([place]) * 97) is not None for place in range(4)] == [
        False, True, True, True,
    ]  # fmt: skip


def test_what_is_forgotten_takes_up_no_room_under_either_name() -> None:
    replies = Replies(rendered, bytes_max=30)
    for place in range(4):
        replies.remember(bytes([place]) * 52, bytes([place]) * 97, b'{"n":"%d0"}' % place)
    assert len(replies) == len(replies._keys) == 3


def test_an_answer_that_goes_to_many_is_remembered_once() -> None:
    """Who asks eight times at once is answered eight times, and takes up room for one."""
    replies = Replies(rendered, bytes_max=30)
    for _ in range(8):
        replies.remember(KEY, SENT, b'{"n":"10"}')
    replies.remember(bytes(52), bytes(97), b'{"n":"20"}')
    assert replies.find(KEY) is not None
    assert replies.find(bytes(52)) is not None


def test_what_recovery_replayed_is_known() -> None:
    order = limit(1)
    block = durable(placed(order, events=()))
    replies = Replies(rendered, [block])
    assert replies.find(block.block.ids[1] + ALICE.address) == b'{"repeated":true,"index":1}'
    action = block.block.commands[1]
    assert isinstance(action, Action)
    assert replies.find_sent(block.block.ids[1] + action.signature) is not None
    assert len(replies) == 1


def test_what_was_executed_in_time_gets_its_result_again_when_it_has_expired() -> None:
    desk = Desk()
    desk.take()
    desk.gate.answers[0](ADMITTED)
    desk.intake.offers[0][2](executed(ACTION))
    desk.take()
    desk.gate.answers[1](expired())
    assert desk.answers == [(SUCCESS, "done")] * 2
    assert desk.counts() == (2, 2, 0, {})
    # Nobody has looked at its signature: one who brings another one is told nothing.
    desk.take()
    other = SIGNING.digest(ACTION) + bytes(65)
    desk.gate.answers[2](ActionExpired(expires=1, now=2, sent=other))
    assert desk.answers[2] == (ActionExpired.code, "ActionExpired")


def test_what_an_expired_action_is_known_by_is_not_told() -> None:
    desk, told = Desk(), list[bytes]()
    desk.ingress.take_action(RAW, lambda _, body: told.append(body), 0, desk.session)
    desk.gate.answers[0](expired())
    assert msgspec.json.decode(told[0])["values"] == {"expires": 1, "now": 2}


def test_an_account_is_present_while_one_of_its_connections_is() -> None:
    told: list[tuple[str, Address]] = []
    presence = Presence(
        lambda account: told.append(("first", account)),
        lambda account: told.append(("last", account)),
    )
    presence.enter(ALICE.address)
    presence.enter(ALICE.address)
    presence.leave(ALICE.address)
    assert told == [("first", ALICE.address)]
    presence.leave(ALICE.address)
    assert told == [("first", ALICE.address), ("last", ALICE.address)]
    assert len(presence) == 0
