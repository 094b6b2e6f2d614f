"""Replay: a flow or a tape, sent to a running node by the clock and not by its answers.

    source ──▶ intents, quotes ──▶ driver ──▶ traders (sign) ──▶ a few connections ──▶ node
    (flow, tape)                     │ pace: when each is due            │
                                     └──────── outcomes ◀── answers ─────┘

The load is open loop: what is due is sent, whether or not the node has answered what came before,
and both the sender's own lateness and the node's answer are measured from the moment when it was
*due*. So a node that stalls is charged for all that should have been sent meanwhile (what is left
out otherwise is known as coordinated omission).
"""

from node.simulation.replay.command import replay

__all__ = ["replay"]
