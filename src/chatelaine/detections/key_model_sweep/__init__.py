"""Detection: a client that tries one model after another."""
