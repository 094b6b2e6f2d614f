"""What was sent to L1 may come to be, whatever its endpoint tells or does not tell afterwards."""

from unittest.mock import AsyncMock

import pytest

from node.adapters.key_signer import KeySigner
from node.client import l1
from node.client.l1 import L1Account
from node.ports.chain import FeeSample, L1Receipt, SendAnswer, Sending
from node.types.errors import ChainUnavailable, TransactionFailed, TransactionUnseen
from node.types.hashing import keccak256
from node.types.ids import Address
from node.types.units import Money

AWAY = ChainUnavailable(detail="eth_getTransactionReceipt: 429")
DONE = L1Receipt(b"", 9, b"", True, 1, 1)
UNDONE = L1Receipt(b"", 9, b"", False, 1, 1)
PLACE = Address(bytes(20))


@pytest.fixture
def chain(monkeypatch: pytest.MonkeyPatch) -> AsyncMock:
    """An endpoint that takes whatever is sent."""
    monkeypatch.setattr(l1, "POLL_S", 0)
    chain = AsyncMock()
    chain.call.return_value = b"\xff" * 32
    chain.estimate_gas.return_value = 50_000
    chain.nonce.return_value = 7
    chain.fees.return_value = FeeSample(10, ())
    chain.send.return_value = SendAnswer(Sending.TAKEN, "")
    return chain


async def deposit(chain: AsyncMock) -> L1Receipt:
    account = L1Account(chain, KeySigner(b"\x07" * 32), 31337, PLACE, PLACE, PLACE)
    return await account.deposit(account.address, Money(1))


async def test_an_endpoint_that_is_away_after_the_sending_is_asked_again(chain: AsyncMock) -> None:
    chain.receipt.side_effect = [None, AWAY, None, AWAY, DONE]
    assert await deposit(chain) is DONE
    assert chain.send.await_count == 1


async def test_where_the_answer_to_the_sending_is_lost_the_receipt_tells(chain: AsyncMock) -> None:
    chain.send.side_effect = ChainUnavailable(detail="eth_sendRawTransaction: timeout")
    chain.receipt.side_effect = [None, DONE]
    assert await deposit(chain) is DONE
    assert chain.send.await_count == 1


@pytest.mark.parametrize("sent", [SendAnswer(Sending.TAKEN, ""), AWAY])
@pytest.mark.parametrize("seen", [None, AWAY])
async def test_what_is_in_no_block_in_time_is_named_and_no_refusal(
    chain: AsyncMock,
    monkeypatch: pytest.MonkeyPatch,
    sent: SendAnswer | Exception,
    seen: Exception | None,
) -> None:
    monkeypatch.setattr(l1, "RECEIPT_WITHIN_S", 0)
    chain.send.side_effect = [sent]
    chain.receipt = AsyncMock(side_effect=seen, return_value=None)
    with pytest.raises(TransactionUnseen) as unseen:
        await deposit(chain)
    [raw] = chain.send.await_args.args
    assert unseen.value.values == {"transaction": keccak256(raw), "waited_s": 0}


async def test_what_fails_before_the_sending_may_be_tried_again(chain: AsyncMock) -> None:
    chain.nonce.side_effect = AWAY
    with pytest.raises(ChainUnavailable):
        await deposit(chain)
    assert chain.send.await_count == 0


@pytest.mark.parametrize(
    ("sent", "seen"),
    [(Sending.UNDERPRICED, DONE), (Sending.UNFUNDED, DONE), (Sending.TAKEN, UNDONE)],
)
async def test_what_l1_will_not_do_has_failed(
    chain: AsyncMock, sent: Sending, seen: L1Receipt
) -> None:
    chain.send.return_value = SendAnswer(sent, "")
    chain.receipt.side_effect = [seen]
    with pytest.raises(TransactionFailed):
        await deposit(chain)


TOLD = [SendAnswer(Sending.REFUSED, "request timed out"), SendAnswer(Sending.SPENT, "nonce 7")]
"""What an endpoint may say of a transaction that it has passed on, or that is in a block."""


@pytest.mark.parametrize("told", TOLD)
async def test_what_is_answered_with_an_error_and_mined_all_the_same_is_done(
    chain: AsyncMock, told: SendAnswer
) -> None:
    chain.send.return_value = told
    chain.receipt.side_effect = [None, AWAY, DONE]
    assert await deposit(chain) is DONE
    assert chain.send.await_count == 1


@pytest.mark.parametrize("told", TOLD)
async def test_what_is_answered_with_an_error_and_not_seen_is_no_refusal_either(
    chain: AsyncMock, monkeypatch: pytest.MonkeyPatch, told: SendAnswer
) -> None:
    monkeypatch.setattr(l1, "ERROR_WITHIN_S", 0)
    chain.send.return_value = told
    chain.receipt.return_value = None
    with pytest.raises(TransactionUnseen) as unseen:
        await deposit(chain)
    [raw] = chain.send.await_args.args
    expected = {"transaction": keccak256(raw), "waited_s": 0, "detail": told.detail}
    assert unseen.value.values == expected
