// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IERC20} from "../interfaces/IERC20.sol";

/// @notice Token transfers that fail loudly.
/// @dev Well-known dollars differ in how they report: some return true, some return nothing, some return
///      false instead of reverting. All three are told apart here. Tokens that take a fee on transfer are
///      not supported: the amount that is credited would not have arrived.
library TokenTransfer {
    error TransferFailed(address token, address from, address to, uint256 amount);

    /// @notice Moves `amount` from `from`, who has approved this contract, to this contract.
    function pull(address token, address from, uint256 amount) internal {
        bytes memory call = abi.encodeCall(IERC20.transferFrom, (from, address(this), amount));
        if (!_succeeds(token, call)) revert TransferFailed(token, from, address(this), amount);
    }

    /// @notice Moves `amount` from this contract to `to`.
    function pay(address token, address to, uint256 amount) internal {
        bytes memory call = abi.encodeCall(IERC20.transfer, (to, amount));
        if (!_succeeds(token, call)) revert TransferFailed(token, address(this), to, amount);
    }

    function _succeeds(address token, bytes memory call) private returns (bool) {
        (bool done, bytes memory answer) = token.call(call);
        if (!done) return false;
        // An account without code accepts every call, so silence counts only when there is code.
        if (answer.length == 0) return token.code.length > 0;
        return answer.length >= 32 && abi.decode(answer, (uint256)) == 1;
    }
}
