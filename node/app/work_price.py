"""The price of work that this node asks for: what it uses, what it has, and what L1 will cost."""

import asyncio
import logging
from typing import TYPE_CHECKING, Final

import msgspec
import structlog

from node.adapters.devnet.settings import DEFAULT_CHAIN_ID
from node.adapters.http.framing import text_frame
from node.app.fees_config import FeesConfig
from node.app.terms import BlockTerms
from node.capacity.core_share import CoreShare
from node.capacity.inclusion import InclusionRate
from node.capacity.l1_forecast import L1Forecast, blocks_until_posted, unit_cost
from node.capacity.loadline import FeeLine
from node.capacity.pricing import FeeController, Resource
from node.codec.answers import FeeQuote
from node.ports.api import Channel
from node.transition.open_block import highest_fee
from node.types.marks import Standing
from node.types.units import (
    MONEY_DECIMALS,
    MS_PER_S,
    NS_PER_MS,
    Millis,
    Money,
    money_text,
    part_rounded_up,
)

if TYPE_CHECKING:
    from node.app.node import Node

FEE: Final = Channel("fee")
QUOTE_REACH_S: Final = (1, 5, 30)
"""The highest price that a quote names is that of a block so many seconds from now."""

_SAMPLE_MS: Final = 50
_PUSH_S: Final = 0.5

_log = structlog.get_logger(__name__)


class WorkPrice:
    """Feeds the controller from the node's own counters, and tells of its price."""

    def __init__(self, node: "Node", config: FeesConfig) -> None:
        """Begin without backlogs: what was used before a restart has been worked off."""
        self._node = node
        self._config = config
        self._rules = node.base.rules.fees
        self._forecast = L1Forecast()
        self._inclusion = InclusionRate()
        self._core = CoreShare()
        self._block_ms = 0
        self._posted = 0
        self._told: dict[Resource, int] = {}
        self._sampled_ms = node.base.clock.now_ms()
        self.terms = BlockTerms(node.base.state, self.wished, node.base.lag.age)
        self.controller = FeeController(
            self._rules,
            {
                Resource.LOOP: config.loop_ms * NS_PER_MS,
                Resource.RISK: config.risk_ms * NS_PER_MS,
                Resource.JOURNAL_BYTES: config.journal_bytes,
                **self._l1_room(block_gas=0),
            },
            self._sampled_ms,
        )
        if self._rules.ceiling and not config.quote_per_ether:
            _say_that_l1_costs_nothing(node.base.domain.chain_id)

    @property
    def included_ppm(self) -> int:
        """Return the part of L1's blocks that takes what waits for them, in millionths."""
        return self._inclusion.ppm

    def wished(self) -> Money:
        """Return the price that the load asks for, from counters at most ``_SAMPLE_MS`` old."""
        now_ms = self._node.base.clock.now_ms()
        if now_ms - self._sampled_ms >= _SAMPLE_MS:
            self._sampled_ms = now_ms
            self._sample()
            self.controller.advance(now_ms)
        return self.controller.price

    def _sample(self) -> None:
        for resource, total in self._totals().items():
            self.controller.use(resource, total - self._told.get(resource, total))
            self._told[resource] = total
        self._follow_loop()
        self._follow_l1()
        wei = self._forecast.fee(self._blocks_ahead())
        ether = Money(self._config.quote_per_ether * 10**MONEY_DECIMALS)
        self.controller.reserve(unit_cost(wei, self._config.unit_gas, ether))

    def _follow_loop(self) -> None:
        """Let the loop have what it can get: to wait for a core is no use, but leaves less."""
        loop = self._node.meters.loop()
        self._core.observe(loop.waited_ns, loop.elapsed_ns)
        whole_ns = self._config.loop_ms * NS_PER_MS
        self.controller.set_capacity(Resource.LOOP, whole_ns, self._core.ppm)

    def _follow_l1(self) -> None:
        """Let L1 count for what it carries now: while blocks pass us by, it is less."""
        node, pace = self._node, self._node.settlement.pace
        self._forecast.observe(*pace.head)
        posted, unposted = node.standings.reached[Standing.POSTED], node.standings.unposted
        waits = bool(unposted) or posted > self._posted
        self._posted = posted
        self._inclusion.observe(
            pace.head[0], pace.block_ms, posted, waits=waits, now_ms=self._sampled_ms
        )
        # After a reorg the time between blocks is not known for a while; it is what it was.
        self._block_ms = pace.block_ms or self._block_ms
        for resource, whole in self._l1_room(pace.block_gas).items():
            self.controller.set_capacity(resource, whole, self._inclusion.ppm)

    def _blocks_ahead(self) -> int:
        """Return in how many L1 blocks what comes now is posted, as things stand.

        Its batch is sealed first, and then stands behind all that are sealed already.
        """
        node = self._node
        sealing = part_rounded_up(node.config.batcher.age_ms_max, 1, self._round_ms)
        return sealing + blocks_until_posted(
            node.standings.unposted, node.config.settlement.in_flight_max, self._inclusion.ppm
        )

    @property
    def _round_ms(self) -> int:
        """Return the time from one block to the next, or one look at L1, whichever is longer."""
        return max(self._block_ms, self._node.config.settlement.poll_ms)

    def _l1_room(self, block_gas: int) -> dict[Resource, int]:
        """Return what L1 takes in a second at best, rounded down.

        That is a full batch for each that may be in flight, in every round; of gas no more than
        ``block_gas``, 0 where that is not known.
        """
        batcher, settlement = self._node.config.batcher, self._node.config.settlement
        batches, round_ms = settlement.in_flight_max, self._round_ms
        data_bytes = batches * batcher.data_bytes_max * MS_PER_S // round_ms
        gas = _at_most(block_gas, batches * batcher.gas_max) * MS_PER_S // round_ms
        return {
            Resource.L1_BYTES: _at_most(self._config.l1_bytes, data_bytes),
            Resource.L1_GAS: _at_most(self._config.l1_gas, gas),
        }

    def _totals(self) -> dict[Resource, int]:
        """Return what was used since the start. L1's room counts when sealed, not when posted."""
        node, taken = self._node, self._node.settlement.taken
        return {
            Resource.LOOP: node.meters.busy_ns(),
            Resource.RISK: sum(node.risk.busy_ns),
            Resource.JOURNAL_BYTES: node.base.journal.bytes_written,
            Resource.L1_BYTES: taken.data_bytes,
            Resource.L1_GAS: taken.gas,
        }

    # --- telling ----------------------------------------------------------------------------------

    def line(self) -> FeeLine:
        """Return the price of a block now, and what it comes from."""
        return FeeLine(
            price=self.terms(self._node.base.clock.now_ms()).fee,
            floor=self._rules.floor,
            dearest=self.controller.dearest,
            backlogs=self.controller.backlogs(),
        )

    def quote(self) -> FeeQuote:
        """Return what clients need: the price now, and how high it can be soon.

        ``within`` names by seconds the highest price that the rules let a block have by then, once
        one has opened at the price now.
        """
        state, now_ms = self._node.base.state, self._node.base.clock.now_ms()
        price = self.terms(now_ms).fee
        within = {
            str(reach): money_text(
                highest_fee(state, now_ms, price, Millis(now_ms + reach * 1_000))
            )
            for reach in QUOTE_REACH_S
        }
        return FeeQuote(
            price=money_text(price),
            floor=money_text(self._rules.floor),
            ceiling=money_text(self._rules.ceiling),
            within=within,
            dearest=self.controller.dearest,
            backlogs=self.controller.backlogs(),
        )

    async def push(self) -> None:
        """Tell the channel "fee", twice a second while anyone listens, until cancelled."""
        while True:
            await asyncio.sleep(_PUSH_S)
            # What an idle node's L1 did meanwhile must not come as one look, and as blocks missed.
            self.wished()
            self._node.publisher.tell(FEE)


def fee_frame(quote: FeeQuote) -> bytes:
    """Return ``quote`` as the message of the channel "fee"."""
    return text_frame(msgspec.json.encode({"channel": "fee", **msgspec.structs.asdict(quote)}))


def _say_that_l1_costs_nothing(chain_id: int) -> None:
    """Log that unposted bytes have no price in money; a warning, but where ether is worth none."""
    _log.log(
        logging.INFO if chain_id == DEFAULT_CHAIN_ID else logging.WARNING,
        "l1_cost_not_priced",
        chain_id=chain_id,
        detail="fees.quote_per_ether is 0: unposted bytes are priced by load alone",
    )


def _at_most(most: int, units: int) -> int:
    """Return ``units``, or ``most`` where that is less; 0 is no bound."""
    return min(units, most or units)
