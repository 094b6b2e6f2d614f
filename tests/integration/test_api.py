"""The API of a node with a real state and a real sequencer, over real sockets."""

import pytest

from node.adapters.http.config import HttpConfig
from node.client.receipts import receipt_from_body
from node.codec.eip712 import Signing
from node.codec.json_actions import action_to_json
from node.codec.json_rounds import round_to_json
from node.codec.receipts import verify_receipt
from node.codec.signatures import sign
from node.publisher.finality import Cursors
from node.types.blocks import Domain
from node.types.commands import (
    AdjustMargin,
    ApproveAgent,
    CancelAll,
    CancelOrder,
    NewOrder,
    OrderType,
    PlaceOrders,
    Side,
    Withdraw,
)
from node.types.feed_states import FEED_STATES_VERSION, FILL_STAGES, ORDER_STATES
from node.types.ids import EVERY_MARKET, ClientOrderId, Sequence
from node.types.units import Lots, Millis, Money, Ticks
from tests.examples import (
    ALICE,
    BOB,
    CAROL,
    DOLLAR,
    DOMAIN,
    MALLORY,
    RULES,
    START_MS,
    oracle_round,
    signed,
)
from tests.integration.api_node import (
    BLANK,
    BTC,
    CHALLENGE,
    PRICE,
    SIGNING,
    running_node,
    talking_to,
)
from tests.integration.api_sockets import get, gone, settled, until
from tests.unit.sequencer.surroundings import TestKey

BOOK = {"channel": "book", "market": "BTC-PERP"}


def new_order(side: Side, price: int, size: int = 100, client_id: int = 0) -> NewOrder:
    return NewOrder(
        BTC, side, OrderType.GTC, Ticks(price), Lots(size), client_id=ClientOrderId(client_id)
    )


async def test_the_greeting_names_the_exchange() -> None:
    async with running_node() as node, talking_to(node) as talker:
        hello = talker.pushes[0]
        assert hello["version"] == 1
        assert hello["challenge"] == "0x" + CHALLENGE.hex()
        assert hello["chain_id"] == DOMAIN.chain_id
        assert hello["rollup"] == "0x" + DOMAIN.rollup.hex()
        assert hello["sequencer"] == "0x" + TestKey().address.hex()
        assert [market["symbol"] for market in hello["markets"]] == ["BTC-PERP", "ETH-PERP"]
        assert hello["states"]["version"] == FEED_STATES_VERSION
        assert tuple(hello["states"]["orders"]) == ORDER_STATES
        assert tuple(hello["states"]["fills"]) == FILL_STAGES
        assert hello["states"]["reasons"][0] == "by_account"


async def test_an_order_rests_and_its_receipt_can_be_checked() -> None:
    async with running_node() as node, talking_to(node) as talker:
        answer = await talker.call("action", node.order(ALICE, Side.BUY, PRICE, client_id=9))
        result = answer["result"]
        assert result["results"] == [
            {
                "status": "resting",
                "order_id": 1,
                "client_id": 9,
                "filled": "0",
                "remaining": "0.01",
            }
        ]
        found = await get(node.url, f"/receipts/{result['sequence']}")
        receipt = receipt_from_body(found)
        assert verify_receipt(receipt, TestKey().address, DOMAIN)
        assert found["id"] == result["id"]
        for key, value in result["receipt"].items():
            assert found[key] == value


async def test_every_item_of_a_bulk_action_has_its_result() -> None:
    async with running_node() as node, talking_to(node) as talker:
        await talker.call("action", node.order(BOB, Side.SELL, PRICE, 150))
        await talker.call("action", node.order(ALICE, Side.BUY, PRICE - 1_000, 100))
        orders = (
            new_order(Side.BUY, PRICE, 100),
            NewOrder(BTC, Side.BUY, OrderType.IOC, Ticks(PRICE), Lots(100)),
            NewOrder(BTC, Side.BUY, OrderType.POST_ONLY, Ticks(PRICE - 500), Lots(100)),
            new_order(Side.BUY, PRICE // 2, 100),
        )
        cancels = (CancelOrder(order_id=2), CancelOrder(order_id=77))  # type: ignore[arg-type]
        answer = await talker.call(
            "action", node.action(PlaceOrders(*BLANK, cancels, orders), ALICE)
        )
        results = answer["result"]["results"]
        assert [item.get("status") for item in results] == [
            "cancelled", None, "filled", "partly_filled", "resting", None
        ]  # fmt: skip
        assert results[0]["order_id"] == 2
        assert results[1]["error"]["name"] == "UnknownOrder"
        assert (results[3]["filled"], results[3]["remaining"]) == ("0.005", "0.005")
        assert results[3]["reason"] == "immediate_remainder"
        assert results[5]["error"]["code"] == 1204


async def test_the_other_actions_say_what_they_did() -> None:
    async with running_node() as node, talking_to(node) as talker:
        await talker.call("action", node.order(BOB, Side.SELL, PRICE, 100))
        await talker.call("action", node.order(ALICE, Side.BUY, PRICE, 100))
        margin = await talker.call(
            "action", node.action(AdjustMargin(*BLANK, BTC, Money(5 * DOLLAR)), ALICE)
        )
        assert margin["result"]["results"][0]["market"] == "BTC-PERP"
        withdraw = await talker.call(
            "action", node.action(Withdraw(*BLANK, Money(3 * DOLLAR)), ALICE)
        )
        assert withdraw["result"]["results"] == [
            {"status": "done", "withdrawal_id": 1, "amount": "3"}
        ]
        agent = ApproveAgent(*BLANK, CAROL.address, Millis(START_MS + 1_000))
        approved = await talker.call("action", node.action(agent, ALICE))
        assert approved["result"]["results"][0]["agent"] == "0x" + CAROL.address.hex()
        await talker.call("action", node.order(ALICE, Side.BUY, PRICE - 1_000, 100))
        cancelled = await talker.call("action", node.action(CancelAll(*BLANK, BTC), ALICE))
        assert cancelled["result"]["results"] == [{"status": "done", "cancelled": [3]}]


async def test_an_oracle_round_moves_the_marks_once() -> None:
    async with running_node() as node, talking_to(node) as talker:
        await talker.call("subscribe", {"channel": "marks"})
        assert (await talker.push("marks"))["marks"]["BTC-PERP"]["price"] == "5000"
        later = oracle_round(Millis(START_MS + 1), (Ticks(510_000), Ticks(20_100)), SIGNING)
        answer = await talker.call("oracle_round", round_to_json(later, RULES))
        assert answer["result"]["results"][0]["marks"] == {"BTC-PERP": "5100", "ETH-PERP": "201"}
        assert (await talker.push("marks"))["marks"]["ETH-PERP"]["price"] == "201"
        again = await talker.call("oracle_round", round_to_json(later, RULES))
        assert again["error"]["name"] == "OracleRoundRefused"


async def test_a_round_that_a_reporter_did_not_sign_is_refused() -> None:
    async with running_node() as node, talking_to(node) as talker:
        later = oracle_round(Millis(START_MS + 1), (Ticks(510_000), Ticks(20_100)), SIGNING)
        body = round_to_json(later, RULES)
        forged = body["reports"][0]
        forged["prices"] = ["1", "1"]
        wrong = await talker.call("oracle_round", body)
        assert wrong["error"]["name"] == "WrongSigner"
        digest = SIGNING.report_digest(later.time, (Ticks(100), Ticks(100)))
        assert wrong["error"]["values"]["digest"] == "0x" + digest.hex()
        forged["reporter"] = "0x" + MALLORY.address.hex()
        stranger = await talker.call("oracle_round", body)
        assert stranger["error"]["values"] == {"signer": forged["reporter"], "known": False}


async def test_a_signature_for_another_chain_names_digest_and_signer() -> None:
    async with running_node() as node, talking_to(node) as talker:
        body = node.order(ALICE, Side.BUY, PRICE)
        elsewhere = Signing(Domain(1, DOMAIN.rollup), RULES)
        digest = elsewhere.report_digest(START_MS, (Ticks(1), Ticks(1)))
        body["signature"] = "0x" + sign(ALICE.key, digest).hex()
        answer = await talker.call("action", body)
        assert answer["error"]["name"] == "WrongSigner"
        assert answer["error"]["values"]["signer"].startswith("0x")


async def test_no_client_can_speak_for_the_exchange() -> None:
    async with running_node() as node, talking_to(node) as talker:
        before = node.state.sequence
        head = {"account": "0x" + ALICE.address.hex(), "nonce": 1, "expires": 2, "signature": "0x"}
        for kind in ("deposit", "liquidate", "open_block", "oracle_round", "settle_funding"):
            answer = await talker.call("action", {"type": kind, **head})
            assert answer["error"]["name"] == "MalformedMessage"
        assert node.state.sequence == before


@pytest.mark.parametrize(
    ("text", "request_id"),
    [
        ("", None),
        ("{", None),
        ("[]", None),
        ("null", None),
        ('{"id": 5}', 5),
        ('{"id": "5", "method": "ping"}', None),
        ('{"id": -1, "method": "ping"}', None),
        ('{"id": 9007199254740992, "method": "ping"}', None),
        ('{"method": "ping"}', None),
        ('{"id": 5, "method": 7}', 5),
        ('{"id": 5, "method": "withdraw_all"}', 5),
        ('{"id": 5, "method": "ping", "extra": 1}', 5),
        ('{"id": 5, "method": "subscribe"}', 5),
        ('{"id": 5, "method": "subscribe", "params": {"channel": "gossip"}}', 5),
        ('{"id": 5, "method": "subscribe", "params": {"channel": "marks", "market": "X"}}', 5),
        ('{"id": 5, "method": "action", "params": 3}', 5),
        ('{"id": 5, "method": "oracle_round", "params": {"time": "now"}}', 5),
        ('{"id": 5, "method": "login", "params": []}', 5),
        ("[" * 5_000, None),
    ],
)
async def test_what_is_no_request_gets_an_error_and_keeps_the_connection(
    text: str, request_id: int | None
) -> None:
    async with running_node() as node, talking_to(node) as talker:
        answer = await talker.raw(text)
        assert (answer["id"], answer["error"]["code"]) == (request_id, 1001)
        assert "time" in (await talker.call("ping"))["result"]


async def test_other_bad_input_keeps_the_connection_too() -> None:
    async with running_node() as node, talking_to(node) as talker:
        await talker.socket.send_bytes(b"\x00\x01")
        assert (await talker.answer(None))["error"]["name"] == "MalformedMessage"
        long = await talker.raw('{"id": 5, "pad": "' + "x" * 70_000 + '"}')
        assert long["error"]["name"] == "OversizedMessage"
        unknown = await talker.call("subscribe", {"channel": "book", "market": "DOGE-PERP"})
        assert unknown["error"]["name"] == "UnknownMarket"
        off_tick = node.order(ALICE, Side.BUY, PRICE)
        off_tick["orders"][0]["price"] = "5000.001"
        assert (await talker.call("action", off_tick))["error"]["name"] == "MalformedNumber"
        stranger = node.order(ALICE, Side.BUY, PRICE)
        stranger["account"] = "0x" + MALLORY.address.hex()
        assert (await talker.call("action", stranger))["error"]["name"] == "UnknownAccount"
        order = node.order(ALICE, Side.BUY, PRICE)
        first = (await talker.call("action", order))["result"]
        assert (await talker.call("action", order))["result"] == {"repeated": True, **first}
        cancel = CancelAll(
            ALICE.address, ALICE.address, order["nonce"], order["expires"], b"", EVERY_MARKET
        )
        another = action_to_json(signed(cancel, ALICE, SIGNING), RULES)
        assert (await talker.call("action", another))["error"]["name"] == "NonceUsed"


async def test_a_book_is_followed_without_gaps_and_a_resubscription_begins_anew() -> None:
    async with running_node() as node, talking_to(node) as talker:
        assert (await talker.call("subscribe", BOOK))["result"] == BOOK | {"resumed": False}
        snapshot = await talker.push("book")
        assert (snapshot["type"], snapshot["bids"], snapshot["asks"]) == ("snapshot", [], [])
        last, book = snapshot["seq"], dict[str, str]()
        for step in range(5):
            await talker.call("action", node.order(ALICE, Side.BUY, PRICE - 100 * step))
            diff = await talker.push("book")
            assert (diff["type"], diff["prev_seq"]) == ("diff", last)
            last = diff["seq"]
            book |= dict(diff["bids"])
        await talker.call("action", node.order(BOB, Side.SELL, PRICE, 40))
        diff = await talker.push("book")
        assert (diff["bids"], diff["prev_seq"]) == ([["5000", "0.006"]], last)
        book |= dict(diff["bids"])
        await talker.call("subscribe", BOOK)
        again = await talker.push("book")
        assert (again["type"], again["seq"]) == ("snapshot", diff["seq"])
        assert dict(again["bids"]) == book
        await talker.call("unsubscribe", BOOK)
        await talker.call("action", node.order(BOB, Side.SELL, PRICE, 40))
        await settled(node)
        assert not [push for push in talker.pushes if push["channel"] == "book"]


async def test_trades_blocks_and_finality_are_told() -> None:
    async with running_node() as node, talking_to(node) as talker:
        for channel in ({"channel": "trades", "market": "BTC-PERP"}, {"channel": "finality"}):
            await talker.call("subscribe", channel)
        await talker.call("subscribe", {"channel": "blocks"})
        assert (await talker.push("finality"))["posted"] == 0
        begun = await talker.push("trades")
        assert (begun["type"], begun["seq"], begun["trades"]) == ("snapshot", 0, [])
        before = await talker.push("blocks")
        await talker.call("action", node.order(BOB, Side.SELL, PRICE))
        block = await talker.push("blocks")
        assert (block["number"], block["parent"]) == (before["number"] + 1, before["hash"])
        sold = await talker.call("action", node.order(ALICE, Side.BUY, PRICE, 40))
        trades = await talker.push("trades")
        assert (trades["type"], trades["prev_seq"]) == ("diff", 0)
        assert trades["seq"] == sold["result"]["sequence"]
        assert trades["trades"] == [
            {
                "sequence": sold["result"]["sequence"],
                "time": START_MS,
                "price": "5000",
                "size": "0.004",
                "taker_side": "buy",
                "maker_order": 1,
                "taker_order": 2,
            }
        ]
        node.publisher.set_cursors(Cursors(Sequence(6), Sequence(4), Sequence(2), Sequence(7)))
        moved = await talker.push("finality")
        assert (moved["posted"], moved["safe"], moved["final"]) == (6, 4, 2)
        assert [
            (await get(node.url, f"/finality/{number}"))["status"] for number in (2, 4, 6, 7, 8)
        ] == ["final", "safe", "posted", "sealed", "accepted"]


async def test_an_account_is_told_live_to_who_may_act_for_it() -> None:
    async with running_node() as node, talking_to(node) as talker:
        asked = await talker.call("subscribe", {"channel": "account"})
        assert asked["error"]["name"] == "LoginRequired"
        refused = await talker.login(MALLORY, account=ALICE)
        assert refused["error"]["name"] == "WrongSigner"
        assert refused["error"]["values"]["signer"] == "0x" + MALLORY.address.hex()
        assert "result" in await talker.login(ALICE)
        await talker.call("subscribe", {"channel": "account"})
        snapshot = await talker.push("account")
        assert (snapshot["type"], snapshot["free"]) == ("snapshot", "100000")
        await talker.call("action", node.order(ALICE, Side.BUY, PRICE))
        rested = await talker.push("account")
        assert rested["prev_seq"] == snapshot["seq"]
        assert [event["event"] for event in rested["events"]] == ["accepted", "rested", "balance"]
        await talker.call("action", node.order(BOB, Side.SELL, PRICE, 40))
        filled = await talker.push("account")
        assert filled["prev_seq"] == rested["seq"]
        fill = filled["events"][0]
        assert (fill["role"], fill["size"], fill["remaining"]) == ("maker", "0.004", "0.006")
        assert (fill["state"], fill["sequence"]) == ("partly_filled", filled["seq"])
        public = await get(node.url, f"/account/0x{ALICE.address.hex()}")
        assert public["positions"][0]["size"] == "0.004"
        assert [order["remaining"] for order in public["orders"]] == ["0.006"]
        assert [order["state"] for order in public["orders"]] == ["partly_filled"]


async def test_an_agent_may_listen_until_its_time_has_come() -> None:
    async with running_node() as node, talking_to(node) as talker:
        assert "error" in await talker.login(CAROL, account=ALICE)
        agent = ApproveAgent(*BLANK, CAROL.address, Millis(START_MS + 1))
        await talker.call("action", node.action(agent, ALICE))
        await settled(node)
        assert "result" in await talker.login(CAROL, account=ALICE)
        await talker.call("subscribe", {"channel": "account"})
        known = {"0x" + CAROL.address.hex(): START_MS + 1}
        assert (await talker.push("account"))["agents"] == known
        assert (await get(node.url, f"/account/0x{ALICE.address.hex()}"))["agents"] == known
        await talker.call(
            "action", node.action(ApproveAgent(*BLANK, CAROL.address, START_MS), ALICE)
        )
        await settled(node)
        told = (await get(node.url, f"/account/0x{ALICE.address.hex()}"))["agents"]
        assert told == {"0x" + CAROL.address.hex(): START_MS}
        assert (await talker.login(CAROL, account=ALICE))["error"]["name"] == "WrongSigner"


@pytest.mark.parametrize("revoked", [True, False])
async def test_whose_authority_has_ended_keeps_nobody_connected(*, revoked: bool) -> None:
    config = HttpConfig(write_timeout_s=0.05)
    async with running_node(config) as node, talking_to(node) as talker, talking_to(node) as owner:
        agent = ApproveAgent(*BLANK, CAROL.address, Millis(START_MS + 1_000))
        await talker.call("action", node.action(agent, ALICE))
        await settled(node)
        assert "result" in await owner.login(ALICE)
        assert "result" in await talker.login(CAROL, account=ALICE)
        await owner.socket.close()
        await talker.call("ping")
        assert (node.entered, node.left) == ([ALICE.address], [])
        if revoked:
            none = ApproveAgent(*BLANK, CAROL.address, START_MS)
            await talker.call("action", node.action(none, ALICE))
        else:
            node.clock.ahead_ms = 1_000
        await until(lambda: bool(node.left))
        # What it hears goes on, and its own end is not the account's once more.
        assert "result" in await talker.call("subscribe", {"channel": "account"})
        await talker.socket.close()
        await gone(node, 0)
        assert node.left == [ALICE.address]


async def test_who_only_reads_keeps_nobody_connected() -> None:
    async with running_node() as node, talking_to(node) as reader, talking_to(node) as owner:
        assert "result" in await reader.login(ALICE, presence=False)
        assert "result" in await reader.call("subscribe", {"channel": "account"})
        assert node.entered == []
        assert "result" in await owner.login(ALICE)
        await owner.socket.close()
        await until(lambda: bool(node.left))
        # One that counted may take that back.
        assert "result" in await reader.login(ALICE)
        assert "result" in await reader.login(ALICE, presence=False)
        assert (node.entered, node.left) == ([ALICE.address] * 2, [ALICE.address] * 2)


# --- what the tests above do with sockets ------------------------------------------------------
