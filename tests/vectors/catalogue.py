"""Every case, of whichever module."""

import tests.vectors.order_cases  # noqa: F401 - enters its cases
from tests.vectors.cases import CASES

__all__ = ["CASES"]
