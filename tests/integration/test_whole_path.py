"""The main job on a real chain: deposit, trade, liquidate, settle, verify, withdraw."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from node.client.l1 import Claim
from node.client.session import Session, connect
from node.simulation.keys import dev_keys
from node.simulation.replay.funding import fund
from node.types.commands import Side
from node.types.errors import CallReverted
from node.types.feed_states import FILL_STAGES
from node.types.ids import Address, hex_from_address
from node.types.units import Money
from tests.integration.daemon import ON_EACH_CHAIN, Child, Daemon, node_on_chain, plimsoll, until
from tests.integration.load import (
    BTC_PRICE,
    DOLLAR,
    LOTS_PER_BTC,
    Reporters,
    Trader,
    l1_account,
    order,
)

CRASHED = BTC_PRICE * 955 // 1_000
"""A long of twenty times its margin is below maintenance here, and its margin is not used up."""

OWNER = "dev:3"


class Market:
    """A maker with deep pockets, and a gambler who buys a bitcoin with all that it has."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.reporters = Reporters(session)
        self.maker, self.gambler = (Trader(key, session) for key in dev_keys("trader", 2))
        self.acknowledged: list[dict[str, Any]] = []

    async def fund(self, rpc: str) -> None:
        amounts = {
            self.maker.address: Money(200_000 * DOLLAR),
            self.gambler.address: Money(3_100 * DOLLAR),
        }
        async with l1_account(rpc, self.session) as payer:
            assert await fund(self.session, payer, amounts) == 2

    async def rise_and_fall(self, daemon: Daemon) -> None:
        """Trade a bitcoin, let its price fall, and wait for the liquidation."""
        self.acknowledged.append(await self.reporters.tell())
        ask = order(Side.SELL, BTC_PRICE, LOTS_PER_BTC)
        self.acknowledged.append(await self.maker.place(ask))
        bought = await self.gambler.place(order(Side.BUY, BTC_PRICE, LOTS_PER_BTC))
        assert bought["results"][0]["status"] == "filled"
        self.acknowledged.append(bought)
        bids = [order(Side.BUY, CRASHED - 100 * step, LOTS_PER_BTC) for step in range(1, 4)]
        self.acknowledged.append(await self.maker.place(*bids))
        self.acknowledged.append(await self.reporters.tell(CRASHED))

        async def liquidated() -> bool:
            return bool((await daemon.get("/stats"))["liquidations"])

        await until("the gambler is liquidated", liquidated)


async def require_receipts(daemon: Daemon, session: Session, results: list[dict[str, Any]]) -> None:
    """Every acknowledgement is provable against the key that the node has said hello with."""
    for result in results:
        body = await daemon.get(f"/receipts/{result['sequence']}")
        assert body["id"] == result["id"]
        assert session.verify_receipt(body)
        assert session.verify_receipt(result)
        assert not session.verify_receipt(body | {"id": "0x" + "00" * 32})


async def require_final(daemon: Daemon, told: list[dict[str, Any]], sequence: int) -> None:
    """The command at ``sequence`` becomes final, and no cursor ever ran ahead of the one before."""
    statuses: list[str] = []

    async def final() -> bool:
        statuses.append((await daemon.get(f"/finality/{sequence}"))["status"])
        return statuses[-1] == "final"

    await until("the trades are final", final)
    ranks = [FILL_STAGES.index(status) for status in statuses]
    assert ranks == sorted(ranks)

    async def told_so() -> bool:
        # The feed and the answer over REST come by two connections: either may be first.
        return any(message["final"] >= sequence for message in told)

    await until("the feed has told it", told_so)
    stages = FILL_STAGES[1:]
    reached = [next(i for i, m in enumerate(told) if m[stage] >= sequence) for stage in stages]
    assert reached == sorted(reached)
    for message in told:
        assert message["sealed"] >= message["posted"] >= message["safe"] >= message["final"]
    finals = [message["final"] for message in told]
    assert finals == sorted(finals)


async def claim_again(daemon: Daemon, session: Session, amount: int, owner: Address) -> None:
    """Claim withdrawal 1 with its own good proof, as the command line has done already."""
    proof = await daemon.get("/withdrawals/1")
    async with l1_account(daemon.rpc, session, key=2) as stranger:
        assert await stranger.is_claimed(1)
        await stranger.claim_withdrawal(
            Claim(
                batch=proof["batch"],
                withdrawal=1,
                owner=owner,
                amount=Money(amount),
                bits=tuple(proof["bits"]),
                siblings=tuple(bytes.fromhex(text[2:]) for text in proof["siblings"]),
            )
        )


async def pay_in_and_out(daemon: Daemon, session: Session) -> None:
    """Deposit and withdraw by the command line; what is claimed is claimed once."""
    where = ("--node", daemon.url, "--rpc", daemon.rpc, "--key", OWNER)
    done: Child = await plimsoll("deposit", "500", "--faucet", *where)
    assert done.code == 0, done.errors
    done = await plimsoll("withdraw", "123.45", *where)
    assert done.code == 0, done.errors
    assert "balance on L1: 123.45" in done.output
    async with l1_account(daemon.rpc, session, key=3) as owner:
        assert await owner.balance() == 123_450_000
        with pytest.raises(CallReverted) as refused:
            await claim_again(daemon, session, 123_450_000, owner.address)
        assert refused.value.error == "AlreadyClaimed"
        account = await daemon.get(f"/account/{hex_from_address(owner.address)}")
        assert account["free"] == "376.55"


async def orders_of(daemon: Daemon, traders: list[Trader]) -> list[tuple[str, ...]]:
    """Return every open order that the node tells of."""
    found = []
    for trader in traders:
        account = hex_from_address(trader.address)
        for one in (await daemon.get(f"/orders/{account}"))["orders"]:
            values = ("market", "side", "price", "remaining", "order_id", "client_id")
            found.append((account, *(str(one[name]) for name in values)))
    return sorted(found)


async def verify_by_command(daemon: Daemon, folder: Path) -> dict[str, Any]:
    """Run ``plimsoll verify`` with nothing but the chain; return its report."""
    file = folder / "report.json"
    done = await plimsoll(
        *("verify", "--rpc", daemon.rpc, "--rollup", daemon.rollup),
        *("--workers", 1, "--json", file),
    )
    assert done.code == 0, done.errors
    report: dict[str, Any] = msgspec.json.decode(file.read_bytes())
    return report


def require_money(money: dict[str, str]) -> None:
    """What came in is what is there, to the last unit."""
    units = {name: round(float(amount) * DOLLAR) for name, amount in money.items()}
    assert units.pop("deposits") == sum(units.values())
    assert min(units[name] for name in ("fees", "insurance", "withdrawals")) > 0


@ON_EACH_CHAIN
async def test_from_a_deposit_to_the_same_root_on_an_empty_disk(
    tmp_path: Path, backend: str
) -> None:
    async with node_on_chain(tmp_path, backend) as (daemon, _), connect(daemon.url) as session:
        told: list[dict[str, Any]] = []
        await session.subscribe("finality", told.append)
        market = Market(session)
        await market.fund(daemon.rpc)
        await market.rise_and_fall(daemon)
        last = market.acknowledged[-1]["sequence"]
        await asyncio.gather(
            require_receipts(daemon, session, market.acknowledged),
            require_final(daemon, told, last),
        )
        await pay_in_and_out(daemon, session)
        orders = await orders_of(daemon, [market.maker, market.gambler])
        stats = await daemon.stop()
        report = await verify_by_command(daemon, tmp_path)
    assert {*stats["roots"].values()} == {report["root"]}
    assert (report["ok"], report["batches"]) == (True, stats["batches"]["posted"])
    assert report["commands"] == stats["sequence"]
    names = ("account", "market", "side", "price", "size", "order_id", "client_id")
    rebuilt = [tuple(str(one[name]) for name in names) for one in report["resting_orders"]]
    assert sorted(rebuilt) == orders
    assert orders
    assert stats["liquidations"] >= 1
    require_money(stats["money"])
