"""Commands and blocks as MessagePack: the journal's form, and the name of an unsigned command.

Arrays, not maps: a command is ``[tag, field, …]`` in the order of its declaration in
``node.types.commands``; enums are their values, bytes are bytes.
"""

from typing import Final

import msgspec

from node.codec.eip712 import Signing
from node.codec.ranges import check_ranges
from node.types.blocks import Block
from node.types.commands import Action, Command
from node.types.errors import MalformedMessage
from node.types.hashing import keccak256

_ID_BYTES: Final = 34
_BLOCK_BYTES: Final = 190
"""Numbers, parent, hash, signature, digest of changes, and the lengths of what is in a block."""

_encoder = msgspec.msgpack.Encoder()
_command_decoder: msgspec.msgpack.Decoder[Command] = msgspec.msgpack.Decoder(Command)
_block_decoder: msgspec.msgpack.Decoder[Block] = msgspec.msgpack.Decoder(Block)


def encode_command(command: Command) -> bytes:
    """Return the MessagePack form of ``command``."""
    return _encoder.encode(command)


def decode_command(data: bytes) -> Command:
    """Return the command encoded in ``data``, every value of it within the protocol's range.

    Raises ``MalformedMessage`` or ``ValueOutOfRange``.
    """
    try:
        command = _command_decoder.decode(data)
    except (msgspec.DecodeError, OverflowError) as error:
        raise MalformedMessage(detail=str(error)) from None
    check_ranges(command)
    return command


def encode_block(block: Block) -> bytes:
    """Return the MessagePack form of ``block``."""
    return _encoder.encode(block)


def command_bytes(block: Block, encoded: bytes) -> int:
    """Return how many bytes of ``block``'s MessagePack form are its commands', within twenty.

    The rest is not posted: ids, hashes, the signature. Of a block with one order it is the most.
    """
    return max(1, len(encoded) - _BLOCK_BYTES - _ID_BYTES * len(block.ids))


def decode_block(data: bytes) -> Block:
    """Return the block encoded in ``data``; its types are checked, its ranges are not.

    Blocks are read from the node's own journal only, which guards its bytes with checksums. Raises
    ``MalformedMessage``.
    """
    try:
        return _block_decoder.decode(data)
    except (msgspec.DecodeError, OverflowError) as error:
        raise MalformedMessage(detail=str(error)) from None


def command_id(command: Command, signing: Signing) -> bytes:
    """Return the 32-byte name of ``command`` in its block's chain.

    For a signed action the digest that was signed, for any other the hash of its MessagePack form.
    Raises ``UnknownMarket``.
    """
    if isinstance(command, Action):
        return signing.digest(command)
    return keccak256(_encoder.encode(command))
