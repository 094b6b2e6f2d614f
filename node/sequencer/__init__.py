"""The sequencer: what is submitted becomes durable blocks and outcomes, lane by lane."""
