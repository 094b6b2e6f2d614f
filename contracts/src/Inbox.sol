// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IRollup} from "./interfaces/IRollup.sol";
import {PatriciaProof} from "./libraries/PatriciaProof.sol";
import {TokenTransfer} from "./libraries/TokenTransfer.sol";

/// @title The door of the exchange: money comes in by deposit and leaves by proof
/// @notice Deposits are numbered 0, 1, 2, … and enter the log of the exchange in that order; every batch says
///         how many of them it has taken in. A withdrawal is a leaf of the state tree, paid once the batch
///         that holds it is final.
/// @dev Effects always stand before the token is called, so a token that calls back finds nothing to repeat.
contract Inbox {
    /// @notice The first byte of the key of every withdrawal in the state tree.
    uint256 private constant WITHDRAWAL_PREFIX = 0x06;

    /// @notice The most deposits that one call of `depositMany` makes.
    uint256 public constant DEPOSITS_PER_CALL_MAX = 200;

    /// @notice The most that all deposits together may ever bring in, in millionths: the log of the exchange
    ///         carries money as a signed number of 64 bits.
    /// @dev A deposit beyond it could never enter the log and would bar the way to every later one. What left
    ///      again still counts, so no account, whoever it wins from, can come to hold more.
    uint64 public constant DEPOSITED_MAX = uint64(type(int64).max);

    /// @notice The rollup whose roots this inbox pays against: the contract that deployed it.
    IRollup public immutable rollup;
    /// @notice The quote asset of the exchange, with six decimals.
    address public immutable token;

    /// @notice The number of deposits so far, which is the index of the next one.
    uint64 public count;
    /// @notice The sum of all deposits so far, in millionths, at most `DEPOSITED_MAX`.
    uint64 public deposited;
    /// @notice Whether a withdrawal has been paid.
    mapping(uint64 withdrawalId => bool) public claimed;

    event Deposited(uint64 indexed index, address indexed account, uint128 amount);
    event Claimed(uint64 indexed withdrawalId, address indexed owner, uint128 amount);

    error ZeroDeposit(uint64 index);
    error DepositsExhausted(uint256 limit, uint256 deposited, uint256 given);
    error DepositLengthMismatch(uint256 accounts, uint256 amounts);
    error TooManyDeposits(uint256 limit, uint256 given);
    error AlreadyClaimed(uint64 withdrawalId);
    error WrongRoot(bytes32 expected, bytes32 proven);

    constructor(address token_) {
        rollup = IRollup(msg.sender);
        token = token_;
    }

    /// @notice Credits `account` on the exchange with `amount` millionths, paid by the caller.
    function deposit(address account, uint128 amount) external {
        _record(account, amount);
        TokenTransfer.pull(token, msg.sender, amount);
    }

    /// @notice Many deposits in one transfer: how a test net funds its accounts.
    function depositMany(address[] calldata accounts, uint128[] calldata amounts) external {
        if (accounts.length != amounts.length) revert DepositLengthMismatch(accounts.length, amounts.length);
        if (accounts.length > DEPOSITS_PER_CALL_MAX) {
            revert TooManyDeposits(DEPOSITS_PER_CALL_MAX, accounts.length);
        }
        uint256 total = 0;
        for (uint256 i = 0; i < accounts.length; ++i) {
            _record(accounts[i], amounts[i]);
            total += amounts[i];
        }
        TokenTransfer.pull(token, msg.sender, total);
    }

    /// @notice Pays the withdrawal `withdrawalId` to its `owner`, whoever calls.
    /// @param batchIndex Any final batch whose root holds the withdrawal.
    /// @param amount In millionths, exactly as in the state tree.
    /// @param bits The branches from the leaf up to the root: see `PatriciaProof`.
    /// @param siblings The other child of each of them.
    function claim(
        uint64 batchIndex,
        uint64 withdrawalId,
        address owner,
        uint128 amount,
        uint8[] calldata bits,
        bytes32[] calldata siblings
    ) external {
        if (claimed[withdrawalId]) revert AlreadyClaimed(withdrawalId);
        bytes32 expected = rollup.finalRoot(batchIndex);
        bytes32 proven =
            PatriciaProof.rootOf(withdrawalKey(withdrawalId), abi.encodePacked(owner, amount), bits, siblings);
        if (proven != expected) revert WrongRoot(expected, proven);

        claimed[withdrawalId] = true;
        emit Claimed(withdrawalId, owner, amount);
        TokenTransfer.pay(token, owner, amount);
    }

    /// @notice Where a withdrawal stands in the state tree: 0x06 || id (8 bytes) || 23 zero bytes.
    function withdrawalKey(uint64 withdrawalId) public pure returns (bytes32) {
        return bytes32((WITHDRAWAL_PREFIX << 248) | (uint256(withdrawalId) << 184));
    }

    function _record(address account, uint128 amount) private {
        uint64 index = count;
        uint64 before = deposited;
        if (amount == 0) revert ZeroDeposit(index);
        if (amount > DEPOSITED_MAX - before) revert DepositsExhausted(DEPOSITED_MAX, before, amount);
        count = index + 1;
        deposited = before + uint64(amount);
        emit Deposited(index, account, amount);
    }
}
