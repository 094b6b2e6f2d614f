"""The demo: the whole story in two minutes, from signed orders to a root rebuilt from the chain."""

from node.simulation.demo.command import demo

__all__ = ["demo"]
