"""Detection: a client that all evidence together says is not the owner's."""
