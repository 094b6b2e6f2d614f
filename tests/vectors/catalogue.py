"""Every case, of whichever module."""

import tests.vectors.amend_cases
import tests.vectors.liquidation_cases
import tests.vectors.order_cases  # noqa: F401 - each enters its cases
from tests.vectors.cases import CASES

__all__ = ["CASES"]
