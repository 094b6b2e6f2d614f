"""Batches between the node and L1, for all runs of a chunk at once."""

import numpy as np

from node.planner.arrays import Indexes, Vector
from node.planner.course import Sky
from node.planner.pipeline import Settlement

_ETH_PER_GWEI = 1e-9


class Slots:
    """Batches in flight of each run, oldest first, and what is not yet in one.

    What a reorg takes back is unposted again. Of items only counts are kept, and batches go in
    order, so that the n-th item is on L1 whenever n of them are.
    """

    def __init__(
        self, settlement: Settlement, sky: Sky, runs: int, random: np.random.Generator
    ) -> None:
        self._settlement = settlement
        self._sky = sky
        self._sizes = np.zeros((runs, settlement.in_flight_max))
        self._next_block_s = random.random(runs) * settlement.block_s
        self._recent = np.zeros((runs, sky.reorg_blocks))
        self._recent_eth = np.zeros_like(self._recent)
        self.unposted = np.zeros(runs)
        self.included = np.zeros(runs)
        self.paid_eth = np.zeros(runs)
        """For the gas of what is on L1, at the price of its block."""
        self.in_flight_peak = 0

    @property
    def outstanding(self) -> Vector:
        """Return the items that are not on L1, in flight or not."""
        total: Vector = self.unposted + self._sizes.sum(axis=1)
        return total

    def advance(self, step: int, now_s: float, random: np.random.Generator) -> None:
        """Let every run whose next L1 block is due have it; blocks are longer than a step."""
        due = np.flatnonzero(self._next_block_s <= now_s)
        if not due.size:
            return
        self._next_block_s[due] += self._settlement.block_s
        if not self._sky.running[step]:
            return
        self._reorganize(due, random)
        sizes = self._sizes[due]
        held = np.count_nonzero(sizes, axis=1)
        takes = random.random(due.size) < self._sky.inclusion[step]
        taken = np.where(takes, np.minimum(held, int(self._sky.room[step])), 0)
        places = np.arange(sizes.shape[1])
        taken_items = np.where(places < taken[:, None], sizes, 0).sum(axis=1)
        batch, price_eth = self._settlement.batch, self._sky.gas_price_gwei[step] * _ETH_PER_GWEI
        paid_eth = (taken * batch.fixed_gas + taken_items * batch.item_gas) * price_eth
        self.included[due] += taken_items
        self.paid_eth[due] += paid_eth
        for recent, newest in ((self._recent, taken_items), (self._recent_eth, paid_eth)):
            recent[due] = np.concatenate([newest[:, None], recent[due, :-1]], axis=1)
        behind = np.concatenate([sizes, np.zeros_like(sizes)], axis=1)
        sizes = np.take_along_axis(behind, places + taken[:, None], axis=1)
        held -= taken
        full = self._sky.batch_items
        left = self.unposted[due, None] - (places - held[:, None]) * full
        sealed = np.where(places >= held[:, None], np.clip(left, 0, full), 0)
        self.unposted[due] = np.maximum(self.unposted[due] - sealed.sum(axis=1), 0)
        self._sizes[due] = sizes + sealed
        now_held = int(np.count_nonzero(self._sizes[due], axis=1).max())
        self.in_flight_peak = max(self.in_flight_peak, now_held)

    def _reorganize(self, due: Indexes, random: np.random.Generator) -> None:
        """Take back, by lot, what the last blocks had included."""
        if not self._sky.reorg_per_block:
            return
        struck = due[random.random(due.size) < self._sky.reorg_per_block]
        back = self._recent[struck].sum(axis=1)
        self._recent[struck] = 0
        self.included[struck] -= back
        # A transaction in a block that is none any more has cost nothing.
        self.paid_eth[struck] -= self._recent_eth[struck].sum(axis=1)
        self._recent_eth[struck] = 0
        self.unposted[struck] += back
