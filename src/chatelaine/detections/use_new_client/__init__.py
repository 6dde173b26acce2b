"""Detection: a program that a key was never used by."""
