"""Detection: a spike in the size of requests."""
