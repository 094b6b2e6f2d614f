"""The gate: what a client sends becomes a signed action, or a typed refusal."""
