"""Load for a node: the bundled flow, recorded tapes, replays, ramps and rehearsals."""
