"""Money on its way in, on both chains: what the inbox numbers and holds, and what it refuses."""

import pytest
from web3.logs import DISCARD

from node.codec.ranges import MONEY_MAX
from tests.integration.l1_stage import DOLLAR, Exchange, error_data, revert_data

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_deposits_are_numbered_and_held(exchange: Exchange) -> None:
    stage, inbox = exchange.stage, exchange.inbox
    alice, bob = stage.alice.address, stage.bob.address
    await exchange.fund_inbox(5 * DOLLAR)
    token = exchange.token.functions
    await stage.send(stage.bob, token.faucet(bob, 10 * DOLLAR))
    await stage.send(stage.bob, token.approve(inbox.address, 2**256 - 1))
    receipt = await stage.send(
        stage.bob, inbox.functions.depositMany([alice, bob], [3 * DOLLAR, 4 * DOLLAR])
    )
    events = [
        dict(event["args"]) for event in inbox.events.Deposited().process_receipt(receipt, DISCARD)
    ]
    assert events == [
        {"index": 1, "account": alice, "amount": 3 * DOLLAR},
        {"index": 2, "account": bob, "amount": 4 * DOLLAR},
    ]
    assert await inbox.functions.count().call() == 3
    assert await token.balanceOf(inbox.address).call() == 12 * DOLLAR
    assert await token.balanceOf(bob).call() == 3 * DOLLAR
    assert await token.allowance(bob, inbox.address).call() == 2**256 - 1


async def test_deposits_that_cannot_be_are_refused(exchange: Exchange) -> None:
    inbox, alice = exchange.inbox, exchange.stage.alice.address
    await exchange.fund_inbox(DOLLAR)
    functions, zero = inbox.functions, error_data("ZeroDeposit", 1)
    assert await revert_data(functions.deposit(alice, 0), alice) == zero
    assert await revert_data(functions.depositMany([alice], [0]), alice) == zero
    assert await revert_data(functions.depositMany([alice], []), alice) == error_data(
        "DepositLengthMismatch", 1, 0
    )
    many = functions.depositMany([alice] * 201, [1] * 201)
    assert await revert_data(many, alice) == error_data("TooManyDeposits", 200, 201)
    expected = error_data("TransferFailed", exchange.token.address, alice, inbox.address, 9)
    assert await revert_data(functions.deposit(alice, 9), alice) == expected


async def test_deposits_together_never_exceed_what_the_log_can_carry(exchange: Exchange) -> None:
    inbox, alice = exchange.inbox, exchange.stage.alice.address
    functions, token = inbox.functions, exchange.token.address
    assert await functions.DEPOSITED_MAX().call() == MONEY_MAX

    # The limit is judged before the token is asked, so its refusal shows that the limit let it by.
    alone = functions.deposit(alice, MONEY_MAX)
    refused_by_token = error_data("TransferFailed", token, alice, inbox.address, MONEY_MAX)
    assert await revert_data(alone, alice) == refused_by_token
    for above in (MONEY_MAX + 1, 2**64 + 1, 2**128 - 1):
        expected = error_data("DepositsExhausted", MONEY_MAX, 0, above)
        assert await revert_data(functions.deposit(alice, above), alice) == expected

    await exchange.fund_inbox(DOLLAR)
    await exchange.fund_inbox(2 * DOLLAR)
    assert await functions.deposited().call() == 3 * DOLLAR
    left = MONEY_MAX - 3 * DOLLAR
    expected = error_data("DepositsExhausted", MONEY_MAX, 3 * DOLLAR, left + 1)
    assert await revert_data(functions.deposit(alice, left + 1), alice) == expected
    fitting = functions.depositMany([alice] * 2, [left - 1, 1])
    refused_by_token = error_data("TransferFailed", token, alice, inbox.address, left)
    assert await revert_data(fitting, alice) == refused_by_token
    many = functions.depositMany([alice] * 2, [left, 1])
    expected = error_data("DepositsExhausted", MONEY_MAX, MONEY_MAX, 1)
    assert await revert_data(many, alice) == expected


async def test_the_test_dollar_keeps_its_books(exchange: Exchange) -> None:
    stage, token = exchange.stage, exchange.token.functions
    alice, bob = stage.alice.address, stage.bob.address
    limit = await token.FAUCET_LIMIT().call()
    above = token.faucet(alice, limit + 1)
    assert await revert_data(above, alice) == error_data("FaucetLimitExceeded", limit, limit + 1)
    await stage.send(stage.alice, token.faucet(alice, limit))
    await stage.send(stage.alice, token.transfer(bob, 7))
    await stage.send(stage.alice, token.approve(bob, 5))
    await stage.send(stage.bob, token.transferFrom(alice, bob, 3))
    assert await token.balanceOf(bob).call() == 10
    assert await token.totalSupply().call() == limit
    assert await revert_data(token.transferFrom(alice, bob, 3), bob) == error_data(
        "InsufficientAllowance", alice, bob, 2, 3
    )
    assert await revert_data(token.transfer(alice, 11), bob) == error_data(
        "InsufficientBalance", bob, 10, 11
    )
    assert await token.decimals().call() == 6
