"""Risk: positions are watched against the marks, and who fails is proposed for liquidation."""
