"""The trader's commands against a whole node: what they do, write, and exit with."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from tests.integration.daemon import (
    SOURCE,
    WITH_HISTORY,
    Child,
    Daemon,
    node_on_chain,
    plimsoll,
    plimsoll_here,
    swift,
)
from tests.integration.load import ETH_PRICE, load_on

pytestmark = pytest.mark.asyncio(loop_scope="module")

REFUSED, WRONG, AWAY = 1, 2, 4


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def exchange(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Daemon]:
    """A node with marks, on which others trade BTC; the ETH book is left to the tests."""
    folder = tmp_path_factory.mktemp("exchange")
    async with (
        node_on_chain(folder, "py-evm", swift(history=WITH_HISTORY)) as (daemon, chain),
        load_on(daemon.url, chain.url, pause_s=0.2) as load,
        load.running(),
    ):
        where = ("--rpc", chain.url, "--faucet", "--json")
        for key in ("dev:1", "dev:2"):
            done = await ask(daemon, "deposit", "10000", "--key", key, *where)
            assert answer(done)["free"] == "10000"
        yield daemon


def answer(child: Child) -> dict[str, Any]:
    """Return the one line of JSON on standard output."""
    [line] = child.output.splitlines()
    body: dict[str, Any] = msgspec.json.decode(line)
    return body


async def ask(exchange: Daemon, *arguments: object, code: int = 0) -> Child:
    done = await asyncio.to_thread(plimsoll_here, *arguments, "--node", exchange.url)
    assert done.code == code, (done.output, done.errors)
    assert "Traceback" not in done.errors
    return done


async def test_an_order_is_placed_shown_and_cancelled_by_its_own_number(exchange: Daemon) -> None:
    placed = await ask(
        exchange, "order", "eth-perp", "buy", "1.5", "2900", "--client-id", 7, "--type",
        "post-only", "--json",
    )  # fmt: skip
    [item] = answer(placed)["results"]
    assert (item["status"], item["remaining"], item["client_id"]) == ("resting", "1.5", 7)
    listed = await ask(exchange, "orders", "--json")
    assert [order["order_id"] for order in answer(listed)["orders"]] == [item["order_id"]]
    assert "2900" in (await ask(exchange, "orders")).output
    shown = await ask(exchange, "book", "ETH-PERP", "--once", "--json")
    assert answer(shown)["bids"] == [["2900", "1.5"]]
    cancelled = await ask(exchange, "cancel", "--client-id", 7)
    assert "cancelled" in cancelled.output
    assert "no open orders" in (await ask(exchange, "orders")).output


async def test_a_preview_sends_nothing_and_says_what_would_be(exchange: Daemon) -> None:
    order = ("order", "ETH-PERP", "buy", "1", "2900", "--preview")
    told = answer(await ask(exchange, *order, "--json"))
    assert (told["result"]["status"], told["result"]["remaining"]) == ("resting", "1")
    shown = (await ask(exchange, *order)).output
    assert "nothing was sent" in shown
    assert re.search("reserved for it +│ [1-9]", shown)
    refused = await ask(exchange, *order, "--stop", "1", code=REFUSED)
    assert "1217 TriggerInvalid" in refused.output
    assert "no open orders" in (await ask(exchange, "orders")).output


async def test_market_orders_make_a_position_that_is_shown_and_reduced(exchange: Daemon) -> None:
    maker, taker = ("--key", "dev:2"), ("--key", "dev:1")
    await ask(exchange, "order", "ETH-PERP", "sell", "2", ETH_PRICE // 100, *maker)
    taken = await ask(exchange, "order", "ETH-PERP", "buy", "2", "--json", *taker)
    assert answer(taken)["results"][0]["status"] == "filled"
    held = answer(await ask(exchange, "positions", "--json", *taker))
    [position] = held["positions"]
    assert (position["market"], position["size"]) == ("ETH-PERP", "2")
    assert float(position["liquidation"]) < ETH_PRICE / 100
    told = (await ask(exchange, "positions", *taker)).output
    assert "long" in told
    assert "equity" in told
    await ask(exchange, "order", "ETH-PERP", "buy", "2", "2999", *maker)
    closed = await ask(
        exchange, "order", "ETH-PERP", "sell", "5", "--reduce-only", "--retry", "--json", *taker
    )
    assert answer(closed)["results"][0]["filled"] == "2"
    assert "no positions" in (await ask(exchange, "positions", *taker)).output


async def test_what_an_account_has_behind_it_is_shown(exchange: Daemon) -> None:
    maker, taker = ("--key", "dev:2"), ("--key", "dev:1")
    for one, other in (("sell", "buy"), ("buy", "sell")):
        await ask(exchange, "order", "ETH-PERP", one, "0.25", "3000", *maker)
        await ask(exchange, "order", "ETH-PERP", other, "0.25", "3000", *taker)
    told = answer(await ask(exchange, "fills", "--limit", 2, "--json", *taker))
    assert [row["taker_side"] for row in told["rows"]] == ["sell", "buy"]
    assert {row["taker"] for row in told["rows"]} == {told["account"]}
    shown = (await ask(exchange, "fills", "--limit", 1, *maker)).output
    assert re.search(r"ETH-PERP +│ +buy +│ +3000 +│ +0.25 +│ .* maker", shown)
    ended = answer(await ask(exchange, "orders", "--closed", "--limit", 3, "--json", *taker))
    assert [row["status"] for row in ended["rows"]][:2] == ["filled", "filled"]
    shown = (await ask(exchange, "orders", "--closed", *taker)).output
    assert re.search(r"ETH-PERP +│ +sell .* filled", shown)
    assert (await ask(exchange, "fills", "--key", "dev:8")).output == "no fills\n"


async def test_an_order_is_amended_by_either_number_and_keeps_both(exchange: Daemon) -> None:
    placed = await ask(
        exchange, "order", "ETH-PERP", "buy", "1.5", "2900", "--client-id", 8, "--json"
    )
    number = answer(placed)["results"][0]["order_id"]
    done = await ask(exchange, "amend", number, "--size", "0.5", "--json")
    [item] = answer(done)["results"]
    assert (item["status"], item["order_id"], item["remaining"]) == ("amended", number, "0.5")
    told = await ask(exchange, "amend", "--client-id", 8, "--size", "2", "--price", "2890")
    assert "amended" in told.output
    [order] = answer(await ask(exchange, "orders", "--json"))["orders"]
    assert (order["order_id"], order["client_id"]) == (number, 8)
    assert (order["price"], order["remaining"]) == ("2890", "2")
    same = await ask(exchange, "amend", number, "--size", "2", code=REFUSED)
    assert "error 1219: AmendInvalid" in same.errors
    gone = await ask(exchange, "amend", "--client-id", 9, "--size", "2", code=REFUSED)
    assert "error 1210: UnknownOrder" in gone.errors
    await ask(exchange, "cancel", number)


async def test_an_amend_moves_what_a_stop_waits_for_and_when_it_ends(exchange: Daemon) -> None:
    placed = await ask(
        exchange, "order", "ETH-PERP", "buy", "1.5", "3150", "--stop", "3100", "--json"
    )
    number = answer(placed)["results"][0]["order_id"]
    done = await ask(exchange, "amend", number, "--trigger-price", "3120", "--good-till", "1h")
    assert "amended" in done.output
    [order] = answer(await ask(exchange, "orders", "--json"))["orders"]
    assert (order["trigger_price"], order["price"], order["remaining"]) == ("3120", "3150", "1.5")
    first = order["good_till"]
    await ask(exchange, "amend", number, "--good-till", "2h")
    [order] = answer(await ask(exchange, "orders", "--json"))["orders"]
    assert order["good_till"] > first
    assert order["trigger_price"] == "3120"
    met = await ask(exchange, "amend", number, "--trigger-price", "2900", code=REFUSED)
    assert "error 1217: TriggerInvalid" in met.errors
    await ask(exchange, "cancel", number)


async def test_an_order_that_is_filled_in_part_keeps_its_size_unless_that_is_named(
    exchange: Daemon,
) -> None:
    placed = await ask(exchange, "order", "ETH-PERP", "sell", "2", "3010", "--json")
    number = answer(placed)["results"][0]["order_id"]
    await ask(exchange, "order", "ETH-PERP", "buy", "0.5", "3010", "--key", "dev:2")
    done = await ask(exchange, "amend", number, "--good-till", "1h", "--json")
    assert answer(done)["results"][0]["remaining"] == "1.5"
    [order] = answer(await ask(exchange, "orders", "--json"))["orders"]
    assert (order["type"], order["filled"], order["remaining"]) == ("gtc", "0.5", "1.5")
    less = await ask(exchange, "amend", number, "--size", "1.6", "--json")
    assert answer(less)["results"][0]["remaining"] == "1.1"
    await ask(exchange, "cancel", number)
    # Other tests find no position: they come in any order.
    await ask(exchange, "order", "ETH-PERP", "sell", "0.5", "3001", "--key", "dev:2")
    await ask(exchange, "order", "ETH-PERP", "buy", "0.5", "--reduce-only")


async def test_a_stop_and_its_partner_wait_and_the_cancel_of_one_ends_both(
    exchange: Daemon,
) -> None:
    pair = ("--group", 4, "--good-till", "1h")
    above = answer(
        await ask(
            exchange, "order", "ETH-PERP", "buy", "1", "--stop", "3100", *pair, "--json"
        )
    )  # fmt: skip
    assert above["results"][0]["status"] == "waiting"
    below = answer(
        await ask(
            exchange, "order", "ETH-PERP", "buy", "1", "2900", "--take-profit", "2900", *pair,
            "--self-trade", "decrement", "--json",
        )
    )  # fmt: skip
    stop, target = answer(await ask(exchange, "orders", "--json"))["orders"]
    assert (stop["trigger"], stop["trigger_price"], stop["price"]) == ("stop", "3100", "3162")
    assert (target["trigger"], target["group"]) == ("take_profit", 4)
    assert target["good_till"] > above["time"]
    met = await ask(exchange, "order", "ETH-PERP", "buy", "1", "--stop", "2900", code=REFUSED)
    assert "error 1217: TriggerInvalid" in met.errors
    assert "to do: name a --stop" in met.errors
    await ask(exchange, "cancel", below["results"][0]["order_id"])
    assert answer(await ask(exchange, "orders", "--json"))["orders"] == []


async def test_a_post_only_order_slides_before_the_best_price(exchange: Daemon) -> None:
    await ask(exchange, "order", "ETH-PERP", "sell", "1", "3000", "--key", "dev:2")
    slid = await ask(
        exchange, "order", "ETH-PERP", "buy", "1", "3010", "--type", "post-only-slide", "--json"
    )
    [item] = answer(slid)["results"]
    assert (item["status"], item["price"]) == ("resting", "2999.99")
    await ask(exchange, "cancel", "--all", "--key", "dev:2")
    await ask(exchange, "cancel", "--all")


async def test_the_switch_is_set_shown_and_turned_off(exchange: Daemon) -> None:
    told = await ask(exchange, "switch", "--in", "10m", "--on-disconnect")
    assert re.match(
        r"all orders are cancelled at [-0-9]+ [:0-9]+ UTC, or when its last connection ends",
        told.output,
    )
    armed = answer(await ask(exchange, "switch", "--in", "5m", "--json"))
    assert armed["switch"] == {"cancel_at": armed["switch"]["cancel_at"], "on_disconnect": False}
    assert 0 < armed["switch"]["cancel_at"] - armed["time"] <= 300_000
    assert (await ask(exchange, "switch", "--off")).output == "the switch is off\n"
    far = await ask(exchange, "switch", "--in", "8d", code=REFUSED)
    assert "error 1005: ValueOutOfRange" in far.errors


async def test_everything_is_cancelled_at_once(exchange: Daemon) -> None:
    for price in ("2800", "2810"):
        await ask(exchange, "order", "ETH-PERP", "buy", "1", price)
    told = await ask(exchange, "cancel", "--market", "ETH-PERP")
    assert told.output.startswith("2 cancelled: ")
    nothing = await ask(exchange, "cancel", "--all", code=REFUSED)
    assert "error 1213: NothingToCancel" in nothing.errors
    assert "to do: nothing is open there: plimsoll orders" in nothing.errors


async def test_a_command_of_its_own_process_does_the_same(exchange: Daemon) -> None:
    placed = await plimsoll(
        "order", "ETH-PERP", "buy", "1", "2700", "--json",
        PLIMSOLL_NODE=exchange.url, PLIMSOLL_KEY="dev:2",
    )  # fmt: skip
    assert placed.code == 0, placed.errors
    assert answer(placed)["results"][0]["status"] == "resting"
    await ask(exchange, "cancel", "--all", "--key", "dev:2")


async def test_of_two_cancels_the_one_that_was_refused_is_told(exchange: Daemon) -> None:
    placed = answer(
        await ask(exchange, "order", "ETH-PERP", "buy", "1", "2800", "--json")
    )["results"]  # fmt: skip
    number = placed[0]["order_id"]
    told = await ask(exchange, "cancel", number, 999_999_999, "--json", code=REFUSED)
    first, second = answer(told)["results"]
    assert first == {"status": "cancelled", "order_id": number}
    assert second["error"]["name"] == "UnknownOrder"


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (("order", "ETH-PERP", "buy", "1000", "2900"), REFUSED, "1301: InsufficientCollateral"),
        (("order", "ETH-PERP", "buy", "1", "4000"), REFUSED, "1204: PriceOutsideBand"),
        (("order", "ETH-PERP", "buy", "1", "2900.123"), WRONG, "4001: ConfigInvalid"),
        (("order", "DOGE-PERP", "buy", "1", "2900"), WRONG, "4001: ConfigInvalid"),
        (("order", "ETH-PERP", "buy", "1", "2900", "--key", "dev:9"), REFUSED, "1111: Unknown"),
        (("cancel", "999999999"), REFUSED, "1210: UnknownOrder"),
        (
            ("cancel", "999999998", "999999999"),
            REFUSED,
            "1214: EveryItemRejected\n  1210: UnknownOrder(order_id=999999998, client_id=0)\n",
        ),
    ],
)
async def test_a_refusal_is_a_code_a_cause_and_what_to_do(
    exchange: Daemon, arguments: tuple[str, ...], code: int, error: str
) -> None:
    done = await ask(exchange, *arguments, code=code)
    assert f"error {error}" in done.errors
    assert "\n  to do: " in done.errors
    assert done.output == ""
    told = answer(await ask(exchange, *arguments, "--json", code=code))["error"]
    assert f"{told['code']}: {told['name']}".startswith(error.partition("\n")[0])


async def test_who_has_no_dollars_on_l1_is_told_so_and_nothing_is_paid(exchange: Daemon) -> None:
    deposit = ("deposit", "5", "--key", "dev:7", "--rpc", exchange.rpc)
    told = (await ask(exchange, *deposit, code=REFUSED)).errors
    assert "error 1501: CallReverted" in told
    assert "has 0 dollars on L1" in told
    assert not re.search("[0-9a-f]{65}", told)


async def test_an_agent_trades_for_its_owner_until_it_is_revoked(
    exchange: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "agent.key"
    agent = answer(plimsoll_here("keys", "new", file, "--json"))["address"]
    owner = answer(plimsoll_here("keys", "show", "--key", "dev:1", "--json"))["address"]
    await ask(exchange, "keys", "approve", agent, "--hours", "1")
    known = await ask(exchange, "keys", "agents", "--key", "dev:1")
    assert f"{agent}   until " in known.output
    order = ("order", "ETH-PERP", "buy", "1", "2850", "--account", owner)
    monkeypatch.setenv("AGENT", file.read_text())
    await ask(exchange, *order, "--key", "env:AGENT")
    await ask(exchange, "cancel", "--all", "--account", owner, "--key", file)
    await ask(exchange, "keys", "revoke", agent)
    known = await ask(exchange, "keys", "agents", "--account", owner)
    assert f"{agent}   ended " in known.output
    assert list(answer(await ask(exchange, "keys", "agents", "--json"))["agents"]) == [agent]
    refused = await ask(exchange, *order, "--key", file, code=REFUSED)
    assert "error 1104: AgentExpired" in refused.errors


async def test_status_is_a_screen_or_json_and_its_code_tells_where_nobody_answers(
    exchange: Daemon,
) -> None:
    told = (await ask(exchange, "status")).output
    assert re.search(r"^ok$", told, re.MULTILINE)
    assert "commands/s" in told
    assert "BTC-PERP" in told
    found = answer(await ask(exchange, "status", "--json"))
    assert found["health"] == {"status": "ok", "reasons": []}
    assert set(found["finality"]) == {"posted", "safe", "final"}
    nobody = ("status", "--node", "http://127.0.0.1:1", "--quiet")
    away = await asyncio.to_thread(plimsoll_here, *nobody)
    assert away.code == AWAY
    assert "error 2100: ConnectionLost" in away.errors


@pytest.mark.parametrize("as_json", [True, False])
async def test_the_live_book_follows_until_it_is_interrupted(
    exchange: Daemon, *, as_json: bool
) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "node", "book", "BTC-PERP", "--node", exchange.url),
        *(["--json"] if as_json else []),
        cwd=SOURCE,
        # Rich draws at once, as on a terminal, and not only when the picture ends.
        env={**os.environ, "FORCE_COLOR": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    if as_json:
        seqs = [msgspec.json.decode(await process.stdout.readline())["seq"] for _ in range(3)]
        assert seqs == sorted(set(seqs))
    else:
        await process.stdout.readuntil(b"sequence")
    process.send_signal(signal.SIGINT)
    output, errors = await process.communicate()
    assert process.returncode == 0, errors
    assert errors == b""
    assert as_json or b"spread" in output
