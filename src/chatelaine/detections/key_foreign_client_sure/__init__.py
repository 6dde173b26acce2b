"""Detection: a client that is almost certainly not the owner's."""
