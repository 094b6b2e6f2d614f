"""``python -m node`` is the ``plimsoll`` command."""

from node.app.cli import main

if __name__ == "__main__":
    main()
