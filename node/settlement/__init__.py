"""Settlement: sealed batches go to L1 and are watched until final; deposits come from it."""
