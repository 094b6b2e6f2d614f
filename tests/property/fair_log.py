"""Random blocks for markets of every ordering, built as the sequencer builds them.

People send what they like: every type of order, cancels, amends, triggers, groups, right and wrong.
The builder sorts, applies and ends each block; what it refuses never enters. A seed is a log.
"""

from random import Random

import msgspec

from node.codec.commands import command_id
from node.codec.eip712 import Signing
from node.sequencer.builder import Builder
from node.sequencer.submission import Submission
from node.transition.apply import apply
from node.transition.state import State
from node.types.blocks import GENESIS_PARENT
from node.types.commands import (
    AmendOrder,
    CancelAll,
    CancelOrder,
    Command,
    Deposit,
    Expire,
    Liquidate,
    NewOrder,
    OrderType,
    PlaceOrders,
    SelfTrade,
    Side,
    SignedAction,
    Trigger,
    TriggerOrder,
)
from node.types.durable import DurableBlock
from node.types.events import Event, Rejected
from node.types.ids import Address, ClientOrderId, MarketId
from node.types.rules import Limits, Ordering, Rules
from node.types.units import Lots, Millis, Money, Ticks
from tests.examples import (
    ALICE,
    BOB,
    CAROL,
    DAVE,
    DOLLAR,
    DOMAIN,
    MALLORY,
    PEOPLE,
    RULES,
    START_MS,
    market_rules,
    oracle_round,
    signed,
)

TRADERS = (ALICE, BOB, CAROL, DAVE, MALLORY)
FAIR_RULES = msgspec.structs.replace(
    RULES,
    markets=tuple(
        msgspec.structs.replace(market_rules(ordering.name, 2), ordering=ordering)
        for ordering in Ordering
    ),
    limits=Limits(orders_per_auction=9, open_orders_per_account=20, client_ids_kept=2),
)
MARKETS = tuple(MarketId(place) for place in range(1, len(Ordering) + 1))
MARK = 100_00
COIN = 10_000


class FairLog:
    """Draws and builds blocks; ``rejected`` holds the codes of what never entered."""

    def __init__(self, seed: int, rules: Rules = FAIR_RULES) -> None:
        self._random = Random(seed)
        self._signing = Signing(DOMAIN, rules)
        self._nonces: dict[Address, int] = {}
        self._mark = MARK
        self._now = START_MS
        self.state = State.genesis(rules, DOMAIN)
        self.rejected: list[int] = []
        self._builder = Builder(
            self.state,
            apply,
            self._name,
            GENESIS_PARENT,
            cancels_first=rules.ordered(Ordering.CANCELS_FIRST),
        )

    def opening(self) -> DurableBlock:
        """Return the first block: deposits, from little to plenty, and marks."""
        deposits: list[Command] = [
            Deposit(place, one.address, Money((place * place * 4_000 + 60) * DOLLAR))
            for place, one in enumerate(TRADERS)
        ]
        block = self._block([*deposits, self._round()])
        assert block is not None
        return block

    def block(self) -> DurableBlock:
        """Return the next block."""
        while True:
            self._now = Millis(self._now + self._random.choice((1, 20, 400)))
            drawn = [self._command() for _ in range(self._random.randint(1, 12))]
            if self._random.random() < 0.3:
                drawn.insert(0, self._round())
            built = self._block(drawn)
            if built is not None:
                return built

    def _block(self, commands: list[Command]) -> DurableBlock | None:
        submissions = [
            Submission(command, self._name(command), lambda _outcome: None) for command in commands
        ]
        draft = self._builder.build(submissions, self._now)
        self.rejected += [one.code for one in draft.results if isinstance(one, Rejected)]
        return None if draft.unsigned is None else draft.unsigned.signed(bytes(65))

    def _name(self, command: Command) -> bytes:
        return command_id(command, self._signing)

    # --- what is sent ----------------------------------------------------------------------------

    def _command(self) -> Command:
        random, person = self._random, self._random.choice(TRADERS)
        account = self.state.accounts[person.address]
        kind = random.random()
        if kind < 0.04:
            return Liquidate(self._market(), person.address)
        if kind < 0.07:
            return Expire(person.address)
        if kind < 0.11 and account.waiting:
            return TriggerOrder(person.address, random.choice(list(account.waiting)))
        if kind < 0.15:
            market = random.choice((MarketId(0), *MARKETS))
            return self._signed(CancelAll(*self._head(person.address), market))
        orders = tuple(self._order() for _ in range(random.choice((0, 1, 1, 2, 3))))
        cancels = tuple(
            CancelOrder(order_id)
            for order_id in random.sample(list(account.orders), min(len(account.orders), 2))
            if not orders or random.random() < 0.3
        )
        amends = tuple(
            AmendOrder(order.market, self._price(order.side), self._size(), order.order_id)
            for order in list(account.orders.values())[:1]
            if random.random() < 0.15
        )
        if not (orders or cancels or amends):
            orders = (self._order(),)
        head = self._head(person.address)
        return self._signed(PlaceOrders(*head, cancels, orders, Money(0), amends))

    def _order(self) -> NewOrder:
        random, side = self._random, self._random.choice(tuple(Side))
        trigger, trigger_price = Trigger.NONE, 0
        if random.random() < 0.1:
            trigger = random.choice((Trigger.STOP, Trigger.TAKE_PROFIT))
            upward = (trigger is Trigger.STOP) == (side is Side.BUY)
            trigger_price = self._mark + random.randint(1, 80) * (1 if upward else -1)
        return NewOrder(
            self._market(),
            side,
            random.choice((*[OrderType.GTC] * 4, *OrderType)),
            self._price(side),
            self._size(),
            reduce_only=random.random() < 0.15,
            client_id=ClientOrderId(random.choice((0, random.randint(1, 30)))),
            self_trade=random.choice(tuple(SelfTrade)),
            good_till=Millis(self._now + random.randint(1, 900) if random.random() < 0.1 else 0),
            trigger=trigger,
            trigger_price=Ticks(trigger_price),
            group=random.choice((0, 0, 0, 0, 1, 2)),
        )

    def _market(self) -> MarketId:
        # Half of it where the auctions are.
        return self._random.choice((*MARKETS, MARKETS[-1]))

    def _price(self, side: Side) -> Ticks:
        away = self._random.gauss(0.3, 1) * 0.01 * (1 if side is Side.SELL else -1)
        if self._random.random() < 0.03:
            away *= 10
        return Ticks(max(1, round(self._mark * (1 + away))))

    def _size(self) -> Lots:
        return Lots(int(COIN * 10 ** self._random.uniform(-1, 1.5)))

    def _round(self) -> Command:
        scale = 0.08 if self._random.random() < 0.1 else 0.005
        self._mark = max(50_00, min(200_00, round(self._mark * self._random.gauss(1, scale))))
        prices = (Ticks(self._mark),) * len(MARKETS)
        return oracle_round(self._now, prices, self._signing)

    def _head(self, address: Address) -> tuple[Address, Address, int, Millis, bytes]:
        nonce = self._nonces[address] = self._nonces.get(address, 0) + 1
        return address, address, nonce, Millis(self._now + 60_000), b""

    def _signed(self, action: SignedAction) -> SignedAction:
        return signed(action, PEOPLE[action.account], self._signing)


def told(blocks: list[DurableBlock]) -> list[Event]:
    """Return all events of ``blocks``."""
    return [event for block in blocks for events in block.events for event in events]
