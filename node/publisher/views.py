"""Answers to questions about the durable past, as JSON.

Nothing here is private: every order, fill and balance can be rebuilt from what stands on L1, so a
log-in would hide nothing. (The ``account`` feed asks for one all the same: it tells *live* what L1
tells a batch later.)
"""

from collections.abc import Awaitable, Callable

import msgspec

from node.codec.answers import BlockAnswer, FinalityAnswer, ReceiptAnswer, WithdrawalAnswer
from node.codec.json_markets import exchange_to_json, markets_to_json, rules_to_json
from node.publisher.feeds import Feeds, block_fields
from node.publisher.finality import Cursors
from node.publisher.history import History
from node.publisher.tape import INTERVALS_MS
from node.transition.tree.proofs import Proof
from node.types.blocks import Domain
from node.types.durable import Receipt
from node.types.errors import MalformedMessage, NotFound, UnknownMarket
from node.types.ids import Address, MarketId, Sequence
from node.types.rules import Rules

_encode = msgspec.json.Encoder().encode


class WithdrawalProof(msgspec.Struct, frozen=True, gc=False):
    """What the owner shows to the rollup contract to claim a withdrawal of a final batch."""

    batch: int
    proof: Proof


class Exchange(msgspec.Struct, frozen=True, gc=False):
    """Which exchange it is: its rules, what is signed for it, and who signs its blocks."""

    rules: Rules
    domain: Domain
    sequencer: Address


class PublicViews:
    """The mirrors, the recent blocks and the cursors, as anyone may read them."""

    def __init__(
        self,
        exchange: Exchange,
        feeds: Feeds,
        history: History,
        cursors: Callable[[], Cursors],
        last_sequence: Callable[[], Sequence],
        withdrawals: Callable[[int], Awaitable[WithdrawalProof]],
        preview: Callable[[bytes], tuple[Sequence, bytes]],
        told: Callable[[Sequence], Awaitable[None]],
    ) -> None:
        """``withdrawals`` gives the proof of a withdrawal, or raises ``NotFound``.

        ``told`` waits until a sequence is durable and has been told of.
        """
        self._preview = preview
        self._told = told
        self._feeds = feeds
        self._history = history
        self._cursors = cursors
        self._last_sequence = last_sequence
        self._withdrawals = withdrawals
        rules = self._rules = exchange.rules
        self._symbols = {
            market.symbol: MarketId(place) for place, market in enumerate(rules.markets, start=1)
        }
        named = exchange_to_json(exchange.domain, exchange.sequencer)
        self._told_rules = _encode(rules_to_json(rules) | named)

    def markets(self) -> bytes:
        """Return every market with its rules, and how it stands ``now``."""
        feeds, rules = self._feeds, self._rules
        markets = []
        for place, market in enumerate(markets_to_json(rules), start=1):
            number = MarketId(place)
            now = feeds.marks.staleness(rules, number) | feeds.market_now(number)
            markets.append({**market, "now": now})
        return _encode({"markets": markets})

    def rules(self) -> bytes:
        """Return all rules of the exchange, and what a signature for it names."""
        return self._told_rules

    def book(self, symbol: str, depth: int) -> bytes:
        """Return the best ``depth`` levels of a book. Raises ``UnknownMarket``."""
        return _encode(self._feeds.book_fields(self._market(symbol), depth))

    def trades(self, symbol: str, limit: int) -> bytes:
        """Return the last trades that are kept, the oldest first. Raises ``UnknownMarket``."""
        market, feeds = self._market(symbol), self._feeds
        trades = feeds.of_tape.shown_trades(feeds.tape.trades(market, limit))
        return _encode({"market": symbol, "seq": feeds.tape.sequence(market), "trades": trades})

    def candles(self, symbol: str, interval: str, limit: int) -> bytes:
        """Return the last candles that are kept, the oldest first.

        Raises ``UnknownMarket``, or ``MalformedMessage`` for an interval that is none.
        """
        market, feeds = self._market(symbol), self._feeds
        if interval not in INTERVALS_MS:
            raise MalformedMessage(detail=f"interval is one of {', '.join(INTERVALS_MS)}")
        kept = feeds.tape.candles(market, interval, limit)
        return _encode(
            {
                "market": symbol,
                "interval": interval,
                "seq": feeds.tape.sequence(market),
                "candles": feeds.of_tape.shown_candles(market, kept),
            }
        )

    def account(self, address: Address) -> bytes:
        """Return balances, positions and open orders."""
        return _encode(self._feeds.account_fields(address))

    def orders(self, address: Address) -> bytes:
        """Return the open orders alone."""
        fields = self._feeds.account_fields(address)
        return _encode({key: fields[key] for key in ("account", "seq", "orders")})

    def receipt(self, sequence: int) -> bytes:
        """Return a receipt with the ids after it in its block. Raises ``NotFound``."""
        return _encode(_receipt(self._history.receipt(sequence)))

    def block(self, number: int) -> bytes:
        """Return a block's head and the ids of its commands. Raises ``NotFound``."""
        durable = self._history.block(number)
        ids = tuple("0x" + name.hex() for name in durable.block.ids)
        return _encode(BlockAnswer(**block_fields(durable), ids=ids))

    def finality(self, sequence: int) -> bytes:
        """Return how sure a command is on L1. Raises ``NotFound`` when there is none so far."""
        last = self._last_sequence()
        if not 1 <= sequence <= last:
            raise NotFound(sequence=sequence, last=last)
        cursors = self._cursors()
        return _encode(
            FinalityAnswer(
                sequence=sequence,
                status=cursors.stage(sequence),
                sealed=cursors.sealed,
                posted=cursors.posted,
                safe=cursors.safe,
                final=cursors.final,
            )
        )

    def _market(self, symbol: str) -> MarketId:
        market = self._symbols.get(symbol)
        if market is None:
            raise UnknownMarket(market=symbol[:64])
        return market

    async def withdrawal(self, withdrawal_id: int) -> bytes:
        """Return the proof that claims a withdrawal. Raises ``NotFound`` until it is final."""
        found = await self._withdrawals(withdrawal_id)
        proof = found.proof
        return _encode(
            WithdrawalAnswer(
                withdrawal_id=withdrawal_id,
                batch=found.batch,
                key="0x" + proof.key.hex(),
                leaf="0x" + proof.value.hex(),
                bits=proof.bits,
                siblings=tuple("0x" + sibling.hex() for sibling in proof.siblings),
            )
        )

    def preview(self, raw: bytes) -> Awaitable[bytes]:
        """Try out the order in ``raw``, and return what comes of it once that may be known.

        See ``Previewer``.
        """
        return self._once_told(*self._preview(raw))

    async def _once_told(self, sequence: Sequence, answer: bytes) -> bytes:
        await self._told(sequence)
        return answer


def _receipt(receipt: Receipt) -> ReceiptAnswer:
    return ReceiptAnswer(
        sequence=receipt.sequence,
        number=receipt.number,
        time=receipt.time,
        first_sequence=receipt.first_sequence,
        count=receipt.count,
        id="0x" + receipt.action.hex(),
        link="0x" + receipt.link.hex(),
        following=tuple("0x" + name.hex() for name in receipt.following or ()),
        hash="0x" + receipt.hash.hex(),
        signature="0x" + receipt.signature.hex(),
    )
