// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @title Membership in Plimsoll's state tree
/// @notice The tree is a binary Patricia trie over 32-byte keys, compressed so that a branch exists only
///         where two keys part:
///
///         leaf   = keccak256(0x00 || key (32) || value)
///         branch = keccak256(0x01 || bit (1) || left (32) || right (32))
///
///         `bit` is the first place at which the keys below a branch differ: 0 is the most significant bit
///         of byte 0, 255 the least significant bit of byte 31. Keys with that bit clear go left.
///
/// @dev A proof climbs from the leaf to the root: `bits[i]` is the bit of the i-th branch met on the way and
///      `siblings[i]` the hash of its other child. The key alone decides on which side it stands.
library PatriciaProof {
    error ProofLengthMismatch(uint256 bits, uint256 siblings);
    /// @notice Every branch above another one splits at an earlier bit, so `bits` must fall.
    error BitsNotDecreasing(uint256 position, uint8 below, uint8 given);

    /// @notice The root of the tree in which `key` holds `value`, if the proof is honest.
    function rootOf(bytes32 key, bytes memory value, uint8[] calldata bits, bytes32[] calldata siblings)
        internal
        pure
        returns (bytes32 node)
    {
        if (bits.length != siblings.length) revert ProofLengthMismatch(bits.length, siblings.length);
        node = keccak256(abi.encodePacked(bytes1(0x00), key, value));
        for (uint256 i = 0; i < bits.length; ++i) {
            uint8 bit = bits[i];
            if (i > 0 && bit >= bits[i - 1]) revert BitsNotDecreasing(i, bits[i - 1], bit);
            bool goesRight = (uint256(key) >> (255 - bit)) & 1 == 1;
            node = goesRight ? _branch(bit, siblings[i], node) : _branch(bit, node, siblings[i]);
        }
    }

    function _branch(uint8 bit, bytes32 left, bytes32 right) private pure returns (bytes32) {
        return keccak256(abi.encodePacked(bytes1(0x01), bit, left, right));
    }
}
