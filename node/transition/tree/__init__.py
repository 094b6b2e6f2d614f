"""The state tree: an ordered, canonical Merkle map from 32-byte keys to bytes, and its proofs.

    nodes    the hashes of the protocol and the immutable nodes that cache them
    tree     ``StateTree``: lookup, bulk update, ordered iteration
    proofs   short proofs of membership, absence and the first leaf of a prefix

Nothing here knows what the keys and values mean.
"""
