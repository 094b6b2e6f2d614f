// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {Inbox} from "./Inbox.sol";
import {IRollup} from "./interfaces/IRollup.sol";

/// @title The log of the exchange on L1
/// @notice The sequencer posts batches of commands; each names the state root it starts from and the one it
///         reaches. The data of a batch stands in the calldata of the posting transaction, so an empty disk and
///         this chain are enough to rebuild every account and every order book.
contract Rollup is IRollup {
    /// @param index The place of the batch: the first one posted is 0.
    /// @param previousRoot The state root before the batch: the last one posted, or the genesis root.
    /// @param newRoot The state root after the batch.
    /// @param firstSequence The sequence number of its first command. The log starts at 1.
    /// @param lastSequence The sequence number of its last command.
    /// @param inboxCursor How many deposits of the inbox the log has taken in at its end.
    /// @param intermediateRoots State roots on the way, so that a dispute is about one short stretch.
    struct Header {
        uint64 index;
        bytes32 previousRoot;
        bytes32 newRoot;
        uint64 firstSequence;
        uint64 lastSequence;
        uint64 inboxCursor;
        bytes32[] intermediateRoots;
    }

    /// @param newRoot The state root after the batch.
    /// @param commitment keccak256(abi.encode(header, keccak256(data))): what a dispute will be held against.
    /// @param postedAtBlock The L1 block that holds the batch.
    /// @param lastSequence The sequence number of its last command.
    /// @param inboxCursor How many deposits the log has taken in at its end.
    struct Batch {
        bytes32 newRoot;
        bytes32 commitment;
        uint64 postedAtBlock;
        uint64 lastSequence;
        uint64 inboxCursor;
    }

    /// @notice The only key that posts batches.
    address public immutable sequencer;
    /// @notice A batch is final this many L1 blocks after the block that holds it.
    uint64 public immutable finalityBlocks;
    /// @notice keccak256 of the rules, whose bytes stand in the event `Opened`.
    bytes32 public immutable rulesHash;
    /// @notice The state root before the first command.
    bytes32 public immutable genesisRoot;
    /// @notice Where deposits come in and withdrawals go out.
    Inbox public immutable inbox;

    Batch[] private _batches;

    /// @notice The exchange is open under these rules: all that a verifier needs besides the batches.
    event Opened(bytes rules, bytes32 genesisRoot);
    event BatchPosted(
        uint64 indexed index,
        bytes32 newRoot,
        uint64 firstSequence,
        uint64 lastSequence,
        uint64 inboxCursor,
        bytes32 dataHash
    );

    error NotSequencer(address expected, address given);
    error NotTopLevelCall(address sender, address origin);
    error WrongIndex(uint64 expected, uint64 given);
    error WrongPreviousRoot(bytes32 expected, bytes32 given);
    error WrongFirstSequence(uint64 expected, uint64 given);
    error WrongLastSequence(uint64 firstSequence, uint64 given);
    error CursorMovedBack(uint64 previous, uint64 given);
    error CursorPastInbox(uint64 count, uint64 given);
    error UnknownBatch(uint64 count, uint64 given);
    error NotFinal(uint64 index, uint256 finalAtBlock, uint256 currentBlock);

    constructor(address sequencer_, address token, uint64 finalityBlocks_, bytes memory rules, bytes32 genesisRoot_) {
        sequencer = sequencer_;
        finalityBlocks = finalityBlocks_;
        rulesHash = keccak256(rules);
        genesisRoot = genesisRoot_;
        inbox = new Inbox(token);
        emit Opened(rules, genesisRoot_);
    }

    /// @notice Appends one batch of commands to the log.
    /// @param header What the batch claims. Every field that this contract can check, it does.
    /// @param data The commands, encoded. L1 keeps them in calldata and only their hash in state.
    function postBatch(Header calldata header, bytes calldata data) external {
        _requireTopLevelSequencer();
        _requireContinues(header);
        bytes32 dataHash = keccak256(data);
        _batches.push(
            Batch({
                newRoot: header.newRoot,
                commitment: keccak256(abi.encode(header, dataHash)),
                postedAtBlock: uint64(block.number),
                lastSequence: header.lastSequence,
                inboxCursor: header.inboxCursor
            })
        );
        emit BatchPosted(
            header.index, header.newRoot, header.firstSequence, header.lastSequence, header.inboxCursor, dataHash
        );
    }

    /// @notice The number of batches posted, which is the index of the next one.
    function batchCount() public view returns (uint64) {
        return uint64(_batches.length);
    }

    /// @notice The record of batch `index`.
    function batches(uint64 index) public view returns (Batch memory) {
        if (index >= _batches.length) revert UnknownBatch(batchCount(), index);
        return _batches[index];
    }

    /// @notice The state root after the last batch posted.
    function latestRoot() public view returns (bytes32) {
        uint256 length = _batches.length;
        return length == 0 ? genesisRoot : _batches[length - 1].newRoot;
    }

    /// @notice Whether batch `index` has stood for `finalityBlocks` L1 blocks.
    function isFinal(uint64 index) external view returns (bool) {
        return block.number >= _finalAtBlock(batches(index));
    }

    /// @inheritdoc IRollup
    function finalRoot(uint64 index) external view returns (bytes32) {
        Batch memory batch = batches(index);
        uint256 finalAtBlock = _finalAtBlock(batch);
        if (block.number < finalAtBlock) revert NotFinal(index, finalAtBlock, block.number);
        return batch.newRoot;
    }

    function _finalAtBlock(Batch memory batch) private view returns (uint256) {
        return uint256(batch.postedAtBlock) + finalityBlocks;
    }

    /// @dev A verifier reads a batch from the calldata of a transaction *to this contract*. A batch that came
    ///      through another contract would leave its data in a trace only, so such a call is refused; so is
    ///      a sequencer key that has delegated to code (EIP-7702), which could be that other contract.
    function _requireTopLevelSequencer() private view {
        if (msg.sender != sequencer) revert NotSequencer(sequencer, msg.sender);
        if (msg.sender != tx.origin || msg.sender.code.length != 0) {
            revert NotTopLevelCall(msg.sender, tx.origin);
        }
    }

    /// @dev The batch starts exactly where the last one ended and takes in no deposit that was never made.
    function _requireContinues(Header calldata header) private view {
        uint64 index = batchCount();
        (uint64 lastSequence, uint64 cursor) = _position(index);
        if (header.index != index) revert WrongIndex(index, header.index);
        if (header.previousRoot != latestRoot()) revert WrongPreviousRoot(latestRoot(), header.previousRoot);
        if (header.firstSequence != lastSequence + 1) {
            revert WrongFirstSequence(lastSequence + 1, header.firstSequence);
        }
        if (header.lastSequence < header.firstSequence) {
            revert WrongLastSequence(header.firstSequence, header.lastSequence);
        }
        if (header.inboxCursor < cursor) revert CursorMovedBack(cursor, header.inboxCursor);
        uint64 deposits = inbox.count();
        if (header.inboxCursor > deposits) revert CursorPastInbox(deposits, header.inboxCursor);
    }

    /// @dev Where the log stands before batch `index`: the last sequence number and the inbox cursor.
    function _position(uint64 index) private view returns (uint64 lastSequence, uint64 cursor) {
        if (index == 0) return (0, 0);
        Batch storage last = _batches[index - 1];
        return (last.lastSequence, last.inboxCursor);
    }
}
