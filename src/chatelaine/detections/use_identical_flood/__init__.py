"""Detection: a flood of identical requests."""
