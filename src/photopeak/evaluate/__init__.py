"""How good readings are: figures with their intervals, comparisons, calibration, and when to leave it to a human."""
