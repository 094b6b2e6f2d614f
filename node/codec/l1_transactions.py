"""Ethereum transactions of type 2 (EIP-1559): fields, the digest to sign, the bytes to send.

    payload = rlp([chain id, nonce, tip, max fee, gas, to, value, data, access list])
    digest  = keccak256(0x02 || payload)
    raw     = 0x02 || rlp([fields …, parity, r, s])        hash = keccak256(raw)

Signatures are deterministic (RFC 6979): the same fields are always the same bytes, so a
transaction that got lost can be sent again as *the same* transaction.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from node.types.hashing import keccak256
from node.types.ids import Address

TYPE_BYTE: Final = b"\x02"

_SHORT_MAX: Final = 55
"""Up to so many bytes, RLP keeps the length in the first byte."""


class Fees(msgspec.Struct, frozen=True, gc=False):
    """Wei per gas: ``max_fee`` bounds base fee and tip together, ``tip`` is the miner's at most."""

    max_fee: int
    tip: int


class L1Transaction(msgspec.Struct, frozen=True, gc=False):
    """A call of a contract that carries no value."""

    chain_id: int
    nonce: int
    fees: Fees
    gas: int
    to: Address
    data: bytes

    def digest(self) -> bytes:
        """Return the 32 bytes that the sender signs."""
        return keccak256(TYPE_BYTE + _rlp_list(self._fields()))

    def signed(self, signature: bytes) -> bytes:
        """Return the raw transaction; ``signature`` is r (32 bytes), s (32), parity (1)."""
        numbers = (signature[64], _number(signature[:32]), _number(signature[32:64]))
        return TYPE_BYTE + _rlp_list([*self._fields(), *map(_rlp_number, numbers)])

    def _fields(self) -> list[bytes]:
        numbers = (self.chain_id, self.nonce, self.fees.tip, self.fees.max_fee, self.gas)
        return [
            *map(_rlp_number, numbers),
            _rlp_bytes(self.to),
            _rlp_number(0),
            _rlp_bytes(self.data),
            _rlp_list(()),
        ]


def suggested_fees(base_fee: int, tip: int) -> Fees:
    """Return fees that survive six full blocks: each raises the base fee by an eighth at most."""
    return Fees(max_fee=2 * base_fee + tip, tip=tip)


def _number(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _big_endian(number: int) -> bytes:
    """Return the shortest big-endian form; nothing for zero."""
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def _rlp_number(number: int) -> bytes:
    return _rlp_bytes(_big_endian(number))


def _rlp_bytes(data: bytes) -> bytes:
    if len(data) == 1 and data[0] < 0x80:
        return data
    return _rlp_length(len(data), 0x80) + data


def _rlp_list(items: Sequence[bytes]) -> bytes:
    payload = b"".join(items)
    return _rlp_length(len(payload), 0xC0) + payload


def _rlp_length(length: int, offset: int) -> bytes:
    if length <= _SHORT_MAX:
        return bytes([offset + length])
    size = _big_endian(length)
    return bytes([offset + _SHORT_MAX + len(size)]) + size
