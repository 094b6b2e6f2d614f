"""The risk processor's shards as the configuration names them, seeded from the state."""

from collections.abc import Iterable
from functools import partial

from node.adapters.remote_object import RemoteObject
from node.app.foundation import Foundation
from node.risk.balancer import first_placement
from node.risk.book import RiskBook
from node.risk.config import RiskConfig, ShardKind
from node.risk.fleet import RiskFleet
from node.risk.seed import events_of
from node.risk.shard import LocalShard, Parcel, RemoteShard, Shard, ShardSession, parcels_of
from node.types.ids import MarketId


def make_fleet(base: Foundation, config: RiskConfig) -> RiskFleet:
    """Return the fleet, placed by the positions that there are; it is still to be started."""

    def mirror() -> RiskBook:
        return RiskBook.from_positions(base.rules, events_of(base.state))

    def reseed(markets: Iterable[MarketId]) -> list[Parcel]:
        return parcels_of(mirror(), config, markets)

    positions = {view.market: len(view.holdings) for view in mirror().views}
    return RiskFleet(
        [_shard(base, config, kind, place) for place, kind in enumerate(config.shards)],
        first_placement(positions, config.shards),
        reseed,
        config,
        base.clock,
    )


def _shard(base: Foundation, config: RiskConfig, kind: ShardKind, place: int) -> Shard:
    make = partial(ShardSession, base.rules, config, kind)
    if kind is ShardKind.PROCESS:
        return RemoteShard(RemoteObject(make, f"risk_shard_{place}"))
    return LocalShard(make())
