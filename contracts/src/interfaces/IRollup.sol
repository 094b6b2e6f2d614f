// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @notice What the inbox asks of the rollup that owns it.
interface IRollup {
    /// @notice The state root after batch `index`, once nobody can take that batch back.
    /// @dev Reverts with `UnknownBatch` or `NotFinal`.
    function finalRoot(uint64 index) external view returns (bytes32);
}
