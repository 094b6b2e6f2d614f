"""The day on which a rollup's backlog grew to 34,515 messages, played against our price and gate.

Arbitrum, 15 December 2023: a rush of inscriptions, at most 10 batches in flight, and prices for L1
that came from what had last been posted: too low on the way up, far too high afterwards. The rates
here are made up to that shape: a rush that would leave 34,515 messages behind without any answer,
and a base fee that rises as EIP-1559 lets it, while L1 includes one batch in a few blocks only.

Played with the node's own parts: the forecast (or, for contrast, the last posted cost), the
controller over what is sealed, the rules' bounds, the cap of batches in flight, and the gate at a
number of held messages. Messages that reduce risk pass the gate and pay nothing.
"""

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from node.capacity.l1_forecast import L1Forecast, blocks_until_posted, unit_cost
from node.capacity.pricing import FeeController, Resource
from node.planner.arrays import Vector
from node.types.fees import FeeRules, fee_range
from node.types.units import PPM_ONE, Millis, Money

L1_BLOCK_S: Final = 12

_GWEI: Final = 10**9
_SMOOTHING: Final = 0.1
"""Of what L1 blocks include: ten blocks, two minutes."""


class Day(msgspec.Struct, frozen=True):
    """The rush, L1, and the node's own limits. Rates are messages per second.

    ``include_every`` says in how many L1 blocks one batch is included while L1 is congested; one in
    each block otherwise. ``quote_per_ether`` is in whole quote units. ``margin``: what a unit is
    charged over its own gas, because messages that reduce risk ride on the others.
    """

    calm: float = 6.0
    rush: float = 58.5
    reducing: float = 1.0
    rush_from_s: int = 1_800
    rush_until_s: int = 7_200
    seconds: int = 14_400
    base_fee_calm_gwei: int = 30
    base_fee_rush_gwei: int = 300
    include_every: int = 4
    in_flight_max: int = 10
    batch_messages: int = 400
    gate_messages: int = 20_000
    elasticity: float = 0.6
    delay_s: int = 5
    gas_per_message: int = 3_600
    units_per_message: int = 10
    quote_per_ether: int = 2_200
    margin: float = 1.25


class Replay(msgspec.Struct, frozen=True):
    """By time (seconds): what waited, what was charged, what L1 took.

    Costs and charges are in quote units, from the start; ``unit_price`` is the price of a unit, and
    ``unit_cost`` what its gas would have cost at once, both in millionths. ``accepted`` are the
    messages a second that paid, ``posted`` batches, ``refused`` messages that the gate kept out.
    """

    time_s: Vector
    held: Vector
    in_flight: Vector
    unit_price: Vector
    unit_cost: Vector
    charged: Vector
    paid: Vector
    accepted: Vector
    posted: int
    refused: int

    def charge_ratio(self, begin_s: int, end_s: int) -> float:
        """Return what was charged between two moments over what L1 took in between."""
        paid = float(self.paid[end_s] - self.paid[begin_s])
        return float(self.charged[end_s] - self.charged[begin_s]) / max(paid, 1e-9)


class _Batches:
    """Sealed batches: a few in flight, the others behind them, and L1 that takes them slowly."""

    def __init__(self, day: Day) -> None:
        self._day = day
        self._messages = 0.0
        self.in_flight = 0
        self.held = 0.0
        self.posted = 0

    def take(self, messages: float) -> None:
        """Hold further messages."""
        self.held += messages
        self._messages += messages

    def step(self, second: int, congested: bool) -> int:
        """Send what the cap allows; return how many batches L1 included in this second."""
        size = self._day.batch_messages
        ready = int(self.held // size)
        self.in_flight = min(ready, self._day.in_flight_max)
        block, is_block = divmod(second, L1_BLOCK_S)
        if is_block or not self.in_flight or (congested and block % self._day.include_every):
            return 0
        self.held -= size
        self.in_flight -= 1
        self.posted += 1
        return 1


def base_fees(day: Day) -> NDArray[np.int64]:
    """Return the base fee (wei) of each L1 block: an eighth at most from one to the next."""
    blocks = day.seconds // L1_BLOCK_S + 1
    fees = np.empty(blocks, dtype=np.int64)
    fee = day.base_fee_calm_gwei * _GWEI
    for block in range(blocks):
        rushing = day.rush_from_s <= block * L1_BLOCK_S < day.rush_until_s
        goal = (day.base_fee_rush_gwei if rushing else day.base_fee_calm_gwei) * _GWEI
        fee = min(max(goal, fee * 7 // 8), fee * 9 // 8)
        fees[block] = fee
    return fees


class _Pricing:
    """The price of a unit by the forecast and the load, or by the last posted cost alone."""

    def __init__(self, day: Day, rules: FeeRules, naive: bool) -> None:
        self._day, self._rules, self._naive = day, rules, naive
        self._forecast = L1Forecast()
        self._unit_gas = day.gas_per_message // day.units_per_message
        self._ether = Money(day.quote_per_ether * 10**6)
        self._capacity = day.batch_messages * day.gas_per_message // L1_BLOCK_S
        self._controller = FeeController(rules, {Resource.L1_GAS: self._capacity}, Millis(0))
        self._included = 1.0
        self._last_posted = day.base_fee_calm_gwei * _GWEI
        self.fee = self._anchor = rules.floor

    def cost(self, base_fee: int) -> Money:
        """Return what a unit costs at ``base_fee``."""
        return unit_cost(base_fee, self._unit_gas, self._ether)

    def step(self, second: int, base_fee: int, gas: float, ahead: int) -> None:
        """Move the price by a second's use of L1, for which ``ahead`` full batches wait."""
        self._forecast.observe(second // L1_BLOCK_S + 1, base_fee)
        self._controller.use(Resource.L1_GAS, int(gas))
        self._controller.advance(Millis(second * 1_000))
        # A block takes one batch here, so far as it takes any.
        blocks = blocks_until_posted(ahead, 1, int(self._included * PPM_ONE))
        self._controller.reserve(self._charge(self._forecast.fee(blocks)))
        self._anchor = self.fee
        low, high = fee_range(self._rules, self._anchor, 1)
        self.fee = Money(min(max(self._wished(), low), high))

    def block(self, included: int, base_fee: int) -> None:
        """Note what one L1 block took while batches waited for it: that is L1's capacity now."""
        self._included += (included - self._included) * _SMOOTHING
        now_ppm = int(self._included * PPM_ONE)
        self._controller.set_capacity(Resource.L1_GAS, self._capacity, now_ppm)
        if included:
            self._last_posted = base_fee

    def _wished(self) -> Money:
        return self._charge(self._last_posted) if self._naive else self._controller.price

    def _charge(self, base_fee: int) -> Money:
        return Money(round(self.cost(base_fee) * self._day.margin))


def replay(day: Day, rules: FeeRules, *, naive: bool = False) -> Replay:
    """Play the day. ``naive``: charge what the last batch cost, and nothing for the load."""
    batches, pricing, fees = _Batches(day), _Pricing(day, rules, naive), base_fees(day)
    columns = np.zeros((7, day.seconds))
    prices = np.full(day.seconds + day.delay_s + 1, float(rules.floor))
    reference = float(pricing.cost(int(fees[0])))
    charged = paid = refused = 0.0
    for second in range(day.seconds):
        congested = day.rush_from_s <= second < day.rush_until_s
        base_fee = int(fees[second // L1_BLOCK_S])
        wanted = day.rush if congested else day.calm
        seen = max(prices[second], 1.0) / reference
        adding = wanted * min(seen**-day.elasticity, 2.0)
        if batches.held >= day.gate_messages:
            refused += adding
            adding = 0.0
        batches.take(adding + day.reducing)
        waiting = batches.held >= day.batch_messages
        included = batches.step(second, congested)
        gas = included * day.batch_messages * day.gas_per_message
        paid += gas * base_fee / 1e18 * day.quote_per_ether
        if waiting and second % L1_BLOCK_S == 0:
            pricing.block(included, base_fee)
        ahead = int(batches.held // day.batch_messages)
        pricing.step(second, base_fee, (adding + day.reducing) * day.gas_per_message, ahead)
        prices[second + day.delay_s + 1] = float(pricing.fee)
        charged += adding * day.units_per_message * pricing.fee / 1e6
        columns[:, second] = (
            batches.held, batches.in_flight, float(pricing.fee), float(pricing.cost(base_fee)),
            charged, paid, adding,
        )  # fmt: skip
    return Replay(
        time_s=np.arange(float(day.seconds)),
        held=columns[0],
        in_flight=columns[1],
        unit_price=columns[2],
        unit_cost=columns[3],
        charged=columns[4],
        paid=columns[5],
        accepted=columns[6],
        posted=batches.posted,
        refused=int(refused),
    )
