"""The real node under a simulated clock: an hour of a scenario in as long as its work takes."""
