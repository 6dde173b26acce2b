"""Detection: a client that lists what a key may do."""
