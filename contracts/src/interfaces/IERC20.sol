// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @notice The two calls that move tokens in and out of the exchange.
interface IERC20 {
    function transfer(address to, uint256 amount) external returns (bool);
    function transferFrom(address from, address to, uint256 amount) external returns (bool);
}
