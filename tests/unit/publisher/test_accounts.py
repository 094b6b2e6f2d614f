"""The mirror of an account forgets when the state does: its size has the state's bounds."""

from node.publisher.seed import accounts_of
from node.transition.apply import apply
from node.transition.state import State
from node.types.commands import ApproveAgent, Command, Deposit, OpenBlock, SetSwitch
from node.types.events import Rejected
from node.types.ids import Address
from node.types.units import Millis, Money
from tests.examples import ALICE, DOLLAR, DOMAIN, RULES, START_MS
from tests.property.test_mirrors import durable

LIMITS = RULES.limits
ONE_MORE = LIMITS.action_lifetime_ms + 2


def agent(number: int) -> Address:
    return Address(number.to_bytes(20, "big"))


class Exchange:
    """Alice's account in the state, and its mirror, which takes a block for each command."""

    def __init__(self) -> None:
        self.state = State.genesis(RULES, DOMAIN)
        self.mirrors = accounts_of(self.state)
        self._nonce = 0
        self.pass_by(0)
        self.apply(Deposit(0, ALICE.address, Money(DOLLAR)))

    @property
    def now(self) -> Millis:
        return Millis(max(self.state.time, START_MS))

    def pass_by(self, time_ms: int) -> None:
        self.apply(OpenBlock(self.state.block + 1, Millis(self.now + time_ms)))

    def approve(self, signer: Address, until: int) -> None:
        self._nonce += 1
        head = (ALICE.address, ALICE.address, self._nonce, Millis(self.now + 1), b"")
        self.apply(ApproveAgent(*head, signer, Millis(until)))

    def act(self, signer: Address, nonce: int) -> None:
        head = (ALICE.address, signer, nonce, Millis(self.now + 1), b"")
        self.apply(SetSwitch(*head, Millis(0), on_disconnect=True))

    def apply(self, command: Command) -> None:
        events = apply(self.state, command)
        assert not isinstance(events[0], Rejected), events
        self.mirrors.take(durable(self.state, [command], [events]))


def test_agents_that_the_state_forgets_the_mirror_forgets_with_their_nonces() -> None:
    exchange = Exchange()
    for number in range(1, 20 * LIMITS.agents_per_account):
        exchange.approve(agent(number), exchange.now + 1)
        exchange.act(agent(number), 7)
        exchange.pass_by(ONE_MORE)
        held = exchange.state.accounts[ALICE.address].agents
        mirror = exchange.mirrors.by_address[ALICE.address]
        known = {address: (one.until, one.nonce) for address, one in mirror.agents.items()}
        assert known == {address: (one.until, one.nonces.top) for address, one in held.items()}
    assert len(exchange.mirrors.by_address[ALICE.address].agents) == 1


def test_an_agent_that_comes_back_after_it_was_forgotten_counts_from_nothing() -> None:
    exchange = Exchange()
    first, second = agent(1), agent(2)
    exchange.approve(first, exchange.now + 1)
    exchange.act(first, 900)
    exchange.pass_by(ONE_MORE)
    exchange.approve(second, exchange.now + 1)
    exchange.approve(first, exchange.now + 1)
    known = exchange.mirrors.by_address[ALICE.address].agents
    assert known[first].nonce == 0
    # So that what it asks for next is good.
    exchange.act(first, 1)
    assert known[first].nonce == 1


def test_a_mirror_that_begins_in_the_middle_forgets_the_same() -> None:
    exchange = Exchange()
    first, second = agent(1), agent(2)
    exchange.approve(first, exchange.now + 1)
    exchange.pass_by(ONE_MORE)
    exchange.mirrors = accounts_of(exchange.state)
    exchange.approve(second, exchange.now + 1)
    assert set(exchange.mirrors.by_address[ALICE.address].agents) == {second}


def test_an_agent_acts_until_its_time_and_hears_nothing_from_then_on() -> None:
    exchange = Exchange()
    until = Millis(exchange.now + 100)
    exchange.approve(agent(1), until)
    mirrors = exchange.mirrors
    assert mirrors.may_act(ALICE.address, agent(1), Millis(until - 1))
    assert not mirrors.may_act(ALICE.address, agent(1), until)
    assert not mirrors.may_act(agent(1), ALICE.address, Millis(until - 1))


def test_the_highest_nonce_is_told_whatever_came_last() -> None:
    exchange = Exchange()
    exchange.approve(agent(1), exchange.now + 100)
    for nonce in (7, 5):
        exchange.act(agent(1), nonce)
    assert exchange.mirrors.by_address[ALICE.address].agents[agent(1)].nonce == 7
