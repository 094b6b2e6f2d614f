"""The ramp: where a running node's knee is, found by load that does not wait for it.

    ramp (this process)                         generator (a process of its own)
      search ─▶ rate ──────── Prepare ────────▶ draws, signs, frames: nothing is timed yet
      telemetry ◀─ node       Fire ───────────▶ sends each action when it is due
      point ◀──────────────── Sample ◀───────── counts answers from when each was due
      oracle, liquidations ─▶ node

Open loop: actions go out at times drawn beforehand (Poisson), whether or not what came before was
answered, and delays count from those times. A node that stalls is charged for all that should have
been sent meanwhile.
"""
