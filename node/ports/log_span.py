"""How many blocks of logs to ask an endpoint for at once: what it answers for, nobody announces."""

from typing import Final

ANSWERS_BEFORE_MORE: Final = 16
"""After so many answers in a row twice as many blocks are asked for, which an endpoint with a limit
refuses every time."""


class LogSpan:
    """As many blocks as are allowed; half as many once a question for so many got no answer."""

    def __init__(self, blocks_max: int, blocks_min: int = 1) -> None:
        """``blocks_min``: an endpoint that does not answer for so few has another trouble."""
        self.blocks = blocks_max
        self._blocks_max = blocks_max
        self._blocks_min = blocks_min
        self._answers = 0

    @property
    def fewest(self) -> bool:
        """Return whether fewer would not help."""
        return self.blocks <= self._blocks_min

    def answered(self) -> None:
        """Note an answer; now and then more is tried again."""
        self._answers += 1
        if self._answers % ANSWERS_BEFORE_MORE == 0:
            self.blocks = min(2 * self.blocks, self._blocks_max)

    def refused(self) -> None:
        """Note that there was none."""
        self._answers = 0
        self.blocks = max(self.blocks // 2, min(self._blocks_min, self._blocks_max))
