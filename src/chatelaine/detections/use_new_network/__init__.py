"""Detection: a network operator that a key was never used from."""
