"""The planner: what a node will carry, by laws, simulation and forecast (docs/CAPACITY.md)."""
