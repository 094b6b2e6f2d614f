"""What each channel says of a block: encoded once, whoever and however many listen.

Channels with a chain (``book``, ``orders``, ``bbo``, ``trades``, ``candles``, ``account``) begin
with a snapshot that bears the sequence of the last message; each further message names the sequence
of the one before. A reader who finds ``prev_seq`` unequal to what it last saw has missed something,
and subscribes again, naming what it saw last where the channel can be resumed.
"""

from collections.abc import Container
from typing import Any

from node.ports.api import Channel
from node.publisher.account_messages import AccountMessages
from node.publisher.accounts import Accounts
from node.publisher.book_messages import BookMessages
from node.publisher.books import Books
from node.publisher.config import PublisherConfig
from node.publisher.finality import Cursors
from node.publisher.marks import Marks
from node.publisher.message import Frame, Framer, Message
from node.publisher.tape import Tape
from node.publisher.tape_messages import TapeMessages
from node.types.durable import DurableBlock
from node.types.ids import Address, MarketId, Sequence
from node.types.rules import Rules
from node.types.units import decimal_from_units

MARKS = Channel("marks")
BLOCKS = Channel("blocks")
FINALITY = Channel("finality")
LOAD = Channel("load")


class Feeds:
    """Follows the durable log with mirrors of its own, and writes the channels' messages."""

    def __init__(
        self,
        rules: Rules,
        books: Books,
        accounts: Accounts,
        marks: Marks,
        frame: Frame,
        sequence: Sequence,
        tape: Tape | None = None,
    ) -> None:
        """Begin with mirrors that stand at ``sequence``; without a ``tape`` nothing was traded."""
        self.books = books
        self.accounts = accounts
        self.marks = marks
        self.tape = tape or Tape(len(rules.markets), PublisherConfig())
        self._rules = rules
        self._framer = framer = Framer(frame)
        self._of_books = BookMessages(rules, books, framer, sequence)
        self._of_accounts = AccountMessages(rules, accounts, framer)
        self.of_tape = TapeMessages(rules, self.tape, framer)
        self._last_block: DurableBlock | None = None

    def take(self, block: DurableBlock, wanted: Container[Channel]) -> list[Message]:
        """Follow ``block``; return a message for each channel in ``wanted`` that it speaks on."""
        self._last_block = block
        sequence = block.block.last_sequence
        messages = self._of_books.take(block, wanted)
        messages += self.of_tape.take(block, wanted)
        of_accounts = self._of_accounts.take(block, wanted)
        # They tell the open interest as well, which the accounts know only now.
        if self.marks.take(block) and MARKS in wanted:
            messages.append(Message(MARKS, self._marks(), sequence, sequence))
        messages += of_accounts
        if BLOCKS in wanted:
            messages.append(Message(BLOCKS, self._block(block), sequence, sequence))
        return messages

    def standing(self, channel: Channel) -> tuple[bytes, ...]:
        """Return the frames that a new reader of ``channel`` begins with; finality has its own."""
        match channel.kind:
            case "book" | "orders" | "bbo":
                return self._of_books.standing(channel)
            case "trades" | "candles":
                return (self.of_tape.standing(channel),)
            case "account":
                return (self._of_accounts.standing(channel.account),)
            case "marks":
                return (self._marks(),)
            case "blocks" if self._last_block is not None:
                return (self._block(self._last_block),)
            case _:
                return ()

    def sequence(self, channel: Channel) -> Sequence:
        """Return the ``seq`` of the last message of a channel that can be resumed."""
        match channel.kind:
            case "account":
                return self._of_accounts.sequence(channel.account)
            case "trades":
                return self.tape.sequence(channel.market)
            case _:
                return self._of_books.sequence(channel)

    def finality(self, cursors: Cursors, count: int) -> bytes:
        """Return the frame that tells of ``cursors`` after ``count`` moves."""
        return self._framer.frame(
            {
                "channel": "finality",
                "count": count,
                "sealed": cursors.sealed,
                "posted": cursors.posted,
                "safe": cursors.safe,
                "final": cursors.final,
            }
        )

    def account_fields(self, address: Address) -> dict[str, Any]:
        """Return an account as it stands; one that never had a deposit has nothing."""
        return self._of_accounts.fields(address)

    def book_fields(self, market_id: MarketId, depth: int | None = None) -> dict[str, Any]:
        """Return the best ``depth`` levels of a book as they stand (None: all)."""
        return self._of_books.book_fields(market_id, depth)

    def market_now(self, market_id: MarketId) -> dict[str, Any]:
        """Return the funding (None before the first mark) and the open interest of a market."""
        lots = self.accounts.open_interest[market_id]
        return {
            "funding": self.marks.funding(self._rules, market_id),
            "open_interest": decimal_from_units(lots, self._rules.market(market_id).lot_decimals),
        }

    def _marks(self) -> bytes:
        marks = {}
        for market_id, known in self.marks.by_market.items():
            market = self._rules.market(market_id)
            shown = decimal_from_units(known.price, market.tick_decimals)
            now = self.market_now(market_id)
            marks[market.symbol] = {"price": shown, "time": known.time, **now}
        return self._framer.frame({"channel": "marks", "seq": self.marks.sequence, "marks": marks})

    def _block(self, durable: DurableBlock) -> bytes:
        return self._framer.frame({"channel": "blocks", **block_fields(durable)})


def block_fields(durable: DurableBlock) -> dict[str, Any]:
    """Return the head of a block, as its hash and the sequencer's signature cover it."""
    block = durable.block
    return {
        "number": block.number,
        "time": block.time,
        "first_sequence": block.first_sequence,
        "last_sequence": block.last_sequence,
        "parent": "0x" + block.parent.hex(),
        "hash": "0x" + block.hash.hex(),
        "signature": "0x" + block.signature.hex(),
    }
