"""Plimsoll: an off-chain sequencer and rollup batching node for a derivatives exchange."""

__version__ = "0.1.0"
