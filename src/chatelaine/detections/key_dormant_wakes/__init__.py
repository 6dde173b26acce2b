"""Detection: a dormant key wakes."""
