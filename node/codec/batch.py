"""The L1 batch: a list of commands, small enough to pay for, from which all else is rebuilt.

    version (1 byte) · codec (1 byte) · length of the packed columns (varint) · packed columns
    · number of addresses (varint) · addresses (20 bytes each)
    · signatures (64 bytes each) · their parities (one bit each, the lowest first)

Columns are stored or deflated, whichever is smaller; addresses and signatures look random to any
compressor and stay as they are. A batch refers to nothing outside of itself. The whole format is in
docs/PROTOCOL.md.
"""

import zlib
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from node.codec.batch_actions import ACTION_KINDS, read_actions, write_actions
from node.codec.batch_system import SYSTEM_KINDS, read_system, write_system
from node.codec.columns import AddressBook, ColumnReader, Columns, Kind, columns_to_bytes
from node.codec.ranges import ADDRESS_BYTES, check_ranges
from node.codec.varint import decode_varints, encode_varints
from node.types.commands import Action, Command, OracleRound
from node.types.errors import BatchMalformed
from node.types.ids import Address

VERSION: Final = 3
STORED: Final = 0
DEFLATED: Final = 1

_RAW_DEFLATE: Final = -15
_SIGNATURE_BYTES: Final = 64
_OWN_BLOCK_BYTES: Final = 128
"""A column from this size on gets Huffman codes of its own, which pay for themselves."""

_KINDS: Final[dict[type[Command], Kind]] = {**ACTION_KINDS, **SYSTEM_KINDS}
# Plain integers: they are looked up once for each command.
_ACTIONS: Final = frozenset(map(int, ACTION_KINDS.values()))
_KNOWN: Final = frozenset(map(int, _KINDS.values()))


class BatchLimits(msgspec.Struct, frozen=True, gc=False):
    """What a decoder takes on: bytes of columns once unpacked, and commands."""

    column_bytes: int = 4 * 1024 * 1024
    commands: int = 262_144


DEFAULT_LIMITS: Final = BatchLimits()


def encode_batch(commands: Sequence[Command]) -> bytes:
    """Return ``commands`` as a batch. Raises ``ValueOutOfRange`` for what it cannot carry.

    The bytes may differ from one release of zlib to the next; what they decode to does not.
    """
    for command in commands:
        check_ranges(command)
    actions = [command for command in commands if isinstance(command, Action)]
    system = [command for command in commands if not isinstance(command, Action)]
    book = AddressBook()
    columns: Columns = {"kind": [_KINDS[type(command)] for command in commands]}
    write_actions(actions, book, columns)
    write_system(system, book, columns)
    signatures = [action.signature for action in actions]
    for command in system:
        if isinstance(command, OracleRound):
            signatures += [report.signature for report in command.reports]
    codec, packed = _pack(columns_to_bytes(columns))
    addresses = book.to_bytes()
    return b"".join(
        [
            bytes([VERSION, codec]),
            encode_varints([len(packed)]),
            packed,
            encode_varints([len(addresses) // ADDRESS_BYTES]),
            addresses,
            *[signature[:_SIGNATURE_BYTES] for signature in signatures],
            _parities_to_bytes(signatures),
        ]
    )


def decode_batch(data: bytes, limits: BatchLimits = DEFAULT_LIMITS) -> tuple[Command, ...]:
    """Return the commands in ``data``, each value within the protocol's range.

    Signatures and signers are read, not checked: ``signatures.authenticate`` does that. Raises
    ``BatchMalformed`` (``detail``) for anything but a well-formed batch within ``limits``.
    """
    if len(data) < 2 or data[0] != VERSION:
        raise BatchMalformed(detail=f"not a batch of version {VERSION}")
    length, place = _leading_varint(data, 2)
    end = place + length
    columns = ColumnReader(_unpack(data[1], data[place:end], limits.column_bytes))
    address_count, place = _leading_varint(data, end)
    end = place + address_count * ADDRESS_BYTES
    addresses = _split_addresses(data[place:end], address_count)
    kinds = columns.all("kind", max(_KNOWN))
    if len(kinds) > limits.commands or not _KNOWN.issuperset(kinds):
        raise BatchMalformed(detail="an unknown kind of command, or more of them than allowed")
    reports = columns.all("round.reports")
    actions = [kind for kind in kinds if kind in _ACTIONS]
    signatures = _split_signatures(data[end:], len(actions) + sum(reports))
    signed = iter(read_actions(actions, addresses, signatures, columns))
    system_kinds = [kind for kind in kinds if kind not in _ACTIONS]
    system = iter(read_system(system_kinds, addresses, signatures, columns))
    return tuple([next(signed) if kind in _ACTIONS else next(system) for kind in kinds])


def _pack(parts: Sequence[bytes]) -> tuple[int, bytes]:
    """Return the codec and the bytes of the columns, in whichever form is smaller."""
    plain = b"".join(parts)
    deflater = zlib.compressobj(9, zlib.DEFLATED, _RAW_DEFLATE)
    deflated = []
    for part in parts:
        if len(part) >= _OWN_BLOCK_BYTES:
            deflated.append(deflater.flush(zlib.Z_BLOCK))
        deflated.append(deflater.compress(part))
        if len(part) >= _OWN_BLOCK_BYTES:
            deflated.append(deflater.flush(zlib.Z_BLOCK))
    deflated.append(deflater.flush())
    packed = b"".join(deflated)
    return (DEFLATED, packed) if len(packed) < len(plain) else (STORED, plain)


def _unpack(codec: int, packed: bytes, limit: int) -> bytes:
    """Return the columns' bytes, of which no more than ``limit`` are ever held."""
    if codec == STORED:
        plain = packed
    elif codec == DEFLATED:
        inflater = zlib.decompressobj(_RAW_DEFLATE)
        try:
            plain = inflater.decompress(packed, limit + 1)
        except zlib.error as error:
            raise BatchMalformed(detail=f"columns: {error}") from None
        if len(plain) <= limit and (not inflater.eof or inflater.unused_data):
            raise BatchMalformed(detail="the packed columns are cut off, or end early")
    else:
        raise BatchMalformed(detail=f"unknown codec {codec}")
    if len(plain) > limit:
        raise BatchMalformed(detail=f"columns of more than {limit} bytes")
    return plain


def _leading_varint(data: bytes, place: int) -> tuple[int, int]:
    """Return the one varint at ``place`` and where it ends."""
    end = place
    while end < len(data) and data[end] >= 0x80 and end - place < 10:
        end += 1
    values = decode_varints(data[place : end + 1])
    if len(values) != 1:
        raise BatchMalformed(detail=f"a length is missing at byte {place}")
    return values[0], end + 1


def _split_addresses(data: bytes, count: int) -> list[Address]:
    if len(data) != count * ADDRESS_BYTES:
        raise BatchMalformed(detail=f"{len(data)} bytes for {count} addresses")
    return [
        Address(data[place : place + ADDRESS_BYTES]) for place in range(0, len(data), ADDRESS_BYTES)
    ]


def _parities_to_bytes(signatures: Sequence[bytes]) -> bytes:
    bits = "".join([str(signature[_SIGNATURE_BYTES]) for signature in reversed(signatures)])
    return int(bits or "0", 2).to_bytes(-(-len(signatures) // 8), "little")


def _split_signatures(data: bytes, count: int) -> Iterator[bytes]:
    """Return ``count`` signatures, each with its parity; nothing may follow them in ``data``."""
    size = count * _SIGNATURE_BYTES
    parities = int.from_bytes(data[size:], "little")
    if len(data) != size + -(-count // 8) or parities >> count:
        raise BatchMalformed(detail=f"{len(data)} bytes for {count} signatures and their parities")
    bits = f"{parities:0{count}b}"
    tails = {"0": b"\x00", "1": b"\x01"}
    return (
        data[place : place + _SIGNATURE_BYTES] + tails[bit]
        for place, bit in zip(range(0, size, _SIGNATURE_BYTES), reversed(bits), strict=False)
    )
