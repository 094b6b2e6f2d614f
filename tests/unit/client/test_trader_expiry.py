"""When what a trader signs expires."""

import pytest

from node.client.trader import Trader
from node.client.wallet import Wallet
from node.types.commands import AmendOrder, PlaceOrders
from node.types.ids import MarketId, OrderId
from node.types.units import Lots, Millis, Ticks
from tests.examples import ALICE, RULES, START_MS
from tests.unit.client.test_trader import ORDER, SIGNING, FakeSession, trader_at


def test_every_trader_has_its_own_millisecond_at_which_its_actions_expire() -> None:
    def expiries(seed: int) -> list[int]:
        times = iter((0, 1, 500, 999, 1_000, 1_001))
        wallet = Wallet(ALICE.key, SIGNING)
        trader = Trader(
            FakeSession(),  # type: ignore[arg-type]
            wallet,
            now_ms=lambda: Millis(START_MS + next(times)),
            seed=seed,
        )
        return [trader.expires() - START_MS - 60_000 for _ in range(6)]

    one, other = expiries(1), expiries(2)
    for found in (one, other):
        assert len({expiry % 1_000 for expiry in found}) == 1
        times = (0, 1, 500, 999, 1_000, 1_001)
        assert all(0 <= end - at < 1_000 for end, at in zip(found, times, strict=True))
    assert one != other


async def test_what_is_signed_for_a_moment_expires_to_the_millisecond() -> None:
    session = FakeSession()
    trader = trader_at(session)
    await trader.place((ORDER,), expires_in_ms=250)
    await trader.place(amends=(AmendOrder(MarketId(1), Ticks(5_000), Lots(1), OrderId(7)),))
    short, usual = session.sent
    assert isinstance(short, PlaceOrders)
    assert isinstance(usual, PlaceOrders)
    assert short.expires == START_MS + 250
    assert usual.expires == trader.expires()


@pytest.mark.parametrize("odd", [0, -1, RULES.limits.action_lifetime_ms + 1])
async def test_what_could_never_be_executed_is_not_signed(odd: int) -> None:
    session = FakeSession()
    with pytest.raises(ValueError, match="expires_in_ms"):
        await trader_at(session).place((ORDER,), expires_in_ms=odd)
    assert session.sent == []
