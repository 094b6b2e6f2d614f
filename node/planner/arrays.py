"""What the planner computes with: arrays of numpy, by what stands in them."""

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Flags = NDArray[np.bool_]
Indexes = NDArray[np.int64]
Kinds = NDArray[np.int64]
"""The kind of each event, as its index."""
