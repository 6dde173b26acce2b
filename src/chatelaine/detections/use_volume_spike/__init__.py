"""Detection: a spike of requests."""
