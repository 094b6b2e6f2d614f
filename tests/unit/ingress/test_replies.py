"""The same action gets the first result again, within bounds, and nobody else gets it."""

from node.ingress.presence import Presence
from node.ingress.replies import Replies
from node.types.durable import Executed
from node.types.ids import Address
from tests.examples import ALICE, BOB
from tests.unit.triggers.trigger_cases import durable, limit, placed

KEY = bytes(32) + ALICE.address


def rendered(executed: Executed) -> bytes:
    return b'{"index":%d}' % executed.index


def test_a_result_is_found_again_and_says_so() -> None:
    replies = Replies(rendered)
    replies.remember(KEY, b'{"sequence":5}')
    assert replies.find(KEY) == b'{"repeated":true,"sequence":5}'
    assert replies.find(bytes(32) + BOB.address) is None


def test_the_oldest_results_are_forgotten_first() -> None:
    replies = Replies(rendered, bytes_max=30)
    for place in range(4):
        replies.remember(bytes([place]) * 52, b'{"n":"%d0"}' % place)
    assert [replies.find(bytes([place]) * 52) is not None for place in range(4)] == [
        False, True, True, True,
    ]  # fmt: skip


def test_an_answer_that_goes_to_many_is_remembered_once() -> None:
    """Who asks eight times at once is answered eight times, and takes up room for one."""
    replies = Replies(rendered, bytes_max=30)
    for _ in range(8):
        replies.remember(KEY, b'{"n":"10"}')
    replies.remember(bytes(52), b'{"n":"20"}')
    assert replies.find(KEY) is not None
    assert replies.find(bytes(52)) is not None


def test_what_recovery_replayed_is_known() -> None:
    order = limit(1)
    block = durable(placed(order, events=()))
    replies = Replies(rendered, [block])
    assert replies.find(block.block.ids[1] + ALICE.address) == b'{"repeated":true,"index":1}'
    assert len(replies) == 1


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
