"""Detection: a program whose name its own marks deny."""
