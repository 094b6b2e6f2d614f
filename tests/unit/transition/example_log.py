"""A small exchange at work: a log of valid, signed commands in blocks, as a sequencer makes it.

Two makers quote, one taker buys with little margin, an agent trades, prices fall until the taker is
liquidated, and somebody withdraws. A seed varies prices, sizes and the cuts between blocks.
"""

from random import Random

from node.codec.changes import changes_digest
from node.codec.commands import command_id
from node.codec.eip712 import Signing
from node.codec.links import block_hash, chain_ids
from node.transition.apply import apply
from node.transition.state import State
from node.types.blocks import GENESIS_PARENT, Block, Domain
from node.types.commands import (
    AdjustMargin,
    ApproveAgent,
    CancelAll,
    CancelOrder,
    Command,
    Deposit,
    Liquidate,
    NewOrder,
    OpenBlock,
    OrderType,
    PlaceOrders,
    Side,
    SignedAction,
    Withdraw,
)
from node.types.events import Event, Liquidated, Rejected, WithdrawalOpened
from node.types.ids import Address, ClientOrderId, MarketId, Sequence
from node.types.rules import Rules
from node.types.units import Lots, Millis, Money, Ticks
from tests.examples import (
    ALICE,
    BOB,
    CAROL,
    DAVE,
    DOLLAR,
    DOMAIN,
    RULES,
    START_MS,
    Person,
    oracle_round,
    signed,
)

BTC = MarketId(1)
ETH = MarketId(2)
BTC_PRICE = 5_000_00
ETH_PRICE = 200_00


class ExampleLog:
    """Applies what it is given to a state of its own, and cuts it into blocks.

    Commands that the state rejects never enter, as with a sequencer; ``rejected`` counts them.
    """

    def __init__(self, seed: int = 1, rules: Rules = RULES, domain: Domain = DOMAIN) -> None:
        self.random = Random(seed)
        self.signing = Signing(domain, rules)
        self.state = State.genesis(rules, domain)
        self.time = START_MS
        self.blocks: list[Block] = []
        self.deposits: list[Deposit] = []
        self.events: list[Event] = []
        self.rejected = 0
        self._open: list[Command] = []
        self._nonces: dict[Address, int] = {}

    # --- blocks ------------------------------------------------------------------------------

    def block(self, after_ms: int = 5) -> None:
        """End the block under way, and open the next one; one without commands goes on instead."""
        if len(self._open) == 1:
            return
        self.close()
        self.time = Millis(self.time + after_ms)
        self.put(OpenBlock(self.state.block + 1, self.time))

    def put(self, command: Command) -> bool:
        """Apply ``command``; return whether it entered the log."""
        events = apply(self.state, command)
        if events and isinstance(events[0], Rejected):
            self.rejected += 1
            return False
        self.events += events
        self._open.append(command)
        return True

    def close(self) -> None:
        """End the block under way."""
        if not self._open:
            return
        commands, self._open = tuple(self._open), []
        ids = tuple(command_id(command, self.signing) for command in commands)
        parent = self.blocks[-1].hash if self.blocks else GENESIS_PARENT
        first = Sequence(self.state.sequence - len(commands) + 1)
        number, time = self.state.block, Millis(self.state.time)
        last_link = chain_ids(parent, ids)[-1]
        self.blocks.append(
            Block(
                number=number,
                time=time,
                first_sequence=first,
                commands=commands,
                ids=ids,
                parent=parent,
                hash=block_hash(number, time, first, len(commands), last_link),
                signature=bytes(65),
                changes=changes_digest(self.state.drain_changes()),
            )
        )

    @property
    def commands(self) -> tuple[Command, ...]:
        """The commands of all ended blocks."""
        return tuple(command for block in self.blocks for command in block.commands)

    # --- commands ----------------------------------------------------------------------------

    def deposit(self, person: Person, dollars: int) -> None:
        """Take in a deposit."""
        entry = Deposit(self.state.inbox_cursor, person.address, Money(dollars * DOLLAR))
        self.deposits.append(entry)
        assert self.put(entry)

    def prices(self, btc: int, eth: int) -> None:
        """Let the oracle report."""
        assert self.put(oracle_round(self.time, (Ticks(btc), Ticks(eth)), self.signing))

    def act(self, action: SignedAction, signer: Person | None = None) -> bool:
        """Sign ``action`` (by ``signer`` if it is an agent's) and apply it."""
        owner = next(p for p in (ALICE, BOB, CAROL, DAVE) if p.address == action.account)
        return self.put(signed(action, signer or owner, self.signing))

    def head(
        self, person: Person, signer: Person | None = None
    ) -> tuple[Address, Address, int, Millis, bytes]:
        """Return the fields that every action begins with; the nonce is the next one."""
        address = (signer or person).address
        nonce = self._nonces[address] = self._nonces.get(address, 0) + 1
        return person.address, address, nonce, Millis(self.time + 60_000), b""

    def place(self, person: Person, *orders: NewOrder, signer: Person | None = None) -> bool:
        """Place ``orders`` in one action."""
        return self.act(PlaceOrders(*self.head(person, signer), (), orders), signer)

    def quote(self, person: Person, market: MarketId, middle: int) -> None:
        """Place a few orders on both sides of ``middle``."""
        orders = []
        for _ in range(self.random.randint(1, 4)):
            side = self.random.choice(list(Side))
            away = self.random.randint(1, 200) * (1 if side is Side.SELL else -1)
            size = Lots(self.random.randint(1_000, 30_000))
            orders.append(NewOrder(market, side, OrderType.GTC, Ticks(middle + away), size))
        self.place(person, *orders)


def example_log(
    seed: int = 1, rounds: int = 30, rules: Rules = RULES, domain: Domain = DOMAIN
) -> ExampleLog:
    """Return a log with deposits, quotes, fills, an agent, a liquidation and a withdrawal."""
    log = ExampleLog(seed, rules, domain)
    _open_accounts(log)
    btc, eth = BTC_PRICE, ETH_PRICE
    for _ in range(rounds):
        btc += log.random.randint(-300, 300)
        eth += log.random.randint(-10, 10)
        _round(log, btc, eth)
    _crash(log, btc, eth)
    log.block()
    assert log.act(Withdraw(*log.head(DAVE), Money(75 * DOLLAR)))
    log.close()
    assert any(isinstance(event, Liquidated) for event in log.events)
    assert any(isinstance(event, WithdrawalOpened) for event in log.events)
    return log


def _open_accounts(log: ExampleLog) -> None:
    log.block()
    for person in (ALICE, BOB):
        log.deposit(person, 900_000)
    log.block()
    log.deposit(CAROL, 11_000)
    log.deposit(DAVE, 400_000)
    log.prices(BTC_PRICE, ETH_PRICE)
    log.block()
    log.quote(ALICE, BTC, BTC_PRICE)
    ask = NewOrder(BTC, Side.SELL, OrderType.GTC, Ticks(BTC_PRICE), Lots(200_000))
    assert log.place(ALICE, ask)
    buy = NewOrder(BTC, Side.BUY, OrderType.IOC, Ticks(BTC_PRICE), Lots(200_000))
    assert log.place(CAROL, buy)


def _round(log: ExampleLog, btc: int, eth: int) -> None:
    log.block(log.random.randint(1, 50))
    log.prices(btc, eth)
    for maker in (ALICE, BOB):
        log.quote(maker, BTC, btc)
        log.quote(maker, ETH, eth)
        if log.random.random() < 0.3:
            log.block()
    take = log.random.choice(list(Side))
    price = Ticks(btc + (500 if take is Side.BUY else -500))
    order = NewOrder(BTC, take, OrderType.MARKET, price, Lots(20_000), client_id=ClientOrderId(7))
    log.place(DAVE, order)
    match log.random.randrange(5):
        case 0:
            log.act(CancelAll(*log.head(BOB), log.random.choice((BTC, ETH, MarketId(0)))))
        case 1:
            log.act(AdjustMargin(*log.head(DAVE), BTC, Money(DOLLAR)))
        case 2:
            log.act(ApproveAgent(*log.head(ALICE), BOB.address, Millis(log.time + 10_000)))
        case 3:
            bid = NewOrder(ETH, Side.BUY, OrderType.POST_ONLY, Ticks(eth - 300), Lots(50_000))
            log.place(ALICE, bid, signer=BOB)
        case _:
            open_orders = list(log.state.accounts[ALICE.address].orders)
            if open_orders:
                cancel = CancelOrder(order_id=log.random.choice(open_orders))
                log.act(PlaceOrders(*log.head(ALICE), (cancel,), ()))


def _crash(log: ExampleLog, btc: int, eth: int) -> None:
    """Let the price fall, step by step, until Carol is liquidated into Bob's bid."""
    liquidate = Liquidate(BTC, CAROL.address)
    for _ in range(40):
        btc = btc * 99 // 100
        log.block(1_000)
        log.prices(btc, eth)
        bid = NewOrder(BTC, Side.BUY, OrderType.GTC, Ticks(btc), Lots(100_000))
        log.place(BOB, bid)
        if log.put(liquidate):
            return
