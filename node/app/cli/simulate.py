"""``plimsoll replay`` and ``plimsoll demo``: load for a node, and the whole story at once."""

import typer


def add_to(app: typer.Typer) -> None:
    """Add this module's commands to ``app``."""
    del app
