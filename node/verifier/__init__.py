"""The verifier: from L1 alone the same state, or the first difference by name."""
